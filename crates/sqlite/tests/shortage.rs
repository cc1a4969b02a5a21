//! A process without a free file descriptor: neither the file nor an open connection is at fault.
#![cfg(unix)]

mod common;

use std::fs::File;
use std::process::Command;

use common::Scratch;
use threadwise_core::ManageConnection;
use threadwise_sqlite::SqliteManager;

/// Runs the test of this name again, in a process with few descriptors. Returns whether this is
/// that process.
fn has_few_descriptors(name: &str) -> bool {
    const CHILD: &str = "THREADWISE_TEST_FEW_DESCRIPTORS";
    if std::env::var_os(CHILD).is_some() {
        return true;
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -n 64 && exec \"$0\" --exact \"$1\" --nocapture"]);
    let output = shell.arg(std::env::current_exe().unwrap()).arg(name).env(CHILD, "").output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// Takes all descriptors but `left`.
fn all_but(left: usize) -> Vec<File> {
    let mut taken: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    taken.truncate(taken.len() - left);
    taken
}

#[test]
fn a_shortage_of_descriptors_is_named_and_not_taken_for_the_files_fault() {
    if !has_few_descriptors("a_shortage_of_descriptors_is_named_and_not_taken_for_the_files_fault")
    {
        return;
    }
    for wal in [false, true] {
        let scratch = Scratch::new();
        let manager = SqliteManager::file(scratch.path()).wal(wal).with_init(|conn| {
            conn.execute_batch("CREATE TABLE IF NOT EXISTS t (x)") // may be what needs the descriptor
        });
        let _first = manager.connect().unwrap();
        let mut refused = 0;
        for left in 0..3 {
            let taken = all_but(left);
            let outcome = manager.connect();
            drop(taken);
            let Err(error) = outcome else { continue };
            let said = format!("{error} {error:?}");
            assert!(manager.is_shortage(&error), "{left} left: {said}");
            assert!(!manager.is_permanent(&error) && !manager.is_lost(&error), "{said}");
            assert!(said.contains("file descriptor") && said.contains("ulimit"), "{said}");
            assert!(said.contains("data.db") && !said.contains("permissions"), "{said}");
            refused += 1;
        }
        assert!(refused >= 1);
        manager.connect().expect("there are enough again");
    }
}

#[test]
fn a_missing_folder_is_no_shortage() {
    let scratch = Scratch::new();
    let path = scratch.dir.path().join("no/such/folder/data.db");
    let manager = SqliteManager::file(path);
    let error = manager.connect().unwrap_err();
    assert!(!manager.is_shortage(&error) && manager.is_permanent(&error), "{error}");
}

#[test]
fn a_shortage_of_descriptors_does_not_break_an_open_connection() {
    if !has_few_descriptors("a_shortage_of_descriptors_does_not_break_an_open_connection") {
        return;
    }
    for wal in [false, true] {
        let scratch = Scratch::new();
        let manager = SqliteManager::file(scratch.path()).wal(wal);
        let mut conn = manager.connect().unwrap();
        conn.execute_batch("CREATE TABLE t (x)").unwrap();
        let taken = all_but(0);
        manager.is_valid(&mut conn).unwrap();
        if !wal {
            conn.execute("INSERT INTO t VALUES (1)", ()).expect_err("the journal is a file, too");
        }
        let other = format!("ATTACH '{}' AS other", scratch.dir.path().join("o.db").display());
        conn.execute_batch(&other).expect_err("no descriptor is left");
        assert!(!manager.has_broken(&mut conn));
        manager.is_valid(&mut conn).unwrap();
        drop(taken);
        conn.execute("INSERT INTO t VALUES (1)", ()).unwrap();
    }
}
