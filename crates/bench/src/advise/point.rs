//! What was measured of one setup, over all of its turns.

use serde::{Deserialize, Serialize};

use super::turn::{Setup, Turn};
use crate::Failure;
use crate::fleet::capacity::Demand;
use crate::fleet::simulate::Idle;
use crate::measure::{Waits, median};

/// The turns of a setup.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) setup: Setup,
    /// In the order of the rounds; `None` where the turn could not be had. The more the better: the
    /// throughput, or uses in a second of a thread's waiting and holding.
    pub(crate) scores: Vec<Option<f64>>,
    by_response: bool,
    ops_per_s: Vec<f64>,
    waits: Waits,
    holds: Waits,
    idles: Waits,
    wait_s: f64,
    hold_s: f64,
    idle_s: f64,
    seconds: f64,
    ops: u64,
    gets: u64,
    resets: u64,
    cpu_s: Option<f64>,
    open: usize,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<Failure>,
    /// Why there is nothing, if there is nothing.
    pub(crate) refused: Option<Failure>,
}

impl Point {
    pub(crate) fn new(setup: Setup) -> Self {
        Self {
            setup,
            scores: Vec::new(),
            by_response: false,
            ops_per_s: Vec::new(),
            waits: Waits::default(),
            holds: Waits::default(),
            idles: Waits::default(),
            wait_s: 0.0,
            hold_s: 0.0,
            idle_s: 0.0,
            seconds: 0.0,
            ops: 0,
            gets: 0,
            resets: 0,
            cpu_s: Some(0.0),
            open: 0,
            errors: 0,
            first_error: None,
            refused: None,
        }
    }

    /// Judges it by how long a use takes, waiting included, and not by throughput: where threads are idle
    /// in between, throughput says how long they are. (Where they are not, both are the same: by Little's
    /// law one is the threads divided by the other.)
    pub(crate) fn by_response(mut self) -> Self {
        self.by_response = true;
        self
    }

    pub(crate) fn is_by_response(&self) -> bool {
        self.by_response
    }

    pub(crate) fn add(&mut self, turn: Result<Turn, Failure>) {
        let turn = match turn {
            Ok(turn) => turn,
            Err(failure) => {
                self.scores.push(None);
                self.refused.get_or_insert(failure);
                return;
            }
        };
        let response_s = turn.mean_wait_s() + turn.mean_hold_s();
        self.scores.push(match self.by_response {
            true if response_s > 0.0 => Some(1.0 / response_s),
            true => None,
            false => Some(turn.ops_per_s()),
        });
        self.ops_per_s.push(turn.ops_per_s());
        self.waits.add(&turn.waits);
        self.holds.add(&turn.holds);
        self.idles.add(&turn.idles);
        self.wait_s += turn.wait_s;
        self.hold_s += turn.hold_s;
        self.idle_s += turn.idle_s;
        self.seconds += turn.seconds;
        self.ops += turn.ops;
        self.gets += turn.gets;
        self.resets += turn.resets;
        self.cpu_s = self.cpu_s.zip(turn.cpu_s).map(|(sum, more)| sum + more);
        self.open = self.open.max(turn.open);
        self.errors += turn.errors;
        self.first_error = self.first_error.take().or(turn.first_error);
    }

    /// Whether there is a figure, and nothing went wrong.
    pub(crate) fn is_sound(&self) -> bool {
        self.errors == 0 && self.refused.is_none() && self.ops_per_s() > 0.0
    }

    /// The median of the rounds.
    pub(crate) fn ops_per_s(&self) -> f64 {
        median(&self.ops_per_s)
    }

    /// The scores of the rounds that there were.
    pub(crate) fn figures(&self) -> Vec<f64> {
        self.scores.iter().copied().flatten().collect()
    }

    /// The median of the scores.
    pub(crate) fn score(&self) -> f64 {
        median(&self.figures())
    }

    /// The mean from asking for a connection to having it, in seconds.
    pub(crate) fn mean_wait_s(&self) -> f64 {
        self.wait_s / self.waits.count().max(1) as f64
    }

    /// The mean from having it to having given it back, in seconds.
    pub(crate) fn mean_hold_s(&self) -> f64 {
        self.hold_s / self.holds.count().max(1) as f64
    }

