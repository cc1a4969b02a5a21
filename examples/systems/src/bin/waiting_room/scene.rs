//! Which pool plays, and by which settings.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise_systems::{Database, Shutdown};

use crate::numbered::NumberedManager;
use crate::performance::perform;
use crate::screen::Show;

/// A pool, and what is to be seen with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scene {
    /// `SharedPool`: opened when needed, reused, waited for in order.
    Shared,
    /// `PersistentPool`: as many connections as threads, and no thread waits.
    Persistent,
    /// `PersistentPool` with `max_threads`: the others wait for a thread to end.
    PersistentLimited,
    /// `QueuePool`: all opened at the start, waited for in no promised order.
    Queue,
}

/// What happens in a scene.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) threads: usize,
    pub(crate) connections: usize,
    /// Between the coming of two threads.
    pub(crate) gap: Duration,
    /// For how long each holds its connection.
    pub(crate) hold: Duration,
    /// For how long each lives on without one.
    pub(crate) rest: Duration,
    /// The thread, counted from 1, that panics.
    pub(crate) panics: Option<usize>,
    pub(crate) virtual_time: bool,
}

impl Plan {
    /// About how long it takes where threads wait for each other, for the scale of a live picture.
    pub(crate) fn expected(&self) -> Duration {
        let turns = self.threads.div_ceil(self.connections) as u32;
        self.hold * turns + self.gap * self.connections as u32 + self.rest
    }
}

impl Scene {
    pub(crate) const ALL: [Self; 4] =
        [Self::Shared, Self::Persistent, Self::PersistentLimited, Self::Queue];

    /// Builds the pool, plays, and drops the pool.
    pub(crate) fn play(
        self,
        database: Database,
        plan: &Plan,
        show: &mut Show,
        shutdown: &Arc<Shutdown>,
    ) -> Result<(), Box<dyn Error>> {
        let (manager, ledger) = NumberedManager::new(database);
        let limit = plan.connections;
        match self {
            Self::Shared => {
                let pool = SharedPool::builder()
                    .max_size(limit)
                    .fair_after(Duration::ZERO) // the order is what is to be seen
                    .build_lazy(manager)?;
                perform(self, pool, &ledger, plan, show, shutdown)?;
            }
            Self::Persistent => {
                let pool = PersistentPool::builder().build_lazy(manager)?;
                perform(self, pool, &ledger, plan, show, shutdown)?;
            }
            Self::PersistentLimited => {
                let pool = PersistentPool::builder().max_threads(limit).build_lazy(manager)?;
                perform(self, pool, &ledger, plan, show, shutdown)?;
            }
            Self::Queue => {
                let pool = QueuePool::builder().size(limit).build(manager)?;
                perform(self, pool, &ledger, plan, show, shutdown)?;
            }
        }
        Ok(())
    }

    /// Whether a thread keeps its connection until it ends.
    pub(crate) fn is_per_thread(self) -> bool {
        matches!(self, Self::Persistent | Self::PersistentLimited)
    }

    /// What is to be seen.
    pub(crate) fn title(self, limit: usize) -> String {
        match self {
            Self::Shared => format!("SharedPool, max_size({limit}): opened when needed"),
            Self::Persistent => "PersistentPool: a connection for each thread".to_owned(),
            Self::PersistentLimited => {
                format!("PersistentPool, max_threads({limit}): others wait for a thread to end")
            }
            Self::Queue => format!("QueuePool, size({limit}): all opened at the start"),
        }
    }
}
