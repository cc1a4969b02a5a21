//! Requests that do not wait for each other.

use std::time::Duration;

use super::{Workload, select_one};
use crate::backend::Backend;
use crate::contender::{Contender, Opened};
use crate::hold::Hold;
use crate::names::ContenderKind;
use crate::runner::{Runner, arrivals};
use crate::{Failure, Queries, Rng};

/// A server's 64 threads take requests that come at random, one each 0.1 ms on average, and each holds one of
/// 8 connections for 0.5 ms: that is five eighths of what the connections can do, and some more with what the
/// system adds to each sleep. All other workloads are closed loops, where a thread that waits asks for
/// nothing meanwhile; here requests go on coming, as they do to a server. (Throughput is what is asked
/// for, and fairness is chance. Waits include the time until a sleeping thread is awake: `dedicated`, which
/// waits for nothing else, shows how long that is.)
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
        "how long do requests wait that come at random, 10 000 a second, whoever is free?"
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

    /// Threads do not all want a connection.
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
    fn the_connections_can_do_what_is_asked_and_not_twice_as_much() {
        let asked = OpenLoad::HOLD.duration().as_secs_f64() / OpenLoad::GAP.as_secs_f64();
        assert!((0.5..0.75).contains(&(asked / OpenLoad.size() as f64)));
    }
}
