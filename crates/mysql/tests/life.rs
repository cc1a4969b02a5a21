//! A pool knows from the server's answers, and from nothing else, whether a connection lives: on
//! each pool.
#![cfg(unix)]
#![allow(unsafe_code)] // to send signals to a thread

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{ask, connect, connect_patiently, manager, manager_for};
use mysql::prelude::Queryable;
use threadwise_core::{CloseReason, ManageConnection, Pool, Validation};
use threadwise_mysql::MysqlManager;
use threadwise_persistent::PersistentPool;
use threadwise_queue::QueuePool;
use threadwise_shared::SharedPool;
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::{Proxy, wait};

type Managed<P> = <P as Pool>::Manager;

/// Kills a borrowed connection, returns it, and borrows again at once, a hundred times.
fn assert_next_users_see_no_error<P: Pool<Manager = MysqlManager>>(pool: &P) {
    let server = MariaDb::shared();
    let mut admin = server.admin();
    for round in 0..100 {
        let mut held = pool.get().unwrap();
        held.query_drop("SELECT 1").unwrap();
        admin.query_drop(format!("KILL {}", held.connection_id())).unwrap();
        drop(held);
        let mut next = pool.get().unwrap();
        if let Err(error) = next.query_drop("SELECT 1") {
            panic!("round {round}: {error}");
        }
    }
    let _: &Managed<P> = pool.manager();
}

/// The same, with a waiter that would get the returned connection.
fn assert_waiters_see_no_error<P: Pool<Manager = MysqlManager> + Sync>(pool: &P) {
    let mut admin = MariaDb::shared().admin();
    for round in 0..100 {
        let mut held = pool.get().unwrap();
        held.query_drop("SELECT 1").unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| pool.get().unwrap().query_drop("SELECT 1"));
            wait::until("a waiter", || pool.state().waiting > 0);
            admin.query_drop(format!("KILL {}", held.connection_id())).unwrap();
            drop(held);
            if let Err(error) = waiter.join().unwrap() {
                panic!("round {round}: {error}");
            }
        });
    }
}

#[test]
fn the_next_user_gets_no_connection_that_was_killed_while_borrowed() {
    assert_next_users_see_no_error(&SharedPool::builder().max_size(1).build(manager("l")).unwrap());
    assert_next_users_see_no_error(&QueuePool::builder().size(1).build(manager("l")).unwrap());
    assert_next_users_see_no_error(&PersistentPool::builder().build(manager("l")).unwrap());
}

#[test]
fn a_waiter_gets_no_connection_that_was_killed_while_borrowed() {
    assert_waiters_see_no_error(&SharedPool::builder().max_size(1).build(manager("l")).unwrap());
    assert_waiters_see_no_error(&QueuePool::builder().size(1).build(manager("l")).unwrap());
}

#[test]
fn last_answer_is_the_moment_of_the_last_answer() {
    let manager = manager("last_answer");
    let mut conn = connect(&manager);
    let mut last = manager.last_answer(&conn).unwrap();
    let answers: [fn(&mut threadwise_mysql::Connection); 6] = [
        |conn| conn.query_drop("SELECT 1").unwrap(),
        |conn| drop(conn.query_drop("nonsense").unwrap_err()),
        |conn| conn.ping().unwrap(),
        |conn| conn.exec_drop("SELECT ?", (1,)).unwrap(),
        |conn| conn.query_iter("SELECT 1").map(drop).unwrap(),
        |conn| conn.select_db("test").unwrap(),
    ];
    for answer in answers {
        answer(&mut conn);
        let now = manager.last_answer(&conn).unwrap();
        assert!(now > last);
        last = now;
    }
    let silences: [fn(&mut threadwise_mysql::Connection); 3] = [
        |conn| drop(conn.prep("SELECT ?").unwrap()), // from the driver's cache
        |conn| conn.exec_batch("SELECT ?", std::iter::empty::<(u8,)>()).unwrap(),
        |conn| {
            conn.as_mut_conn();
        },
    ];
    for silence in silences {
        silence(&mut conn);
        assert_eq!(manager.last_answer(&conn).unwrap(), last);
    }
    assert!(!manager.has_broken(&mut conn));
    assert_eq!(manager.last_answer(&conn).unwrap(), last, "a look at the socket is no answer");
    manager.reset(&mut conn).unwrap();
    assert!(manager.last_answer(&conn).unwrap() > last);
}

