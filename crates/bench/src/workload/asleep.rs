//! One thread at a time at work, beside few or thousands that sleep in the line.

use super::{Order, Workload, select_one};
use crate::backend::Backend;
use crate::pool_kind::PoolKind;
use crate::{Failure, Queries, Rng};

/// Threads that all want the only connection, again and again, where the one that runs may take it
/// again before those that sleep.
///
/// This is the literal form of the question whether a checkout or a return costs more the more
/// threads wait. In the crowds every operation is a switch of threads, and the system's part in that
/// grows with their number. Here most operations are made by a thread that has just made one, and
/// are a checkout and a return beside so many waiters. The shared pool is told that a running thread
/// may go first for good (`fair_after` without end), as one would who wants throughput first;
/// `r2d2` and `mutex` know nothing else.
///
/// Which thread runs does change: who is woken to look may find the connection idle, keeps running
/// then, and the one before goes to sleep. To count the operations of one thread alone would count
/// nothing any more from then on; so those of all are counted, and at each moment one runs and the
/// others wait.
#[derive(Clone, Copy, Debug)]
pub struct Asleep {
    name: &'static str,
    about: &'static str,
    asleep: usize,
}

impl Asleep {
    /// Ten threads sleep.
    pub const FEW: Self = Self {
        name: "asleep-10",
        about: "what does a checkout cost a running thread while 10 others wait?",
        asleep: 10,
    };

    /// Two thousand do.
    pub const MANY: Self = Self {
        name: "asleep-2000",
        about: "what does a checkout cost a running thread while 2000 others wait?",
        asleep: 2_000,
    };
}

impl Workload for Asleep {
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
        matches!(pool, PoolKind::Shared | PoolKind::R2d2 | PoolKind::Mutex)
    }

    fn threads(&self) -> usize {
        self.asleep + 1
    }

    fn size(&self) -> usize {
        1
    }

    fn in_line(&self) -> bool {
        true
    }

    fn order(&self) -> Order {
        Order::RunningFirst
    }

    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        select_one(conn, rng)
    }
}
