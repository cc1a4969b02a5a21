//! One thread alone with a pool gets a connection, whatever the settings, while the server is well.
//!
//! Where many threads use a pool, the next return repairs a lost wakeup. Here no other thread returns
//! anything. The pool has random settings, with limits of a few milliseconds, so that its own threads
//! mark, validate and close connections all the time. The manager takes random times, and sometimes a
//! connection is found dead. A connection can always be opened, so each `get` must succeed.
//!
//! `THREADWISE_STRESS_SECONDS` sets how long it runs (3 by default), and `THREADWISE_STRESS_SEED` the
//! random choices, but not the order of the threads.
#![cfg(all(feature = "shared", feature = "queue", feature = "persistent"))]

use std::io;
use std::ops::AddAssign;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise::{
    AnyPool, CloseReason, ManageConnection, Pool, PoolKind, Reset, State, Validation,
};
use threadwise_testkit::stress::{self, Rng};
use threadwise_testkit::wait::PATIENCE;

/// How many pools are tried at the same time, each by a thread of its own. They mostly sleep.
const AT_ONCE: u64 = 24;

/// How many uses a thread makes of a pool.
const USES: u64 = 40;

/// A connection that a test can break.
struct Fragile {
    is_broken: bool,
    has_changed: bool,
}

/// A server that always lets in, after a random time. Now and then, a connection is dead.
struct Moody {
    rng: Mutex<Rng>,
    /// How often a connection is dead when it is validated or reset: once in so many times.
    dead_once_in: u64,
}