const SHORT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(60);

/// A proxy that delays answers, and a manager of connections through it.
fn slow() -> (Proxy, MysqlManager) {
    let server = MariaDb::shared();
    let proxy = Proxy::before(([127, 0, 0, 1], server.port()).into()).unwrap();
    let url = server.url().replace(&server.port().to_string(), &proxy.address().port().to_string());
    (proxy, manager_for(&url))
}

/// A caller waits for a frozen server no longer than it says, and the next one reads the answer.
#[test]
fn an_impatient_check_leaves_the_answer_to_the_next_use() {
    let server = MariaDb::start().unwrap();
    let manager = manager_for(&server.url());
    let mut conn = connect(&manager);
    server.freeze();
    for _ in 0..10 {
        let start = Instant::now();
        assert!(manager.is_valid_patient(&mut conn, SHORT, LONG).is_none());
        assert!(start.elapsed() < LONG / 3);
        assert!(!manager.has_broken(&mut conn), "the answer may still come");
    }
    server.thaw();
    manager.is_valid_patient(&mut conn, LONG, LONG).expect("in time").expect("it is sound");
    assert_eq!(ask::<u32>(&mut conn, "SELECT 42"), 42);

    // A statement also reads the late answer first, and so does a look at the socket.
    server.freeze();
    assert!(manager.is_valid_patient(&mut conn, SHORT, LONG).is_none());
    server.thaw();
    assert_eq!(ask::<u32>(&mut conn, "SELECT 43"), 43);
    server.freeze();
    assert!(manager.is_valid_patient(&mut conn, SHORT, LONG).is_none());
    let asked = Instant::now();
    server.thaw();
    wait::until("the answer", || {
        assert!(!manager.has_broken(&mut conn));
        manager.last_answer(&conn).unwrap() > asked
    });
    assert_eq!(ask::<u32>(&mut conn, "SELECT 44"), 44);
}

#[test]
fn a_check_without_an_answer_fails_when_its_limit_is_over() {
    let server = MariaDb::start().unwrap();
    let manager = manager_for(&server.url());
    let limit = Duration::from_millis(200);
    let mut conn = wait::until_some("a check that ends before its limit", || {
        let mut conn = connect(&manager);
        server.freeze();
        let outcome = manager.is_valid_patient(&mut conn, SHORT, limit);
        let Some(outcome) = outcome else { return Some(conn) };
        assert!(
            manager.is_lost(&outcome.unwrap_err()),
            "a busy machine takes longer than the limit"
        );
        server.thaw();
        None
    });
    wait::until("the limit", || manager.has_broken(&mut conn));
    let error =
        manager.is_valid_patient(&mut conn, SHORT, limit).expect("it is known").unwrap_err();
    assert!(manager.is_lost(&error), "{error}");
    server.thaw();
}

#[test]
fn a_connection_that_ends_while_an_answer_is_outstanding_is_broken() {
    let mut server = MariaDb::start().unwrap();
    let manager = manager_for(&server.url());
    let mut conn = connect(&manager);
    server.freeze();
    assert!(manager.is_valid_patient(&mut conn, SHORT, LONG).is_none());
    server.kill9();
    wait::until("the end", || manager.has_broken(&mut conn));
}

/// Each `get` has less time than the network takes.
fn assert_short_gets_close_nothing<P: Pool<Manager = MysqlManager>>(pool: &P) {
    thread::sleep(Duration::from_millis(2)); // longer than the idle time below
    for _ in 0..10 {
        if let Ok(mut conn) = pool.get_timeout(SHORT) {
            conn.query_drop("SELECT 1").unwrap(); // the late answer had come meanwhile
        }
        thread::sleep(Duration::from_millis(2));
    }
    let counters = pool.state().counters;
    // A per-thread pool closes the connection that tried the settings.
    let closed = counters.closed_total() - counters.closed(CloseReason::Probed);
    assert_eq!(closed, 0, "{counters:?}");
}

