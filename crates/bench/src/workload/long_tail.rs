//! Borrowers of which a few are slow.

use std::time::Duration;

use threadwise_figures::{Backend, ContenderKind};

use super::{Workload, select_one};
use crate::hold::Hold;
use crate::{Failure, Queries, Rng};

/// Four threads for each connection. One use in a hundred, of any thread, takes fifty times as long
/// as the others, like a report among queries. The waits of the other threads show whether the pool
/// serves the thread that has waited longest.
#[derive(Clone, Copy, Debug)]
pub struct LongTail;

impl LongTail {
    const USUAL: Duration = Duration::from_micros(200);
    const SLOW: Duration = Duration::from_micros(50 * 200);
    const ONE_IN: u32 = 100;

    fn draw(rng: &mut Rng) -> Hold {
        Hold::Asleep(if rng.below(Self::ONE_IN) == 0 { Self::SLOW } else { Self::USUAL })
    }
}

impl Workload for LongTail {
    fn name(&self) -> &'static str {
        "long-tail"
    }

    fn about(&self) -> &'static str {
        "how long do others wait if one borrower in a hundred holds its connection 50 times as long?"
    }

    fn runs_on(&self, backend: Backend) -> bool {
        backend == Backend::Synthetic
    }

    /// With a connection for each thread no thread waits.
    fn admits(&self, pool: ContenderKind) -> bool {
        pool.is_limited()
    }

    fn threads(&self) -> usize {
        32
    }

    fn size(&self) -> usize {
        8
    }

    /// The mean.
    fn hold(&self, _: Backend) -> Hold {
        Hold::Asleep((Self::USUAL * (Self::ONE_IN - 1) + Self::SLOW) / Self::ONE_IN)
    }

    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        Self::draw(rng).spend();
        select_one(conn, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_one_use_in_a_hundred_takes_fifty_times_as_long() {
        let mut rng = Rng::new(0);
        let draws: Vec<_> = (0..10_000).map(|_| LongTail::draw(&mut rng)).collect();
        let slow = draws.iter().filter(|hold| hold.duration() == LongTail::USUAL * 50).count();
        let usual = draws.iter().filter(|hold| hold.duration() == LongTail::USUAL).count();
        assert!((70..130).contains(&slow), "{slow}");
        assert_eq!(slow + usual, draws.len());
    }

    #[test]
    fn the_hold_in_the_report_is_the_mean() {
        let mean = LongTail.hold(Backend::Synthetic).duration();
        assert_eq!(mean * 100, LongTail::USUAL * 99 + LongTail::SLOW);
        assert_eq!(LongTail.ideal_wait(Backend::Synthetic), Some(mean * 4));
    }
}