    /// How long its threads were idle between giving back and asking again.
    pub(crate) fn idle(&self) -> Idle {
        let mean_s = self.idle_s / self.idles.count().max(1) as f64;
        Idle { mean_s, spread: Demand::like(&self.idles) }
    }

    /// The throughput of all rounds together: what goes with means of waits and holds.
    pub(crate) fn mean_ops_per_s(&self) -> f64 {
        if self.seconds > 0.0 { self.ops as f64 / self.seconds } else { 0.0 }
    }

    /// Connections in use on average, by Little's law.
    pub(crate) fn in_use(&self) -> f64 {
        self.mean_ops_per_s() * self.mean_hold_s()
    }

    /// Threads that wait on average, likewise.
    pub(crate) fn waiting(&self) -> f64 {
        self.mean_ops_per_s() * self.mean_wait_s()
    }

    /// How often a session was reset for each use.
    pub(crate) fn resets_per_use(&self) -> f64 {
        self.resets as f64 / self.gets.max(1) as f64
    }

    pub(crate) fn open(&self) -> usize {
        self.open
    }

    pub(crate) fn waits(&self) -> &Waits {
        &self.waits
    }

    pub(crate) fn holds(&self) -> &Waits {
        &self.holds
    }

    /// Processors that this program used, on average.
    pub(crate) fn processors(&self) -> Option<f64> {
        self.cpu_s.filter(|_| self.seconds > 0.0).map(|cpu_s| cpu_s / self.seconds)
    }

    /// How far the rounds lie around their median, as a part of it: a standard deviation, estimated
    /// from the median of the deviations so that a single bad round does not decide.
    pub(crate) fn spread(&self) -> f64 {
        const FROM_MEDIAN_DEVIATION: f64 = 1.4826; // of a normal distribution
        let middle = self.score();
        let deviations: Vec<_> = self.figures().iter().map(|it| (it - middle).abs()).collect();
        if middle > 0.0 { FROM_MEDIAN_DEVIATION * median(&deviations) / middle } else { 0.0 }
    }

    pub(crate) fn figures_for_file(&self) -> Figures {
        Figures {
            pool: self.setup.model.name().to_owned(),
            size: self.setup.size,
            ops_per_s: self.ops_per_s(),
            rounds_ops_per_s: self.ops_per_s.clone(),
            wait_mean_ns: self.mean_wait_s() * 1e9,
            wait_p50_ns: self.waits.at(0.5),
            wait_p99_ns: self.waits.at(0.99),
            wait_max_ns: self.waits.max(),
            hold_mean_ns: self.mean_hold_s() * 1e9,
            hold_p50_ns: self.holds.at(0.5),
            hold_p99_ns: self.holds.at(0.99),
            in_use: self.in_use(),
            opened: self.open,
            processors: self.processors(),
            errors: self.errors,
            first_error: self
                .first_error
                .as_ref()
                .or(self.refused.as_ref())
                .map(ToString::to_string),
        }
    }
}

/// The figures of one setup, as they are written to the file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// `shared`, `persistent` or `queue`.
    pub pool: String,
    /// The pool's limit.
    pub size: usize,
    /// Operations per second of all threads together: the median of the rounds.
    pub ops_per_s: f64,
    /// The same of each round.
    pub rounds_ops_per_s: Vec<f64>,
    /// From asking for a connection to having it, in nanoseconds: the mean.
    pub wait_mean_ns: f64,
    /// The median.
    pub wait_p50_ns: Option<u64>,
    /// What 99 in 100 did not exceed.
    pub wait_p99_ns: Option<u64>,
    /// The longest.
    pub wait_max_ns: Option<u64>,
    /// From having a connection to having given it back, in nanoseconds: the mean.
    pub hold_mean_ns: f64,
    /// The median.
    pub hold_p50_ns: Option<u64>,
    /// What 99 in 100 did not exceed.
    pub hold_p99_ns: Option<u64>,
    /// Connections in use on average: operations per second of all rounds together × `hold_mean_ns`
    /// / 10⁹.
    pub in_use: f64,
    /// Connections that were open at the end of a turn, at most.
    pub opened: usize,
    /// Processors that the measuring program used, on average.
    pub processors: Option<f64>,
    /// Operations that failed.
    pub errors: u64,
    /// The first of the failures, or why the setup could not be measured.
    pub first_error: Option<String>,
}