#[test]
fn a_get_with_a_short_timeout_closes_no_connection() {
    let validation = Validation::IdleLongerThan(Duration::from_millis(1));
    let (proxy, manager) = slow();
    let pool = QueuePool::builder().size(4).validation(validation).build(manager).unwrap();
    proxy.delay_answers(Duration::from_millis(20));
    assert_short_gets_close_nothing(&pool);

    let (proxy, manager) = slow();
    let pool = SharedPool::builder().max_size(4).validation(validation).build(manager).unwrap();
    drop(pool.get().unwrap());
    proxy.delay_answers(Duration::from_millis(20));
    assert_short_gets_close_nothing(&pool);

    let (proxy, manager) = slow();
    let pool = PersistentPool::builder().validation(validation).build(manager).unwrap();
    drop(pool.get().unwrap());
    proxy.delay_answers(Duration::from_millis(20));
    assert_short_gets_close_nothing(&pool);
}

/// Sends this thread a signal every 10 ms while it waits, for [`LATE`] at most. The signal's handler
/// does nothing.
fn under_signals<T>(act: impl FnOnce() -> T) -> T {
    // SAFETY: the call has no preconditions.
    let this = unsafe { libc::pthread_self() } as usize;
    extern "C" fn ignore(_: libc::c_int) {}
    // SAFETY: all fields of the structure are integers, a set, and a function that is given here, which
    // does nothing; zero is valid for the rest. The pointers are those of a local or null.
    #[allow(clippy::multiple_unsafe_ops_per_block)]
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = ignore as extern "C" fn(libc::c_int) as usize;
        libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut());
    }
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let start = Instant::now();
            while !is_done.load(Ordering::Relaxed) && start.elapsed() < LATE {
                // SAFETY: the thread is alive: it waits for this one below.
                unsafe { libc::pthread_kill(this as libc::pthread_t, libc::SIGUSR1) };
                thread::sleep(Duration::from_millis(10));
            }
        });
        let outcome = act();
        is_done.store(true, Ordering::Relaxed);
        sender.join().unwrap();
        outcome
    })
}

const READ: Duration = Duration::from_secs(1);
/// Far more than the timeouts of these tests, for a busy machine. The signals stop after this time.
const LATE: Duration = Duration::from_secs(10);

fn in_time<T: std::fmt::Debug, E: std::fmt::Display>(
    what: &str,
    act: impl FnOnce() -> Result<T, E>,
) {
    let start = Instant::now();
    let outcome = under_signals(act);
    assert!(start.elapsed() < LATE, "{what}: {:?}", start.elapsed());
    if let Ok(value) = outcome {
        panic!("{what}: the frozen server cannot have answered: {value:?}");
    }
}

#[test]
fn signals_do_not_prolong_a_wait_for_a_frozen_server() {
    let server = MariaDb::start().unwrap();
    let socket = server.socket().to_str().expect("a plain path").replace('/', "%2F");
    let over_socket = format!("mysql://root@localhost/test?socket={socket}");
    let compressed = format!("{}&compress=fast", server.url());
    for url in [server.url(), over_socket, compressed] {
        let manager = manager_for(&url).read_timeout(Some(READ));
        let conn = || connect_patiently(&manager);
        let (mut a, mut b, mut c, mut d) = (conn(), conn(), conn(), conn());
        let (mut e, mut f, mut h) = (conn(), conn(), conn());
        let (mut g, prepared) = wait::until_some("a prepared statement", || {
            let mut conn = conn();
            conn.prep("SELECT ?").ok().map(|prepared| (conn, prepared))
        });
        server.freeze();
        in_time("a statement", || a.query_drop("SELECT 1"));
        in_time("a check", || manager.is_valid(&mut b));
        in_time("a check within", || manager.is_valid_within(&mut c, READ));
        in_time("a reset", || manager.reset(&mut d));
        in_time("a reset within", || manager.reset_within(&mut e, READ));
        in_time("rows", || f.query_iter("SELECT 1").map(drop));
        in_time("a prepared statement", || g.exec_drop(&prepared, (1,)));
        in_time("preparing", || h.prep("SELECT 2"));
        in_time("a login", || manager.connect().map(drop));
        in_time("a login within", || manager.connect_within(READ).map(drop));
        server.thaw();
    }
}