impl Moody {
    fn answer(&self) -> io::Result<()> {
        let mut rng = self.rng.lock().unwrap();
        let time = Duration::from_micros(if rng.one_in(4) { rng.below(2_000) } else { 0 });
        let is_dead = rng.one_in(self.dead_once_in);
        drop(rng);
        if !time.is_zero() {
            thread::sleep(time);
        }
        if is_dead { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}

impl ManageConnection for Moody {
    type Connection = Fragile;
    type Error = io::Error;

    fn connect(&self) -> io::Result<Fragile> {
        let _ = self.answer(); // the server is well
        Ok(Fragile { is_broken: false, has_changed: false })
    }

    fn is_valid(&self, _: &mut Fragile) -> io::Result<()> {
        self.answer()
    }

    fn has_broken(&self, conn: &mut Fragile) -> bool {
        conn.is_broken
    }

    fn reset(&self, conn: &mut Fragile) -> io::Result<()> {
        conn.has_changed = false;
        self.answer()
    }

    fn has_changed(&self, conn: &mut Fragile) -> bool {
        conn.has_changed
    }
}

fn validation(rng: &mut Rng) -> Validation {
    let idle = Duration::from_micros(500 + rng.below(4_000));
    let longer = Validation::IdleLongerThan(idle);
    rng.one_of(&[Validation::Never, Validation::OnCheckout, Validation::OnReturn, longer, longer])
}

/// `None`, or a few milliseconds.
fn few_millis(rng: &mut Rng) -> Option<Duration> {
    let time = Duration::from_micros(500 + rng.below(8_000));
    rng.one_of(&[None, Some(time)])
}

/// No limit, one that no answer exceeds, or one that some answers exceed.
fn validation_timeout(rng: &mut Rng) -> Option<Duration> {
    rng.one_of(&[None, Some(2 * PATIENCE), Some(PATIENCE / 2), Some(Duration::from_millis(1))])
}

fn reset(rng: &mut Rng) -> Reset {
    rng.one_of(&[Reset::Always, Reset::WhenChanged, Reset::Never])
}

fn shared(rng: &mut Rng, manager: Moody) -> SharedPool<Moody> {
    let max_size = 1 + rng.below(3) as usize;
    let min_idle = rng.below(max_size as u64 + 1) as usize;
    SharedPool::builder()
        .max_size(max_size)
        .min_idle(min_idle)
        .validation(validation(rng))
        .validation_timeout(validation_timeout(rng))
        .reset(reset(rng))
        .keepalive(few_millis(rng))
        .idle_timeout(few_millis(rng))
        .max_lifetime(few_millis(rng))
        .leak_threshold(few_millis(rng))
        .max_uses(rng.one_of(&[None, Some(3)]))
        .fair_after(rng.one_of(&[Duration::ZERO, Duration::from_millis(1), PATIENCE]))
        .connect_concurrency(1 + rng.below(2) as usize)
        .trace_holders(rng.one_in(4))
        .build_lazy(manager)
        .expect("the settings are in order")
}

fn persistent(rng: &mut Rng, manager: Moody) -> PersistentPool<Moody> {
    PersistentPool::builder()
        .max_threads(rng.one_of(&[None, Some(1)]))
        .max_overflow(1)
        .validation(validation(rng))
        .validation_timeout(validation_timeout(rng))
        .reset(reset(rng))
        .idle_timeout(few_millis(rng))
        .max_lifetime(few_millis(rng))
        .max_uses(rng.one_of(&[None, Some(3)]))
        .build_lazy(manager)
        .expect("the settings are in order")
}

fn queue(rng: &mut Rng, manager: Moody) -> QueuePool<Moody> {
    QueuePool::builder()
        .size(1 + rng.below(3) as usize)
        .validation(validation(rng))
        .validation_timeout(validation_timeout(rng))
        .reset(reset(rng))
        .build(manager)
        .expect("a connection can be opened")
}

fn any(rng: &mut Rng) -> AnyPool<Moody> {
    let dead_once_in = rng.one_of(&[4, 20, u64::MAX]);
    let manager = Moody { rng: Mutex::new(Rng::new(rng.number())), dead_once_in };
    match rng.one_of(&[PoolKind::Shared, PoolKind::Shared, PoolKind::Persistent, PoolKind::Queue]) {
        PoolKind::Persistent => AnyPool::Persistent(persistent(rng, manager)),
        PoolKind::Queue => AnyPool::Queue(queue(rng, manager)),
        _ => AnyPool::Shared(shared(rng, manager)),
    }
}

/// One thread uses one pool.
fn play(seed: u64) -> Seen {
    let mut rng = Rng::new(seed);
    let pool = any(&mut rng);
    for number in 0..USES {
        let begin = Instant::now();
        let got = match rng.below(3) {
            0 => pool.get(),
            1 => pool.get_timeout(PATIENCE),
            _ => pool.try_get().or_else(|_| pool.get_timeout(PATIENCE)),
        };
        let mut conn = got.unwrap_or_else(|error| {
            panic!(
                "use {number} of seed {seed}, {:?} after: {error}; {:?}",
                begin.elapsed(),
                pool.state()
            )
        });
        conn.has_changed = rng.one_in(2);
        conn.is_broken = rng.one_in(10);
        pause(&mut rng, 500);
        match rng.below(20) {
            0 => conn.discard(),
            1 => drop(conn.detach()),
            _ => drop(conn),
        }
        disturb(&pool, &mut rng);
        pause(&mut rng, 6_000);
    }
    Seen::of(&pool.state())
}

fn pause(rng: &mut Rng, up_to: u64) {
    if !rng.one_in(3) {
        thread::sleep(Duration::from_micros(rng.below(up_to)));
    }
}

/// Sometimes does to the pool what an operator does. Only a `SharedPool` offers it.
fn disturb(pool: &AnyPool<Moody>, rng: &mut Rng) {
    let AnyPool::Shared(pool) = pool else { return };
    if !rng.one_in(8) {
        return;
    }
    match rng.below(4) {
        0 => pool.evict(),
        1 => pool.evict_idle(),
        2 => drop(pool.resize(1 + rng.below(3) as usize)), // refused below `min_idle`
        _ => {
            pool.suspend();
            pool.resume();
        }
    }
}

/// What happened in the pools of a round.
#[derive(Debug, Default)]
struct Seen {
    gets: u64,
    opened: u64,
    invalid: u64,
    too_old: u64,
    idle_too_long: u64,
}

impl Seen {
    fn of(state: &State) -> Self {
        let counters = &state.counters;
        Self {
            gets: counters.gets,
            opened: counters.opened,
            invalid: counters.closed(CloseReason::Invalid),
            too_old: counters.closed(CloseReason::MaxLifetime),
            idle_too_long: counters.closed(CloseReason::IdleTimeout),
        }
    }
}

impl AddAssign for Seen {
    fn add_assign(&mut self, other: Self) {
        self.gets += other.gets;
        self.opened += other.opened;
        self.invalid += other.invalid;
        self.too_old += other.too_old;
        self.idle_too_long += other.idle_too_long;
    }
}

#[test]
fn a_thread_alone_always_gets_a_connection() {
    let (rounds, seen) = stress::rounds(stress::time_or(3), |seed| {
        let mut rng = Rng::new(seed);
        let seeds: Vec<_> = (0..AT_ONCE).map(|_| rng.number()).collect();
        thread::scope(|scope| {
            let players: Vec<_> = seeds.iter().map(|seed| scope.spawn(|| play(*seed))).collect();
            let mut seen = Seen::default();
            players.into_iter().for_each(|player| seen += player.join().expect("each is served"));
            seen
        })
    });
    println!("{rounds} rounds: {seen:?}");
    let all = [seen.gets, seen.opened, seen.invalid, seen.too_old, seen.idle_too_long];
    assert!(all.iter().all(|count| *count > 0), "{seen:?}");
}
