//! Connections without holds, beside ten waiting threads or thousands.

use threadwise_figures::{Backend, ContenderKind};

use super::{Order, Workload, select_one};
use crate::{Failure, Queries, Rng};

/// A number of threads that wait while others have the connections. All threads are in the wait
/// queue before a round begins. A thread holds a connection only as long as it takes to use a
/// synthetic one.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    name: &'static str,
    about: &'static str,
    waiting: usize,
    size: usize,
    order: Order,
    pools: &'static [ContenderKind],
}

impl Crowd {
    /// Ten threads wait, and the pool serves them strictly in order. [`LARGE`](Self::LARGE) is the
    /// same with two thousand threads.
    ///
    /// Each operation, of a small crowd and of a large one, is one handoff: one thread falls asleep
    /// and one wakes up. Without the order, a thread of the small crowd would borrow the same
    /// connection again and again, because the others have not waited for long. Then the comparison
    /// would be between operations with a handoff and operations without. There are enough
    /// connections to keep a few processors busy, so the figure is the work of a handoff, not the
    /// time in which an idle processor wakes up.
    ///
    /// The operating system's part still differs: it touches the stacks and records of thousands of
    /// threads, which do not fit into a processor's cache. `fifo` shows how much that is.
    pub const SMALL: Self = Self::in_order(
        "crowd-10",
        "what does it cost to hand a connection to the next of 10 waiters?",
        10,
    );

    /// Like [`SMALL`](Self::SMALL), with two thousand threads.
    pub const LARGE: Self = Self::in_order(
        "crowd-2000",
        "what does it cost to hand a connection to the next of 2000 waiters?",
        2_000,
    );

    /// Ten threads sleep, and the running thread may borrow the only connection again before them.
    /// [`MANY_ASLEEP`](Self::MANY_ASLEEP) is the same with two thousand threads.
    ///
    /// This asks directly whether a borrow or a return costs more if more threads wait. In the
    /// crowds that are served in order, every operation is a thread switch, and the operating
    /// system's part in that grows with the number of threads. Here the same thread makes most
    /// operations, each of which is a borrow and return beside so many waiters. `SharedPool` has
    /// `fair_after` without end, so a running thread may always go first, which favours throughput.
    /// `r2d2` and `mutex` always work that way.
    ///
    /// The running thread changes now and then: a thread that wakes up to look may find the
    /// connection idle; then it keeps running, and the one before falls asleep. So this counts the
    /// operations of all threads. At each moment one thread runs and the others wait.
    pub const FEW_ASLEEP: Self = Self::asleep(
        "asleep-10",
        "what does a borrow cost a running thread while 10 others wait?",
        10,
    );

    /// Like [`FEW_ASLEEP`](Self::FEW_ASLEEP), with two thousand threads.
    pub const MANY_ASLEEP: Self = Self::asleep(
        "asleep-2000",
        "what does a borrow cost a running thread while 2000 others wait?",
        2_000,
    );

    const fn in_order(name: &'static str, about: &'static str, waiting: usize) -> Self {
        let pools = &[ContenderKind::Shared, ContenderKind::Fifo]; // the others keep no order
        Self { name, about, waiting, size: 4, order: Order::Strict, pools }
    }

    const fn asleep(name: &'static str, about: &'static str, waiting: usize) -> Self {
        let pools = &[ContenderKind::Shared, ContenderKind::R2d2, ContenderKind::Mutex];
        Self { name, about, waiting, size: 1, order: Order::RunningFirst, pools }
    }
}

impl Workload for Crowd {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn runs_on(&self, backend: Backend) -> bool {
        backend == Backend::Synthetic
    }

    fn admits(&self, pool: ContenderKind) -> bool {
        self.pools.contains(&pool)
    }

    fn threads(&self) -> usize {
        self.waiting + self.size
    }

    fn size(&self) -> usize {
        self.size
    }

    fn order(&self) -> Order {
        self.order
    }

    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        select_one(conn, rng)
    }
}
