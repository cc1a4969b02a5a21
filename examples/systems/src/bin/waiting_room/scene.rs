//! Builds the pool of each scene.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use threadwise::AnyPool;
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise_systems::args::{count, millis};
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
#[derive(Args, Clone, Debug)]
pub(crate) struct Plan {
    /// Threads, which start one after the other.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = count(40))]
    pub(crate) threads: usize,

    /// Connections at most, for the pools that have a limit.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = count(40))]
    pub(crate) connections: usize,

    /// How long each thread holds its connection. The threads start a sixth of that apart, and live
    /// on for half of it afterwards.
    #[arg(long = "hold-ms", value_name = "MS", default_value = "600", value_parser = millis(6..=60_000))]
    pub(crate) hold: Duration,

    /// This thread, counted from 1, panics when it should return its connection.
    #[arg(long, value_name = "THREAD", value_parser = count(40))]
    pub(crate) panics: Option<usize>,

    /// Count the time instead of waiting: real threads and real pools, one step at a time, and the
    /// same picture each time.
    #[arg(long)]
    pub(crate) virtual_time: bool,
}

impl Plan {
    /// The time between the starts of two threads.
    pub(crate) fn gap(&self) -> Duration {
        self.hold / 6
    }

    /// How long each thread lives on without a connection.
    pub(crate) fn rest(&self) -> Duration {
        self.hold / 2
    }

    /// The approximate length of a scene in which threads wait for each other. It sets the scale of
    /// a live picture.
    pub(crate) fn expected(&self) -> Duration {
        let turns = self.threads.div_ceil(self.connections) as u32;
        self.hold * turns + self.gap() * self.connections as u32 + self.rest()
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
                // The scene shows the order.
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
