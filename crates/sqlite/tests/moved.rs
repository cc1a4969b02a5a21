//! If the path names another file, or the file is damaged, the connection is not used again.
#![cfg(unix)]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use common::Scratch;
use rusqlite::{ErrorCode, ffi};
use threadwise_core::ManageConnection;
use threadwise_sqlite::{Connection, SqliteManager};

fn manager(path: &Path, wal: bool) -> SqliteManager {
    SqliteManager::file(path).wal(wal)
}

fn with_table(manager: &SqliteManager) -> Connection {
    let conn = manager.connect().unwrap();
    conn.execute_batch("CREATE TABLE IF NOT EXISTS t (x)").unwrap();
    conn
}

type Change = fn(&Path);

const CHANGES: &[(&str, Change)] = &[
    ("a copy renamed over it", |path| {
        fs::copy(path, path.with_extension("copy")).unwrap();
        fs::rename(path.with_extension("copy"), path).unwrap();
    }),
    ("deleted", |path| fs::remove_file(path).unwrap()),
    ("deleted and created anew", |path| {
        fs::remove_file(path).unwrap();
        fs::write(path, "").unwrap();
    }),
    ("renamed", |path| fs::rename(path, path.with_extension("old")).unwrap()),
    ("its folder renamed", |path| {
        let folder = path.parent().unwrap();
        let _ = fs::remove_dir_all(folder.with_extension("old"));
        fs::rename(folder, folder.with_extension("old")).unwrap();
    }),
];

#[test]
fn a_check_finds_that_the_path_names_another_file() {
    for wal in [false, true] {
        for (what, change) in CHANGES {
            let scratch = Scratch::new();
            let folder = scratch.dir.path().join("folder");
            fs::create_dir(&folder).unwrap();
            let path = folder.join("data.db");
            let uri = format!("file:{}?mode=rwc", path.display());
            for manager in [manager(&path, wal), SqliteManager::file(uri).wal(wal)] {
                fs::create_dir_all(&folder).unwrap();
                let mut conn = with_table(&manager);
                manager.is_valid(&mut conn).expect("nothing has happened yet");
                change(&path);
                let error = manager.is_valid(&mut conn).expect_err(what);
                assert!(manager.is_lost(&error), "{what}: {error}");
                assert!(error.to_string().contains("data.db"), "{error}");
                drop(conn);
                let _ = fs::remove_dir_all(&folder);
            }
        }
    }
}

#[test]
fn a_check_finds_that_a_symbolic_link_was_changed() {
    let scratch = Scratch::new();
    let [one, other] = ["one.db", "other.db"].map(|name| scratch.dir.path().join(name));
    with_table(&manager(&other, true));
    symlink(&one, scratch.path()).unwrap();
    let manager = manager(&scratch.path(), true);
    let mut conn = with_table(&manager);
    manager.is_valid(&mut conn).unwrap();

    symlink(&other, scratch.path().with_extension("new")).unwrap();
    fs::rename(scratch.path().with_extension("new"), scratch.path()).unwrap();
    manager.is_valid(&mut conn).expect_err("the path leads elsewhere");
}

#[test]
fn a_check_finds_that_the_write_ahead_log_was_deleted() {
    let scratch = Scratch::new();
    let manager = manager(&scratch.path(), true);
    let mut conn = with_table(&manager);
    manager.is_valid(&mut conn).unwrap();
    fs::remove_file(scratch.dir.path().join("data.db-wal")).unwrap();
    manager.is_valid(&mut conn).expect_err("what it writes would be lost");
}

