//! Threads that do something else most of the time.

use std::time::Duration;

use threadwise_figures::Backend;

use crate::hold::Hold;
use crate::workload::{Pace, Workload};

/// Four threads for each connection that the pool may have. Each thread wants one for a hundredth
/// of its time, so one or two connections are enough for all. Compare the connections opened with
/// the throughput. The think time limits the throughput and makes fairness random.
pub const THINK_TIME: Workload = Workload {
    name: "think-time",
    about: "how many connections are opened for threads that do something else for 10 ms between uses?",
    // With SQLite there is no server that a connection costs anything.
    backends: &[Backend::Synthetic, Backend::Mysql],
    threads: 64,
    size: 16,
    hold: Hold::Asleep(Duration::from_micros(100)),
    pace: Pace::Thinking(Duration::from_millis(10)),
    admits: |_, pool| pool.is_pool_by_default(),
    ..Workload::ONE
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_together_need_a_fraction_of_the_connections() {
        let use_of_one = THINK_TIME.hold.duration().as_secs_f64();
        let share = use_of_one / (use_of_one + THINK_TIME.think().as_secs_f64());
        assert!(share * (THINK_TIME.threads as f64) < 0.1 * THINK_TIME.size as f64);
    }
}
