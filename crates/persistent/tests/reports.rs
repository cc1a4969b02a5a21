//! Problems that users of other pools have reported, with servers and processes under strain, tried on
//! this pool with MariaDB and SQLite.
#![cfg(unix)]
#![allow(unsafe_code)]

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use threadwise_core::parts::Policies;
use threadwise_core::{CloseReason, chain};
use threadwise_mysql::MysqlManager;
use threadwise_mysql::mysql::prelude::Queryable;
use threadwise_persistent::{GetError, PersistentPool, Validation};
use threadwise_sqlite::SqliteManager;
use threadwise_testkit::forked::{self, End};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait;

fn manager() -> MysqlManager {
    MysqlManager::from_url(&MariaDb::shared().url()).unwrap()
}

#[test]
fn no_borrower_gets_a_connection_that_was_killed_while_it_was_borrowed() {
    let server = MariaDb::shared();
    let pool = PersistentPool::builder().build(manager()).unwrap();
    for round in 0..100 {
        let mut conn = pool.get().unwrap();
        let id: u64 = conn.query_first("SELECT CONNECTION_ID()").unwrap().unwrap();
        server.kill_connection(id);
        // The server hangs up a moment after it has answered.
        let gone = || !server.connection_ids(None).contains(&id);
        wait::until("the server to end the connection", gone);
        drop(conn);
        let answer: Option<u32> =
            pool.get().unwrap().query_first("SELECT 1").unwrap_or_else(|error| {
                panic!("round {round}: {error}");
            });
        assert_eq!(answer, Some(1));
    }
}

#[test]
fn every_borrower_finds_what_on_connect_set_on_mariadb() {
    let pool = PersistentPool::builder()
        .on_connect(|conn: &mut threadwise_mysql::Connection| {
            Ok(conn.query_drop("SET time_zone = '+02:00'")?)
        })
        .build_lazy(manager())
        .unwrap();
    for use_number in 0..10 {
        let mut conn = pool.get().unwrap();
        let zone: Option<String> = conn.query_first("SELECT @@time_zone").unwrap();
        assert_eq!(zone.as_deref(), Some("+02:00"), "use {use_number}");
        if use_number % 2 == 0 {
            conn.query_drop("SET time_zone = '+05:00'").unwrap();
        }
    }
    assert_eq!(pool.state().counters.opened, 1);
}

#[test]
fn every_borrower_finds_what_on_connect_set_on_sqlite_on_one_connection() {
    let pool = PersistentPool::builder()
        .on_connect(|conn: &mut threadwise_sqlite::Connection| {
            Ok(conn.pragma_update(None, "cache_size", 99)?)
        })
        .build_lazy(SqliteManager::memory())
        .unwrap();
    for _ in 0..10 {
        let size: i64 =
            pool.get().unwrap().pragma_query_value(None, "cache_size", |row| row.get(0)).unwrap();
        assert_eq!(size, 99);
    }
    assert_eq!(pool.state().counters.opened, 1);
}

#[test]
fn callers_in_a_hurry_time_out_and_the_connection_serves_the_next_borrower() {
    let server = MariaDb::start().unwrap();
    let pool = PersistentPool::builder()
        .validation(Validation::OnCheckout)
        .build_lazy(MysqlManager::from_url(&server.url()).unwrap())
        .unwrap();
    drop(pool.get().unwrap());
    server.freeze();
    let _thaw = wait::AtEnd(|| server.thaw());
    for _ in 0..10 {
        let error = pool.get_timeout(Duration::from_millis(5)).map(drop).unwrap_err();
        assert!(matches!(error, GetError::TimedOut(_)), "{error:?}");
    }
    let state = pool.state();
    assert_eq!((state.open, state.idle, state.counters.closed_total()), (1, 1, 0));
    server.thaw();
    let answer = pool.get().unwrap().query_first::<u32, _>("SELECT 1").unwrap();
    assert_eq!((answer, pool.state().counters.opened), (Some(1), 1));
}