#[test]
fn vacuum_checkpoint_and_a_rename_back_are_no_move() {
    let scratch = Scratch::new();
    let path = scratch.path();
    let manager = manager(&path, true);
    let mut conn = with_table(&manager);
    let other = manager.connect().unwrap();
    other.execute_batch("INSERT INTO t VALUES (1); PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    other.execute_batch("VACUUM").unwrap();
    drop(other);
    fs::rename(&path, path.with_extension("away")).unwrap();
    fs::rename(path.with_extension("away"), &path).unwrap();
    manager.is_valid(&mut conn).unwrap();
    assert!(!manager.has_broken(&mut conn));
}

/// What the user does next with the connection.
type Next = fn(&mut Connection);

const NEXT: &[Next] = &[
    |_| {},
    |conn| conn.query_row("SELECT 1", (), |_| Ok(())).unwrap(),
    |conn| conn.prepare_cached("SELECT ?1").unwrap().query_row([1], |_| Ok(())).unwrap(),
    |conn| drop(conn.prepare("SELECT 1").unwrap()),
];

#[test]
fn a_connection_that_met_a_moved_file_is_broken_whatever_it_does_next() {
    for next in NEXT {
        let scratch = Scratch::new();
        let manager = manager(&scratch.path(), false);
        let mut conn = with_table(&manager);
        conn.prepare_cached("SELECT ?1").unwrap().query_row([1], |_| Ok(())).unwrap();
        assert!(!manager.has_broken(&mut conn));
        CHANGES[0].1(&scratch.path());
        let error = conn.execute("INSERT INTO t VALUES (1)", ()).expect_err("SQLite says so");
        assert_eq!(error.sqlite_extended_error_code(), Some(ffi::SQLITE_READONLY_DBMOVED));
        next(&mut conn);
        assert!(manager.has_broken(&mut conn));
        assert!(manager.has_broken(&mut conn), "it stays broken");
    }
}

#[test]
fn an_error_inside_a_transaction_is_noted() {
    let scratch = Scratch::new();
    let manager = manager(&scratch.path(), false);
    let mut conn = with_table(&manager);
    CHANGES[0].1(&scratch.path());
    let writing = conn.transaction().unwrap();
    writing.execute("INSERT INTO t VALUES (1)", ()).expect_err("SQLite says so");
    writing.query_row("SELECT count(*) FROM t", (), |_| Ok(())).unwrap();
    writing.rollback().unwrap();
    assert!(manager.has_broken(&mut conn));
}

fn damage(path: &Path, from: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[from..].fill(0xa5);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_connection_that_met_a_damaged_page_or_no_database_is_broken() {
    for (from, code) in [(4096, ErrorCode::DatabaseCorrupt), (0, ErrorCode::NotADatabase)] {
        let scratch = Scratch::new();
        let manager = manager(&scratch.path(), false);
        let mut conn = with_table(&manager);
        conn.execute_batch("INSERT INTO t VALUES (zeroblob(9999))").unwrap();
        damage(&scratch.path(), from);
        conn.execute_batch("PRAGMA cache_size = 0").unwrap();
        let mut statement = conn.prepare("SELECT x FROM t").or_else(|_| conn.prepare("SELECT 1"));
        let met = statement.as_mut().unwrap().query_row((), |_| Ok(()));
        drop(statement);
        let error = met.and_then(|()| conn.query_row("SELECT x FROM t", (), |_| Ok(())));
        assert_eq!(error.unwrap_err().sqlite_error_code(), Some(code));
        assert!(manager.has_broken(&mut conn), "{code:?}");
    }
}

#[test]
fn ordinary_errors_do_not_break_a_connection() {
    let scratch = Scratch::new();
    let manager = manager(&scratch.path(), true).busy_timeout(std::time::Duration::ZERO);
    let mut conn = with_table(&manager);
    let writer = manager.connect().unwrap();
    conn.execute_batch("CREATE UNIQUE INDEX one ON t (x); INSERT INTO t VALUES (1)").unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    for sql in ["INSERT INTO t VALUES (1)", "SELECT nonsense", "ATTACH '/no/such/folder/a.db' AS a"]
    {
        conn.execute(sql, ()).expect_err(sql);
        assert!(!manager.has_broken(&mut conn), "{sql}");
    }
    manager.is_valid(&mut conn).unwrap();
}
