//! One round: a pool, its users, and the checks at their end.

use std::io::{Write, stderr};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use threadwise_core::{GetError, Reset, Validation};
use threadwise_shared::SharedPool;
use threadwise_testkit::stress::{OnPanic, Rng};
use threadwise_testkit::{Ledger, Script, wait};

use crate::trouble;
use crate::user::{self, Done};
use crate::watched::{Limit, Watched};

/// The plan of a round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    seed: u64,
    time: Duration,
    users: u64,
    max_size: usize,
    min_idle: usize,
    max_waiters: Option<usize>,
    connect_concurrency: usize,
    fair_after: Duration,
    validation: Validation,
    pub(crate) reset: Reset,
    max_uses: Option<u64>,
    max_idle: Option<usize>,
    max_lifetime: Option<Duration>,
    idle_timeout: Option<Duration>,
    keepalive: Option<Duration>,
    /// The highest limit.
    largest: u64,
    /// Whether the server makes no trouble. Then only the pool closes connections, when its limit falls.
    pub(crate) is_calm: bool,
    /// Whether the pool is closed in the middle of the round.
    closes: bool,
}

/// What all threads of a round share.
pub(crate) struct Round {
    pub(crate) plan: Plan,
    pub(crate) pool: SharedPool<Watched>,
    ledger: Arc<Ledger>,
    limit: Arc<Limit>,
    script: Arc<Script>,
    pub(crate) is_over: AtomicBool,
    pub(crate) is_closing: AtomicBool,
}

impl Plan {
    fn new(seed: u64) -> Self {
        let rng = &mut Rng::new(seed);
        // Calm rounds are short and many, with few users of few connections: a waiter that the pool
        // forgets stays forgotten only if nothing else happens.
        let is_calm = !rng.one_in(10);
        let (most_users, largest, micros) = match is_calm {
            true => (4, 2, 500 + rng.below(20_000)),
            false => (14, 8, 100_000 + rng.below(400_000)),
        };
        let min_idle = rng.one_of(&[0, 0, 0, 1, 2]).min(largest as usize - 1);
        // The end of a connection would also serve a forgotten waiter. So calm rounds end none.
        let ages = |rng: &mut Rng, ages: &[u64]| {
            let age = Duration::from_micros(rng.one_of(ages));
            (!is_calm && rng.one_in(3)).then_some(age)
        };
        Self {
            seed,
            time: Duration::from_micros(micros),
            users: 2 + rng.below(most_users - 1),
            max_size: min_idle.max(1 + rng.below(largest) as usize),
            min_idle,
            max_waiters: rng.one_of(&[None, None, None, Some(2)]),
            connect_concurrency: 1 + rng.below(4) as usize,
            fair_after: Duration::from_micros(rng.one_of(&[0, 50, 1_000])),
            validation: rng.one_of(&[
                Validation::Never,
                Validation::OnCheckout,
                Validation::OnReturn,
                Validation::IdleLongerThan(Duration::from_millis(1)),
            ]),
            reset: rng.one_of(&[Reset::Always, Reset::WhenChanged, Reset::Never]),
            max_uses: (!is_calm && rng.one_in(4)).then(|| 1 + rng.below(50)),
            max_idle: (!is_calm && rng.one_in(4)).then(|| min_idle + rng.below(4) as usize),
            max_lifetime: ages(rng, &[500, 5_000, 50_000]),
            idle_timeout: ages(rng, &[300, 3_000]),
            keepalive: ages(rng, &[200, 2_000]),
            largest,
            is_calm,
            closes: rng.one_in(3),
        }
    }
}

/// Runs the round of this seed. Panics if a check fails.
pub(crate) fn run(seed: u64) -> Done {
    let plan = Plan::new(seed);
    let _on_panic = OnPanic(|| format!("{plan:?}"));
    let round = Round::new(plan);
    let mut done = Done::default();
    thread::scope(|scope| {
        let rng = |number: u64| Rng::new(Rng::new(plan.seed ^ number).number());
        let round = &round;
        let (sender, guards) = mpsc::channel();
        let mut users: Vec<_> = (0..plan.users)
            .map(|number| {
                let sender = sender.clone();
                scope.spawn(move || user::run(round, rng(number), sender))
            })
            .collect();
        drop(sender); // so that the receiver ends with the users
        users.push(scope.spawn(move || user::receive(round, rng(1_000), &guards)));
        if !plan.is_calm {
            scope.spawn(move || trouble::make(&round.script, &round.is_over, rng(1_001)));
        }
        let operated = panic::catch_unwind(AssertUnwindSafe(|| round.operate(rng(1_002), &users)));
        round.end(&users);
        users.into_iter().for_each(|user| match user.join() {
            Ok(more) => done += more,
            Err(payload) => panic::resume_unwind(payload),
        });
        done.resized += operated.unwrap_or_else(|payload| panic::resume_unwind(payload));
    });
    round.assert_in_order();
    if !plan.closes {
        round.assert_whole();
    }
    round.assert_closes();
    done
}

impl Round {
    fn new(plan: Plan) -> Self {
        let manager = Watched::new(plan.max_size);
        let (ledger, limit, script) = (manager.ledger(), manager.limit(), manager.script());
        let pool = SharedPool::builder()
            .max_size(plan.max_size)
            .min_idle(plan.min_idle)
            .max_waiters(plan.max_waiters)
            .connect_concurrency(plan.connect_concurrency)
            .fair_after(plan.fair_after)
            .validation(plan.validation)
            .reset(plan.reset)
            .max_uses(plan.max_uses)
            .max_idle(plan.max_idle)
            .max_lifetime(plan.max_lifetime)
            .idle_timeout(plan.idle_timeout)
            .keepalive(plan.keepalive)
            .get_timeout(None) // a thread that is not served or not woken still waits at the end
            .build(manager)
            .unwrap();
        let (is_over, is_closing) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { plan, pool, ledger, limit, script, is_over, is_closing }
    }

