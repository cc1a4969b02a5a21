//! What a new connection is like, and what the next user finds on a used one.

mod common;

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::Scratch;
use rusqlite::Connection;
use threadwise_core::ManageConnection;
use threadwise_sqlite::SqliteManager;

/// Much longer than the threads of a test hold a lock, for a busy machine and a busy disk.
const LONG: Duration = Duration::from_secs(120);

fn pragma(conn: &Connection, name: &str) -> String {
    conn.pragma_query_value(None, name, |row| {
        row.get_ref(0).map(|value| match value {
            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
            other => other.as_str().unwrap_or_default().to_owned(),
        })
    })
    .unwrap()
}

#[test]
fn a_new_connection_has_the_documented_settings() {
    let scratch = Scratch::new();
    let conn = SqliteManager::file(scratch.path()).connect().unwrap();
    assert_eq!(pragma(&conn, "journal_mode"), "wal");
    assert_eq!(pragma(&conn, "busy_timeout"), "5000");
    assert_eq!(pragma(&conn, "foreign_keys"), "1");
    assert!(conn.is_autocommit());
}

#[test]
fn settings_take_effect() {
    let scratch = Scratch::new();
    let manager = SqliteManager::file(scratch.path())
        .wal(false)
        .busy_timeout(Duration::from_millis(1234))
        .with_init(|conn| conn.pragma_update(None, "cache_size", 77));
    for conn in [manager.connect().unwrap(), manager.connect_within(Duration::ZERO).unwrap()] {
        assert_eq!(pragma(&conn, "journal_mode"), "delete");
        assert_eq!(pragma(&conn, "busy_timeout"), "1234");
        assert_eq!(pragma(&conn, "cache_size"), "77");
    }
}

#[test]
fn a_busy_timeout_beyond_sqlites_limit_is_the_limit() {
    let conn = SqliteManager::memory().busy_timeout(Duration::MAX).connect().unwrap();
    assert_eq!(pragma(&conn, "busy_timeout"), i32::MAX.to_string());
}

#[test]
fn the_init_function_runs_once_for_each_connection() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let manager = SqliteManager::memory().with_init(|_| {
        RUNS.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    let _conns = [manager.connect().unwrap(), manager.connect().unwrap()];
    assert_eq!(RUNS.load(Ordering::Relaxed), 2);
}

#[test]
fn eight_threads_that_open_a_new_file_at_once_all_get_a_wal_connection() {
    for _ in 0..20 {
        let scratch = Scratch::new();
        let manager = SqliteManager::file(scratch.path()).busy_timeout(LONG);
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    let conn = manager.connect().expect("no connection locks the file for long");
                    assert_eq!(pragma(&conn, "journal_mode"), "wal");
                });
            }
        });
    }
}

#[test]
fn two_managers_that_open_a_new_file_at_once_do_not_lock_each_other_out() {
    for _ in 0..20 {
        let scratch = Scratch::new();
        let managers = [0; 4].map(|_| SqliteManager::file(scratch.path()).busy_timeout(LONG));
        let start = Barrier::new(managers.len());
        thread::scope(|scope| {
            for manager in &managers {
                scope.spawn(|| {
                    start.wait();
                    let conn = manager.connect().expect("no connection locks the file for long");
                    assert_eq!(pragma(&conn, "journal_mode"), "wal");
                });
            }
        });
    }
}

#[test]
fn a_switch_to_wal_that_failed_is_tried_again_by_the_next_connect() {
    let scratch = Scratch::new();
    let reader = SqliteManager::file(scratch.path()).wal(false).connect().unwrap();
    reader.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM t").unwrap();

    let manager = SqliteManager::file(scratch.path()).busy_timeout(Duration::from_millis(20));
    let error = manager.connect().expect_err("a reader holds a lock");
    assert!(!manager.is_permanent(&error), "{error}");

    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(pragma(&manager.connect().unwrap(), "journal_mode"), "wal");
}

#[test]
fn a_file_in_wal_mode_opens_while_another_connection_writes() {
    let scratch = Scratch::new();
    let manager = SqliteManager::file(scratch.path()).busy_timeout(Duration::ZERO);
    let writer = manager.connect().unwrap();
    writer.execute_batch("CREATE TABLE t (x); BEGIN IMMEDIATE; INSERT INTO t VALUES (1)").unwrap();
    let reader = manager.connect().expect("the mode is only looked at");
    let rows: i64 = reader.query_row("SELECT count(*) FROM t", (), |row| row.get(0)).unwrap();
    assert_eq!(rows, 0);
}

