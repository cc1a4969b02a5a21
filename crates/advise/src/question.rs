//! What the user asks, as on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::{NonEmptyStringValueParser, TypedValueParser};
use threadwise_bench::terminal::at_least_one;

#[allow(missing_docs)] // clap would take it for the program's
#[derive(Clone, Args)]
pub struct Question {
    /// How many threads use the pool
    #[arg(long, value_name = "N", value_parser = at_least_one(4_096))]
    pub threads: usize,

    /// The database: mysql://user:password@host/database, sqlite:path or sqlite:///path
    ///
    /// advise never prints the password, but the system's list of processes shows it. To avoid
    /// that, put the URL in the variable THREADWISE_DB instead.
    #[arg(long, value_name = "URL", value_parser = NonEmptyStringValueParser::new(),
          env = "THREADWISE_DB", hide_env_values = true)]
    pub db: String,

    /// The query that the threads run: one statement that reads
    #[arg(long, value_name = "SQL", value_parser = NonEmptyStringValueParser::new())]
    pub query: String,

    /// How long to measure, in seconds; --instances adds two fifths, --verify as much again
    #[arg(long = "seconds", value_name = "S", default_value = "30",
          value_parser = at_least_one(3_600).map(|seconds| Duration::from_secs(seconds as u64)))]
    pub time: Duration,

    /// How many milliseconds each thread is idle between two uses
    #[arg(long = "think-ms", value_name = "MS", default_value = "0", value_parser = millis,
          allow_negative_numbers = true)]
    pub think: Duration,

    /// Threads end and new ones start, for instance one thread for each request
    #[arg(long = "threads-come-and-go")]
    pub come_and_go: bool,

    /// Let the query write, lock and call any function; also switch a SQLite file to the
    /// write-ahead log, as the printed code does
    #[arg(long)]
    pub allow_writes: bool,

    /// Simulate a fleet of this many processes like this one, and plan it
    #[arg(long, value_name = "N", value_parser = at_least_one(1_024))]
    pub instances: Option<usize>,

    /// The program to start for the comparison with real processes; `None` for no comparison.
    #[arg(skip)]
    pub verify_by: Option<PathBuf>,

    /// The seed of the simulation's random numbers
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

fn millis(text: &str) -> Result<Duration, String> {
    const MOST: f64 = 60_000.0;
    match text.parse::<f64>() {
        Ok(millis) if (0.0..=MOST).contains(&millis) => Ok(Duration::from_secs_f64(millis / 1e3)),
        _ => Err(format!("must be a number of milliseconds from 0 to {MOST}")),
    }
}
