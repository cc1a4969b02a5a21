//! Where the time of a query goes: to the pool, to round trips, or to the query itself.

use serde::{Deserialize, Serialize};

/// The breakdown of one contender's time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breakdown {
    /// `mysql`.
    pub backend: String,
    /// The contender's name.
    pub pool: String,
    /// The parts. `null` if it failed.
    pub parts: Option<Parts>,
    /// Why there are no parts. `null` if there are.
    pub error: Option<String>,
}

impl Breakdown {
    /// The name in reports and on the command line.
    pub const NAME: &str = "breakdown";
    /// The question that it answers, in one line.
    pub const ABOUT: &str = "where does the time of a point select go: to the pool, to round \
                             trips, or to the query itself?";
}

/// The time of an operation, in nanoseconds: the median over the turns of their means. A part that
/// is small compared with a round trip may be below zero, because of noise.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// From asking for a connection to having returned it: the sum of `pool_ns`, `query_ns`, and
    /// `round_trips` × `round_trip_ns`.
    pub total_ns: f64,
    /// Borrow and return, less their round trips. Includes reading the clock once, some tens of
    /// nanoseconds.
    pub pool_ns: f64,
    /// The query, less its round trips.
    pub query_ns: f64,
    /// A ping on the contender's own connection.
    pub round_trip_ns: f64,
    /// Round trips of an operation.
    pub round_trips: f64,
}

impl Parts {
    /// All round trips of an operation together, in nanoseconds.
    pub fn round_trips_ns(&self) -> f64 {
        self.round_trips * self.round_trip_ns
    }
}
