//! Connections without holds, beside ten waiting threads or thousands.
//!
//! All threads are in the wait queue before a round begins. A thread holds a connection only as
//! long as it takes to use a synthetic one.

use threadwise_figures::{Backend, ContenderKind};

use crate::workload::{Order, Workload};

/// Ten threads wait, and the pool serves them strictly in order. [`CROWD_2000`] is the same with two
/// thousand threads.
///
/// Each operation, of a small crowd and of a large one, is one handoff: one thread falls asleep and
/// one wakes up. Without the order, a thread of the small crowd would borrow the same connection
/// again and again, because the others have not waited for long. Then the comparison would be
/// between operations with a handoff and operations without. There are enough connections to keep a
/// few processors busy, so the figure is the work of a handoff, not the time in which an idle
/// processor wakes up.
///
/// The operating system's part still differs: it touches the stacks and records of thousands of
/// threads, which do not fit into a processor's cache. `fifo` shows how much that is.
pub const CROWD_10: Workload = Workload {
    name: "crowd-10",
    about: "what does it cost to hand a connection to the next of 10 waiters?",
    backends: &[Backend::Synthetic],
    threads: 10 + 4,
    size: 4,
    order: Order::Strict,
    // The others keep no order.
    admits: |_, pool| matches!(pool, ContenderKind::Shared | ContenderKind::Fifo),
    ..Workload::ONE
};

/// Like [`CROWD_10`], with two thousand threads.
pub const CROWD_2000: Workload = Workload {
    name: "crowd-2000",
    about: "what does it cost to hand a connection to the next of 2000 waiters?",
    threads: 2_000 + 4,
    ..CROWD_10
};

/// Ten threads sleep, and the running thread may borrow the only connection again before them.
/// [`ASLEEP_2000`] is the same with two thousand threads.
///
/// This asks directly whether a borrow or a return costs more if more threads wait. In the crowds
/// that are served in order, every operation is a thread switch, and the operating system's part in
/// that grows with the number of threads. Here the same thread makes most operations, each of which
/// is a borrow and return beside so many waiters. `SharedPool` has `fair_after` without end, so a
/// running thread may always go first, which favours throughput. `r2d2` and `mutex` always work that
/// way.
///
/// The running thread changes now and then: a thread that wakes up to look may find the connection
/// idle; then it keeps running, and the one before falls asleep. So this counts the operations of
/// all threads. At each moment one thread runs and the others wait.
pub const ASLEEP_10: Workload = Workload {
    name: "asleep-10",
    about: "what does a borrow cost a running thread while 10 others wait?",
    backends: &[Backend::Synthetic],
    threads: 10 + 1,
    order: Order::RunningFirst,
    admits: |_, pool| {
        matches!(pool, ContenderKind::Shared | ContenderKind::R2d2 | ContenderKind::Mutex)
    },
    ..Workload::ONE
};

/// Like [`ASLEEP_10`], with two thousand threads.
pub const ASLEEP_2000: Workload = Workload {
    name: "asleep-2000",
    about: "what does a borrow cost a running thread while 2000 others wait?",
    threads: 2_000 + 1,
    ..ASLEEP_10
};
