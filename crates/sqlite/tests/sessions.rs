//! Which changes of a session the manager sees, and which statements wait for a lock.

mod common;

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use common::Scratch;
use rusqlite::functions::FunctionFlags;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization, TransactionOperation};
use rusqlite::{ErrorCode, TransactionBehavior, ffi};
use threadwise_core::ManageConnection;
use threadwise_sqlite::{Connection, SqliteManager};

fn busy_timeout(conn: &Connection) -> i64 {
    conn.query_row("PRAGMA busy_timeout", (), |row| row.get(0)).unwrap()
}

#[test]
fn a_changed_session_is_noticed_and_cannot_be_reset() {
    let manager = SqliteManager::memory();
    for sql in [
        "PRAGMA cache_size = 5",
        "PRAGMA temp.user_version = 7",
        "PRAGMA temp.application_id = 7",
        "CREATE TEMP TABLE x (i)",
        "ATTACH ':memory:' AS a",
    ] {
        let mut conn = manager.connect().unwrap();
        assert!(!manager.has_changed(&mut conn), "{sql}");
        conn.execute_batch(sql).unwrap();
        assert!(manager.has_changed(&mut conn), "{sql}");
        let error = manager.reset(&mut conn).expect_err(sql).to_string();
        assert!(error.contains("session was changed") && error.contains("with_init"), "{error}");
    }
}

#[test]
fn a_number_in_the_file_of_all_connections_is_no_change() {
    let manager = SqliteManager::memory();
    let mut conn = manager.connect().unwrap();
    for sql in ["PRAGMA user_version = 7", "PRAGMA main.application_id = 7"] {
        conn.execute_batch(sql).unwrap();
        assert!(!manager.has_changed(&mut conn), "{sql}");
    }
}

#[test]
fn a_changed_busy_timeout_is_set_again_by_reset_and_by_has_changed() {
    let manager = SqliteManager::memory().busy_timeout(Duration::from_millis(1234));
    let mut conn = manager.connect().unwrap();
    conn.busy_timeout(Duration::ZERO).unwrap();
    assert!(!manager.has_changed(&mut conn));
    assert_eq!(busy_timeout(&conn), 1234);
    conn.execute_batch("PRAGMA busy_timeout = 7").unwrap();
    manager.reset(&mut conn).unwrap();
    assert_eq!(busy_timeout(&conn), 1234);
}

