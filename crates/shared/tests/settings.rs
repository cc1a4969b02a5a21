//! The pool refuses settings that make no sense, by name, and keeps the others.

mod common;

use std::thread;
use std::time::Duration;

use common::{MINUTE, SECOND, rig};
use threadwise_core::{BuildError, Reset};
use threadwise_shared::{Builder, SharedPool, VirtualClock};
use threadwise_testkit::{Call, FakeManager, Scripted, Step, wait};

type Manager = Scripted<FakeManager>;

fn refused(build: impl FnOnce() -> Result<SharedPool<Manager>, Refusal>) -> (&'static str, String) {
    match build() {
        Err(BuildError::Setting { name, problem }) => (name, problem),
        Err(other) => panic!("refused for another reason: {other}"),
        Ok(_) => panic!("not refused"),
    }
}

type Refusal = BuildError<<Manager as threadwise_core::ManageConnection>::Error>;

fn manager() -> Manager {
    Scripted::new(FakeManager)
}

#[test]
fn a_size_of_zero_is_refused() {
    assert_eq!(refused(|| SharedPool::builder().max_size(0).build(manager())).0, "max_size");
}

#[test]
fn more_idle_connections_than_may_exist_are_refused() {
    let pool = || SharedPool::builder().max_size(3).min_idle(4).build(manager());
    let (name, problem) = refused(pool);
    assert_eq!(name, "min_idle");
    assert!(problem.contains('4') && problem.contains("`max_size`, which is 3"), "{problem}");
}

#[test]
fn a_connect_concurrency_of_zero_is_refused() {
    let pool = || SharedPool::builder().connect_concurrency(0).build(manager());
    assert_eq!(refused(pool).0, "connect_concurrency");
}

#[test]
fn a_lazy_pool_opens_nothing_before_the_first_get() {
    let manager = manager();
    let ledger = manager.ledger();
    let pool = SharedPool::builder().build_lazy(manager).unwrap();
    assert_eq!(ledger.opened(), 0);
    drop(pool.get().unwrap());
    assert_eq!(ledger.opened(), 1);
}

#[test]
fn build_opens_min_idle_connections_and_no_more() {
    let manager = manager();
    let ledger = manager.ledger();
    let pool = SharedPool::builder().max_size(10).min_idle(4).build(manager).unwrap();
    assert_eq!(pool.state().idle, 4);
    assert_eq!(ledger.opened(), 4);
}

#[test]
fn build_gives_up_after_get_timeout_when_the_server_does_not_answer() {
    let manager = manager();
    let (script, ledger) = (manager.script(), manager.ledger());
    let gate = script.hang_next(Call::Connect);
    let open_at_end = gate.open_at_end();
    let clock = VirtualClock::new();
    let builder = SharedPool::builder().clock(clock.clock()).get_timeout(MINUTE);
    let error = thread::scope(|scope| {
        let _end = wait::AtEnd(|| clock.advance(MINUTE));
        let built = scope.spawn(|| builder.build(manager).expect_err("a pool of nothing"));
        gate.await_arrivals(1);
        clock.advance(MINUTE - SECOND);
        assert!(!built.is_finished(), "a second is left");
        clock.advance(SECOND);
        built.join().unwrap()
    });
    assert!(matches!(error, BuildError::TimedOut { waited, .. } if waited == MINUTE), "{error}");
    assert!(error.to_string().contains("`get_timeout`"), "{error}");
    drop(open_at_end);
    wait::until("the late connection to be closed", || ledger.closed() == 1);
}

#[test]
fn build_fails_if_it_cannot_open_all_of_min_idle() {
    let manager = manager();
    let (script, ledger) = (manager.script(), manager.ledger());
    script.next(Call::Connect, Step::Pass);
    script.always(Call::Connect, Step::Fail);
    let Err(error) = SharedPool::builder().min_idle(2).build(manager) else {
        panic!("a pool of half of min_idle")
    };
    assert!(matches!(error, BuildError::ConnectFailed(_)), "{error}");
    wait::until("the first to be closed", || ledger.open() == 0);
}

#[test]
fn min_idle_connections_are_kept_ready_while_others_are_borrowed() {
    let manager = manager();
    let ledger = manager.ledger();
    let pool = SharedPool::builder().max_size(5).min_idle(2).build(manager).unwrap();
    let borrowed: Vec<_> = (0..2).map(|_| pool.get().unwrap()).collect();
    wait::until("two more connections", || pool.state().idle == 2);
    let more: Vec<_> = (0..2).map(|_| pool.get().unwrap()).collect();
    wait::until("the fifth", || pool.state().idle == 1);
    assert_eq!((ledger.open(), ledger.most_open()), (5, 5), "the limit stands above the floor");
    drop((borrowed, more));
}

