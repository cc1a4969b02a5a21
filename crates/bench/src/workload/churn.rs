//! Connections that do not live for long.

use std::time::Duration;

use super::{Workload, select_one};
use crate::backend::{Backend, Environment, mortal};
use crate::hold::Hold;
use crate::names::ContenderKind;
use crate::runner::Runner;
use crate::{Failure, Queries, Rng};

/// A connection for each thread, each of which dies after a number of uses drawn by chance, a hundred
/// on average. Opening the next one takes a millisecond.
///
/// It dies at the end of a use, so whoever looks at a connection when it comes back, or before it is lent,
/// spares its users every error. `mutex` and `dedicated` never look: from the first death on they would
/// fail at every use and show a count of errors that says nothing about cost. They are left out.
#[derive(Clone, Copy, Debug)]
pub struct Churn;

impl Churn {
    const HOLD: Hold = Hold::Asleep(Duration::from_micros(100));
}

impl Workload for Churn {
    fn name(&self) -> &'static str {
        "churn"
    }

    fn about(&self) -> &'static str {
        "what is lost, and who sees an error, when connections die after some 100 uses?"
    }

    fn runs_on(&self, backend: Backend) -> bool {
        backend == Backend::Synthetic
    }

    fn admits(&self, pool: ContenderKind) -> bool {
        mortal::POOLS.contains(&pool)
    }

    fn threads(&self) -> usize {
        8
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

    fn runner(&self, _: &Environment, pool: ContenderKind) -> Result<Runner, Failure> {
        mortal::runner(pool, *self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pool_replaces_the_dead_and_no_user_sees_an_error() {
        for pool in mortal::POOLS {
            let mut runner = Churn.runner(&Environment::Synthetic, pool).unwrap();
            let uses = 2 * u64::from(mortal::LONGEST_LIFE);
            assert!(runner.operations(uses).is_ok(), "{pool}");
            assert!(runner.opened() > 2 * Churn.size() as u64, "{pool}: {}", runner.opened());
        }
    }
}
