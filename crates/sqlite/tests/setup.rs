//! The order in which a connection is set up: some settings must precede the first read of the
//! file, and what the program does to every session is no change.

mod common;

use std::fs;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use common::Scratch;
use rusqlite::hooks::{AuthContext, Authorization};
use rusqlite::{Connection, ErrorCode};
use threadwise_core::ManageConnection;
use threadwise_sqlite::SqliteManager;

/// Much longer than the threads of a test hold a lock, for a busy machine and a busy disk.
const LONG: Duration = Duration::from_secs(120);

fn text(conn: &Connection, pragma: &str) -> String {
    conn.pragma_query_value(None, pragma, |row| {
        row.get_ref(0).map(|value| match value {
            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
            other => other.as_str().unwrap_or_default().to_owned(),
        })
    })
    .unwrap()
}

fn of_a_new_file(conn: &mut Connection) -> rusqlite::Result<()> {
    conn.execute_batch(
        "PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA encoding = 'UTF-16le'",
    )
}

#[test]
fn the_init_function_can_set_what_only_a_new_file_can_have() {
    let scratch = Scratch::new();
    for manager in [
        SqliteManager::file(scratch.path()),
        SqliteManager::file(scratch.dir.path().join("other.db")).wal(false),
        SqliteManager::file(format!("file:{}", scratch.dir.path().join("uri.db").display())),
        SqliteManager::memory(),
    ] {
        let manager = manager.with_init(of_a_new_file);
        for conn in [manager.connect().unwrap(), manager.connect().unwrap()] {
            conn.execute_batch("CREATE TABLE IF NOT EXISTS t (x)").unwrap();
            let is = ["page_size", "auto_vacuum", "encoding"].map(|pragma| text(&conn, pragma));
            assert_eq!(is, ["8192", "2", "UTF-16le"], "{manager:?}");
        }
    }
}

/// Like the key of an encrypted file: the file is no database until the function has run.
#[test]
fn the_init_function_runs_before_the_file_is_read() {
    let scratch = Scratch::new();
    let real = scratch.dir.path().join("real.db");
    SqliteManager::file(&real)
        .wal(false)
        .connect()
        .unwrap()
        .execute_batch("CREATE TABLE t (x)")
        .unwrap();
    let real = fs::read(real).unwrap();
    for wal in [false, true] {
        let path = scratch.path();
        fs::write(&path, "cipher ".repeat(2000)).unwrap();
        let (path, real) = (path.clone(), real.clone());
        let manager = SqliteManager::file(&path).wal(wal).with_init(move |_| {
            fs::write(&path, &real).unwrap();
            Ok(())
        });
        let conn = manager.connect().expect("the first read comes after the function");
        conn.execute("INSERT INTO t VALUES (1)", ()).unwrap();
    }
}

#[test]
fn the_error_of_an_unreadable_file_names_a_missing_key_as_a_reason() {
    let scratch = Scratch::new();
    fs::write(scratch.path(), "cipher ".repeat(2000)).unwrap();
    let plain = SqliteManager::file(scratch.path());
    let reading = SqliteManager::file(scratch.path())
        .with_init(|conn| conn.execute_batch("CREATE TABLE IF NOT EXISTS t (x)"));
    for manager in [plain, reading] {
        let error = manager.connect().expect_err("it cannot be read");
        let said = error.to_string();
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase), "{said}");
        assert!(said.contains("the key in `with_init`") && said.contains("data.db"), "{said}");
    }
}

#[test]
fn an_init_function_that_sets_query_only_does_not_prevent_the_switch_to_wal() {
    let scratch = Scratch::new();
    let manager = SqliteManager::file(scratch.path())
        .with_init(|conn| conn.pragma_update(None, "query_only", true));
    let conn = manager.connect().unwrap();
    assert_eq!(text(&conn, "journal_mode"), "wal");
    assert_eq!(text(&conn, "query_only"), "1");
}

#[test]
fn an_init_function_that_leaves_a_transaction_open_is_refused_with_the_remedy() {
    let scratch = Scratch::new();
    for manager in [SqliteManager::memory(), SqliteManager::file(scratch.path())] {
        let manager = manager.with_init(|conn| conn.execute_batch("BEGIN"));
        let error = manager.connect().expect_err("no user owns that transaction");
        assert!(error.to_string().contains("on_connect"), "{error}");
        assert!(manager.is_permanent(&error));
    }
}

#[test]
fn eight_threads_that_create_the_tables_of_a_new_file_at_once_all_get_a_connection() {
    for _ in 0..10 {
        let scratch = Scratch::new();
        let manager = SqliteManager::file(scratch.path()).busy_timeout(LONG).with_init(|conn| {
            conn.execute_batch(
                "PRAGMA page_size = 8192;
                 CREATE TABLE IF NOT EXISTS t (x);
                 BEGIN IMMEDIATE; INSERT INTO t SELECT count(*) FROM t; COMMIT",
            )
        });
        let start = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    let conn = manager.connect().expect("one creates it, the others find it");
                    assert_eq!(text(&conn, "journal_mode"), "wal");
                    assert_eq!(text(&conn, "page_size"), "8192");
                });
            }
        });
    }
}

