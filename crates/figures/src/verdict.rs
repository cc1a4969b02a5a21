//! A claim, with its figure and whether it holds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::three_digits;

/// A claim, with its figure and whether it holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The workload that it is about.
    pub workload: String,
    /// What is compared: one figure over another.
    pub promise: String,
    /// On which side of the limit the figure must be: `at_most`, `at_least` or `over`.
    pub sense: Sense,
    /// The limit.
    pub limit: f64,
    /// The figure: the median of the rounds' ratios. For a ratio of two workloads, which have no
    /// rounds in common, it is the ratio of their medians.
    pub measured: f64,
    /// The least ratio of a round. This and the next are `null` for a ratio of two workloads, for
    /// scenarios, and in older reports.
    #[serde(default)]
    pub least: Option<f64>,
    /// The greatest ratio of a round.
    #[serde(default)]
    pub greatest: Option<f64>,
    /// The 95 % confidence interval of `measured`, from the order of the rounds' ratios. `null` for
    /// scenarios, after too few or too short rounds, and in older reports. For a ratio of two
    /// workloads it is the quotient of their intervals, and wider.
    #[serde(default)]
    pub interval: Option<(f64, f64)>,
    /// Whether the claim holds: `true` or `false` if the whole interval is on one side of the limit.
    /// `null` if it is not, or if too few rounds, or too short ones, were measured.
    pub holds: Option<bool>,
}

impl Verdict {
    /// The interval as text, or else the least and the greatest ratio; empty if there are none.
    pub fn range(&self) -> String {
        let range = self.interval.or(self.least.zip(self.greatest));
        range.map_or_else(String::new, |(least, greatest)| {
            format!("({} to {})", three_digits(least), three_digits(greatest))
        })
    }

    /// The verdict in words.
    pub fn word(&self) -> &'static str {
        match self.holds {
            Some(true) => "holds",
            Some(false) => "fails",
            None if self.is_undecided() => "cannot tell",
            None => "not judged",
        }
    }

    /// Whether enough was measured, but the limit lies within the interval.
    pub fn is_undecided(&self) -> bool {
        self.holds.is_none() && self.interval.is_some()
    }
}

/// On which side of its limit a ratio must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sense {
    /// The limit or less.
    AtMost,
    /// The limit or more.
    AtLeast,
    /// More than the limit.
    Over,
}

impl Sense {
    /// Whether a figure is on the right side of the limit.
    pub fn holds(self, measured: f64, limit: f64) -> bool {
        match self {
            Self::AtMost => measured <= limit,
            Self::AtLeast => measured >= limit,
            Self::Over => measured > limit,
        }
    }

    /// The sense in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::AtMost => "at most",
            Self::AtLeast => "at least",
            Self::Over => "over",
        }
    }
}

/// The least rounds that judge a claim. (A workload with claims has more turns than rounds.)
pub const ENOUGH_ROUNDS: usize = 3;
/// The shortest turns that judge a claim.
pub const ENOUGH_TIME: Duration = Duration::from_millis(100);

/// Whether this many rounds of this length are enough to judge a claim. With fewer or shorter
/// rounds, chance decides.
pub fn is_enough(rounds: usize, window: Duration) -> bool {
    rounds >= ENOUGH_ROUNDS && window >= ENOUGH_TIME
}
