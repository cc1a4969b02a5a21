//! The workloads: three of the harness, and two in which threads wait.
//!
//! The harness's own workloads hold connections for 0.1 and 0.5 ms. Go's timers are no finer than a
//! millisecond on Linux, so that would be a comparison of timers.

use std::time::Duration;

use threadwise_figures::Backend;

use super::protocol::Work;
use crate::assemble::Case;
use crate::hold::Hold;
use crate::operation::Select;
use crate::workload::Workload;
use crate::workloads::free::{AS_MANY, UNCONTENDED};
use crate::workloads::statements::POINT_SELECT;

/// As many threads and connections as in `starved`.
const STARVED_FEW: Workload = Workload {
    name: "starved-32-4",
    about: "how long, and how fairly, do 32 threads wait for 4 connections?",
    backends: &[Backend::Synthetic],
    threads: 32,
    size: 4,
    hold: Hold::Asleep(Duration::from_millis(1)),
    ..Workload::ONE
};

/// As many threads and connections as in `long-holds`.
const STARVED_MANY: Workload = Workload {
    name: "starved-64-8",
    about: "how long, and how fairly, do 64 threads wait for 8 connections?",
    threads: 64,
    size: 8,
    ..STARVED_FEW
};

/// A workload on a backend.
pub(super) struct Task {
    /// The backend.
    pub(super) backend: Backend,
    /// What our pools do.
    pub(super) case: Case,
    /// What the programs do for it.
    pub(super) work: Work,
}

/// Returns all workloads, in the order in which they run.
pub(super) fn all() -> Vec<Task> {
    let synthetic = |case| Task { backend: Backend::Synthetic, case, work: Work::Checkout };
    vec![
        synthetic(Case::alike(UNCONTENDED, Select)),
        synthetic(Case::alike(AS_MANY, Select)),
        synthetic(Case::held(STARVED_FEW)),
        synthetic(Case::held(STARVED_MANY)),
        Task {
            backend: Backend::Mysql,
            case: Case::alike(POINT_SELECT, Select),
            work: Work::Select,
        },
    ]
}
