//! A database that cannot be opened is an error of `connect`, which names the path, the problem and
//! the remedy.

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use common::Scratch;
use rusqlite::{Error, ErrorCode, OpenFlags};
use threadwise_core::ManageConnection;
use threadwise_sqlite::SqliteManager;

fn assert_refused(manager: &SqliteManager, path: &Path, code: ErrorCode, words: &str) {
    let error = manager.connect().expect_err("this must not open");
    let text = error.to_string();
    assert_eq!(error.sqlite_error_code(), Some(code), "{text}");
    assert!(text.contains(&path.display().to_string()), "{text}");
    assert!(text.contains(words), "{text}");
    assert!(manager.is_permanent(&error), "{text}");
}

#[test]
fn a_directory_is_refused() {
    let scratch = Scratch::new();
    let manager = SqliteManager::file(scratch.dir.path());
    assert_refused(&manager, scratch.dir.path(), ErrorCode::CannotOpen, "is a directory");
}

#[test]
fn a_missing_folder_is_refused_and_named() {
    let scratch = Scratch::new();
    let path = scratch.dir.path().join("no/such/file.db");
    let manager = SqliteManager::file(&path);
    let folder = scratch.dir.path().join("no/such");
    let words = format!("the folder `{}` does not exist", folder.display());
    assert_refused(&manager, &path, ErrorCode::CannotOpen, &words);
}

#[test]
fn a_path_through_a_file_is_refused() {
    let scratch = Scratch::new();
    fs::write(scratch.path(), "").unwrap();
    let path = scratch.path().join("file.db");
    assert_refused(&SqliteManager::file(&path), &path, ErrorCode::CannotOpen, "is not a folder");
}

#[test]
fn a_missing_file_is_refused_if_the_flags_do_not_create_it() {
    let scratch = Scratch::new();
    let manager = SqliteManager::file(scratch.path()).with_flags(OpenFlags::SQLITE_OPEN_READ_WRITE);
    assert_refused(&manager, &scratch.path(), ErrorCode::CannotOpen, "does not exist");
    assert!(!scratch.path().exists());
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let scratch = Scratch::new();
    fs::write(scratch.path(), "a letter to my aunt, ".repeat(400)).unwrap();
    let manager = SqliteManager::file(scratch.path());
    assert_refused(&manager, &scratch.path(), ErrorCode::NotADatabase, "not an SQLite database");
    let read_only = manager.with_flags(OpenFlags::SQLITE_OPEN_READ_ONLY);
    assert_refused(&read_only, &scratch.path(), ErrorCode::NotADatabase, "not an SQLite database");
}

#[test]
fn a_path_that_gives_each_connection_its_own_database_is_refused() {
    for path in ["", ":memory:"] {
        let manager = SqliteManager::file(path);
        assert_refused(&manager, Path::new(path), ErrorCode::CannotOpen, "SqliteManager::memory()");
    }
}

#[test]
fn a_path_with_a_nul_byte_is_a_permanent_error() {
    let manager = SqliteManager::file("a\0b");
    let error = manager.connect().expect_err("this must not open");
    assert!(matches!(error, Error::NulError(_)), "{error}");
    assert!(manager.is_permanent(&error));
}

#[test]
fn a_locked_database_is_a_transient_error() {
    let scratch = Scratch::new();
    let blocker = SqliteManager::file(scratch.path()).wal(false).connect().unwrap();
    blocker.execute_batch("CREATE TABLE t (x); BEGIN EXCLUSIVE").unwrap();

    let manager = SqliteManager::file(scratch.path()).wal(false);
    let error = manager.connect_within(Duration::from_millis(20)).expect_err("it is locked");
    assert_eq!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy), "{error}");
    assert!(error.to_string().contains(&scratch.path().display().to_string()), "{error}");
    assert!(!manager.is_permanent(&error) && !manager.is_lost(&error));

    blocker.execute_batch("COMMIT").unwrap();
    manager.connect().expect("the lock is gone");
}

#[test]
fn an_error_of_the_init_function_is_returned_and_closes_the_connection() {
    let scratch = Scratch::new();
    let manager = SqliteManager::file(scratch.path()).wal(false).with_init(|conn| {
        conn.execute_batch("CREATE TABLE IF NOT EXISTS t (x); BEGIN EXCLUSIVE; SELECT nonsense")
    });
    let error = manager.connect().expect_err("the function fails");
    assert!(error.to_string().contains("nonsense"), "{error}");
    // If that connection were still open, so would be its exclusive transaction.
    let other = SqliteManager::file(scratch.path()).wal(false);
    let conn = other.connect_within(Duration::from_secs(2)).expect("no lock is left");
    conn.execute("INSERT INTO t VALUES (1)", ()).unwrap();
}

#[test]
fn a_panic_of_the_init_function_closes_the_connection() {
    let scratch = Scratch::new();
    let manager = SqliteManager::file(scratch.path()).wal(false).with_init(|conn| {
        conn.execute_batch("BEGIN EXCLUSIVE")?;
        panic!("on purpose")
    });
    let connect = std::panic::AssertUnwindSafe(|| manager.connect().map(drop));
    assert!(std::panic::catch_unwind(connect).is_err());
    let other = SqliteManager::file(scratch.path()).wal(false);
    other.connect_within(Duration::from_secs(2)).expect("no lock is left");
}

#[test]
fn a_lost_connection_that_cannot_be_replaced_says_why_and_is_still_lost() {
    let scratch = Scratch::new();
    let manager = SqliteManager::file(scratch.path());
    let lost = Error::SqliteFailure(rusqlite::ffi::Error::new(1032), Some("moved".to_owned()));
    let cause = SqliteManager::file(scratch.dir.path()).connect().expect_err("a directory");
    let error = manager.not_reconnected(lost, &cause);
    assert!(manager.is_lost(&error));
    let said = error.to_string();
    assert!(said.contains("moved") && said.contains("is a directory"), "{said}");
    assert!(manager.address().is_some_and(|path| path.ends_with("data.db")));
}
