//! One workload on one backend, and how a contender did there.

use threadwise_figures::{Backend, ContenderKind, Measurement};

use crate::assemble::Case;
use crate::measure::Turn;

/// One workload on one backend.
pub struct Matchup<'a> {
    /// The backend.
    pub backend: Backend,
    /// The workload.
    pub case: &'a Case,
    /// The contenders.
    pub pools: Vec<ContenderKind>,
}

/// The figures of one contender in one matchup.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The contender.
    pub pool: ContenderKind,
    /// The figures.
    pub measurement: Measurement,
    /// The figures of each round, in order. All contenders of the matchup have the same rounds. If a
    /// claim was undecided, its contenders have more of them at the end.
    pub turns: Vec<Turn>,
}
