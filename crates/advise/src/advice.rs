//! The advice and all figures behind it. The docs of the fields give each one's meaning and unit.
//!
//! Names do not change after a release. New ones may be added.

use std::fmt;

use serde::{Deserialize, Serialize};
use threadwise_figures::{Machine, median};

use crate::fleet::plan::{Plan, Prediction};
use crate::fleet::processes::Observed;
use crate::point::Figures;

/// A prediction that is farther off than this is wrong.
const AGREES_WITHIN: f64 = 0.15;
/// Differences between waits shorter than this mean nothing.
const SHORT_NS: f64 = 50_000.0;

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Advice {
    /// The machine with the threads.
    pub machine: Machine,
    /// The commit of the source tree that the program was built in; as in `report.json`.
    pub commit: String,
    /// When it was measured: RFC 3339, UTC.
    pub date: String,
    /// Product, version and address. No user, no password.
    pub database: String,
    /// Whether the database runs on this machine, and competes with the threads for the processors.
    pub on_this_machine: bool,
    /// The query.
    pub query: String,
    /// Whether it was prevented from writing.
    pub read_only: bool,
    /// How many rows it returned.
    pub rows: u64,
    /// How long it takes alone, in nanoseconds: the median of a few runs.
    pub alone_ns: f64,
    /// How many threads.
    pub threads: usize,
    /// How long each is idle between two uses, in nanoseconds, as in the question.
    pub think_ns: f64,
    /// Whether threads come and go, as the user said.
    pub threads_come_and_go: bool,
    /// How many connections there is room for; `null` if nothing limits them.
    pub room: Option<Room>,
    /// How often each setup had its turn.
    pub rounds: usize,
    /// `SharedPool` with 1, 2, 4 … connections.
    #[serde(alias = "curve")]
    pub sweep: Vec<Figures>,
    /// `SharedPool` with sizes around the knee.
    pub around: Vec<Figures>,
    /// The advised size once more, beside the other pools.
    pub proof: Vec<Figures>,
    /// For a fleet: what the server does with 1, 2, 4 … connections of threads that are never idle.
    pub capacity: Vec<Figures>,
    /// The fraction of the throughput that a smaller pool may lose and still do "as well".
    pub tolerance: f64,
    /// The largest difference that may be noise, as a fraction.
    pub noise: f64,
    /// The smallest size that does as well as the best.
    pub knee: usize,
    /// Processors that other programs used while this one did nothing, the maximum of a few looks;
    /// `null` if the system does not tell.
    #[serde(default)]
    pub others_processors: Option<f64>,
    /// Why the measurement ended early: the database stopped answering. The figures are from before
    /// that. `null` if it answered until the end.
    #[serde(default)]
    pub database_lost: Option<String>,
    /// Why the measurement cannot tell which pool or size does best. If this is not empty, `pool`
    /// and `size` are what suits most programs, and do not come from the figures.
    #[serde(default)]
    pub doubts: Vec<String>,
    /// The advised pool: `shared`, `persistent` or `queue`.
    pub pool: String,
    /// Its size.
    pub size: usize,
    /// Why this pool.
    pub reasons: Vec<String>,
    /// Why this size.
    pub size_reasons: Vec<String>,
    /// The advised timeout, in seconds.
    pub get_timeout_s: u64,
    /// What to expect of this pool: its figures from `proof`.
    pub expected: Figures,
    /// The settings as Rust code.
    pub code: String,
    /// What may make the advice wrong.
    pub cautions: Vec<String>,
    /// The plan for a fleet, if the question has one.
    pub fleet: Option<Plan>,
    /// Predictions beside the figures of real processes, if the question asks for them.
    pub verified: Option<Verified>,
}

/// How many connections a server has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// The server's limit.
    pub max_connections: u64,
    /// The account's own limit, if it has one.
    pub account_limit: Option<u64>,
    /// Connections of other clients at that moment.
    pub others: u64,
    /// Reserved for administrators, migrations and the like: a twentieth, at least 2.
    pub reserve: u64,
    /// What remains.
    pub connections: u64,
}

