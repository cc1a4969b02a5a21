//! What a borrow and return cost: alone, beside others, and with far too few connections.

use std::time::Duration;

use threadwise_figures::Backend;

use crate::hold::Hold;
use crate::workload::Workload;

/// A single thread.
pub const UNCONTENDED: Workload = Workload {
    name: "uncontended",
    about: "what does a borrow and return cost if no other thread wants a connection?",
    with_tuned: true,
    with_adapted: true,
    counts_allocations: true,
    ..Workload::ONE
};

/// A connection for each thread, and no holds: threads can only slow each other down in the pool.
pub const AS_MANY: Workload = Workload {
    name: "as-many",
    about: "do threads slow each other down although each could have a connection?",
    backends: &[Backend::Synthetic], // with real queries this is `point-select`
    threads: 8,
    size: 8,
    with_tuned: true,
    counts_allocations: true,
    ..Workload::ONE
};

/// Many more threads than connections. A hold is about as long as a fast query over a network.
pub const STARVED: Workload = Workload {
    name: "starved",
    about: "how long, and how fairly, do threads wait if there are eight for each connection?",
    threads: 32,
    size: 4,
    hold: Hold::Asleep(Duration::from_micros(100)),
    with_tuned: true,
    counts_allocations: true,
    ..Workload::ONE
};
