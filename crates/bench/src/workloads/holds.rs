//! Holds that are longer, or shorter, than the time in which a thread falls asleep and wakes up.

use std::time::Duration;

use threadwise_figures::Backend;

use crate::hold::Hold;
use crate::workload::Workload;

/// Many threads, and holds that are so long that order among the waiters costs nothing.
pub const LONG_HOLDS: Workload = Workload {
    name: "long-holds",
    about: "does every thread get its turn in time if each holds a connection for 0.5 ms?",
    backends: &[Backend::Synthetic],
    threads: 64,
    size: 8,
    hold: Hold::Asleep(Duration::from_micros(500)),
    counts_allocations: true,
    admits: Workload::admits_limited,
    ..Workload::ONE
};

/// More threads than connections, more connections than processors, and holds that end before a
/// thread could wake up. Serving threads in order here means to wait for the operating system.
pub const SHORT_HOLDS: Workload = Workload {
    name: "short-holds",
    about: "what do thread switches cost if connections are held for 2 µs of computing?",
    threads: 16,
    size: 4,
    hold: Hold::Computing(Duration::from_micros(2)),
    ..LONG_HOLDS
};
