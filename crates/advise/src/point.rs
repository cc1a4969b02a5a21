//! The figures of one setup, over all of its turns.

use serde::{Deserialize, Serialize};
use threadwise::PoolKind;
use threadwise_bench::{Failure, Result};
use threadwise_figures::median;

use crate::fleet::capacity::Demand;
use crate::fleet::simulate::Idle;
use crate::turn::{Setup, Turn, names};

/// By how much Little's law may be off, because the clocks are not read at the same moment.
const OFF: f64 = 0.10;

/// The turns of a setup.
#[derive(Clone, Debug)]
pub(crate) struct Point {
    pub(crate) setup: Setup,
    /// In the order of the rounds; `None` if the turn failed. Higher is better: the throughput, or
    /// the number of uses (wait and hold) that fit into a second of one thread.
    pub(crate) scores: Vec<Option<f64>>,
    pub(crate) by_response: bool,
    ops_per_s: Vec<f64>,
    /// All turns together, for means that must be consistent with each other. Its throughput is not
    /// the median of the rounds.
    pub(crate) sum: Turn,
    /// The first failure to run a turn, if there was one.
    pub(crate) refused: Option<Failure>,
}

impl Point {
    pub(crate) fn new(setup: Setup) -> Self {
        Self {
            setup,
            scores: Vec::new(),
            by_response: false,
            ops_per_s: Vec::new(),
            sum: Turn { cpu_s: Some(0.0), ..Turn::default() },
            refused: None,
        }
    }

    /// A point with these throughputs.
    #[cfg(test)]
    pub(crate) fn of_rounds(setup: Setup, rounds: &[f64]) -> Self {
        let mut point = Self::new(setup);
        for &per_s in rounds {
            point.add(Ok(Turn { ops: (per_s * 1e3) as u64, seconds: 1e3, ..Turn::default() }));
        }
        point
    }

    /// Scores it by how long a use takes, including the wait, instead of by throughput. If threads
    /// are idle between two uses, throughput mostly depends on the idle time. (If they are not,
    /// both scores are the same: by Little's law, one is the number of threads divided by the
    /// other.)
    pub(crate) fn by_response(mut self) -> Self {
        self.by_response = true;
        self
    }

    pub(crate) fn add(&mut self, turn: Result<Turn>) {
        let turn = match turn {
            Ok(turn) => turn,
            Err(failure) => {
                self.scores.push(None);
                self.refused.get_or_insert(failure);
                return;
            }
        };
        let response_s = turn.waits.mean_s() + turn.uses.holds.mean_s();
        self.scores.push(if self.by_response {
            (response_s > 0.0).then(|| 1.0 / response_s)
        } else {
            Some(turn.ops_per_s())
        });
        self.ops_per_s.push(turn.ops_per_s());
        self.sum.add(turn);
    }

    /// Whether it has figures of `SharedPool`.
    pub(crate) fn is_shared(&self) -> bool {
        self.setup.kind == PoolKind::Shared && self.is_sound()
    }

    /// Whether it had a turn.
    pub(crate) fn had_turns(&self) -> bool {
        !self.scores.is_empty()
    }

    /// Whether it has a figure, and no turn failed.
    pub(crate) fn is_sound(&self) -> bool {
        self.sum.errors == 0 && self.refused.is_none() && self.ops_per_s() > 0.0
    }

    /// The median of the rounds.
    pub(crate) fn ops_per_s(&self) -> f64 {
        median(&self.ops_per_s)
    }

    /// The scores of the rounds that have one.
    pub(crate) fn figures(&self) -> Vec<f64> {
        self.scores.iter().copied().flatten().collect()
    }

    /// The median of the scores.
    pub(crate) fn score(&self) -> f64 {
        median(&self.figures())
    }

    /// How long its threads were idle between a return and the next borrow.
    pub(crate) fn idle(&self) -> Idle {
        Idle { mean_s: self.sum.uses.idles.mean_s(), spread: Demand::like(&self.sum.uses.idles) }
    }

    /// Connections in use on average, by Little's law.
    pub(crate) fn in_use(&self) -> f64 {
        self.sum.ops_per_s() * self.sum.uses.holds.mean_s()
    }

