//! Defects of r2d2 0.8.10, of `mysql::Pool` (mysql 28.0.4) and of pools in other languages, as tests that
//! `SharedPool` passes. Other tests prove some of them already:
//!
//! | defect | of | proved by |
//! |---|---|---|
//! | a connection that comes back broken frees capacity and wakes no thread | `mysql::Pool` | conformance, `a_broken_return_wakes_a_waiter` |
//! | a connection that was taken out (`unwrap`) counts forever | `mysql::Pool` | conformance, `capacity_survives_a_detach`, `a_detach_wakes_a_waiter` |
//! | it connects under its lock: a return waits for a dial | `mysql::Pool` | conformance, `a_slow_manager_call_blocks_no_other_thread` |
//! | each failed ping and each useless wakeup starts the timeout again | `mysql::Pool` | conformance, `get_ends_at_its_deadline_when_validation_hangs` and its neighbours |
//! | the next user finds an open transaction and variables | r2d2 | conformance, `the_next_user_finds_a_fresh_session` |
//! | a connection is returned while its holder panics | r2d2 (sfackler/r2d2#31) | conformance, `a_connection_whose_holder_panicked_is_not_lent_again` |
//! | `max_lifetime` is not checked on return | r2d2 | `a_borrowed_connection_is_closed_on_return_when_its_lifetime_is_over` in `ageing.rs`; below for a thread that always holds one |
//! | a borrowed connection keeps all idle ones open | r2d2 (sfackler/r2d2#136) | `p14_…` in `dbutils.rs` |
//! | two `parking_lot`s in one program | r2d2 | no dependency but the core |
//! | a connection is stolen on its way to a waiter | HikariCP (brettwooldridge/HikariCP#1909) | `b5_a_waiter_is_not_overtaken` in `dbutils.rs` |
//! | the returning thread is served before the waiters | SQLAlchemy (sqlalchemy#7679) | both `b5_…` in `dbutils.rs` |
//! | a wakeup is lost between the look and joining the queue | Vitess (vitessio/vitess#17662) | the model `a_waiter_that_joins_while_the_only_connection_is_put_back_gets_it` |
//! | a thread that may not dial spins while another one dials | Agroal (agroal#214) | `Waiter::wait` sleeps on a condition variable; nothing measures it |

use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use threadwise_core::{GetError, ManageConnection, Reset, Validation};
use threadwise_mysql::MysqlManager;
use threadwise_mysql::mysql::prelude::Queryable;
use threadwise_shared::{Builder, SharedPool, VirtualClock};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::{Call, FakeManager, Scripted, ScriptedError, Step, wait};

type Manager = Scripted<FakeManager>;
type Failure = ScriptedError<std::convert::Infallible>;

const SHORT: Duration = Duration::from_millis(50);

fn manager() -> Manager {
    Scripted::new(FakeManager)
}

fn builder() -> Builder<Manager> {
    SharedPool::builder().validation(Validation::Never)
}

/// Connections that work until the flag is set.
struct Doubtful {
    dead: Arc<AtomicBool>,
}

impl ManageConnection for Doubtful {
    type Connection = ();
    type Error = io::Error;

    fn connect(&self) -> io::Result<()> {
        Ok(())
    }

