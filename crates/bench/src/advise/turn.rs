//! One turn: a pool is built, its threads use it for a while, and it is closed.
//!
//! Nothing of it stays, so however many setups take turns, the server sees the connections of one.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use threadwise_core::{GetError, Pool};
use threadwise_persistent::PersistentPool;
use threadwise_queue::QueuePool;
use threadwise_shared::SharedPool;

use super::database::{Ask, Database};
use crate::Failure;
use crate::measure::Waits;
use crate::names::ContenderKind;
use crate::usage::Usage;

/// A thread that has an error waits so long before it tries again, lest it do nothing else.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(1);
/// Threads do next to nothing, so many of them need little room.
const STACK: usize = 256 << 10;
/// A server takes a moment to see that the last turn's connections are closed.
const BUILD_ATTEMPTS: u32 = 5;
const BUILD_PAUSE: Duration = Duration::from_millis(200);
const FAREWELL: Duration = Duration::from_secs(5);

/// A threading model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Model {
    /// `SharedPool`.
    Shared,
    /// `PersistentPool`.
    Persistent,
    /// `QueuePool`.
    Queue,
}

impl Model {
    /// The pool's type.
    #[must_use]
    pub fn pool(self) -> &'static str {
        match self {
            Self::Shared => "SharedPool",
            Self::Persistent => "PersistentPool",
            Self::Queue => "QueuePool",
        }
    }

    /// The name in tables and files.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.kind().name()
    }

    /// The same among the contenders of a comparison.
    fn kind(self) -> ContenderKind {
        match self {
            Self::Shared => ContenderKind::Shared,
            Self::Persistent => ContenderKind::Persistent,
            Self::Queue => ContenderKind::Queue,
        }
    }
}

/// A pool to be measured: which, and of how many connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Which pool.
    pub model: Model,
    /// Its limit. `PersistentPool`'s is its threads.
    pub size: usize,
}

/// What the threads do, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// How many threads.
    pub threads: usize,
    /// How long each is idle after a use.
    pub think: Duration,
    /// How long they work before anything counts.
    pub warm_up: Duration,
    /// How long they work then.
    pub window: Duration,
}

/// What came of a turn.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// Operations that ended in the window.
    pub ops: u64,
    /// The window, as it was.
    pub seconds: f64,
    /// Operations that failed, and the first reason.
    pub errors: u64,
    /// See `errors`.
    pub first_error: Option<Failure>,
    /// From asking for a connection to having it, of those who asked in the window. One that the end
    /// cut off counts with its length until then.
    pub waits: Waits,
    /// From having a connection to having given it back, what the pool does then included.
    pub holds: Waits,
    /// From giving back to asking again.
    pub idles: Waits,
    /// Sums of the waits, of the holds, and of the idle times, in seconds.
    pub wait_s: f64,
    /// See `wait_s`.
    pub hold_s: f64,
    /// See `wait_s`.
    pub idle_s: f64,
    /// Connections that were open at the end.
    pub open: usize,
    /// Connections lent, and sessions reset when they came back, the warm-up included.
    pub gets: u64,
    /// See `gets`.
    pub resets: u64,
    /// Processor time of this process in the window, in seconds; `None` where the system does not
    /// tell.
    pub cpu_s: Option<f64>,
}

impl Turn {
    /// Operations in a second, all threads together.
    #[must_use]
    pub fn ops_per_s(&self) -> f64 {
        self.ops as f64 / self.seconds.max(1e-9)
    }

    /// The mean of the waits, in seconds.
    #[must_use]
    pub fn mean_wait_s(&self) -> f64 {
        self.wait_s / self.waits.count().max(1) as f64
    }

    /// The mean of the holds, in seconds.
    #[must_use]
    pub fn mean_hold_s(&self) -> f64 {
        self.hold_s / self.holds.count().max(1) as f64
    }

    /// The mean of the idle times, in seconds.
    #[must_use]
    pub fn mean_idle_s(&self) -> f64 {
        self.idle_s / self.idles.count().max(1) as f64
    }

    /// Adds another thread's part of a turn, or another turn.
    pub(super) fn add(&mut self, other: Self) {
        self.ops += other.ops;
        self.seconds += other.seconds;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
        self.waits.add(&other.waits);
        self.holds.add(&other.holds);
        self.idles.add(&other.idles);
        self.wait_s += other.wait_s;
        self.hold_s += other.hold_s;
        self.idle_s += other.idle_s;
        self.open = self.open.max(other.open);
        self.gets += other.gets;
        self.resets += other.resets;
        self.cpu_s = self.cpu_s.zip(other.cpu_s).map(|(sum, more)| sum + more);
    }
}

/// A pool whose type is not known, ready for its one turn.
pub trait Ready {
    /// Lets the threads work, and closes the pool.
    ///
    /// # Errors
    ///
    /// When a thread cannot be started.
    fn run(self: Box<Self>, load: Load) -> Result<Turn, Failure>;
}

/// Builds a pool of the database's connections.
///
/// # Errors
///
/// When the pool cannot be built; for instance because the server takes no more connections.
pub fn build(database: &Database, setup: Setup, query: &str) -> Result<Box<dyn Ready>, Failure> {
    let mut attempt = 1;
    loop {
        let built = match (database.mysql_manager(), database.sqlite_manager()) {
            (Some(manager), _) => build_on(manager, setup, query),
            (None, Some(manager)) => build_on(manager, setup, query),
            (None, None) => unreachable!("it is one of them"),
        };
        match built {
            Err(_) if attempt < BUILD_ATTEMPTS => attempt += 1,
            built => return built,
        }
        thread::sleep(BUILD_PAUSE);
    }
}

