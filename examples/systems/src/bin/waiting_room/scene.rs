//! Builds the pool of each scene.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use threadwise::AnyPool;
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise_systems::{Database, Shutdown};
use threadwise_testkit::Scripted;

use crate::performance::perform;
use crate::screen::Show;

/// A pool, and the behaviour that its scene shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scene {
    /// `SharedPool`: threads open connections when needed, reuse them, and wait in order.
    Shared,
    /// `PersistentPool`: as many connections as threads, and no thread waits.
    Persistent,
    /// `PersistentPool` with `max_threads`: further threads wait for a thread to end.
    PersistentLimited,
    /// `QueuePool`: opens all connections at the start. Threads wait in no promised order.
    Queue,
}

/// A pool that numbers its connections, and counts them in a ledger of its own. So the picture does
/// not depend on the pool's counts.
pub(crate) type Numbered = AnyPool<Scripted<Database>>;

/// The settings of a scene.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) threads: usize,
    pub(crate) connections: usize,
    /// The time between the starts of two threads.
    pub(crate) gap: Duration,
    /// How long each thread holds its connection.
    pub(crate) hold: Duration,
    /// How long each thread lives on without one.
    pub(crate) rest: Duration,
    /// The number of the thread that panics, from 1.
    pub(crate) panics: Option<usize>,
    pub(crate) virtual_time: bool,
}

impl Plan {
    /// The approximate length of a scene in which threads wait for each other. It sets the scale of
    /// a live picture.
    pub(crate) fn expected(&self) -> Duration {
        let turns = self.threads.div_ceil(self.connections) as u32;
        self.hold * turns + self.gap * self.connections as u32 + self.rest
    }
}

impl Scene {
    pub(crate) const ALL: [Self; 4] =
        [Self::Shared, Self::Persistent, Self::PersistentLimited, Self::Queue];

    /// Builds the pool, runs the scene, and drops the pool.
    pub(crate) fn play(
        self,
        database: Database,
        plan: &Plan,
        show: &mut Show,
        shutdown: &Arc<Shutdown>,
    ) -> Result<(), Box<dyn Error>> {
        let manager = Scripted::new(database);
        let ledger = manager.ledger();
        let limit = plan.connections;
        let pool = match self {
            Self::Shared => {
                let pool = SharedPool::builder().max_size(limit);
                // The order is what is to be seen.
                AnyPool::Shared(pool.fair_after(Duration::ZERO).build_lazy(manager)?)
            }
            Self::Persistent => AnyPool::Persistent(PersistentPool::builder().build_lazy(manager)?),
            Self::PersistentLimited => {
                let pool = PersistentPool::builder().max_threads(limit);
                AnyPool::Persistent(pool.build_lazy(manager)?)
            }
            Self::Queue => AnyPool::Queue(QueuePool::builder().size(limit).build(manager)?),
        };
        Ok(perform(self, pool, &ledger, plan, show, shutdown)?)
    }

    /// Whether a thread keeps its connection until it ends.
    pub(crate) fn is_per_thread(self) -> bool {
        matches!(self, Self::Persistent | Self::PersistentLimited)
    }

    /// The title of the scene.
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