    fn is_valid(&self, (): &mut ()) -> io::Result<()> {
        match self.dead.load(SeqCst) {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        false
    }
}

/// `mysql::Pool`: when the ping of a checkout fails, the capacity is free and no waiter is told.
#[test]
fn a_check_that_fails_wakes_a_waiter_unlike_mysql_pool() {
    let dead = Arc::new(AtomicBool::new(false));
    let manager = Scripted::new(Doubtful { dead: Arc::clone(&dead) });
    let script = manager.script();
    let pool = SharedPool::builder().max_size(1).validation(Validation::OnCheckout);
    let pool = pool.build(manager).unwrap();
    let gate = script.hang_next(Call::IsValid);
    thread::scope(|scope| {
        let _open_at_end = gate.open_at_end();
        let checker = scope.spawn(|| matches!(pool.try_get(), Err(GetError::Exhausted(_))));
        gate.await_arrivals(1);
        let waiter = scope.spawn(|| drop(pool.get().unwrap()));
        wait::until("a waiter", || pool.state().waiting == 1);
        dead.store(true, SeqCst);
        gate.open();
        assert!(checker.join().unwrap(), "it does not wait, and is gone");
        dead.store(false, SeqCst);
        waiter.join().unwrap();
    });
}

/// `mysql::Pool` with its defaults: after a read timeout `SELECT 7` returned nothing, and `SELECT 8`
/// returned 7; without reset and ping, `SELECT 7` returned the late 42. r2d2_mysql: one wrong answer.
#[test]
fn no_user_gets_the_late_answer_to_anothers_query_unlike_mysql_pool_and_r2d2_mysql() {
    let server = MariaDb::shared();
    let name = server.create_database("late_answer");
    let mut admin = server.admin();
    let mut ask_admin = |sql: String| admin.query_first::<u32, _>(sql).unwrap();
    for (reset, validation, question) in [
        (Reset::Always, Validation::OnCheckout, format!("DO GET_LOCK('{name}', 60)")),
        (Reset::Never, Validation::Never, format!("SELECT 41 + GET_LOCK('{name}', 60)")),
    ] {
        let manager = MysqlManager::from_url(&server.url_for(&name)).unwrap();
        let manager = manager.read_timeout(Some(Duration::from_secs(3)));
        let builder = SharedPool::builder().max_size(1).reset(reset).validation(validation);
        let pool = builder.build(manager).unwrap();
        let mut conn = pool.get().unwrap();
        let id = conn.connection_id();
        assert_eq!(ask_admin(format!("SELECT GET_LOCK('{name}', 60)")), Some(1));
        conn.query_drop(&question).expect_err("the server cannot answer yet");
        assert_eq!(ask_admin(format!("SELECT RELEASE_LOCK('{name}')")), Some(1)); // now it does
        drop(conn);
        let mut conn = pool.get().unwrap();
        assert_ne!(conn.connection_id(), id, "{question}");
        for nonce in [7, 8, 9] {
            let answer: Option<u32> = conn.query_first(format!("SELECT {nonce}")).unwrap();
            assert_eq!(answer, Some(nonce), "{question}");
        }
    }
}

/// `mysql::Pool`: `COM_RESET_CONNECTION` keeps the database that the last user chose; r2d2_mysql
/// keeps everything.
#[test]
fn the_next_user_finds_the_configured_database_unlike_mysql_pool_and_r2d2_mysql() {
    let server = MariaDb::shared();
    let database = server.create_database("chosen_database");
    let manager = MysqlManager::from_url(&server.url_for(&database)).unwrap();
    let pool = SharedPool::builder().max_size(1).build(manager).unwrap();
    let mut conn = pool.get().unwrap();
    let id = conn.connection_id();
    conn.query_drop("USE mysql").unwrap();
    drop(conn);
    let mut conn = pool.get().unwrap();
    assert_eq!(conn.connection_id(), id, "a reset is enough");
    assert_eq!(conn.query_first("SELECT DATABASE()").unwrap(), Some(database));
}

/// r2d2: a panic in `connect` takes capacity away for good, and its message appears nowhere.
#[test]
fn a_connect_that_panics_leaks_no_capacity_and_is_reported_unlike_r2d2() {
    let manager = manager();
    let script = manager.script();
    let pool = builder().max_size(2).build_lazy(manager).unwrap();
    script.always(Call::Connect, Step::Panic);
    thread::scope(|scope| {
        let waiters = [(); 2].map(|()| scope.spawn(|| drop(pool.get().unwrap())));
        wait::until("some attempts to panic", || pool.state().counters.connect_failures >= 4);
        let Err(error) = pool.get_timeout(SHORT) else { panic!("a connection out of nowhere") };
        assert!(error.to_string().contains("panics, as its script says"), "{error}");
        script.always(Call::Connect, Step::Pass);
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    });
    let _both = (pool.get().unwrap(), pool.get().unwrap());
}

/// r2d2: of four threads that wait for the same server, one gets the cause; the others' timeouts have
/// none.
#[test]
fn every_timeout_has_its_cause_unlike_r2d2() {
    let manager = manager();
    let script = manager.script();
    let pool = builder().build_lazy(manager).unwrap();
    script.always(Call::Connect, Step::Fail);
    let _ = pool.get_timeout(SHORT);
    wait::until("an attempt to fail", || {
        let state = pool.state();
        state.counters.connect_failures > 0 && state.connecting == 0
    });
    thread::scope(|scope| {
        for waiter in [(); 4].map(|()| scope.spawn(|| pool.get_timeout(SHORT).err())) {
            let error = waiter.join().unwrap().expect("there is no server");
            assert!(matches!(error, GetError::TimedOut(_)), "{error}");
            let source = error.source().and_then(|source| source.downcast_ref::<Failure>());
            assert!(matches!(source, Some(Failure::Scripted { call: Call::Connect, .. })));
        }
    });
}

/// r2d2: its pauses double up to 15 s even while threads wait; 14 s of outage cost another 11 s.
#[test]
fn pauses_between_attempts_stop_growing_while_a_thread_waits_unlike_r2d2() {
    const PAUSES: usize = 12;
    let attempts = Arc::default();
    let manager = UpAfter { failures: PAUSES, attempts: Arc::clone(&attempts) };
    let pool = SharedPool::builder().max_size(1).build_lazy(manager).unwrap();
    drop(pool.get().unwrap());
    let attempts = attempts.lock().unwrap();
    let pauses: Vec<_> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses.len(), PAUSES);
    let (first, last) = pauses.split_at(8);
    // If the pauses doubled, each of the last would be longer than the first eight together.
    let shortest = *last.iter().min().unwrap();
    assert!(shortest * 2 < first.iter().sum(), "{pauses:?}");
}