fn build_on<M>(manager: M, setup: Setup, query: &str) -> Result<Box<dyn Ready>, Failure>
where
    M: Ask + 'static,
{
    let query = query.to_owned();
    let Setup { model, size } = setup;
    // Waiting ends with the turn, when the pool is closed.
    match model {
        Model::Shared => {
            let pool = SharedPool::builder().max_size(size).get_timeout(None).build(manager);
            let pool = pool.map_err(Failure::of)?;
            let farewell = |pool: &SharedPool<M>| drop(pool.close_and_wait(FAREWELL));
            Ok(Box::new(Built { pool, query, farewell }))
        }
        Model::Persistent => {
            let pool = PersistentPool::builder().max_threads(size).get_timeout(None);
            let pool = pool.build(manager).map_err(Failure::of)?;
            Ok(Box::new(Built { pool, query, farewell: PersistentPool::close }))
        }
        Model::Queue => {
            let pool = QueuePool::builder().size(size).get_timeout(None).build(manager);
            let pool = pool.map_err(Failure::of)?;
            Ok(Box::new(Built { pool, query, farewell: QueuePool::close }))
        }
    }
}

struct Built<P, F> {
    pool: P,
    query: String,
    farewell: F,
}

impl<P, F> Ready for Built<P, F>
where
    P: Pool,
    P::Manager: Ask,
    F: Fn(&P),
{
    fn run(self: Box<Self>, load: Load) -> Result<Turn, Failure> {
        let turn = run(&self.pool, &self.query, load);
        (self.farewell)(&self.pool);
        turn
    }
}

/// What the threads go by.
const WARMING_UP: u8 = 0;
const MEASURING: u8 = 1;
const OVER: u8 = 2;

fn run<P>(pool: &P, query: &str, load: Load) -> Result<Turn, Failure>
where
    P: Pool,
    P::Manager: Ask,
{
    let phase = AtomicU8::new(WARMING_UP);
    let gate = RwLock::new(());
    let sum = Mutex::new(Turn::default());
    thread::scope(|scope| {
        let closed = gate.write().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..load.threads {
            let member = || {
                drop(gate.read());
                let turn = work(pool, query, load.think, &phase);
                sum.lock().unwrap_or_else(PoisonError::into_inner).add(turn);
            };
            if let Err(error) = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, member)
            {
                phase.store(OVER, Relaxed);
                return Err(Failure::new(format_args!("cannot start a thread: {error}")));
            }
        }
        drop(closed);
        thread::sleep(load.warm_up);
        let before = Usage::until_now();
        let begun = Instant::now();
        phase.store(MEASURING, Relaxed);
        thread::sleep(load.window);
        phase.store(OVER, Relaxed);
        let seconds = begun.elapsed().as_secs_f64();
        let used = Usage::until_now().zip(before).map(|(after, before)| after - before);
        let state = pool.state();
        pool.close(); // wakes those who wait
        Ok((seconds, used.map(|used| used.cpu_user_s + used.cpu_system_s), state))
    })
    .map(|(seconds, cpu_s, state)| {
        let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (gets, resets) = (state.counters.gets, state.counters.resets);
        Turn { seconds, cpu_s, open: state.open, gets, resets, ..sum }
    })
}

/// One thread's part: ask, use, give back, be idle; until it is over.
fn work<P>(pool: &P, query: &str, think: Duration, phase: &AtomicU8) -> Turn
where
    P: Pool,
    P::Manager: Ask,
{
    let mut turn = Turn::default();
    let mut given_back: Option<Instant> = None;
    loop {
        let asked_in = phase.load(Relaxed);
        if asked_in == OVER {
            return turn;
        }
        let asked = Instant::now();
        let got = pool.get();
        let begun = Instant::now();
        let waited = begun - asked;
        let mut conn = match got {
            Ok(conn) => conn,
            Err(GetError::Closed) if phase.load(Relaxed) == OVER => {
                if asked_in == MEASURING {
                    turn.waits.record(waited);
                    turn.wait_s += waited.as_secs_f64();
                }
                return turn;
            }
            Err(error) => {
                fail(&mut turn, Failure::of(error));
                continue;
            }
        };
        let outcome = <P::Manager as Ask>::ask(&mut conn, query);
        drop(conn);
        let ended = Instant::now();
        if let Err(failure) = outcome {
            fail(&mut turn, failure);
        } else {
            if asked_in == MEASURING {
                turn.waits.record(waited);
                turn.holds.record(ended - begun);
                turn.wait_s += waited.as_secs_f64();
                turn.hold_s += (ended - begun).as_secs_f64();
                if let Some(idle) = given_back.map(|it| asked - it) {
                    turn.idles.record(idle);
                    turn.idle_s += idle.as_secs_f64();
                }
            }
            if phase.load(Relaxed) == MEASURING {
                turn.ops += 1;
            }
        }
        given_back = Some(ended);
        if !think.is_zero() {
            thread::sleep(think);
        }
    }
}

#[cold]
fn fail(turn: &mut Turn, failure: Failure) {
    turn.errors += 1;
    turn.first_error.get_or_insert(failure);
    thread::sleep(PAUSE_AFTER_ERROR);
}
