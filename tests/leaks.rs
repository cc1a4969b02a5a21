//! What a borrower leaves on its session on MariaDB, the next one does not find: on any of the three
//! pools, whether each session is reset or only those that may have changed.
#![cfg(all(feature = "mysql", feature = "shared", feature = "queue", feature = "persistent"))]

use mysql::prelude::Queryable;
use threadwise::mysql::{Connection, MysqlManager};
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise::{CloseReason, ManageConnection, Pool, Reset};
use threadwise_testkit::mariadb::MariaDb;

/// Run once, by the server's root.
const SETUP: &[&str] = &[
    "CREATE DATABASE d",
    "CREATE DATABASE other",
    "CREATE TABLE d.t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB",
    "INSERT INTO d.t VALUES (1, 10)",
    "CREATE TABLE d.u (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB",
    "CREATE FUNCTION d.sets() RETURNS INT BEGIN SET @a = 1; RETURN 1; END",
    "CREATE FUNCTION d.locks() RETURNS INT BEGIN DO GET_LOCK('mine', 0); RETURN 1; END",
    "CREATE FUNCTION d.creates() RETURNS INT BEGIN CREATE TEMPORARY TABLE x (i INT); RETURN 1; END",
    "CREATE VIEW d.setting AS SELECT id, d.sets() AS v FROM d.t",
    "CREATE VIEW d.locking AS SELECT id, d.locks() AS v FROM d.t",
    "CREATE VIEW other.setting_elsewhere AS SELECT id, d.sets() AS v FROM d.t",
    "CREATE TABLE d.triggering (id INT AUTO_INCREMENT PRIMARY KEY)",
    "CREATE TRIGGER d.fires BEFORE INSERT ON d.triggering FOR EACH ROW SET @a = 1",
    "CREATE PROCEDURE d.calls() BEGIN SET @a = 1; END",
    "CREATE ROLE boss",
    "GRANT boss TO root@127.0.0.1",
];

const VARIABLE: &str = "SELECT CAST(@a AS CHAR)";
const TEMPORARY: &str = "SELECT COUNT(*) FROM x";
const LOCK: &str = "SELECT COALESCE(IS_USED_LOCK('mine') = CONNECTION_ID(), 0)";

/// What a borrower runs, and what shows the next one whether it has left something.
const LEAKS: &[(&[&str], &str)] = &[
    (&["BEGIN", "DELETE FROM t"], "SELECT CONCAT(@@in_transaction, (SELECT COUNT(*) FROM t))"),
    (&["BEGIN", "SELECT v FROM t"], "SELECT @@in_transaction"),
    (&["SET autocommit = 0", "DELETE FROM t"], "SELECT CONCAT(@@autocommit, @@in_transaction)"),
    (&["SET autocommit = 0"], "SELECT @@autocommit"),
    (&["COMMIT AND CHAIN"], "SELECT @@in_transaction"),
    (&["SET @a = 1"], VARIABLE),
    (&["SELECT @a := 1"], VARIABLE),
    (&["SELECT v INTO @a FROM t"], VARIABLE),
    (&["SELECT sets()"], VARIABLE),
    (&["SELECT d.sets ()"], VARIABLE),
    (&["SELECT `sets`()"], VARIABLE),
    (&["SELECT v FROM setting"], VARIABLE),
    (&["SELECT v FROM `setting`", "SELECT s.v FROM d.setting AS s"], VARIABLE),
    (&["SELECT v FROM other.setting_elsewhere"], VARIABLE),
    (&["INSERT INTO triggering VALUES (NULL)"], VARIABLE),
    (&["CALL calls()"], VARIABLE),
    (&["EXECUTE IMMEDIATE 'SET @a = 1'"], VARIABLE),
    (&["SELECT v FROM t; SET @a = 1"], VARIABLE),
    (&["SELECT v FROM t /*! WHERE (@a := 1) */"], VARIABLE),
    (&["CREATE TEMPORARY TABLE x (i INT)"], TEMPORARY),
    (&["SELECT creates()"], TEMPORARY),
    (&["DO GET_LOCK('mine', 0)"], LOCK),
    (&["SELECT GET_LOCK('mine', 0)"], LOCK),
    (&["SELECT locks()"], LOCK),
    (&["SELECT v FROM locking"], LOCK),
    (&["LOCK TABLES t READ"], "SELECT COUNT(*) FROM u"),
    (&["FLUSH TABLES WITH READ LOCK"], "INSERT INTO u VALUES (NULL)"),
    (&["SET sql_mode = 'ANSI_QUOTES'"], "SELECT @@sql_mode"),
    (&["SET time_zone = '+05:00'"], "SELECT @@time_zone"),
    (&["SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE"], "SELECT @@tx_isolation"),
    (&["SET TRANSACTION READ ONLY"], "INSERT INTO u VALUES (NULL)"),
    (&["USE other"], "SELECT DATABASE()"),
    (&["SET NAMES latin1"], "SELECT @@character_set_client"),
    (&["SET collation_connection = 'utf8mb4_bin'"], "SELECT @@collation_connection"),
    (&["PREPARE s FROM 'SELECT 1'"], "EXECUTE s"),
    (&["HANDLER t OPEN"], "HANDLER t READ FIRST"),
    (&["SET ROLE boss"], "SELECT CURRENT_ROLE()"),
    (&["XA START 'x'"], "SELECT @@in_transaction"),
    (&["SET foreign_key_checks = 0"], "SELECT @@foreign_key_checks"),
    (&["SET wait_timeout = 77"], "SELECT @@wait_timeout"),
    (&["SET max_statement_time = 77"], "SELECT @@max_statement_time"),
];