/// r2d2 (sfackler/r2d2#99): three threads stay for half a minute after the pool.
#[test]
fn no_thread_keeps_a_dropped_pool_alive_unlike_r2d2() {
    let dead = Arc::new(AtomicBool::new(false)); // shared with the manager, and so with each thread
    let pool = SharedPool::builder().min_idle(2).build(Doubtful { dead: Arc::clone(&dead) });
    drop(pool.unwrap().get().unwrap());
    wait::until("all threads to let go", || Arc::strong_count(&dead) == 1);
}

/// A server that is back after some attempts.
struct UpAfter {
    failures: usize,
    attempts: Arc<Mutex<Vec<Instant>>>,
}

impl ManageConnection for UpAfter {
    type Connection = ();
    type Error = io::Error;

    fn connect(&self) -> io::Result<()> {
        let mut attempts = self.attempts.lock().unwrap();
        attempts.push(Instant::now());
        match attempts.len() > self.failures {
            true => Ok(()),
            false => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    fn is_valid(&self, (): &mut ()) -> io::Result<()> {
        Ok(())
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        false
    }
}

/// HikariCP (brettwooldridge/HikariCP#1909): a waiter that got a dead connection begins again at the end
/// of the queue.
#[test]
fn a_waiter_that_got_a_dead_connection_keeps_its_place_unlike_hikaricp() {
    let manager = manager();
    let script = manager.script();
    let pool = builder().max_size(1).fair_after(Duration::ZERO).validation(Validation::OnCheckout);
    let pool = pool.build(manager).unwrap();
    let order = Mutex::new(Vec::new());
    let conn = pool.get().unwrap();
    thread::scope(|scope| {
        for number in 1..=2 {
            let (pool, order) = (&pool, &order);
            scope.spawn(move || {
                let _conn = pool.get().unwrap();
                order.lock().unwrap().push(number);
            });
            wait::until("the next waiter", || pool.state().waiting == number);
        }
        script.next(Call::IsValid, Step::Fail); // the connection that the first waiter gets
        let gate = script.hang_next(Call::Connect);
        let open_at_end = gate.open_at_end();
        drop(conn);
        gate.await_arrivals(1);
        wait::until("the first to be back", || pool.state().waiting == 2);
        drop(open_at_end);
    });
    assert_eq!(*order.lock().unwrap(), [1, 2]);
}

/// Vitess (vitessio/vitess#20310): waiters got connections after their deadline.
#[test]
fn a_waiter_that_gave_up_gets_no_connection_unlike_vitess() {
    let pool = builder().max_size(1).fair_after(Duration::ZERO).build(manager()).unwrap();
    let conn = pool.get().unwrap();
    thread::scope(|scope| {
        let impatient = [(); 3].map(|()| scope.spawn(|| pool.get_timeout(SHORT).map(drop)));
        let patient = scope.spawn(|| pool.get().map(drop));
        for waiter in impatient {
            assert!(matches!(waiter.join().unwrap(), Err(GetError::TimedOut(_))));
        }
        wait::until("one to be left", || pool.state().waiting == 1);
        drop(conn);
        patient.join().unwrap().expect("it is the only waiter");
    });
    assert!(pool.try_get().is_ok());
}

/// HikariCP (brettwooldridge/HikariCP#774): dials for a burst went on after the burst.
#[test]
fn a_burst_that_is_served_meanwhile_has_no_more_opened_unlike_hikaricp() {
    let manager = manager();
    let (script, ledger) = (manager.script(), manager.ledger());
    let pool = builder().max_size(4).connect_concurrency(1).connect_patience(wait::PATIENCE);
    let pool = pool.build(manager).unwrap();
    let conn = pool.get().unwrap();
    let gate = script.hang_next(Call::Connect);
    thread::scope(|scope| {
        let open_at_end = gate.open_at_end();
        let burst = [(); 3].map(|()| scope.spawn(|| drop(pool.get().unwrap())));
        gate.await_arrivals(1);
        wait::until("all to wait", || pool.state().waiting == 3);
        drop(conn);
        burst.into_iter().for_each(|waiter| waiter.join().unwrap());
        drop(open_at_end);
    });
    wait::until("the dial to end", || pool.state().open == 2);
    assert_eq!((pool.state().connecting, ledger.opened()), (0, 2));
}

/// r2d2: a connection that is in use whenever the reaper comes outlives its `max_lifetime`, because the
/// pool does not check it on return.
#[test]
fn a_connection_in_constant_use_does_not_outlive_max_lifetime() {
    let clock = VirtualClock::new();
    let settings = builder().max_size(1).max_lifetime(Duration::from_secs(60)).clock(clock.clock());
    let pool = settings.build(manager()).unwrap();
    let mut conn = Some(pool.get().unwrap());
    wait::until("another connection", || {
        clock.advance(Duration::from_secs(20)); // always while it is in use
        drop(conn.take());
        conn.insert(pool.get().unwrap()).id() == 2
    });
}
