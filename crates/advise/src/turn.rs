//! One turn: builds a pool, lets its threads use it for a while, and closes it.
//!
//! A turn leaves nothing behind, so the server never has more connections than one setup needs. The
//! threads and the loop that is measured are the harness's.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use threadwise::{AnyPool, ManageConnection, Pool, PoolKind, UsePool};
use threadwise_bench::contenders::Threadwise;
use threadwise_bench::measure::{Uses, Waits};
use threadwise_bench::opened::Opened;
use threadwise_bench::operation::Operate;
use threadwise_bench::queries::Queries;
use threadwise_bench::runner::{Alike, Drive, Job, Steady};
use threadwise_bench::workload::{Pace, Workload};
use threadwise_bench::{Failure, Result, Rng};

use crate::address::{Database, Manager, again};

/// The build is retried, because a server needs a moment to notice that the last turn's connections
/// are closed.
const BUILD_ATTEMPTS: u32 = 5;
const BUILD_PAUSE: Duration = Duration::from_millis(200);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The names of the pool's type, and of its setting for the number of connections.
pub fn names(kind: PoolKind) -> (&'static str, &'static str) {
    match kind {
        PoolKind::Shared => ("SharedPool", "max_size"),
        PoolKind::Persistent => ("PersistentPool", "max_threads"),
        PoolKind::Queue => ("QueuePool", "size"),
        _ => unreachable!("`advise` knows the kinds of {:?}", PoolKind::ALL),
    }
}

/// A pool to measure: its kind and its number of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Which pool.
    #[serde(rename = "model", with = "crate::by_name")]
    pub kind: PoolKind,
    /// Its limit. For `PersistentPool` this is the number of threads.
    pub size: usize,
}

/// What the threads do, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// How many threads.
    pub threads: usize,
    /// How long each is idle after a use.
    pub think: Duration,
    /// How long they work before the measurement begins.
    pub warm_up: Duration,
    /// How long the measurement takes.
    pub window: Duration,
}

/// The figures of a turn.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// Operations that ended in the window.
    pub ops: u64,
    /// The real length of the window.
    pub seconds: f64,
    /// Operations that failed.
    pub errors: u64,
    /// The error of the first operation that failed.
    pub first_error: Option<Failure>,
    /// From asking for a connection to having it, if the thread asked in the window. A wait that
    /// the end of the turn cuts off counts with its length until then.
    pub waits: Waits,
    /// The holds and the idle times of the same threads.
    pub uses: Uses,
    /// Connections that were open at the end.
    pub open: usize,
    /// How often the pool lent a connection, including the warmup.
    pub gets: u64,
    /// How often the pool reset a session on return, including the warmup.
    pub resets: u64,
    /// Processor time of this process in the window, in seconds; `None` if the system does not
    /// tell.
    pub cpu_s: Option<f64>,
}

impl Turn {
    /// Operations in a second, all threads together.
    pub fn ops_per_s(&self) -> f64 {
        self.ops as f64 / self.seconds.max(1e-9)
    }

    /// Adds the figures of another turn.
    pub(crate) fn add(&mut self, other: Self) {
        self.ops += other.ops;
        self.seconds += other.seconds;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        self.waits.add(&other.waits);
        self.uses.add(&other.uses);
        self.open = self.open.max(other.open);
        self.gets += other.gets;
        self.resets += other.resets;
        self.cpu_s = self.cpu_s.zip(other.cpu_s).map(|(sum, more)| sum + more);
    }
}

/// A pool of any type, ready for its one turn.
pub trait Ready {
    /// Runs the threads, then closes the pool.
    ///
    /// # Errors
    ///
    /// If a thread cannot be started.
    fn run(self: Box<Self>, load: Load) -> Result<Turn>;
}

/// Builds a pool of the database's connections.
///
/// # Errors
///
/// If the pool cannot be built, for instance because the server accepts no more connections.
pub fn build(database: &Database, setup: Setup, query: &str) -> Result<Box<dyn Ready>> {
    again(BUILD_ATTEMPTS, BUILD_PAUSE, || match database.manager() {
        Manager::Mysql(manager) => build_on(manager, setup, query),
        Manager::Sqlite(manager) => build_on(manager, setup, query),
    })
}

fn build_on<M>(manager: M, setup: Setup, query: &str) -> Result<Box<dyn Ready>>
where
    M: ManageConnection<Connection: Queries> + 'static,
{
    let Setup { kind, size } = setup;
    // Waiting ends with the turn, when the pool is closed.
    let pool = kind.builder().size(size).get_timeout(None).build(manager).map_err(Failure::of)?;
    Ok(Box::new(Built { pool, ask: Ask(query.into()) }))
}

struct Built<M: ManageConnection> {
    pool: AnyPool<M>,
    ask: Ask,
}

impl<M: ManageConnection<Connection: Queries>> Ready for Built<M> {
    fn run(self: Box<Self>, load: Load) -> Result<Turn> {
        let Self { pool, ask } = *self;
        let turn = pool.clone().run(Use { ask, load });
        if let AnyPool::Shared(pool) = pool {
            drop(pool.close_and_wait(CLOSE_TIMEOUT));
        } else {
            pool.close();
        }
        turn
    }
}

/// Runs the user's query.
#[derive(Clone)]
struct Ask(Arc<str>);

impl Operate for Ask {
    fn operate<C: Queries>(&self, conn: &mut C, _: &mut Rng) -> Result<()> {
        match conn.ask(&self.0) {
            Ok(_) => Ok(()),
            Err(failure) => Err(Failure::new(format_args!("--query: {failure}"))),
        }
    }
}

/// What each thread of a turn does, on the pool's own type: `AnyPool` would add a branch to each call.
struct Use {
    ask: Ask,
    load: Load,
}

impl<M: ManageConnection<Connection: Queries>> UsePool<M> for Use {
    type Output = Result<Turn>;

    fn run<P: Pool<Manager = M> + Clone + 'static>(self, pool: P) -> Self::Output {
        let Load { threads, think, warm_up, window } = self.load;
        let pace = if think.is_zero() { Pace::AtOnce } else { Pace::Idle(think) };
        let workload = Workload { threads, pace, ..Workload::ONE };
        let job = Job { workload, operation: self.ask, opened: Opened::default() };
        let mut runner = Alike.start(Threadwise(pool.clone()), job)?;
        let mut state = None;
        let Steady { round, length, usage } = runner.steady(warm_up, window, || {
            state = Some(pool.state());
            pool.close(); // wakes the waiters
        });
        let state = state.expect("the end was called");
        Ok(Turn {
            ops: round.ops,
            seconds: length.as_secs_f64(),
            errors: round.errors,
            first_error: round.first_error,
            waits: round.waits,
            uses: round.uses.map(|uses| *uses).unwrap_or_default(),
            open: state.open,
            gets: state.counters.gets,
            resets: state.counters.resets,
            cpu_s: usage.map(|used| used.cpu_user_s + used.cpu_system_s),
        })
    }
}
