//! Files that can be read but not written.

mod common;

use std::fs;

use common::Scratch;
use rusqlite::{ErrorCode, OpenFlags};
use threadwise_core::ManageConnection;
use threadwise_sqlite::SqliteManager;

fn database_with_one_row(scratch: &Scratch) {
    let conn = SqliteManager::file(scratch.path()).wal(false).connect().unwrap();
    conn.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (7)").unwrap();
}

fn row(manager: &SqliteManager) -> rusqlite::Result<i64> {
    manager.connect()?.query_row("SELECT x FROM t", (), |row| row.get(0))
}

#[test]
fn read_only_flags_open_the_file_for_reading_only() {
    let scratch = Scratch::new();
    database_with_one_row(&scratch);
    let manager = SqliteManager::file(scratch.path()).with_flags(OpenFlags::SQLITE_OPEN_READ_ONLY);
    assert_eq!(row(&manager), Ok(7));
    let conn = manager.connect().unwrap();
    assert!(conn.execute("INSERT INTO t VALUES (8)", ()).is_err());
    let mode: String = conn.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "delete", "a reader must not switch the file's mode");
}

#[test]
fn a_read_only_uri_opens_the_file_for_reading_only() {
    let scratch = Scratch::new();
    database_with_one_row(&scratch);
    for option in ["mode=ro", "immutable=1"] {
        let uri = format!("file:{}?{option}", scratch.path().display());
        assert_eq!(row(&SqliteManager::file(uri)), Ok(7), "{option}");
    }
}

/// Root may write to every file, so as root the test runs again as another user.
#[cfg(unix)]
#[test]
fn a_read_only_file_opened_for_writing_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    const FILE: &str = "THREADWISE_TEST_READ_ONLY_FILE";
    if let Some(path) = std::env::var_os(FILE) {
        let manager = SqliteManager::file(&path);
        let error = manager.connect().expect_err("this file must not open for writing");
        let text = error.to_string();
        assert_eq!(error.sqlite_error_code(), Some(ErrorCode::ReadOnly), "{text}");
        assert!(text.contains(&*path.to_string_lossy()), "{text}");
        assert!(text.contains("SQLITE_OPEN_READ_ONLY"), "{text}");
        assert!(manager.is_permanent(&error));
        let reader = manager.with_flags(OpenFlags::SQLITE_OPEN_READ_ONLY);
        assert_eq!(row(&reader), Ok(7));
        return;
    }

    let scratch = Scratch::new();
    database_with_one_row(&scratch);
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(scratch.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut child = unprivileged_copy_of_this_test(&scratch);
    child.args(["--exact", "a_read_only_file_opened_for_writing_is_refused"]);
    let output = child.env(FILE, scratch.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// This test program, to be run by another user than root.
#[cfg(unix)]
fn unprivileged_copy_of_this_test(scratch: &Scratch) -> std::process::Command {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;

    const NOBODY: u32 = 65534;
    // A copy, since another user may not be able to reach the folder of the original.
    let program = scratch.dir.path().join("test-program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = std::process::Command::new(&program);
    command.current_dir(scratch.dir.path());
    if fs::metadata(scratch.path()).unwrap().uid() == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}