#[test]
fn a_transaction_left_open_is_rolled_back() {
    let scratch = Scratch::new();
    let manager = SqliteManager::file(scratch.path());
    let mut conn = manager.connect().unwrap();
    conn.execute_batch("CREATE TABLE t (x)").unwrap();
    assert!(!manager.has_changed(&mut conn) && !manager.in_transaction(&mut conn));

    conn.execute_batch("BEGIN IMMEDIATE; INSERT INTO t VALUES (1)").unwrap();
    assert!(manager.has_changed(&mut conn) && manager.in_transaction(&mut conn));
    manager.reset(&mut conn).unwrap();
    assert!(!manager.has_changed(&mut conn) && !manager.in_transaction(&mut conn));

    let rows: i64 = conn.query_row("SELECT count(*) FROM t", (), |row| row.get(0)).unwrap();
    assert_eq!(rows, 0);
    let other = SqliteManager::file(scratch.path()).busy_timeout(Duration::ZERO);
    other.connect().unwrap().execute("INSERT INTO t VALUES (2)", ()).expect("no lock is left");
}

#[test]
fn a_connection_with_a_half_read_statement_cannot_be_reset() {
    let manager = SqliteManager::memory();
    let mut conn = manager.connect().unwrap();
    conn.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)").unwrap();
    {
        let mut statement = conn.prepare("SELECT x FROM t").unwrap();
        let mut rows = statement.query(()).unwrap();
        rows.next().unwrap();
        std::mem::forget(rows);
        std::mem::forget(statement);
    }
    assert!(manager.has_changed(&mut conn));
    let error = manager.reset(&mut conn).expect_err("no code can finish that statement");
    assert!(error.to_string().contains("half-read"), "{error}");
}

#[test]
fn a_dropped_statement_that_was_read_in_part_is_no_change() {
    let manager = SqliteManager::memory();
    let mut conn = manager.connect().unwrap();
    conn.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)").unwrap();
    conn.prepare_cached("SELECT x FROM t").unwrap().query(()).unwrap().next().unwrap();
    assert!(!manager.has_changed(&mut conn));
    manager.reset(&mut conn).unwrap();
}

#[test]
fn a_memory_database_is_shared_by_the_connections_of_its_manager() {
    let manager = SqliteManager::memory();
    let first = manager.connect().unwrap();
    first.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (5)").unwrap();
    drop(first);
    let second = manager.connect().expect("the database outlives its connections");
    assert_eq!(second.query_row("SELECT x FROM t", (), |row| row.get(0)), Ok(5));
}

#[test]
fn two_managers_have_different_memory_databases() {
    let (one, other) = (SqliteManager::memory(), SqliteManager::memory());
    one.connect().unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    other.connect().unwrap().execute_batch("CREATE TABLE t (y)").expect("no table is there yet");
}

#[test]
fn writers_of_a_memory_database_wait_for_each_other() {
    const EACH: i64 = 200;
    let manager = SqliteManager::memory().busy_timeout(LONG);
    manager.connect().unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let conn = manager.connect().unwrap();
                for _ in 0..EACH {
                    conn.execute("INSERT INTO t VALUES (1)", ()).expect("it waits for the others");
                    conn.query_row("SELECT count(*) FROM t", (), |_| Ok(())).unwrap();
                }
            });
        }
    });
    let conn = manager.connect().unwrap();
    assert_eq!(conn.query_row("SELECT count(*) FROM t", (), |row| row.get(0)), Ok(4 * EACH));
}

#[test]
fn a_check_reads_the_file() {
    let scratch = Scratch::new();
    let manager = SqliteManager::file(scratch.path()).wal(false);
    let mut conn = manager.connect().unwrap();
    conn.execute_batch("CREATE TABLE t (x)").unwrap();
    manager.is_valid(&mut conn).unwrap();
    manager.is_valid_within(&mut conn, Duration::from_millis(1)).unwrap();
    assert_eq!(pragma(&conn, "busy_timeout"), "5000");

    std::fs::write(scratch.path(), "no longer a database, ".repeat(400)).unwrap();
    let error = manager.is_valid(&mut conn).expect_err("the file is damaged");
    assert!(manager.is_lost(&error), "{error}");
}

#[test]
fn a_locked_database_is_valid() {
    let scratch = Scratch::new();
    let manager = SqliteManager::file(scratch.path()).wal(false);
    let mut conn = manager.connect().unwrap();
    let blocker = manager.connect().unwrap();
    blocker.execute_batch("CREATE TABLE t (x); BEGIN EXCLUSIVE").unwrap();
    manager.is_valid_within(&mut conn, Duration::from_millis(1)).unwrap();
}

#[test]
fn ordinary_errors_do_not_cost_a_connection() {
    let manager = SqliteManager::memory();
    let conn = manager.connect().unwrap();
    conn.execute_batch("CREATE TABLE t (x UNIQUE); INSERT INTO t VALUES (1)").unwrap();
    for sql in ["INSERT INTO t VALUES (1)", "SELECT nonsense", "INSERT INTO u VALUES (1)"] {
        let error = conn.execute(sql, ()).expect_err(sql);
        assert!(!manager.is_lost(&error) && !manager.is_permanent(&error), "{error}");
    }
}

#[test]
fn debug_shows_the_path_and_the_settings() {
    let manager = SqliteManager::file("some/file.db").wal(false);
    let text = format!("{manager:?}");
    assert!(text.contains("some/file.db") && text.contains("wal: false"), "{text}");
}
