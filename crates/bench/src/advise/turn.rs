//! One turn: builds a pool, lets its threads use it for a while, and closes it.
//!
//! A turn leaves nothing behind, so the server never has more connections than one setup needs.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use threadwise::{AnyPool, GetError, ManageConnection, Pool, PoolKind, UsePool};

use super::database::{Ask, Database};
use crate::Failure;
use crate::measure::Waits;
use crate::usage::Usage;

/// How long a thread waits after an error, so that it does not retry in a busy loop.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(1);
/// A small stack, because the threads do little and there may be many.
const STACK: usize = 256 << 10;
/// The build is retried, because a server needs a moment to notice that the last turn's connections
/// are closed.
const BUILD_ATTEMPTS: u32 = 5;
const BUILD_PAUSE: Duration = Duration::from_millis(200);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The name of the pool's type.
#[must_use]
pub fn type_name(kind: PoolKind) -> &'static str {
    match kind {
        PoolKind::Shared => "SharedPool",
        PoolKind::Persistent => "PersistentPool",
        PoolKind::Queue => "QueuePool",
        _ => unreachable!("`advise` knows the kinds of {:?}", PoolKind::ALL),
    }
}

/// A pool to measure: its kind and its number of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Which pool.
    #[serde(rename = "model", with = "by_name")]
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
    /// Operations that failed, and the first reason.
    pub errors: u64,
    /// See `errors`.
    pub first_error: Option<Failure>,
    /// From asking for a connection to having it, if the thread asked in the window. A wait that
    /// the end of the turn cuts off counts with its length until then.
    pub waits: Waits,
    /// From having a connection to having returned it, including the work of the pool's return.
    pub holds: Waits,
    /// From a return to the next borrow.
    pub idles: Waits,
    /// Sums of the waits, of the holds, and of the idle times, in seconds.
    pub wait_s: f64,
    /// See `wait_s`.
    pub hold_s: f64,
    /// See `wait_s`.
    pub idle_s: f64,
    /// Connections that were open at the end.
    pub open: usize,
    /// Connections lent, and sessions reset on return, including the warmup.
    pub gets: u64,
    /// See `gets`.
    pub resets: u64,
    /// Processor time of this process in the window, in seconds; `None` if the system does not
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

    /// Adds the figures of another thread, or of another turn.
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

/// A pool of any type, ready for its one turn.
pub trait Ready {
    /// Runs the threads, then closes the pool.
    ///
    /// # Errors
    ///
    /// If a thread cannot be started.
    fn run(self: Box<Self>, load: Load) -> Result<Turn, Failure>;
}

/// Builds a pool of the database's connections.
///
/// # Errors
///
/// If the pool cannot be built, for instance because the server accepts no more connections.
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
    let Setup { kind, size } = setup;
    // Waiting ends with the turn, when the pool is closed.
    let pool = kind.builder().size(size).get_timeout(None).build(manager).map_err(Failure::of)?;
    Ok(Box::new(Built { pool, query: query.to_owned() }))
}

struct Built<M: ManageConnection> {
    pool: AnyPool<M>,
    query: String,
}

impl<M: Ask> Ready for Built<M> {
    fn run(self: Box<Self>, load: Load) -> Result<Turn, Failure> {
        let Self { pool, query } = *self;
        let turn = pool.clone().run(Use { query, load });
        if let AnyPool::Shared(pool) = pool {
            drop(pool.close_and_wait(CLOSE_TIMEOUT));
        } else {
            pool.close();
        }
        turn
    }
}

/// What each thread of a turn does, on the pool's own type: `AnyPool` would add a branch to each call.
struct Use {
    query: String,
    load: Load,
}

impl<M: Ask> UsePool<M> for Use {
    type Output = Result<Turn, Failure>;

    fn run<P: Pool<Manager = M> + Clone + 'static>(self, pool: P) -> Self::Output {
        run(&pool, &self.query, self.load)
    }
}

/// A kind of pool by its name in JSON.
mod by_name {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use threadwise::PoolKind;

    pub(super) fn serialize<S: Serializer>(kind: &PoolKind, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(kind.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<PoolKind, D::Error> {
        String::deserialize(input)?.parse().map_err(D::Error::custom)
    }
}

/// The phases of a turn, which the threads read.
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
        pool.close(); // wakes the waiters
        Ok((seconds, used.map(|used| used.cpu_user_s + used.cpu_system_s), state))
    })
    .map(|(seconds, cpu_s, state)| {
        let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (gets, resets) = (state.counters.gets, state.counters.resets);
        Turn { seconds, cpu_s, open: state.open, gets, resets, ..sum }
    })
}

/// The work of one thread: borrow, query, return, be idle, until the turn is over.
fn work<P>(pool: &P, query: &str, think: Duration, phase: &AtomicU8) -> Turn
where
    P: Pool,
    P::Manager: Ask,
{
    let mut turn = Turn::default();
    let mut returned: Option<Instant> = None;
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
                if let Some(idle) = returned.map(|it| asked - it) {
                    turn.idles.record(idle);
                    turn.idle_s += idle.as_secs_f64();
                }
            }
            if phase.load(Relaxed) == MEASURING {
                turn.ops += 1;
            }
        }
        returned = Some(ended);
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
