//! Threads that do something else most of the time.

use std::time::Duration;

use threadwise_figures::{Backend, ContenderKind};

use super::{Workload, select_one};
use crate::hold::Hold;
use crate::{Failure, Queries, Rng};

/// Four threads for each connection that the pool may have. Each thread wants one for a hundredth
/// of its time, so one or two connections are enough for all. Compare the connections opened with
/// the throughput. The think time limits the throughput and makes fairness random.
#[derive(Clone, Copy, Debug)]
pub struct ThinkTime;

impl ThinkTime {
    const THINK: Duration = Duration::from_millis(10);
    const HOLD: Hold = Hold::Asleep(Duration::from_micros(100));
}

impl Workload for ThinkTime {
    fn name(&self) -> &'static str {
        "think-time"
    }

    fn about(&self) -> &'static str {
        "how many connections are opened for threads that do something else for 10 ms between uses?"
    }

    fn runs_on(&self, backend: Backend) -> bool {
        backend != Backend::Sqlite // there is no server that a connection costs anything
    }

    fn admits(&self, pool: ContenderKind) -> bool {
        pool.is_pool_by_default()
    }

    fn threads(&self) -> usize {
        64
    }

    fn size(&self) -> usize {
        16
    }

    fn think(&self) -> Duration {
        Self::THINK
    }

    fn hold(&self, backend: Backend) -> Hold {
        if backend == Backend::Synthetic { Self::HOLD } else { Hold::None }
    }

    /// Threads rarely have to wait.
    fn ideal_wait(&self, _: Backend) -> Option<Duration> {
        None
    }

    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        if !C::REAL {
            Self::HOLD.spend();
        }
        select_one(conn, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_together_need_a_fraction_of_the_connections() {
        let use_of_one = ThinkTime::HOLD.duration().as_secs_f64();
        let share = use_of_one / (use_of_one + ThinkTime.think().as_secs_f64());
        assert!(share * (ThinkTime.threads() as f64) < 0.1 * ThinkTime.size() as f64);
    }
}
