//! Connections that die after a few uses.

use std::time::Duration;

use threadwise_figures::{Backend, Property};

use crate::hold::Hold;
use crate::workload::{Mortal, Workload};

/// A connection for each thread. Each connection dies after a random number of uses, a hundred on
/// average. Opening the next one takes a millisecond.
///
/// A connection dies at the end of a use. So a pool that checks connections on return, or before it
/// lends them, spares its users all errors. `mutex` and `dedicated` are left out because they never
/// check. After the first death they would fail at every use, and their count of errors would say
/// nothing about cost.
pub const CHURN: Workload = Workload {
    name: "churn",
    about: "what is lost, and which user sees an error, if connections die after about 100 uses?",
    backends: &[Backend::Synthetic],
    threads: 8,
    size: 8,
    hold: Hold::Asleep(Duration::from_micros(100)),
    mortal: Some(Mortal { longest_life: 199, connect: Duration::from_millis(1) }),
    admits: |_, pool| pool.is_pool_by_default() && pool.has(Property::Checks),
    ..Workload::ONE
};
