//! Requests that do not wait for each other.

use std::time::Duration;

use threadwise_figures::{Backend, ContenderKind};

use super::{Workload, select_one};
use crate::contender::{Contender, Opened};
use crate::hold::Hold;
use crate::runner::{Runner, arrivals};
use crate::{Failure, Queries, Rng};

/// A server with 64 threads. Requests arrive at random, one each 0.1 ms on average, and each holds
/// one of 8 connections for 0.5 ms. This is five eighths of what the connections can do, and a bit
/// more, because the system makes each sleep longer.
///
/// All other workloads are closed loops: a thread that waits makes no requests meanwhile. Here
/// requests keep arriving, as they do at a server. So the throughput is given, and fairness is
/// random. Waits include the time until a sleeping thread is awake. `dedicated`, which waits for
/// nothing else, shows how long that is.
#[derive(Clone, Copy, Debug)]
pub struct OpenLoad;

impl OpenLoad {
    const GAP: Duration = Duration::from_micros(100);
    const HOLD: Hold = Hold::Asleep(Duration::from_micros(500));
}

impl Workload for OpenLoad {
    fn name(&self) -> &'static str {
        "open-load"
    }

    fn about(&self) -> &'static str {
        "how long do requests wait that arrive at random, 10 000 per second, for any free thread?"
    }

    fn runs_on(&self, backend: Backend) -> bool {
        backend == Backend::Synthetic
    }

    fn admits(&self, pool: ContenderKind) -> bool {
        pool.is_limited() || pool == ContenderKind::Dedicated
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

    /// Not all threads want a connection.
    fn ideal_wait(&self, _: Backend) -> Option<Duration> {
        None
    }

    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        Self::HOLD.spend();
        select_one(conn, rng)
    }

    fn drive<C>(self, contender: C, opened: Opened) -> Result<Runner, Failure>
    where
        C: Contender<Connection: Queries>,
    {
        arrivals::start(contender, self, Self::GAP, opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_between_a_half_and_three_quarters_of_the_capacity() {
        let asked = OpenLoad::HOLD.duration().as_secs_f64() / OpenLoad::GAP.as_secs_f64();
        assert!((0.5..0.75).contains(&(asked / OpenLoad.size() as f64)));
    }
}
