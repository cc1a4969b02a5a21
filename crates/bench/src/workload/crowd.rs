//! Connections that nobody holds, handed round among a few waiting threads or among thousands.

use super::{Order, Workload, select_one};
use crate::backend::Backend;
use crate::pool_kind::PoolKind;
use crate::{Failure, Queries, Rng};

/// A number of threads that wait while others have the connections, served strictly in order.
///
/// Like is compared with like. All threads are in the line before the time begins, and are served
/// in order: so each operation of a small crowd and of a large one is one hand-over, with one
/// thread that falls asleep and one that wakes up. (Out of order, a thread of the small one would
/// take the same connection again and again, since the others have not waited for long; compared
/// then would be hand-overs with none.) Nobody holds a connection, and there are enough of them to
/// keep a few processors busy: what is measured is the work of handing over, not how long an idle
/// processor takes to wake up.
///
/// What remains different is the system's part: it goes through the stacks and records of thousands
/// of threads, which no processor's cache has room for. `fifo` shows how much that is.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    name: &'static str,
    about: &'static str,
    waiting: usize,
}

impl Crowd {
    /// Ten threads wait.
    pub const SMALL: Self = Self {
        name: "crowd-10",
        about: "what does it cost to hand a connection to the next of 10 waiting threads?",
        waiting: 10,
    };

    /// Two thousand do.
    pub const LARGE: Self = Self {
        name: "crowd-2000",
        about: "what does it cost to hand a connection to the next of 2000 waiting threads?",
        waiting: 2_000,
    };

    const SIZE: usize = 4;
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

    fn admits(&self, pool: PoolKind) -> bool {
        matches!(pool, PoolKind::Shared | PoolKind::Fifo) // no other has an order to keep
    }

    fn threads(&self) -> usize {
        self.waiting + Self::SIZE
    }

    fn size(&self) -> usize {
        Self::SIZE
    }

    fn in_line(&self) -> bool {
        true
    }

    fn order(&self) -> Order {
        Order::Strict
    }

    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        select_one(conn, rng)
    }
}
