//! The experiments, in the order in which they run.
//!
//! | file | holds |
//! |---|---|
//! | `compare` | all workloads, each with all contenders in turns |
//! | `sweep` | the same work by more and more threads, or on more and more connections |
//! | `breakdown` | where the time of a query goes |
//! | `memory` | the bytes that a pool keeps |
//! | `scenarios` | experiments in time |
//! | `contend` | gives the contenders of a workload their turns |
//! | `extra_turns` | gives them more turns if a claim is undecided |
//! | `round_trips` | counts the round trips of an operation |

pub mod breakdown;
pub mod compare;
pub mod memory;
pub mod scenarios;
pub mod sweep;

pub(crate) mod round_trips;

mod contend;
mod extra_turns;

use crate::experiment::{Campaign, Experiment, Findings, Part, Watch};
use crate::plan::Plan;
use crate::{Failure, Result};

/// All experiments, in the order in which they run.
pub const ALL: [&dyn Experiment; 5] = [
    &compare::Compare,
    &sweep::Sweeps,
    &breakdown::Breakdowns,
    &memory::Memory,
    &scenarios::Scenarios,
];

/// Returns the parts of all experiments.
pub fn parts() -> impl Iterator<Item = Part> {
    ALL.iter().flat_map(|experiment| experiment.parts())
}

/// Runs all experiments of which the plan has a part.
///
/// # Errors
///
/// If the plan names a part that does not exist; and those of [`Experiment::run`].
pub fn run(plan: &Plan, watch: &mut dyn Watch) -> Result<Findings> {
    let known: Vec<_> = parts().map(|part| part.name).collect();
    Failure::if_unknown("workload", &plan.parts, &known)?;
    let mut campaign = Campaign::new(plan, watch);
    for experiment in ALL {
        experiment.run(&mut campaign)?;
    }
    Ok(campaign.findings)
}
