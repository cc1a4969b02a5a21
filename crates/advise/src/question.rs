//! What the user asks.

use std::path::PathBuf;
use std::time::Duration;

/// What the user asks.
#[derive(Clone)]
pub struct Question {
    /// As on the command line: a MySQL URL or a SQLite path. May hold a password.
    pub db: String,
    /// The query that the threads run.
    pub query: String,
    /// How many threads.
    pub threads: usize,
    /// How long each is idle between two uses.
    pub think: Duration,
    /// How long to measure.
    pub time: Duration,
    /// Whether threads end and new ones start.
    pub come_and_go: bool,
    /// Whether the query may write.
    pub allow_writes: bool,
    /// How many processes like this one the fleet has; `None` for no fleet.
    pub instances: Option<usize>,
    /// The program to start for the comparison with real processes; `None` for no comparison.
    pub verify_by: Option<PathBuf>,
    /// The seed of the simulation.
    pub seed: u64,
}
