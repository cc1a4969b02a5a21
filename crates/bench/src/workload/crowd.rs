//! Connections that nobody holds, beside a few waiting threads or thousands.

use super::{Order, Workload, select_one};
use crate::backend::Backend;
use crate::names::ContenderKind;
use crate::{Failure, Queries, Rng};

/// A number of threads that wait while others have the connections. All are in the line before the
/// time begins, and nobody holds a connection for longer than it takes to use one that does nothing.
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
    /// Ten threads wait, and are served strictly in order; [`LARGE`](Self::LARGE) is the same with two
    /// thousand.
    ///
    /// Like is compared with like: each operation of a small crowd and of a large one is one
    /// hand-over, with one thread that falls asleep and one that wakes up. (Out of order, a thread of
    /// the small one would take the same connection again and again, since the others have not
    /// waited for long; compared then would be hand-overs with none.) There are enough connections
    /// to keep a few processors busy: what is measured is the work of handing over, not how long an
    /// idle processor takes to wake up.
    ///
    /// What remains different is the system's part: it goes through the stacks and records of
    /// thousands of threads, which no processor's cache has room for. `fifo` shows how much that is.
    pub const SMALL: Self = Self::in_order(
        "crowd-10",
        "what does it cost to hand a connection to the next of 10 waiting threads?",
        10,
    );

    /// As [`SMALL`](Self::SMALL), with two thousand.
    pub const LARGE: Self = Self::in_order(
        "crowd-2000",
        "what does it cost to hand a connection to the next of 2000 waiting threads?",
        2_000,
    );

    /// Ten threads sleep, and the one that runs may take the only connection again before them;
    /// [`MANY_ASLEEP`](Self::MANY_ASLEEP) is the same with two thousand.
    ///
    /// This is the literal form of the question whether a checkout or a return costs more the more
    /// threads wait. In the crowds that are served in order every operation is a switch of threads,
    /// and the system's part in that grows with their number. Here most operations are made by
    /// a thread that has just made one, and are a checkout and a return beside so many waiters. The
    /// shared pool is told that a running thread may go first for good (`fair_after` without end), as
    /// one would who wants throughput first; `r2d2` and `mutex` know nothing else.
    ///
    /// Which thread runs does change: who is woken to look may find the connection idle, keeps
    /// running then, and the one before goes to sleep. To count the operations of one thread alone
    /// would count nothing any more from then on; so those of all are counted, and at each moment one
    /// runs and the others wait.
    pub const FEW_ASLEEP: Self = Self::asleep(
        "asleep-10",
        "what does a checkout cost a running thread while 10 others wait?",
        10,
    );

    /// As [`FEW_ASLEEP`](Self::FEW_ASLEEP), with two thousand.
    pub const MANY_ASLEEP: Self = Self::asleep(
        "asleep-2000",
        "what does a checkout cost a running thread while 2000 others wait?",
        2_000,
    );

    const fn in_order(name: &'static str, about: &'static str, waiting: usize) -> Self {
        let pools = &[ContenderKind::Shared, ContenderKind::Fifo]; // no other has an order to keep
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
