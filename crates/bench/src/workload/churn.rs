//! Connections that die after a few uses.

use std::time::Duration;

use threadwise_figures::{Backend, ContenderKind};

use super::{Workload, select_one};
use crate::backend::{Environment, mortal};
use crate::hold::Hold;
use crate::runner::Runner;
use crate::{Failure, Queries, Rng};

/// A connection for each thread. Each connection dies after a random number of uses, a hundred on
/// average. Opening the next one takes a millisecond.
///
/// A connection dies at the end of a use. So a pool that checks connections on return, or before it
/// lends them, spares its users all errors. `mutex` and `dedicated` are left out because they never
/// check. After the first death they would fail at every use, and their count of errors would say
/// nothing about cost.
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
        "what is lost, and which user sees an error, if connections die after about 100 uses?"
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
    fn every_pool_replaces_dead_connections_and_no_user_sees_an_error() {
        for pool in mortal::POOLS {
            let mut runner = Churn.runner(&Environment::Synthetic, pool).unwrap();
            let uses = 2 * u64::from(mortal::LONGEST_LIFE);
            assert!(runner.operations(uses).is_ok(), "{pool}");
            assert!(runner.opened() > 2 * Churn.size() as u64, "{pool}: {}", runner.opened());
        }
    }
}
