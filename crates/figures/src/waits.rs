//! The distribution of waits in a few points, from the shortest to the longest.

use serde::{Deserialize, Serialize};

/// A point of a distribution of waits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WaitAt {
    /// A share of the timed operations, from 0 (the shortest wait) to 1 (the longest).
    pub share: f64,
    /// The wait that this share did not exceed, in nanoseconds.
    pub ns: u64,
}
