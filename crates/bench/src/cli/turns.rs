//! How many turns, and how long each is: the options that `compare` and `abroad` share.

use std::time::Duration;

use clap::Args;
use threadwise_bench::plan::Plan;
use threadwise_bench::terminal::at_least_one;

#[derive(Debug, Args)]
pub(crate) struct Turns {
    /// How many turns each pool has at each workload, besides the warmup [default: 5]
    #[arg(long, value_name = "N", value_parser = at_least_one(1_000))]
    rounds: Option<usize>,

    /// How many milliseconds a turn takes [default: 200]
    #[arg(long, value_name = "N", value_parser = at_least_one(600_000))]
    millis: Option<usize>,

    /// Get only an impression: one turn of 20 milliseconds each, unless --rounds or --millis is
    /// given, and all scenarios but `spike` in a tenth of their time
    #[arg(long)]
    quick: bool,
}

impl Turns {
    /// How many there are, and how long each is: as the options say, or else the default.
    pub(crate) fn rounds_and_window(&self) -> (usize, Duration) {
        let Plan { rounds, window, .. } = Plan::default();
        let (rounds, window) =
            if self.quick { (1, Duration::from_millis(20)) } else { (rounds, window) };
        let window = self.millis.map_or(window, |millis| Duration::from_millis(millis as u64));
        (self.rounds.unwrap_or(rounds), window)
    }

    /// The fraction of their time that scenarios take.
    pub(crate) fn scale(&self) -> f64 {
        if self.quick { 0.1 } else { 1.0 }
    }
}
