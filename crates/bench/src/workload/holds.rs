//! Holds that are longer, or shorter, than the time in which a thread falls asleep and wakes up.

use std::time::Duration;

use threadwise_figures::{Backend, ContenderKind};

use super::{Workload, select_one};
use crate::hold::Hold;
use crate::{Failure, Queries, Rng};

/// Many threads, and holds that are so long that order among the waiters costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct LongHolds;

impl LongHolds {
    const HOLD: Hold = Hold::Asleep(Duration::from_micros(500));
}

impl Workload for LongHolds {
    fn name(&self) -> &'static str {
        "long-holds"
    }

    fn about(&self) -> &'static str {
        "does every thread get its turn in time if each holds a connection for 0.5 ms?"
    }

    fn runs_on(&self, backend: Backend) -> bool {
        backend == Backend::Synthetic
    }

    fn admits(&self, pool: ContenderKind) -> bool {
        pool.is_limited()
    }

    fn threads(&self) -> usize {
        64
    }

    fn size(&self) -> usize {
        8
    }

    fn hold(&self, _: Backend) -> Hold {
        Self::HOLD
    }

    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        Self::HOLD.spend();
        select_one(conn, rng)
    }
}

/// More threads than connections, more connections than processors, and holds that end before a
/// thread could wake up. Serving threads in order here means to wait for the operating system.
#[derive(Clone, Copy, Debug)]
pub struct ShortHolds;

impl ShortHolds {
    const HOLD: Hold = Hold::Computing(Duration::from_micros(2));
}

impl Workload for ShortHolds {
    fn name(&self) -> &'static str {
        "short-holds"
    }

    fn about(&self) -> &'static str {
        "what do thread switches cost if connections are held for 2 µs of computing?"
    }

    fn runs_on(&self, backend: Backend) -> bool {
        backend == Backend::Synthetic
    }

    fn admits(&self, pool: ContenderKind) -> bool {
        pool.is_limited()
    }

    fn threads(&self) -> usize {
        16
    }

    fn size(&self) -> usize {
        4
    }

    fn hold(&self, _: Backend) -> Hold {
        Self::HOLD
    }

    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        Self::HOLD.spend();
        select_one(conn, rng)
    }
}