/// A connection. A busy server may exceed the timeout of a login or of a check.
fn lent<P: Pool<Manager = MysqlManager>>(pool: &P) -> P::Connection<'_> {
    wait::until_some("a connection in time", || pool.get().ok())
}

/// A connection that its return resets.
fn changed<P: Pool<Manager = MysqlManager>>(pool: &P) -> P::Connection<'_> {
    wait::until_some("an answer in time", || {
        let mut conn = lent(pool);
        conn.query_drop("SET @a = 1").is_ok().then_some(conn)
    })
}

fn assert_signals_do_not_prolong<P: Pool<Manager = MysqlManager>>(server: &MariaDb, pool: &P) {
    let mut conn = changed(pool);
    server.freeze();
    in_time("a statement", || conn.query_drop("SELECT 1"));
    drop(conn);
    server.thaw();

    let conn = changed(pool);
    server.freeze();
    let start = Instant::now();
    under_signals(|| drop(conn));
    assert!(start.elapsed() < LATE, "a return: {:?}", start.elapsed());
    server.thaw();

    drop(lent(pool));
    server.freeze();
    in_time("a get", || pool.get_timeout(Duration::from_secs(2)).map(drop));
    server.thaw();
}

#[test]
fn signals_do_not_prolong_what_a_pool_does_with_a_frozen_server() {
    let server = MariaDb::start().unwrap();
    let manager = || manager_for(&server.url()).read_timeout(Some(READ));
    let validation = Validation::OnCheckout;
    let pool = wait::until_some("a login in time", || {
        SharedPool::builder().max_size(1).validation(validation).build(manager()).ok()
    });
    assert_signals_do_not_prolong(&server, &pool);
    let pool = wait::until_some("a login in time", || {
        QueuePool::builder().size(1).validation(validation).build(manager()).ok()
    });
    assert_signals_do_not_prolong(&server, &pool);
    let pool = wait::until_some("a login in time", || {
        PersistentPool::builder().validation(validation).build(manager()).ok()
    });
    assert_signals_do_not_prolong(&server, &pool);
}

/// Only waiting for a row counts, not the user's work between two rows.
#[test]
fn only_the_wait_for_the_server_is_timed_while_rows_are_read() {
    let manager = manager("rows").read_timeout(Some(Duration::from_millis(300)));
    // A busy server may exceed the timeout, too.
    wait::until("rows without a read timeout", || {
        let mut conn = connect_patiently(&manager);
        let rows = conn.query_map("SELECT seq FROM seq_1_to_3", |_: u32| {
            thread::sleep(Duration::from_millis(600));
        });
        rows.is_ok_and(|rows| {
            assert_eq!(rows.len(), 3);
            conn.query_drop("SELECT 1").is_ok() && !manager.has_broken(&mut conn)
        })
    });
}

#[test]
fn a_reset_has_one_limit_for_all_its_round_trips() {
    const NAPS: &str = "init=DO%20SLEEP(0.2)%3BDO%20SLEEP(0.2)%3BDO%20SLEEP(0.2)";
    let manager = manager_for(&format!("{}&{NAPS}", MariaDb::shared().url()));
    let mut conn = connect(&manager);
    manager.reset_within(&mut conn, Duration::from_secs(9)).expect("time enough");
    let limit = Duration::from_millis(300); // long enough for each of them
    let error = manager.reset_within(&mut conn, limit).expect_err("too slow together");
    assert!(manager.is_lost(&error), "{error}");
    assert!(manager.has_broken(&mut conn));
}
