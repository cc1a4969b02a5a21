//! What to compare, and for how long.

use std::time::Duration;

use threadwise_figures::{Backend, ContenderKind};

use super::pools::{ForeignPool, Programs};
use crate::interrupt::Interrupt;

/// Our pools, which take part in every workload.
pub(super) const OURS: [ContenderKind; 3] =
    [ContenderKind::Shared, ContenderKind::Queue, ContenderKind::Persistent];

/// What to compare, and for how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The names of pools, ours or others, with or without the driver. Empty means all.
    pub pools: Vec<String>,
    /// The names of workloads and scenarios. Empty means all.
    pub workloads: Vec<String>,
    /// How many measured turns each pool has, besides the warmup.
    pub rounds: usize,
    /// How long a turn is.
    pub window: Duration,
    /// The fraction of its time that the outage takes.
    pub scale: f64,
    /// Where the programs are.
    pub programs: Programs,
    /// When it is raised, the comparison ends early and returns the figures so far.
    pub interrupt: Interrupt,
}

impl Plan {
    /// Whether this workload or scenario was chosen.
    pub(super) fn has_workload(&self, name: &str) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|chosen| chosen == name)
    }

    fn has_pool(&self, names: &[&str]) -> bool {
        self.pools.is_empty() || self.pools.iter().any(|chosen| names.contains(&&**chosen))
    }

    /// Our pools that were chosen.
    pub(super) fn ours(&self) -> impl Iterator<Item = ContenderKind> + '_ {
        OURS.into_iter().filter(|pool| self.has_pool(&[pool.name()]))
    }

    /// The chosen pools of other languages whose programs are there.
    pub(super) fn foreign(&self, backend: Backend) -> Vec<ForeignPool> {
        let mut pools = ForeignPool::all_on(backend);
        pools.retain(|pool| self.programs.has(pool.row.language));
        pools.retain(|pool| self.has_pool(&[pool.row.name, &pool.name()]));
        pools
    }
}