#[test]
fn a_drop_ends_within_the_validation_timeout_while_the_server_is_frozen() {
    let server = MariaDb::start().unwrap();
    let pool = PersistentPool::builder()
        .validation_timeout(Duration::from_millis(200))
        .build_lazy(MysqlManager::from_url(&server.url()).unwrap())
        .unwrap();
    let mut conn = pool.get().unwrap();
    conn.query_drop("SET @left_behind = 1").unwrap();
    server.freeze();
    let _thaw = wait::AtEnd(|| server.thaw());
    let begin = Instant::now();
    drop(conn);
    let took = begin.elapsed();
    server.thaw();
    let default = Policies::<threadwise_mysql::Connection>::VALIDATION_TIMEOUT;
    assert!(took < default, "{took:?}");
    assert_eq!(pool.state().counters.closed(CloseReason::ResetFailed), 1);
}

/// Makes the system refuse this process any further descriptor. For a forked child. The returned function
/// ends that.
fn exhaust_descriptors() -> impl Fn() {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limits` is writable.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limits) }, 0);
    // SAFETY: the call touches no memory.
    let next = unsafe { libc::fcntl(0, libc::F_DUPFD, 0) };
    // SAFETY: the call above made the descriptor, and nothing else uses it.
    unsafe { libc::close(next) };
    let few = libc::rlimit { rlim_cur: next as libc::rlim_t, ..limits };
    let set = move |limits: &libc::rlimit| {
        // SAFETY: `limits` is readable.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, limits) }, 0);
    };
    set(&few);
    move || set(&limits)
}

#[test]
fn a_get_without_descriptors_is_served_when_another_thread_ends_and_otherwise_names_the_shortage() {
    forked::alone(|| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        forked::run(End::AtOnce, || {
            let pool = PersistentPool::builder().build_lazy(SqliteManager::file(&path)).unwrap();
            let [held, over] = [(); 2].map(|()| Barrier::new(2));
            thread::scope(|scope| {
                let holder = scope.spawn(|| {
                    let conn = pool.get().unwrap();
                    conn.execute_batch("CREATE TABLE t (v); INSERT INTO t VALUES (1)").unwrap();
                    held.wait();
                    over.wait();
                });
                held.wait();
                let more_again = exhaust_descriptors();
                let error = pool.get_timeout(Duration::from_millis(500)).map(drop).unwrap_err();
                assert!(matches!(error, GetError::TimedOut(_)), "{error:?}");
                let text = chain(&error).to_string();
                assert!(
                    text.to_lowercase().contains("descriptor") || text.contains("open files"),
                    "{text}"
                );
                let getter = scope.spawn(|| {
                    let conn = pool.get_timeout(wait::PATIENCE);
                    conn.map(|conn| {
                        conn.query_row("SELECT v FROM t", [], |row| row.get::<_, u32>(0))
                    })
                });
                wait::until("the `get` to wait", || pool.state().waiting == 1);
                over.wait();
                holder.join().unwrap();
                assert_eq!(getter.join().unwrap().unwrap().unwrap(), 1);
                more_again();
            });
            let counters = pool.state().counters;
            assert_eq!(counters.closed_total(), counters.closed(CloseReason::ThreadEnded));
        });
    });
}

#[test]
fn idle_connections_survive_a_shortage_of_descriptors() {
    forked::alone(|| {
        let _ = MariaDb::shared(); // starts it here and not in the child
        forked::run(End::AtOnce, || {
            let pool = PersistentPool::builder()
                .validation(Validation::IdleLongerThan(Duration::ZERO))
                .build_lazy(manager())
                .unwrap();
            let [used, again, done] = [(); 3].map(|()| Barrier::new(4));
            thread::scope(|scope| {
                let work = || {
                    drop(pool.get().unwrap());
                    used.wait();
                    again.wait();
                    let conn = pool.get_timeout(wait::PATIENCE);
                    let answer = conn.map(|mut conn| conn.query_first::<u32, _>("SELECT 1"));
                    done.wait(); // before an assertion can fail, since the other threads wait
                    assert_eq!(answer.unwrap().unwrap(), Some(1));
                };
                (0..3).for_each(|_| drop(scope.spawn(work)));
                used.wait();
                let more_again = exhaust_descriptors();
                again.wait();
                done.wait();
                let counters = pool.state().counters;
                more_again();
                let ended = counters.closed(CloseReason::ThreadEnded);
                assert_eq!((counters.closed_total(), counters.opened), (ended, 3));
            });
        });
    });
}