    /// Threads that wait on average, by Little's law.
    pub(crate) fn waiting(&self) -> f64 {
        self.sum.ops_per_s() * self.sum.waits.mean_s()
    }

    /// Resets of a session for each use.
    pub(crate) fn resets_per_use(&self) -> f64 {
        self.sum.resets as f64 / self.sum.gets.max(1) as f64
    }

    /// Processors that this program used, on average.
    pub(crate) fn processors(&self) -> Option<f64> {
        let Turn { seconds, cpu_s, .. } = self.sum;
        cpu_s.filter(|_| seconds > 0.0).map(|cpu_s| cpu_s / seconds)
    }

    /// How far the rounds differ from their median, as a fraction of it: a standard deviation. It
    /// is estimated from the median of the deviations, so that a single bad round does not decide.
    pub(crate) fn spread(&self) -> f64 {
        const FROM_MEDIAN_DEVIATION: f64 = 1.4826; // of a normal distribution
        let middle = self.score();
        let deviations: Vec<_> = self.figures().iter().map(|it| (it - middle).abs()).collect();
        if middle > 0.0 { FROM_MEDIAN_DEVIATION * median(&deviations) / middle } else { 0.0 }
    }

    /// Whether the figures are impossible, and why: more connections are busy than the pool has.
    ///
    /// A use that began before its round counts for the round, so each round may have one use more for
    /// each connection.
    pub(crate) fn impossible(&self) -> Option<String> {
        let Setup { kind: model, size } = self.setup;
        let sum = &self.sum;
        if sum.seconds <= 0.0 {
            return None;
        }
        let rounds = self.figures().len() as f64;
        let cut_off = rounds * sum.uses.holds.mean_s() / sum.seconds;
        let most = size as f64 * (1.0 + OFF + cut_off);
        let busy = self.in_use();
        (busy > most).then(|| {
            format!(
                "{} with {size}: by Little's law {busy:.1} of {size} connection{} would have been \
                 busy, which is impossible. The system took the processors from the threads while they \
                 were timed.",
                names(model).0,
                if size == 1 { "" } else { "s" }
            )
        })
    }

    pub(crate) fn figures_for_file(&self) -> Figures {
        let sum = &self.sum;
        Figures {
            pool: self.setup.kind.name().to_owned(),
            size: self.setup.size,
            ops_per_s: self.ops_per_s(),
            rounds_ops_per_s: self.ops_per_s.clone(),
            wait_mean_ns: sum.waits.mean_s() * 1e9,
            wait_p50_ns: sum.waits.at(0.5),
            wait_p99_ns: sum.waits.at(0.99),
            wait_max_ns: sum.waits.max(),
            hold_mean_ns: sum.uses.holds.mean_s() * 1e9,
            hold_p50_ns: sum.uses.holds.at(0.5),
            hold_p99_ns: sum.uses.holds.at(0.99),
            in_use: self.in_use(),
            opened: sum.open,
            processors: self.processors(),
            errors: sum.errors,
            first_error: sum
                .first_error
                .as_ref()
                .or(self.refused.as_ref())
                .map(ToString::to_string),
        }
    }
}

/// The figures of one setup, as the file has them.
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
    /// The value that 99 in 100 did not exceed.
    pub wait_p99_ns: Option<u64>,
    /// The longest.
    pub wait_max_ns: Option<u64>,
    /// From having a connection to having returned it, in nanoseconds: the mean.
    pub hold_mean_ns: f64,
    /// The median.
    pub hold_p50_ns: Option<u64>,
    /// The value that 99 in 100 did not exceed.
    pub hold_p99_ns: Option<u64>,
    /// Connections in use on average: operations per second of all rounds together × `hold_mean_ns`
    /// / 10⁹.
    pub in_use: f64,
    /// The highest number of connections that were open at the end of a turn.
    pub opened: usize,
    /// Processors that the measuring program used, on average.
    pub processors: Option<f64>,
    /// Operations that failed.
    pub errors: u64,
    /// The first of the failures, or why the setup could not be measured.
    pub first_error: Option<String>,
}