#[test]
fn a_busy_handler_or_timeout_of_the_init_function_holds_for_every_user() {
    let scratch = Scratch::new();
    let slow = SqliteManager::file(scratch.path())
        .with_init(|conn| conn.execute_batch("PRAGMA busy_timeout = 77"));
    let mut conn = slow.connect().unwrap();
    conn.busy_timeout(Duration::ZERO).unwrap();
    assert!(!slow.has_changed(&mut conn));
    assert_eq!(text(&conn, "busy_timeout"), "77");
    slow.is_valid(&mut conn).unwrap();
    slow.is_valid_within(&mut conn, Duration::from_millis(1)).unwrap();
    assert_eq!(text(&conn, "busy_timeout"), "77");

    let handled =
        SqliteManager::file(scratch.path()).with_init(|conn| conn.busy_handler(Some(|_| false)));
    let mut conn = handled.connect().unwrap();
    handled.is_valid(&mut conn).unwrap();
    assert!(!handled.has_changed(&mut conn));
    assert_eq!(text(&conn, "busy_timeout"), "0", "no timeout has replaced the handler");
    conn.execute_batch("PRAGMA busy_timeout = 5").unwrap();
    assert!(handled.has_changed(&mut conn), "the handler is gone");
}

/// What a pool does with a connection: `on_connect` runs, and then a session begins.
#[test]
fn changes_before_a_session_begins_are_no_change() {
    type Hook = fn(&mut threadwise_sqlite::Connection) -> rusqlite::Result<()>;
    use rusqlite::functions::FunctionFlags;
    const HOOKS: &[Hook] = &[
        |conn| conn.pragma_update(None, "cache_size", 77),
        |conn| conn.create_scalar_function("ours", 0, FunctionFlags::SQLITE_UTF8, |_| Ok(1)),
        |conn| {
            let plain: &Connection = conn; // as a function gets it
            plain.create_scalar_function("ours", 0, FunctionFlags::SQLITE_UTF8, |_| Ok(1))
        },
        |conn| conn.execute_batch("CREATE TEMP TABLE x (i); ATTACH ':memory:' AS a"),
        |conn| conn.authorizer(Some(|_: AuthContext<'_>| Authorization::Allow)),
        |conn| conn.busy_handler(Some(|_| false)),
        |conn| conn.execute_batch("BEGIN"),
    ];
    for (number, hook) in HOOKS.iter().enumerate() {
        let manager = SqliteManager::memory();
        for _ in 0..2 {
            let mut conn = manager.connect().unwrap();
            hook(&mut conn).unwrap();
            manager.begin_session(&mut conn);
            for _ in 0..3 {
                conn.query_row("SELECT 1", (), |_| Ok(())).unwrap();
                if number == 1 || number == 2 {
                    conn.query_row("SELECT ours()", (), |_| Ok(())).unwrap();
                }
                manager.is_valid(&mut conn).unwrap();
                assert!(!manager.has_changed(&mut conn), "hook {number}");
                assert!(!manager.has_broken(&mut conn), "hook {number}");
            }
            conn.execute_batch("PRAGMA cache_size = 5").unwrap();
            assert!(manager.has_changed(&mut conn), "hook {number}: a user's change is one");
            manager.reset(&mut conn).expect_err("no reset undoes it");
        }
    }
}

#[test]
fn a_statement_from_before_the_session_is_noticed_when_a_user_runs_it() {
    const SQL: &str = "INSERT INTO x VALUES (1)";
    let manager = SqliteManager::memory();
    let mut conn = manager.connect().unwrap();
    conn.execute_batch("CREATE TEMP TABLE x (i)").unwrap();
    conn.prepare_cached(SQL).map(drop).unwrap();
    manager.begin_session(&mut conn);
    assert!(!manager.has_changed(&mut conn));
    conn.prepare_cached(SQL).unwrap().execute(()).unwrap();
    assert!(manager.has_changed(&mut conn));
}

#[test]
fn a_transaction_that_all_users_share_is_a_change_only_when_it_ends() {
    let manager = SqliteManager::memory();
    let mut conn = manager.connect().unwrap();
    conn.execute_batch("CREATE TABLE t (x); BEGIN").unwrap();
    manager.begin_session(&mut conn);
    conn.execute("INSERT INTO t VALUES (1)", ()).unwrap();
    assert!(!manager.has_changed(&mut conn) && manager.in_transaction(&mut conn));

    conn.execute_batch("COMMIT").unwrap();
    assert!(manager.has_changed(&mut conn));
    manager.reset(&mut conn).unwrap();
    conn.execute_batch("BEGIN").unwrap(); // the hook, once more
    manager.begin_session(&mut conn);
    assert!(!manager.has_changed(&mut conn));
}

#[test]
fn an_authorizer_that_a_hook_sets_holds_for_users_and_not_for_the_manager() {
    let manager = SqliteManager::memory();
    let mut conn = manager.connect().unwrap();
    conn.authorizer(Some(|_: AuthContext<'_>| Authorization::Deny)).unwrap();
    manager.begin_session(&mut conn);
    conn.query_row("SELECT 1", (), |_| Ok(())).expect_err("it is denied");
    manager.is_valid(&mut conn).expect("the check is not the user's");
    assert!(!manager.has_changed(&mut conn));
}