/// Each with the setting that the error must name.
#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    type Settings = fn(Builder<Manager>) -> Builder<Manager>;
    let second = Duration::from_secs(1);
    let zero = Duration::ZERO;
    let senseless: [(&str, Settings); 20] = [
        ("max_idle", |pool| pool.min_idle(3).max_idle(2)),
        ("connect_backoff", |pool| pool.connect_backoff(Duration::ZERO, Duration::MAX)),
        ("connect_backoff", |pool| {
            pool.connect_backoff(Duration::from_secs(2), Duration::from_secs(1))
        }),
        ("connect_patience", |pool| pool.connect_patience(Duration::ZERO)),
        ("max_lifetime", |pool| pool.max_lifetime(Duration::ZERO)),
        ("lifetime_jitter", |pool| pool.lifetime_jitter(1.5)),
        ("lifetime_jitter", |pool| pool.lifetime_jitter(-0.1)),
        ("lifetime_jitter", |pool| pool.lifetime_jitter(f64::NAN)),
        ("lifetime_jitter", |pool| pool.lifetime_jitter(f64::INFINITY)),
        ("idle_timeout", |pool| pool.idle_timeout(Duration::ZERO)),
        ("keepalive", |pool| pool.keepalive(Duration::ZERO)),
        ("max_uses", |pool| pool.max_uses(0)),
        ("validation_timeout", |pool| pool.validation_timeout(Duration::ZERO)),
        ("leak_threshold", |pool| pool.leak_threshold(Duration::ZERO)),
        ("name", |pool| pool.name("a\0b")),
        ("name", |pool| pool.name("\0")),
        ("min_idle", |pool| pool.max_size(3).min_idle(4)),
        ("connect_backoff", |pool| pool.connect_backoff(Duration::ZERO, Duration::ZERO)),
        ("max_size", |pool| pool.max_size(0)),
        ("connect_concurrency", |pool| pool.connect_concurrency(0)),
    ];
    for (name, settings) in senseless {
        let (refused, problem) = refused(|| settings(SharedPool::builder()).build(manager()));
        assert_eq!(refused, name, "{problem}");
        let lazily = self::refused(|| settings(SharedPool::builder()).build_lazy(manager())).0;
        assert_eq!(lazily, name);
        let error: Refusal = BuildError::setting(name, problem);
        assert!(error.to_string().contains(&format!("setting `{name}`: ")), "{error}");
    }
    let longest = |pool: Builder<Manager>| pool.connect_backoff(second, second).max_idle(0);
    assert!(longest(SharedPool::builder()).get_timeout(zero + second).build(manager()).is_ok());
}

/// Settings that look like mistakes and are none.
#[test]
fn settings_at_their_limits_are_kept() {
    type Settings = fn(Builder<Manager>) -> Builder<Manager>;
    let limits: [Settings; 10] = [
        |pool| pool.max_size(1).min_idle(1).max_idle(1),
        |pool| pool.max_idle(None).max_waiters(None).max_uses(None),
        |pool| pool.max_waiters(3),
        |pool| pool.max_uses(1),
        |pool| pool.lifetime_jitter(0.0),
        |pool| pool.lifetime_jitter(1.0),
        |pool| pool.fair_after(Duration::ZERO).slow_get(Duration::ZERO),
        |pool| pool.get_timeout(None).validation_timeout(None),
        |pool| pool.max_lifetime(None).idle_timeout(None).keepalive(None).leak_threshold(None),
        |pool| pool.name("a name that is longer than what the system shows of it: \u{e4}"),
    ];
    for (number, settings) in limits.into_iter().enumerate() {
        let pool = settings(SharedPool::builder()).build(manager());
        let pool = pool.unwrap_or_else(|error| panic!("number {number}: {error}"));
        (0..3).for_each(|_| drop(pool.get().unwrap()));
    }
}

#[test]
fn the_longest_durations_mean_forever_and_are_no_error() {
    let pool = SharedPool::builder()
        .max_lifetime(Duration::MAX)
        .lifetime_jitter(0.0)
        .idle_timeout(Duration::MAX)
        .keepalive(Duration::MAX)
        .connect_patience(Duration::MAX)
        .connect_backoff(Duration::from_secs(1), Duration::MAX)
        .validation_timeout(Duration::MAX)
        .leak_threshold(Duration::MAX)
        .get_timeout(Duration::MAX)
        .build(manager())
        .unwrap();
    (0..3).for_each(|_| drop(pool.get().unwrap()));
}

#[test]
fn sessions_are_reset_between_users_unless_reset_is_never() {
    for (reset, found) in [(Reset::Never, Some("left")), (Reset::Always, None)] {
        let rig = rig(|pool| pool.max_size(1).reset(reset));
        rig.get().mark = Some("left");
        assert_eq!(rig.get().mark, found);
    }
}
