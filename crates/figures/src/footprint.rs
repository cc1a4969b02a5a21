//! The memory of a contender.

use serde::{Deserialize, Serialize};

/// The memory of one contender.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Footprint {
    /// The contender's name.
    pub pool: String,
    /// Bytes for each idle connection, including its own eight.
    pub idle_bytes: Option<f64>,
    /// Bytes for each waiting thread, without its stack. `null` if no thread waits for a
    /// connection.
    pub waiter_bytes: Option<f64>,
    /// Why a figure is missing. `null` if none is.
    pub error: Option<String>,
}

impl Footprint {
    /// The name on the command line.
    pub const NAME: &str = "memory";
    /// The question that it answers, in one line.
    pub const ABOUT: &str =
        "how many bytes does a pool keep for each idle connection, and for each waiting thread?";
}
