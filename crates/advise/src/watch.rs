//! Receives the progress of a run.

use std::time::Duration;

use crate::turn::Setup;

/// Receives the progress of a run. By default every method does nothing.
#[expect(unused_variables, reason = "the defaults do nothing")]
pub trait Watch {
    /// A stage with this many turns begins; it takes about as long as the estimate.
    fn begin(&mut self, turns: usize, estimate: Duration) {}
    /// The turn of this setup begins.
    fn turn(&mut self, setup: Setup) {}
    /// Another step begins that takes a while.
    fn doing(&mut self, what: &str) {}
}

/// Says nothing.
impl Watch for () {}
