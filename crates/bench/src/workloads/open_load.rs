//! Requests that do not wait for each other.

use std::time::Duration;

use threadwise_figures::{Backend, ContenderKind, Property};

use crate::hold::Hold;
use crate::workload::{Pace, Workload};

/// The time from one request to the next, on average.
pub const GAP: Duration = Duration::from_micros(100);

/// A server with 64 threads. Requests arrive at random, one each 0.1 ms on average, and each holds
/// one of 8 connections for 0.5 ms. This is five eighths of what the connections can do, and a bit
/// more, because the system makes each sleep longer.
///
/// All other workloads are closed loops: a thread that waits makes no requests meanwhile. Here
/// requests keep arriving, as they do at a server. So the throughput is given, and fairness is
/// random. Waits include the time until a sleeping thread is awake. `dedicated`, which waits for
/// nothing else, shows how long that is.
pub const OPEN_LOAD: Workload = Workload {
    name: "open-load",
    about: "how long do requests wait that arrive at random, 10 000 per second, for any free thread?",
    backends: &[Backend::Synthetic],
    threads: 64,
    size: 8,
    hold: Hold::Asleep(Duration::from_micros(500)),
    pace: Pace::Arrivals(GAP),
    admits: |_, pool| pool.has(Property::Limited) || pool == ContenderKind::Dedicated,
    ..Workload::ONE
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_between_a_half_and_three_quarters_of_the_capacity() {
        let asked = OPEN_LOAD.hold.duration().as_secs_f64() / GAP.as_secs_f64();
        assert!((0.5..0.75).contains(&(asked / OPEN_LOAD.size as f64)));
    }
}
