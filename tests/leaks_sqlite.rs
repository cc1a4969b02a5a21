//! The next borrower does not find what the last one left in its session on SQLite: with each of
//! the three pools, whether they reset every session or only those that may have changed.
#![cfg(all(feature = "sqlite", feature = "shared", feature = "queue", feature = "persistent"))]

use std::time::Duration;

use tempfile::TempDir;
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise::sqlite::rusqlite::config::DbConfig;
use threadwise::sqlite::rusqlite::functions::FunctionFlags;
use threadwise::sqlite::rusqlite::hooks::{AuthContext, Authorization};
use threadwise::sqlite::rusqlite::types::Value;
use threadwise::sqlite::rusqlite::{self, TransactionState};
use threadwise::sqlite::{Connection, SqliteManager};
use threadwise::{CloseReason, ManageConnection, Pool, Reset};

/// Runs once, on the file.
const SETUP: &str = "
    CREATE TABLE t (id INTEGER PRIMARY KEY, v);
    INSERT INTO t VALUES (1, 10), (2, 20);
    CREATE TABLE child (id REFERENCES t);
    CREATE VIEW pages AS SELECT page_count FROM pragma_page_count";

/// `with_init` runs this on every connection.
const INIT: &str = "
    PRAGMA cache_size = 99;
    CREATE TEMP TABLE scratch (i);
    INSERT INTO scratch VALUES (1);
    ATTACH ':memory:' AS memo;
    CREATE TABLE memo.m (i)";

const TEMPORARY: &str = "SELECT group_concat(sql) FROM temp.sqlite_schema";
const SCRATCH: &str = "SELECT group_concat(i) FROM scratch";
const ATTACHED: &str = "SELECT group_concat(name) FROM pragma_database_list";

/// The statements that a borrower runs, and the question that shows the next one what is left.
const LEAKS: &[(&[&str], &str)] = &[
    (&["BEGIN", "DELETE FROM t"], "SELECT count(*) FROM t"),
    (&["BEGIN IMMEDIATE"], "COMMIT"),
    (&["SAVEPOINT s"], "RELEASE s"),
    (&["CREATE TEMP TABLE x (i)"], TEMPORARY),
    (&["CREATE TABLE temp.x AS SELECT 1"], TEMPORARY),
    (&["CREATE TEMP VIEW x AS SELECT 1"], TEMPORARY),
    (&["CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END"], TEMPORARY),
    (&["CREATE INDEX temp.x ON scratch (i)"], TEMPORARY),
    (&["ALTER TABLE scratch ADD COLUMN j"], TEMPORARY),
    (&["ALTER TABLE temp.scratch RENAME TO other"], TEMPORARY),
    (&["DROP TABLE scratch"], TEMPORARY),
    (&["INSERT INTO scratch VALUES (2)"], SCRATCH),
    (&["UPDATE temp.scratch SET i = 3"], SCRATCH),
    (&["DELETE FROM scratch"], SCRATCH),
    (&["WITH two(i) AS (SELECT 2) INSERT INTO scratch SELECT i FROM two"], SCRATCH),
    (&["INSERT INTO memo.m VALUES (1)"], "SELECT count(*) FROM m"),
    (&["CREATE TABLE memo.x (i)"], "SELECT count(*) FROM memo.sqlite_schema"),
    (&["ATTACH ':memory:' AS x"], ATTACHED),
    (&["ATTACH ':mem' || 'ory:' AS x"], ATTACHED),
    (&["DETACH memo"], ATTACHED),
    (&["SELECT 1; ATTACH '' AS x"], ATTACHED),
    (&["PRAGMA case_sensitive_like = 1"], "SELECT 'a' LIKE 'A'"),
    (&["/* ! */ PrAgMa main . cache_size(77)"], "PRAGMA cache_size"),
    (&["PRAGMA foreign_keys = 0"], "INSERT INTO child VALUES (99)"),
    (&["PRAGMA journal_mode = delete"], "PRAGMA journal_mode"),
    (&["PRAGMA locking_mode = exclusive", "SELECT * FROM t"], "PRAGMA locking_mode"),
];

