//! The figures of one contender on one workload.

use serde::{Deserialize, Serialize};

use crate::waits::WaitAt;

/// The figures of one contender on one workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Measurement {
    /// `synthetic`, `sqlite`, `mysql` or `postgres`.
    pub backend: String,
    /// The workload's name.
    pub workload: String,
    /// The contender's name.
    pub pool: String,
    /// Threads that borrow connections.
    pub threads: usize,
    /// Connections that the contender was to have. `dedicated` and `persistent` have one for each
    /// thread instead, `connect-per-use` has no limit: see `opened`.
    pub size: usize,
    /// Whether the contender has a connection for each thread, whatever `size` is. `false` in older
    /// reports.
    pub is_per_thread: bool,
    /// How long each operation was to hold its connection besides the query, in nanoseconds: asleep
    /// (the system makes it longer), or computing on `short-holds`; the mean on `long-tail`; 0 if
    /// the query alone is the hold, or if there is no hold.
    pub hold_ns: u64,
    /// What the thread does meanwhile. `null` without a hold, and in older reports.
    pub hold: Option<Hold>,
    /// How long each thread was to be idle before each operation, in nanoseconds. 0 in older reports.
    pub think_ns: u64,
    /// Each thread's wait if all threads took turns and handoffs cost nothing, in nanoseconds.
    /// `null` if there is no such wait, and in older reports.
    pub ideal_wait_ns: Option<u64>,
    /// The setting `fair_after` of the shared pool, in milliseconds. `null` if it is the default.
    pub fair_after_ms: Option<usize>,
    /// How many rounds were measured. 0 if the contender could not be built. This and the next are
    /// 0 in older reports.
    pub rounds: usize,
    /// How long each was to take, in milliseconds.
    pub window_ms: f64,
    /// Operations (borrow, use, return) that succeeded, all measured rounds together.
    pub ops: u64,
    /// The mean time that one thread took for an operation, in nanoseconds, from the median
    /// throughput: `threads` × 10⁹ / `ops_per_s`. If there are more threads than processors, this
    /// includes the time in which others ran; on `think-time` it includes the idle time. `null` if
    /// no operation succeeded.
    pub ns_per_op: Option<f64>,
    /// Operations per second of all threads together: the median of the measured rounds.
    pub ops_per_s: f64,
    /// Operations per second of the slowest round. This and the next are 0 in older reports.
    pub ops_per_s_min: f64,
    /// Operations per second of the fastest round.
    pub ops_per_s_max: f64,
    /// The median time from asking for a connection to having it, in nanoseconds, over the timed
    /// operations of all measured rounds. These are all operations, or one in 256 on synthetic
    /// connections without holds and waits. Includes reading the clock, some tens of nanoseconds.
    /// `null` if no operation got a connection.
    pub wait_p50_ns: Option<u64>,
    /// The wait that 99 of 100 of these operations did not exceed, in nanoseconds.
    pub wait_p99_ns: Option<u64>,
    /// The wait that 999 of 1000 of these operations did not exceed, in nanoseconds.
    pub wait_p999_ns: Option<u64>,
    /// The longest wait of these operations, in nanoseconds.
    pub wait_max_ns: Option<u64>,
    /// Operations of the slowest thread divided by those of the fastest, from 0 to 1: the median of
    /// the measured rounds.
    pub fairness: f64,
    /// Connections opened from building the contender to the end, including the warmup. Counted
    /// where the driver is called. `mysql-pool` and `mysql-pool-tuned` dial by themselves, so for
    /// them it is the connections that they lent. 0 for `floor` and `fifo`, which have none.
    pub opened: u64,
    /// Rows per second that a writer added at the same time, on its own connection: the median of
    /// the measured rounds. `null` if the workload has no writer.
    pub writes_per_s: Option<f64>,
    /// Operations that failed, including those of the writer and the warmup; 1 if the contender
    /// could not be built.
    pub errors: u64,
    /// The message of the first error. `null` if there was none.
    pub first_error: Option<String>,
    /// Seconds of processor time that the whole process used outside the kernel, all measured
    /// rounds together: the contender's threads and, if there is one, the writer, but no server.
    /// This and the next three are `null` if the system does not tell, and in older reports.
    pub cpu_user_s: Option<f64>,
    /// Seconds of processor time that the same threads used inside the kernel.
    pub cpu_system_s: Option<f64>,
    /// How often one of these threads went to sleep to wait for something.
    pub switches_voluntary: Option<u64>,
    /// How often the system took one of these threads off its processor while it ran.
    pub switches_involuntary: Option<u64>,
    /// The distribution of the waits, from which the four figures above come, in a few points.
    /// Shares and waits rise. Empty in the sweeps, if no operation got a connection, and in older
    /// reports.
    pub wait_distribution: Vec<WaitAt>,
    /// Round trips to the server per operation, on average: counted afterwards, on some more
    /// operations behind a proxy. `null` without a server, if they could not be counted, in the
    /// sweeps, and in older reports.
    pub round_trips: Option<f64>,
    /// Allocations of the process per operation, counted in separate turns after the measured ones.
    /// `null` if they are not counted: on SQLite and MariaDB, whose drivers allocate, in `crowd-…`
    /// and `asleep-…`, and in older reports.
    pub allocations_per_op: Option<f64>,
}

impl Measurement {
    /// How far the rounds differ: half the distance between the slowest and the fastest, relative
    /// to the median throughput. `None` with fewer than two rounds, or without operations.
    pub fn spread(&self) -> Option<f64> {
        let is_known = self.rounds > 1 && self.ops_per_s > 0.0 && self.ops_per_s_max > 0.0;
        is_known.then(|| (self.ops_per_s_max - self.ops_per_s_min) / 2.0 / self.ops_per_s)
    }
}

/// What a thread does while it holds a connection, besides the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// Sleeps, like a thread that waits for a server.
    Asleep,
    /// Computes, like a thread whose database is in its own process.
    Computing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_half_the_range_over_the_median() {
        let of = |rounds, (least, median, greatest)| Measurement {
            rounds,
            ops_per_s: median,
            ops_per_s_min: least,
            ops_per_s_max: greatest,
            ..Measurement::default()
        };
        assert_eq!(of(5, (90.0, 100.0, 130.0)).spread(), Some(0.2));
        assert_eq!(of(1, (100.0, 100.0, 100.0)).spread(), None, "one round has no other");
        assert_eq!(of(5, (0.0, 0.0, 0.0)).spread(), None);
        assert_eq!(of(5, (0.0, 100.0, 0.0)).spread(), None, "in older reports");
    }
}
