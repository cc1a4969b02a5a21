//! SQLite files with each of the three pools: hooks that set up each connection, a file that is
//! replaced, a process without free file descriptors.
#![cfg(all(feature = "sqlite", feature = "shared", feature = "queue", feature = "persistent"))]

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise::sqlite::rusqlite::functions::FunctionFlags;
use threadwise::sqlite::rusqlite::{self, ErrorCode, ffi};
use threadwise::sqlite::{Connection, SqliteManager};
use threadwise::{CloseReason, Pool, Validation};
use threadwise_testkit::wait;

struct Rig {
    folder: TempDir,
}

impl Rig {
    fn new() -> Self {
        let this = Self { folder: TempDir::new().expect("a folder for the database") };
        this.directly().execute_batch("CREATE TABLE t (x)").unwrap();
        this
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("data.db")
    }

    fn directly(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }

    fn rows(&self) -> i64 {
        rows(&self.directly())
    }
}

fn rows(conn: &rusqlite::Connection) -> i64 {
    conn.query_row("SELECT count(*) FROM t", (), |row| row.get(0)).unwrap()
}

fn insert(conn: &rusqlite::Connection) -> rusqlite::Result<usize> {
    conn.execute("INSERT INTO t VALUES (1)", ())
}

/// Returns how many connections the pool has opened for borrowers.
fn used<P: Pool>(pool: &P) -> u64 {
    let counters = pool.state().counters;
    counters.opened - counters.closed(CloseReason::Probed)
}

/// Runs code with a pool of each kind, with at most one connection.
macro_rules! on_each_pool {
    ($manager:expr, |$builder:ident| $set:expr, |$pool:ident| $act:expr) => {{
        {
            let $builder = SharedPool::builder().max_size(1);
            let $pool = $set.build($manager).unwrap();
            $act
        }
        {
            let $builder = QueuePool::builder().size(1);
            let $pool = $set.build($manager).unwrap();
            $act
        }
        {
            let $builder = PersistentPool::builder();
            let $pool = $set.build($manager).unwrap();
            $act
        }
    }};
}

type Hook = fn(&mut Connection) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;

#[test]
fn every_borrower_finds_the_setup_of_on_connect_on_one_connection() {
    fn by_plain_connection(conn: &rusqlite::Connection) -> rusqlite::Result<()> {
        conn.create_scalar_function("ours", 0, FunctionFlags::SQLITE_UTF8, |_| Ok(77))
    }
    const HOOKS: &[(Hook, &str)] = &[
        (|conn| Ok(conn.pragma_update(None, "cache_size", 77)?), "PRAGMA cache_size"),
        (|conn| Ok(conn.execute_batch("PRAGMA busy_timeout = 77")?), "PRAGMA busy_timeout"),
        (|conn| Ok(conn.busy_timeout(Duration::from_millis(77))?), "PRAGMA busy_timeout"),
        (
            |conn| {
                let flags = FunctionFlags::SQLITE_UTF8;
                Ok(conn.create_scalar_function("ours", 0, flags, |_| Ok(77))?)
            },
            "SELECT ours()",
        ),
        (|conn| Ok(by_plain_connection(conn)?), "SELECT ours()"),
        (
            |conn| Ok(conn.execute_batch("CREATE TEMP TABLE IF NOT EXISTS s AS SELECT 77 AS i")?),
            "SELECT i FROM temp.s",
        ),
    ];
    for (hook, question) in HOOKS {
        let rig = Rig::new();
        on_each_pool!(
            SqliteManager::file(rig.path()),
            |builder| builder.on_connect(*hook),
            |pool| {
                for turn in 0..10 {
                    let conn = pool.get().unwrap();
                    let answer = conn.query_row(question, (), |row| row.get(0));
                    assert_eq!(answer, Ok(77), "{question}, use {turn}");
                    if turn % 3 == 0 {
                        conn.execute_batch("BEGIN").unwrap(); // so that the session is reset
                    }
                }
                assert_eq!(used(&pool), 1, "{question}");
            }
        );
    }
}