/// Pragmas of the connection, each with a value that is not the default.
const PRAGMAS: &[(&str, &str)] = &[
    ("analysis_limit", "77"),
    ("automatic_index", "0"),
    ("busy_timeout", "77"),
    ("cache_size", "77"),
    ("cache_spill", "0"),
    ("cell_size_check", "1"),
    ("checkpoint_fullfsync", "1"),
    ("defer_foreign_keys", "1"),
    ("foreign_keys", "0"),
    ("fullfsync", "1"),
    ("ignore_check_constraints", "1"),
    ("journal_size_limit", "77"),
    ("legacy_alter_table", "1"),
    ("max_page_count", "7777"),
    ("mmap_size", "65536"),
    ("query_only", "1"),
    ("read_uncommitted", "1"),
    ("recursive_triggers", "1"),
    ("reverse_unordered_selects", "1"),
    ("secure_delete", "1"),
    ("synchronous", "0"),
    ("temp_store", "2"),
    ("threads", "2"),
    ("trusted_schema", "0"),
    ("wal_autocheckpoint", "77"),
    ("writable_schema", "1"),
];

/// A function that a borrower calls in addition to SQL, and the question.
type Call = (fn(&mut Connection) -> rusqlite::Result<()>, &'static str);

const CALLS: &[Call] = &[
    (|conn| conn.busy_timeout(Duration::from_millis(77)), "PRAGMA busy_timeout"),
    (|conn| conn.busy_handler(Some(|_| false)), "PRAGMA busy_timeout"),
    (|conn| helped(conn), "PRAGMA busy_timeout"),
    (
        |conn| conn.create_scalar_function("leaked", 0, FunctionFlags::SQLITE_UTF8, |_| Ok(1)),
        "SELECT leaked()",
    ),
    (
        |conn| conn.create_scalar_function("lower", 1, FunctionFlags::SQLITE_UTF8, |_| Ok(1)),
        "SELECT lower('A')",
    ),
    (|conn| conn.remove_function("kept", 0), "SELECT kept()"),
    (|conn| conn.create_collation("leaked", |a, b| b.cmp(a)), "SELECT 'a' < 'b' COLLATE leaked"),
    (
        |conn| conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false).map(drop),
        "PRAGMA foreign_keys",
    ),
    (|conn| conn.commit_hook(Some(|| true)), "INSERT INTO t VALUES (3, 30) RETURNING v"),
    (|conn| conn.progress_handler(1, Some(|| true)), "SELECT sum(v) FROM t"),
    (
        |conn| {
            conn.authorizer(None::<fn(AuthContext<'_>) -> Authorization>)?;
            conn.execute_batch("PRAGMA cache_size = 77")
        },
        "PRAGMA cache_size",
    ),
    (
        |conn| conn.authorizer(Some(|_: AuthContext<'_>| Authorization::Deny)),
        "SELECT count(*) FROM t",
    ),
];

/// Takes rusqlite's own type, as many programs' functions do.
fn helped(conn: &rusqlite::Connection) -> rusqlite::Result<()> {
    conn.busy_timeout(Duration::ZERO)
}

struct Rig {
    folder: TempDir,
}

impl Rig {
    fn new() -> Self {
        let this = Self { folder: TempDir::new().expect("a folder for the database") };
        let plain = SqliteManager::file(this.folder.path().join("data.db"));
        plain.connect().unwrap().execute_batch(SETUP).expect(SETUP);
        this
    }

    fn manager(&self) -> SqliteManager {
        SqliteManager::file(self.folder.path().join("data.db")).with_init(|conn| {
            conn.create_scalar_function("kept", 0, FunctionFlags::SQLITE_UTF8, |_| Ok("kept"))?;
            conn.execute_batch(INIT)
        })
    }

    /// Tests all leaks with a pool of one connection.
    fn check<P: Pool<Manager = SqliteManager>>(&self, name: &str, pool: &P) {
        for (statements, question) in LEAKS {
            self.ask(name, pool, question, &format!("{statements:?}"), |conn, leave| {
                statements.iter().try_for_each(|statement| leave(conn, statement))
            });
        }
        for (pragma, value) in PRAGMAS {
            let statement = format!("PRAGMA {pragma} = {value}");
            let question = format!("PRAGMA {pragma}");
            self.ask(name, pool, &question, &statement, |conn, leave| leave(conn, &statement));
        }
        for (number, (call, question)) in CALLS.iter().enumerate() {
            let what = format!("call {number}");
            self.ask(name, pool, question, &what, |conn, _| call(conn));
        }
        let end = pool.state();
        for reason in [CloseReason::Broken, CloseReason::Invalid] {
            assert_eq!(end.counters.closed(reason), 0, "{name}: {reason:?}");
        }
    }

    /// Leaves something in several ways, and asks the next borrower the question.
    fn ask<P: Pool<Manager = SqliteManager>>(
        &self,
        name: &str,
        pool: &P,
        question: &str,
        what: &str,
        call: impl Fn(&mut Connection, Leave) -> rusqlite::Result<()>,
    ) {
        let fresh = undone(&mut self.manager().connect().unwrap(), question);
        // Prepared twice: the second time the statement may come from the connection's cache.
        for leave in [by_text, prepared, prepared] {
            call(&mut pool.get().unwrap(), leave).expect(what);
            let next = undone(&mut pool.get().unwrap(), question);
            assert_eq!(next, fresh, "{name}: {what} left something");
        }
        let mut conn = pool.get().unwrap();
        call(&mut conn, by_text).expect(what);
        assert_ne!(undone(&mut conn, question), fresh, "`{question}` does not show {what}");
    }
}

type Leave = fn(&Connection, &str) -> rusqlite::Result<()>;

fn by_text(conn: &Connection, statement: &str) -> rusqlite::Result<()> {
    conn.execute_batch(statement)
}

/// Prepares the text if it is one statement.
fn prepared(conn: &Connection, statement: &str) -> rusqlite::Result<()> {
    match conn.prepare_cached(statement) {
        Ok(mut statement) => {
            let mut rows = statement.query(())?;
            while rows.next()?.is_some() {}
            Ok(())
        }
        Err(rusqlite::Error::MultipleStatement) => by_text(conn, statement),
        Err(error) => Err(error),
    }
}

/// Returns the answer to a question, and undoes what the question changes in the file.
fn undone(conn: &mut Connection, question: &str) -> String {
    if !question.starts_with("INSERT") {
        return answer(conn, question);
    }
    conn.execute_batch("BEGIN").expect("no transaction is open");
    let mut said = answer(conn, question);
    if said.starts_with("Ok") && conn.execute_batch("COMMIT").is_err() {
        said.push_str(", but not committed");
    } else {
        let row = "DELETE FROM t WHERE id > 2; DELETE FROM child; ROLLBACK";
        let _ = conn.execute_batch(row); // only one of the halves is needed
    }
    said
}

/// Returns SQLite's answer, also if it is an error.
fn answer(conn: &Connection, question: &str) -> String {
    let row = conn.query_row(question, (), |row| {
        (0..row.as_ref().column_count()).map(|column| row.get(column)).collect()
    });
    let row: rusqlite::Result<Vec<Value>> = row;
    match row {
        Err(rusqlite::Error::SqliteFailure(_, text)) => format!("{text:?}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn the_next_borrower_finds_nothing_that_the_last_one_left() {
    for reset in [Reset::WhenChanged, Reset::Always] {
        let rig = Rig::new();
        let builder = SharedPool::builder().max_size(1).reset(reset);
        rig.check("shared", &builder.build(rig.manager()).unwrap());
        let builder = QueuePool::builder().size(1).reset(reset);
        rig.check("queue", &builder.build(rig.manager()).unwrap());
        let builder = PersistentPool::builder().reset(reset);
        rig.check("persistent", &builder.build(rig.manager()).unwrap());
    }
}

#[test]
fn the_next_borrower_gets_a_session_without_open_rows() {
    let rig = Rig::new();
    let pool = SharedPool::builder().max_size(1).build(rig.manager()).unwrap();
    let conn = pool.get().unwrap();
    let mut statement = conn.prepare("SELECT v FROM t").unwrap();
    let mut rows = statement.query(()).unwrap();
    rows.next().unwrap();
    std::mem::forget(rows);
    std::mem::forget(statement);
    drop(conn);
    let next = pool.get().unwrap();
    assert!(!next.is_busy());
    assert_eq!(next.transaction_state(Some("main")).unwrap(), TransactionState::None);
    assert_eq!(pool.state().counters.closed(CloseReason::ResetFailed), 1);
}

#[test]
fn every_borrower_finds_the_setup_of_the_init_function() {
    let rig = Rig::new();
    let pool = SharedPool::builder().max_size(1).build(rig.manager()).unwrap();
    for leak in ["SELECT 1", "BEGIN", "DROP TABLE scratch", "DETACH memo", "PRAGMA cache_size = 1"]
    {
        pool.get().unwrap().execute_batch(leak).expect(leak);
        let next = pool.get().unwrap();
        assert_eq!(answer(&next, SCRATCH), r#"Ok([Text("1")])"#, "after {leak}");
        assert_eq!(answer(&next, "SELECT count(*) FROM memo.m"), "Ok([Integer(0)])", "{leak}");
        assert_eq!(answer(&next, "PRAGMA cache_size"), "Ok([Integer(99)])", "after {leak}");
        assert_eq!(answer(&next, "SELECT kept()"), r#"Ok([Text("kept")])"#, "after {leak}");
    }
}

#[test]
fn statements_that_leave_nothing_keep_the_connection() {
    const USES: &[&str] = &[
        "SELECT v FROM t WHERE id = 1",
        "SELECT i FROM scratch",
        "SELECT * FROM pages",
        "SELECT name FROM pragma_table_info('t')",
        "INSERT INTO t VALUES (7, 70); UPDATE t SET v = 71 WHERE id = 7; DELETE FROM t WHERE id = 7",
        "BEGIN IMMEDIATE; INSERT INTO t VALUES (8, 80); ROLLBACK",
        "SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; RELEASE s",
        "BEGIN; DELETE FROM t",
        "CREATE TABLE new (i); CREATE INDEX by_i ON new (i); ALTER TABLE new ADD j; DROP TABLE new",
        "CREATE VIEW new AS SELECT 1; DROP VIEW new; ANALYZE t; REINDEX t",
        "CREATE VIRTUAL TABLE words USING fts5 (w); INSERT INTO words VALUES ('a'); \
         SELECT * FROM words WHERE words MATCH 'a'; DROP TABLE words",
        "SELECT value FROM json_each('[1]'); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL \
         SELECT i + 1 FROM n WHERE i < 9) SELECT sum(i) FROM n",
        "PRAGMA foreign_keys; PRAGMA journal_mode; PRAGMA schema_version; PRAGMA busy_timeout",
        "PRAGMA table_info(t); PRAGMA main.index_list('t'); PRAGMA foreign_key_check(child)",
        "PRAGMA user_version = 7; PRAGMA integrity_check(1); PRAGMA optimize; PRAGMA busy_timeout = 1",
        "PRAGMA wal_checkpoint(TRUNCATE)",
    ];
    let rig = Rig::new();
    let pool = SharedPool::builder().max_size(1).build(rig.manager()).unwrap();
    for &sql in USES {
        pool.get().unwrap().execute_batch(sql).expect(sql);
        drop(pool.get().unwrap());
        assert_eq!(pool.state().counters.opened, 1, "{sql}");
    }
    assert_eq!(pool.state().counters.resets, 1, "the transaction that was left open");
}
