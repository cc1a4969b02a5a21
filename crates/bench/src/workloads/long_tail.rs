//! Borrowers, a few of which are slow.

use std::time::Duration;

use threadwise_figures::Backend;

use crate::hold::Hold;
use crate::operation::{Operate, Select};
use crate::workload::Workload;
use crate::{Queries, Result, Rng};

const USUAL_US: u64 = 200;
const SLOW_US: u64 = 50 * USUAL_US;
const ONE_IN: u32 = 100;
const MEAN_NS: u64 = 1_000 * (USUAL_US * (ONE_IN as u64 - 1) + SLOW_US) / ONE_IN as u64;

/// Four threads for each connection. One use in a hundred, of any thread, takes fifty times as long
/// as the others, like a report among queries. The waits of the other threads show whether the pool
/// serves the thread that has waited longest.
pub const LONG_TAIL: Workload = Workload {
    name: "long-tail",
    about: "how long do others wait if one borrower in a hundred holds its connection 50 times as long?",
    backends: &[Backend::Synthetic],
    threads: 32,
    size: 8,
    hold: Hold::Asleep(Duration::from_nanos(MEAN_NS)),
    admits: Workload::admits_limited, // with a connection for each thread no thread waits
    ..Workload::ONE
};

/// Holds a connection, and now and then for much longer.
#[derive(Clone, Copy, Debug)]
pub struct NowAndThenSlow;

impl Operate for NowAndThenSlow {
    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<()> {
        draw(rng).spend();
        Select.operate(conn, rng)
    }
}

fn draw(rng: &mut Rng) -> Hold {
    let is_slow = rng.u32(..ONE_IN) == 0;
    Hold::Asleep(Duration::from_micros(if is_slow { SLOW_US } else { USUAL_US }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_one_use_in_a_hundred_takes_fifty_times_as_long() {
        let mut rng = Rng::with_seed(0);
        let usual = Duration::from_micros(USUAL_US);
        let draws: Vec<_> = (0..10_000).map(|_| draw(&mut rng).duration()).collect();
        let slow = draws.iter().filter(|hold| **hold == usual * 50).count();
        assert!((70..130).contains(&slow), "{slow}");
        assert_eq!(slow + draws.iter().filter(|hold| **hold == usual).count(), draws.len());
    }

    #[test]
    fn the_hold_in_the_report_is_the_mean() {
        let mean = LONG_TAIL.hold.duration();
        assert_eq!(mean * 100, Duration::from_micros(USUAL_US * 99 + SLOW_US));
        assert_eq!(LONG_TAIL.ideal_wait(Backend::Synthetic), Some(mean * 4));
    }
}