#[test]
fn changes_of_a_borrower_are_not_passed_on_despite_on_connect() {
    let rig = Rig::new();
    let hook: Hook = |conn| Ok(conn.pragma_update(None, "cache_size", 77)?);
    on_each_pool!(SqliteManager::file(rig.path()), |builder| builder.on_connect(hook), |pool| {
        pool.get().unwrap().pragma_update(None, "cache_size", 5).unwrap();
        let conn = pool.get().unwrap();
        assert_eq!(conn.query_row("PRAGMA cache_size", (), |row| row.get(0)), Ok(77));
        drop(conn);
        assert_eq!(used(&pool), 2);
    });
}

#[test]
fn a_transaction_that_on_connect_begins_is_shared_and_reaches_no_file() {
    let rig = Rig::new();
    let hook: Hook = |conn| Ok(conn.execute_batch("BEGIN")?);
    on_each_pool!(SqliteManager::file(rig.path()), |builder| builder.on_connect(hook), |pool| {
        for turn in 0..10 {
            let conn = pool.get().unwrap();
            assert_eq!(rows(&conn), turn, "what the users before have added");
            insert(&conn).unwrap();
        }
        assert_eq!(rig.rows(), 0, "the transaction is still open");
        assert_eq!(used(&pool), 1);
        // If a borrower ends the transaction, the next one is in a new one.
        pool.get().unwrap().execute_batch("ROLLBACK").unwrap();
        let conn = pool.get().unwrap();
        assert_eq!(rows(&conn), 0);
        insert(&conn).unwrap();
        drop(conn);
        assert_eq!((rig.rows(), used(&pool)), (0, 1));
        drop(pool);
        assert_eq!(rig.rows(), 0);
    });
}

/// Replaces the file as the restore of a backup does.
fn replace(path: &Path) {
    let copy = path.with_extension("copy");
    fs::copy(path, &copy).unwrap();
    fs::rename(copy, path).unwrap();
}

#[test]
fn after_a_check_get_lends_a_connection_to_the_file_that_the_path_names_now() {
    for (wal, is_emptied) in [(true, true), (true, false), (false, false)] {
        let rig = Rig::new();
        on_each_pool!(
            SqliteManager::file(rig.path()).wal(wal),
            |builder| builder.validation(Validation::OnCheckout),
            |pool| {
                let before = rig.rows();
                insert(&pool.get().unwrap()).unwrap();
                if is_emptied {
                    pool.get().unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
                }
                replace(&rig.path());
                insert(&pool.get().unwrap()).expect("another connection has taken its place");
                assert_eq!(rig.rows(), before + 2, "wal: {wal}");

                fs::remove_file(rig.path()).unwrap();
                let _ = fs::remove_file(rig.folder.path().join("data.db-wal"));
                let _ = fs::remove_file(rig.folder.path().join("data.db-shm"));
                pool.get().unwrap().execute_batch("CREATE TABLE t (x)").expect("a new file");
                insert(&pool.get().unwrap()).unwrap();
                assert_eq!(rig.rows(), 1, "wal: {wal}");
                assert_eq!(used(&pool), 3);
            }
        );
    }
}

#[test]
fn a_connection_that_is_always_in_use_is_validated_too() {
    let rig = Rig::new();
    on_each_pool!(SqliteManager::file(rig.path()), |builder| builder, |pool| {
        insert(&pool.get().unwrap()).unwrap();
        pool.get().unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        replace(&rig.path());
        let start = Instant::now();
        while used(&pool) == 1 {
            drop(pool.get().unwrap());
            assert!(start.elapsed() < Duration::from_secs(20), "half a second is the default");
            thread::yield_now();
        }
    });
}