impl Room {
    /// The server's limit, less the connections of other clients, less a reserve.
    pub(crate) fn of(max_connections: u64, account_limit: Option<u64>, others: u64) -> Self {
        // For administrators, migrations, and connections that other clients open later.
        let reserve = (max_connections / 20).max(2);
        let free = max_connections.saturating_sub(others + reserve);
        let connections = account_limit.map_or(free, |account| free.min(account));
        Self { max_connections, account_limit, others, reserve, connections }
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max_connections, account_limit, others, reserve, connections } = self;
        write!(
            f,
            "max_connections is {max_connections}, other clients have {others} now, {reserve} are \
             reserved"
        )?;
        if let Some(limit) = account_limit {
            write!(f, ", this account may have {limit}")?;
        }
        write!(f, ": room for {connections}")
    }
}

/// The figures of real processes, beside their predictions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verified {
    /// The server's speed during this comparison, relative to its speed when the capacity was
    /// measured. It comes from measuring the setup with the highest throughput once more. The
    /// predictions are for a server of this speed.
    pub drift: f64,
    /// One for each number of processes.
    pub comparisons: Vec<Comparison>,
}

/// A prediction beside the measured figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// From the simulation.
    pub predicted: Prediction,
    /// From real processes: medians of the rounds.
    pub observed: Observed,
    /// Predicted divided by observed throughput: the median of the rounds.
    pub ops_ratio: f64,
    /// Predicted divided by observed mean wait: the median of the rounds. `null` if both are below
    /// 50 µs.
    pub wait_ratio: Option<f64>,
    /// Predicted divided by observed mean time of a use, wait included: the median of the rounds.
    /// Both times use the predicted hold time.
    pub use_ratio: f64,
    /// Whether throughput and the time of a use are within 15 %. A wait that is short beside its
    /// query may be off by more.
    pub agrees: bool,
}

impl Comparison {
    /// Compares the medians, and each round's prediction with its figures.
    pub(crate) fn of(
        predicted: Prediction,
        observed: &Observed,
        rounds: &[(Prediction, &Observed)],
    ) -> Self {
        let middle = |ratio: fn(&Prediction, &Observed) -> f64| {
            median(&rounds.iter().map(|(said, seen)| ratio(said, seen)).collect::<Vec<_>>())
        };
        let ops_ratio = middle(|said, seen| said.ops_per_s / seen.ops_per_s.max(1e-9));
        let is_short = predicted.wait_mean_ns.max(observed.wait_mean_ns) < SHORT_NS;
        let wait_ratio = (!is_short)
            .then(|| middle(|said, seen| said.wait_mean_ns / seen.wait_mean_ns.max(1.0)));
        let use_ratio = middle(|said, seen| {
            let hold_ns = said.hold_mean_ns;
            (said.wait_mean_ns + hold_ns) / (seen.wait_mean_ns + hold_ns).max(1.0)
        });
        let agrees =
            [ops_ratio, use_ratio].iter().all(|ratio| (ratio - 1.0).abs() <= AGREES_WITHIN);
        Self { predicted, observed: observed.clone(), ops_ratio, wait_ratio, use_ratio, agrees }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prediction_agrees_within_fifteen_percent() {
        let compared = |ops_per_s, wait_mean_ns, hold_mean_ns| {
            let said =
                Prediction { ops_per_s, wait_mean_ns, hold_mean_ns, ..Prediction::default() };
            let seen = Observed { ops_per_s: 100.0, wait_mean_ns: 1e6, ..Observed::default() };
            Comparison::of(said.clone(), &seen, &[(said, &seen)])
        };
        assert!(compared(114.0, 0.9e6, 0.0).agrees);
        assert!(!compared(116.0, 1e6, 0.0).agrees && !compared(100.0, 1.2e6, 0.0).agrees);
        let beside_a_long_hold = compared(100.0, 1.5e6, 9e6);
        assert!(beside_a_long_hold.agrees && beside_a_long_hold.wait_ratio == Some(1.5));
        assert!(!compared(100.0, 1.5e6, 1e6).agrees);
    }

    #[test]
    fn the_room_is_the_limit_less_other_clients_and_a_reserve() {
        let room = Room::of(151, None, 20);
        assert_eq!((room.reserve, room.connections), (7, 124));
        let room = Room::of(151, Some(30), 20);
        assert_eq!(room.connections, 30);
        let room = Room::of(10, None, 9);
        assert_eq!(room.connections, 0);
    }
}