#[test]
fn an_authorizer_that_replaces_the_managers_is_noticed() {
    let manager = SqliteManager::memory();
    let mut conn = manager.connect().unwrap();
    conn.authorizer(Some(|_: AuthContext<'_>| Authorization::Allow)).unwrap();
    assert!(manager.has_changed(&mut conn));
    manager.reset(&mut conn).expect_err("nothing saw the changes since");
}

#[test]
fn an_authorizer_set_by_the_init_function_is_an_error_with_the_remedy() {
    let manager = SqliteManager::memory()
        .with_init(|conn| conn.authorizer(Some(|_: AuthContext<'_>| Authorization::Allow)));
    let error = manager.connect().expect_err("the manager could not see changes");
    assert!(error.to_string().contains("with_authorizer"), "{error}");
    assert!(manager.is_permanent(&error));
}

#[test]
fn an_authorizer_given_to_the_manager_holds_for_users_and_not_for_the_manager() {
    let manager = SqliteManager::memory()
        .with_init(|conn| conn.execute_batch("CREATE TABLE IF NOT EXISTS t (x)"))
        .with_authorizer(|context| match context.action {
            AuthAction::Read { .. } | AuthAction::Select => Authorization::Allow,
            AuthAction::Transaction { operation: TransactionOperation::Begin } => {
                Authorization::Allow
            }
            _ => Authorization::Deny,
        });
    let mut conn = manager.connect().expect("it was not asked about the init function");
    conn.query_row("SELECT x FROM t", (), |_| Ok(())).expect_err("there is no row");
    let denied = conn.execute("INSERT INTO t VALUES (1)", ()).expect_err("users only read");
    assert_eq!(denied.sqlite_error_code(), Some(ErrorCode::AuthorizationForStatementDenied));

    manager.is_valid(&mut conn).expect("the check is not the user's");
    conn.execute_batch("BEGIN").unwrap();
    manager.reset(&mut conn).expect("nor is the reset");
    assert!(!manager.has_changed(&mut conn));
}

#[test]
fn changes_by_the_init_function_are_no_change() {
    let manager = SqliteManager::memory().with_init(|conn| {
        conn.pragma_update(None, "cache_size", 77)?;
        conn.execute_batch("CREATE TEMP TABLE x (i); ATTACH ':memory:' AS a")
    });
    let mut conn = manager.connect().unwrap();
    conn.query_row("SELECT count(*) FROM x", (), |_| Ok(())).unwrap();
    assert!(!manager.has_changed(&mut conn));
}

#[test]
fn rows_in_a_file_that_the_init_function_attached_are_no_change() {
    let scratch = Scratch::new();
    let log = scratch.dir.path().join("log.db").display().to_string();
    let manager = SqliteManager::file(scratch.path()).with_init(move |conn| {
        conn.execute("ATTACH ?1 AS log", [&log])?;
        conn.execute_batch("CREATE TABLE IF NOT EXISTS log.seen (x)")
    });
    let mut conn = manager.connect().unwrap();
    conn.execute("INSERT INTO log.seen VALUES (1)", ()).unwrap();
    assert!(!manager.has_changed(&mut conn));
    conn.execute("DETACH log", ()).unwrap();
    assert!(manager.has_changed(&mut conn));
}

#[test]
fn a_function_registered_on_a_plain_connection_is_noticed_when_it_is_used() {
    fn register(conn: &rusqlite::Connection, name: &str) {
        conn.create_scalar_function(name, 0, FunctionFlags::SQLITE_UTF8, |_| Ok(1)).unwrap();
    }
    let manager = SqliteManager::memory().with_init(|conn| {
        register(conn, "Kept");
        Ok(())
    });
    for _ in 0..2 {
        let mut conn = manager.connect().unwrap();
        conn.query_row("SELECT kept(), LOWER('A'), 'a' LIKE 'A', '{}' -> 'x'", (), |_| Ok(()))
            .unwrap();
        assert!(!manager.has_changed(&mut conn), "all of them belong to every session");
        register(&conn, "added");
        conn.query_row("SELECT added()", (), |_| Ok(())).unwrap();
        assert!(manager.has_changed(&mut conn));
    }
}

#[test]
fn a_statement_that_the_init_function_prepared_is_noticed_when_a_user_runs_it() {
    const SQL: &str = "INSERT INTO x VALUES (1)";
    let manager = SqliteManager::memory().with_init(|conn| {
        conn.execute_batch("CREATE TEMP TABLE x (i)")?;
        conn.prepare_cached(SQL).map(drop)
    });
    let mut conn = manager.connect().unwrap();
    conn.prepare_cached(SQL).unwrap().execute(()).unwrap();
    assert!(manager.has_changed(&mut conn));
}

#[test]
fn into_inner_gives_a_working_connection() {
    let conn = SqliteManager::memory().connect().unwrap().into_inner();
    conn.execute_batch("CREATE TABLE t (x)").unwrap();
    conn.close().expect("no statement is left");
}

/// The snapshot is old, so waiting would not help. SQLite says so at once, whatever the timeout.
#[test]
fn a_transaction_that_read_before_another_wrote_fails_at_once_when_it_writes() {
    let scratch = Scratch::new();
    let manager = SqliteManager::file(scratch.path()).busy_timeout(Duration::MAX);
    let (mut one, other) = (manager.connect().unwrap(), manager.connect().unwrap());
    other.execute_batch("CREATE TABLE t (x)").unwrap();

    let reading = one.transaction().unwrap();
    reading.query_row("SELECT count(*) FROM t", (), |_| Ok(())).unwrap();
    other.execute("INSERT INTO t VALUES (1)", ()).unwrap();
    let error = reading.execute("INSERT INTO t VALUES (2)", ()).expect_err("too late");
    assert_eq!(error.sqlite_extended_error_code(), Some(ffi::SQLITE_BUSY_SNAPSHOT), "{error}");
}

#[test]
fn transactions_that_begin_as_writers_wait_for_each_other() {
    const THREADS: i64 = 4;
    const EACH: i64 = 50;
    let scratch = Scratch::new();
    let manager =
        SqliteManager::file(scratch.path()).busy_timeout(Duration::MAX).with_init(|conn| {
            conn.set_transaction_behavior(TransactionBehavior::Immediate);
            Ok(())
        });
    let conn = manager.connect().unwrap();
    conn.execute_batch("PRAGMA synchronous = OFF; CREATE TABLE t (x); INSERT INTO t VALUES (0)")
        .unwrap();
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut conn = manager.connect().unwrap();
                start.wait();
                for _ in 0..EACH {
                    let writing = conn.transaction().expect("it waits for its turn");
                    let x: i64 =
                        writing.query_row("SELECT x FROM t", (), |row| row.get(0)).unwrap();
                    writing.execute("UPDATE t SET x = ?1", [x + 1]).expect("it is the writer");
                    writing.commit().unwrap();
                }
            });
        }
    });
    assert_eq!(conn.query_row("SELECT x FROM t", (), |row| row.get(0)), Ok(THREADS * EACH));
}
