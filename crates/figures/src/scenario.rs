//! The outcomes of experiments in time.

use serde::{Deserialize, Serialize};

/// The outcome of one contender in one scenario.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScenarioRun {
    /// `synthetic`, `mysql` or `postgres`.
    pub backend: String,
    /// The scenario's name.
    pub scenario: String,
    /// The contender's name.
    pub pool: String,
    /// The scenario's figure, in `unit`. `null` if the measured event did not happen.
    pub figure: Option<f64>,
    /// `connections`, or `ms`.
    pub unit: String,
    /// Connections opened, from the creation of the pool to the end of the scenario. Behind a
    /// proxy, the connections that the proxy accepted.
    pub opened: u64,
    /// Calls to `get` that returned a connection.
    pub served: u64,
    /// Calls to `get` that failed, including timeouts, and queries that failed.
    pub errors: u64,
    /// The median wait of the calls that returned a connection, in milliseconds.
    pub wait_p50_ms: Option<f64>,
    /// The wait that 99 of 100 of these calls did not exceed, in milliseconds.
    pub wait_p99_ms: Option<f64>,
    /// The factor by which all times were multiplied: 1, or less than 1 if the run was to be short.
    /// Always 1 for `spike`.
    pub scale: f64,
    /// The states over time. A thread reads the state every millisecond. This has each state that
    /// differs from the one before, and the last one. Only for `spike`; empty in older reports.
    #[serde(default)]
    pub timeline: Vec<Moment>,
}

/// A state that differs from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// The time since all threads asked, in milliseconds.
    pub ms: f64,
    /// Connections at the server, including those being opened.
    pub connections: u64,
    /// Threads that wait for a connection.
    pub waiting: u64,
    /// Calls to `get` that have returned a connection so far.
    pub served: u64,
}