struct Rig {
    server: MariaDb,
}

impl Rig {
    fn new() -> Self {
        let server = MariaDb::start().expect("a private MariaDB");
        let mut admin = server.admin();
        SETUP.iter().for_each(|statement| admin.query_drop(statement).expect(statement));
        drop(admin);
        Self { server }
    }

    fn manager(&self) -> MysqlManager {
        MysqlManager::from_url(&self.server.url_for("d")).expect("a good URL")
    }

    /// Plays all leaks, with statements as text and as prepared ones.
    fn play<P: Pool<Manager = MysqlManager>>(&self, name: &str, open: impl Fn(MysqlManager) -> P) {
        let pool = open(self.manager());
        read(&mut pool.get().unwrap(), "SELECT v FROM t WHERE id = 1");
        for (statements, question) in LEAKS {
            let fresh = answer(&mut self.manager().connect().unwrap(), question);
            for leave in [leave_by_text, leave_prepared] {
                leave(&mut pool.get().unwrap(), statements);
                let next = answer(&mut pool.get().unwrap(), question);
                assert_eq!(next, fresh, "{name}: {statements:?} left something");
            }
        }
        let end = pool.state();
        for reason in [CloseReason::ResetFailed, CloseReason::Broken, CloseReason::Invalid] {
            assert_eq!(
                end.counters.closed(reason),
                0,
                "{name}: {reason:?}: made clean, not replaced"
            );
        }
    }
}

fn read(conn: &mut Connection, sql: &str) {
    let _: Option<mysql::Row> = conn.exec_first(sql, ()).expect(sql);
}

fn leave_by_text(conn: &mut Connection, statements: &[&str]) {
    statements.iter().for_each(|statement| conn.query_drop(statement).expect(statement));
}

/// Where the server can prepare it.
fn leave_prepared(conn: &mut Connection, statements: &[&str]) {
    for statement in statements {
        if conn.exec_drop(statement, ()).is_err() {
            conn.query_drop(statement).expect(statement);
        }
    }
}

/// What the server says, be it an error.
fn answer(conn: &mut Connection, question: &str) -> String {
    match conn.query_first::<Option<String>, _>(question) {
        Ok(value) => format!("{value:?}"),
        Err(mysql::Error::MySqlError(error)) => error.to_string(),
        Err(error) => panic!("{question}: {error}"),
    }
}

#[test]
fn the_next_borrower_finds_nothing_of_what_the_one_before_has_left() {
    let rig = Rig::new();
    for reset in [Reset::WhenChanged, Reset::Always] {
        rig.play("shared", |manager| {
            SharedPool::builder().max_size(1).reset(reset).build(manager).unwrap()
        });
        rig.play("queue", |manager| {
            QueuePool::builder().size(1).reset(reset).build(manager).unwrap()
        });
        rig.play("persistent", |manager| {
            PersistentPool::builder().reset(reset).build(manager).unwrap()
        });
    }
}

#[test]
fn the_next_borrower_has_its_own_rows_whatever_the_one_before_left_unread() {
    let rig = Rig::new();
    let pool = SharedPool::builder().max_size(1).build(rig.manager()).unwrap();
    for _ in 0..3 {
        let mut conn = pool.get().unwrap();
        std::mem::forget(conn.query_iter("SELECT 1 UNION SELECT 2").unwrap());
        drop(conn);
        let next: Option<u32> = pool.get().unwrap().query_first("SELECT 3").unwrap();
        assert_eq!(next, Some(3));
    }
}

#[test]
fn queries_that_only_read_cost_no_reset_and_keep_their_prepared_statements() {
    let rig = Rig::new();
    let pool = SharedPool::builder().max_size(1).build(rig.manager()).unwrap();
    let mut admin = rig.server.admin();
    let mut asked = |what: &str| -> u64 {
        let rows: Vec<(String, u64)> =
            admin.query(format!("SHOW GLOBAL STATUS LIKE '{what}'")).unwrap();
        rows[0].1
    };
    let before = [asked("Com_stmt_prepare"), asked("Com_stmt_execute")];
    for id in 0..1_000 {
        let mut conn = pool.get().unwrap();
        let _: Option<u32> = conn.exec_first("SELECT v FROM t WHERE id = ?", (id,)).unwrap();
    }
    let after = [asked("Com_stmt_prepare"), asked("Com_stmt_execute")];
    assert_eq!(after[1] - before[1], 1_000);
    assert_eq!(after[0] - before[0], 2, "once more after the first reset");
    assert_eq!(pool.state().counters.resets, 1, "the first, with the question about the server");
}

#[test]
fn a_view_that_a_borrower_defines_is_known_to_be_one_at_once() {
    let rig = Rig::new();
    let pool = SharedPool::builder().max_size(1).build(rig.manager()).unwrap();
    read(&mut pool.get().unwrap(), "SELECT v FROM t");
    pool.get().unwrap().query_drop("CREATE VIEW new AS SELECT id, sets() AS v FROM t").unwrap();
    read(&mut pool.get().unwrap(), "SELECT v FROM new");
    assert_eq!(answer(&mut pool.get().unwrap(), VARIABLE), "Some(None)");
}