    pub(crate) fn assert_in_order(&self) {
        self.ledger.assert_in_order();
        self.limit.assert_kept();
    }

    /// Changes the limit or suspends the pool now and then, until the round is over or a user fails.
    fn operate(&self, mut rng: Rng, users: &[ScopedJoinHandle<'_, Done>]) -> u64 {
        let end = Instant::now() + self.plan.time;
        let mut resized = 0;
        while Instant::now() < end && !users.iter().any(ScopedJoinHandle::is_finished) {
            let longest = if self.plan.is_calm { 500 } else { 5_000 };
            thread::sleep(Duration::from_micros(rng.below(longest)));
            let max_size = 1 + rng.below(self.plan.largest) as usize;
            if rng.one_in(4) {
                self.suspend(&mut rng);
            }
            self.resize(self.plan.min_idle.max(max_size));
            resized += 1;
        }
        resized
    }

    /// No user gets a connection between suspend and resume.
    fn suspend(&self, rng: &mut Rng) {
        self.pool.suspend();
        for _ in 0..rng.below(4) {
            assert!(matches!(self.pool.try_get(), Err(GetError::Exhausted(_) | GetError::Closed)));
            thread::sleep(Duration::from_micros(rng.below(300)));
        }
        self.pool.resume();
    }

    /// The higher limit is in force until the pool has set the lower one. It sets it under its lock, so it
    /// must keep the lower one from then on.
    fn resize(&self, max_size: usize) {
        let before = self.pool.state().max_size.expect("this pool has a limit");
        self.limit.set(before.max(max_size));
        self.pool.resize(max_size).unwrap();
        wait::until("the pool to keep to the lower limit", || {
            let state = self.pool.state();
            state.open + state.connecting <= max_size
        });
        self.limit.set(max_size);
    }

    /// Ends the round. Aborts if a thread waits and is not served any more.
    fn end(&self, users: &[ScopedJoinHandle<'_, Done>]) {
        self.is_closing.store(self.plan.closes, Relaxed);
        if self.plan.closes {
            self.pool.close();
        }
        self.is_over.store(true, Relaxed);
        let end = Instant::now() + wait::PATIENCE;
        while !users.iter().all(ScopedJoinHandle::is_finished) {
            if Instant::now() > end {
                let Self { plan, pool, .. } = self;
                // Not a panic, which would wait for the user; not `eprintln`, which is captured.
                let _ = writeln!(stderr(), "a user is stranded: {}, {plan:?}", pool.state());
                std::process::abort();
            }
            thread::park_timeout(Duration::from_micros(200));
        }
    }

    /// As many connections as the limit allows can be borrowed at once, and the ledger agrees.
    fn assert_whole(&self) {
        let state = self.pool.state();
        let max_size = state.max_size.expect("this pool has a limit");
        assert_eq!(state.waiting, 0, "{state}");
        // A dial that has failed for good, and has not ended, would tell the next waiter.
        wait::until("the last dials to end", || self.pool.state().connecting == 0);
        let all: Vec<_> = (0..max_size)
            .map(|_| self.pool.get_timeout(wait::PATIENCE).expect("one of all"))
            .collect();
        let holdings: Vec<_> = all.iter().map(|conn| conn.hold()).collect();
        let state = self.pool.state();
        assert_eq!((state.open, state.borrowed, state.idle), (max_size, max_size, 0), "{state}");
        assert_eq!((state.connecting, state.waiting), (0, 0), "{state}");
        assert!(matches!(self.pool.try_get(), Err(GetError::Exhausted(_))));
        assert_eq!(self.ledger.open(), max_size);
        drop((holdings, all));
        self.assert_in_order();
        // Connections that are old, used up or surplus are closed a moment later.
        wait::until("the pool's books and the server's to agree", || {
            let counters = self.pool.state().counters;
            // For the pool, a connection that is broken as soon as it is open is a failed attempt.
            let born_broken = self.ledger.opened() - counters.opened;
            born_broken <= counters.connect_failures
                && self.ledger.closed() - counters.closed_total() == born_broken
        });
    }

    /// A closed pool has no connection and no thread.
    fn assert_closes(self) {
        self.pool.close();
        assert!(matches!(self.pool.get(), Err(GetError::Closed)));
        assert_eq!(self.pool.state().waiting, 0);
        // Connections that were being opened are closed as soon as they are open.
        wait::until("the last connection to be closed", || {
            let state = self.pool.state();
            state.open + state.connecting == 0
        });
        assert_eq!(self.ledger.open(), 0);
        self.ledger.assert_in_order();
        drop(self.pool);
        #[cfg(target_os = "linux")]
        wait::until("the pool's threads to end", || pool_threads() == 0);
    }
}

/// How many threads of this process have a name of a pool thread.
#[cfg(target_os = "linux")]
fn pool_threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("the threads of this process");
    let name = |task: std::io::Result<std::fs::DirEntry>| {
        std::fs::read_to_string(task.ok()?.path().join("comm")).ok() // the thread may have ended by now
    };
    tasks.filter_map(name).filter(|name| name.starts_with("threadwise-")).count()
}