#[test]
fn a_connection_whose_file_has_moved_is_not_lent_again_after_the_error() {
    let rig = Rig::new();
    on_each_pool!(
        SqliteManager::file(rig.path()).wal(false),
        |builder| builder.validation(Validation::Never),
        |pool| {
            let before = rig.rows();
            let conn = pool.get().unwrap();
            insert(&conn).unwrap();
            replace(&rig.path());
            let error = insert(&conn).expect_err("SQLite finds it out");
            assert_eq!(error.sqlite_extended_error_code(), Some(ffi::SQLITE_READONLY_DBMOVED));
            drop(conn);
            insert(&pool.get().unwrap()).expect("the next user has another connection");
            assert_eq!(rig.rows(), before + 2);
        }
    );
}

#[test]
fn a_connection_to_a_file_that_is_no_database_is_not_lent_again_after_the_error() {
    let rig = Rig::new();
    on_each_pool!(
        SqliteManager::file(rig.path()).wal(false),
        |builder| builder.validation(Validation::Never),
        |pool| {
            insert(&pool.get().unwrap()).unwrap();
            let good = fs::read(rig.path()).unwrap();
            fs::write(rig.path(), "no database any more, ".repeat(400)).unwrap();
            let error = insert(&pool.get().unwrap()).expect_err("it cannot be read");
            assert_eq!(error.sqlite_error_code(), Some(ErrorCode::NotADatabase));
            fs::write(rig.path(), good).unwrap();
            insert(&pool.get().unwrap()).unwrap();
            assert_eq!(used(&pool), 2);
        }
    );
}

#[cfg(unix)]
mod without_descriptors {
    use std::fs::File;
    use std::process::Command;
    use std::sync::mpsc;

    use super::*;

    /// Returns whether this process may have only a few descriptors. If not, runs the test of this
    /// name again in such a process.
    fn is_poor(name: &str) -> bool {
        const POOR: &str = "THREADWISE_TEST_FEW_DESCRIPTORS";
        if std::env::var_os(POOR).is_some() {
            return true;
        }
        let name = format!("without_descriptors::{name}");
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -n 64 && exec \"$0\" --exact \"$1\" --nocapture"]);
        shell.arg(std::env::current_exe().unwrap()).arg(name).env(POOR, "");
        let output = shell.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        false
    }

    fn all() -> Vec<File> {
        std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
    }

    #[test]
    fn a_get_is_served_by_the_return_of_a_borrowed_connection() {
        if !is_poor("a_get_is_served_by_the_return_of_a_borrowed_connection") {
            return;
        }
        let rig = Rig::new();
        let pool = SharedPool::builder().max_size(2).build(SqliteManager::file(rig.path()));
        let pool = pool.unwrap();
        let conn = pool.get().unwrap();
        let taken = all();
        let (waits, was_waiting) = mpsc::channel();
        thread::scope(|threads| {
            let second = threads.spawn(|| {
                waits.send(()).unwrap();
                pool.get_timeout(Duration::from_secs(20)).map(|conn| rows(&conn))
            });
            was_waiting.recv().unwrap();
            while pool.state().counters.connect_failures == 0 && !second.is_finished() {
                thread::yield_now();
            }
            drop(conn);
            second.join().unwrap().expect("the returned connection");
        });
        drop(taken);
    }

    #[test]
    fn a_get_that_fails_for_lack_of_descriptors_says_so() {
        if !is_poor("a_get_that_fails_for_lack_of_descriptors_says_so") {
            return;
        }
        let rig = Rig::new();
        let pool = SharedPool::builder().build_lazy(SqliteManager::file(rig.path()));
        let pool = pool.unwrap();
        let taken = all();
        // On a busy machine the time may be up before the attempt.
        wait::until("an error that says so", || {
            let error =
                pool.get_timeout(Duration::from_millis(300)).map(drop).expect_err("none is open");
            format!("{} {error:?}", threadwise::chain(&error)).contains("file descriptor")
        });
        drop(taken);
        drop(pool.get().expect("there are enough again"));
    }
}
