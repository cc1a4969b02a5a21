//! Connections that are held for longer or shorter than a thread takes to fall asleep and wake up.

use std::time::Duration;

use super::{Workload, select_one};
use crate::backend::Backend;
use crate::hold::Hold;
use crate::names::ContenderKind;
use crate::{Failure, Queries, Rng};

/// Many threads, and holds that are long enough to make waiting in order cost nothing.
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
        "does every thread get its turn in time when each holds a connection for half a millisecond?"
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

/// More threads than connections, more connections than processors, and holds that are over before
/// a thread could be woken: who waits in order here waits for the system.
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
        "what is lost to waiting and waking when connections are held for two microseconds of work?"
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
