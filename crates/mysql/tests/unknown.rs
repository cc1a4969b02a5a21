//! Errors that come while the server may be committing: they say so, and `steady` repeats nothing.

mod common;

use std::thread;

use common::{connect, manager, manager_for};
use mysql::prelude::Queryable;
use threadwise_core::{ManageConnection, Outcome, Pool};
use threadwise_mysql::{Connection, ErrorClass, MysqlManager, classify, mysql};
use threadwise_persistent::PersistentPool;
use threadwise_queue::QueuePool;
use threadwise_shared::SharedPool;
use threadwise_testkit::Proxy;
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait::until;

const INSERT: &str = "INSERT INTO t VALUES (1)";

/// A database of the shared server, with an empty table, behind a proxy that can cut the wire.
struct Rig {
    proxy: Proxy,
    database: String,
}

impl Rig {
    fn new(name: &str) -> Self {
        let server = MariaDb::shared();
        let database = server.create_database(name);
        let rig = Self {
            proxy: Proxy::before(([127, 0, 0, 1], server.port()).into()).unwrap(),
            database,
        };
        rig.admin("CREATE TABLE {}.t (a INT) ENGINE=InnoDB");
        rig
    }

    fn manager(&self) -> MysqlManager {
        let port = self.proxy.address().port();
        manager_for(&format!("mysql://root@127.0.0.1:{port}/{}", self.database))
    }

    fn admin(&self, sql: &str) {
        let sql = sql.replace("{}", &self.database);
        MariaDb::shared().admin().query_drop(&sql).expect(&sql);
    }

    /// How many rows the table has for others.
    fn rows(&self) -> usize {
        let sql = format!("SELECT COUNT(*) FROM {}.t", self.database);
        MariaDb::shared().admin().query_first(sql).unwrap().unwrap()
    }

    /// Runs `act`, and cuts the wire when `is_time`. Then connections pass again.
    fn cut<T>(&self, is_time: impl Fn() -> bool + Sync, act: impl FnOnce() -> T) -> T {
        let result = thread::scope(|threads| {
            threads.spawn(|| {
                until("the moment to cut", &is_time);
                self.proxy.refuse();
            });
            act()
        });
        self.proxy.serve();
        result
    }
}

/// Runs all statements, and calls `before_last` before the last one.
fn run(conn: &mut Connection, statements: &[&str], before_last: impl Fn()) -> mysql::Result<()> {
    let (last, first) = statements.split_last().unwrap();
    first.iter().try_for_each(|sql| conn.query_drop(sql))?;
    before_last();
    conn.query_drop(last)
}

fn assert_unknown(error: &mysql::Error) {
    assert_eq!(classify(error), ErrorClass::Unknown, "{error}");
    assert!(error.to_string().contains("look for them before you make them again"), "{error}");
}

/// The answer to the last statement is lost. The server has committed all the same.
fn check_committed<P: Pool<Manager = MysqlManager>>(name: &str, open: impl Fn(MysqlManager) -> P) {
    for (number, statements) in [
        &["BEGIN", INSERT, "COMMIT"][..],
        &[INSERT],
        &["BEGIN", INSERT, "CREATE TABLE other (a INT)"],
        &["SET autocommit = 0", INSERT, "SET autocommit = 1"],
        &["INSERT INTO t VALUES (1); SELECT 1"],
        &["BEGIN", INSERT, "BEGIN"],
    ]
    .into_iter()
    .enumerate()
    {
        use threadwise_core::Guard;

        let rig = Rig::new(&format!("{name}{number}"));
        let pool = open(rig.manager());
        let mut conn = pool.get().unwrap();
        let mut runs = 0;
        let is_committed = || rig.rows() == 1 && rig.proxy.held() > 0;
        let result = rig.cut(is_committed, || {
            conn.steady(|conn| {
                runs += 1;
                run(conn, statements, || rig.proxy.hold_answers())
            })
        });
        let error = result.unwrap_err();
        assert_unknown(&error);
        assert_eq!(conn.outcome(&error), Outcome::Unknown, "{statements:?}");
        assert_eq!((runs, rig.rows()), (1, 1), "{statements:?}");

        // A program that overlooks this error does not overlook the next one.
        let later = conn.query_drop("ROLLBACK").unwrap_err();
        assert_unknown(&later);
        assert_eq!(conn.outcome(&later), Outcome::Unknown);
        drop(conn);
        let rows: Option<usize> =
            pool.get().unwrap().query_first("SELECT COUNT(*) FROM t").unwrap();
        assert_eq!(rows, Some(1), "{statements:?}: on another connection");
    }
}

#[test]
fn steady_does_not_repeat_what_was_committed_before_its_answer_was_lost() {
    check_committed("unknown_queue", |manager| {
        QueuePool::builder().size(1).build(manager).unwrap()
    });
    check_committed("unknown_shared", |manager| {
        SharedPool::builder().max_size(1).build(manager).unwrap()
    });
    check_committed("unknown_own", |manager| PersistentPool::builder().build(manager).unwrap());
}

#[test]
fn a_statement_that_did_not_reach_the_server_is_unknown_too() {
    for (number, statements) in
        [&["BEGIN", INSERT, "COMMIT"][..], &[INSERT]].into_iter().enumerate()
    {
        let rig = Rig::new(&format!("unknown_unsent{number}"));
        let manager = rig.manager();
        let mut conn = connect(&manager);
        let error = rig.cut(
            || rig.proxy.held() > 0,
            || run(&mut conn, statements, || rig.proxy.hold_questions()).unwrap_err(),
        );
        assert_unknown(&error);
        assert_eq!(manager.on_error(&mut conn, &error), Outcome::Unknown);
        assert_eq!(rig.rows(), 0, "{statements:?}");
    }
}

#[test]
fn what_the_server_has_certainly_not_committed_is_only_lost() {
    for (number, statements) in [
        &["BEGIN", INSERT][..],
        &["BEGIN", INSERT, "ROLLBACK"],
        &["BEGIN", "SELECT a FROM t", "COMMIT"],
        &["SET autocommit = 0", INSERT],
        &["SELECT COUNT(*) FROM t"],
        &["SET @a = 1"],
        &["COMMIT"],
    ]
    .into_iter()
    .enumerate()
    {
        let rig = Rig::new(&format!("unknown_not{number}"));
        let manager = rig.manager();
        let mut conn = connect(&manager);
        let error = rig.cut(
            || rig.proxy.held() > 0,
            || run(&mut conn, statements, || rig.proxy.hold_answers()).unwrap_err(),
        );
        assert_eq!(classify(&error), ErrorClass::Lost, "{statements:?}: {error}");
        assert_eq!(manager.on_error(&mut conn, &error), Outcome::Lost, "{statements:?}");
        until("the server's end of the session", || rig.rows() == 0);
    }
}

#[test]
fn a_connection_that_the_server_has_closed_before_a_change_is_replaced_by_steady() {
    let manager = manager("unknown_idle");
    let pool = QueuePool::builder().size(1).build(manager).unwrap();
    let mut conn = pool.get().unwrap();
    conn.query_drop("CREATE TABLE t (a INT)").unwrap();
    let id = conn.connection_id();
    let server = MariaDb::shared();
    server.kill_connection(id.into());
    until("the end of the session", || !server.connection_ids(None).contains(&id.into()));
    conn.steady(|conn| conn.query_drop(INSERT)).unwrap();
    assert_ne!(conn.connection_id(), id);
    conn.exec_drop("INSERT INTO t VALUES (?)", (2,)).unwrap();
    let rows: Option<usize> = conn.query_first("SELECT COUNT(*) FROM t").unwrap();
    assert_eq!(rows, Some(2));
}

#[test]
fn a_prepared_change_and_a_batch_are_unknown_too() {
    type Act = fn(&mut Connection) -> mysql::Result<()>;
    let acts: [Act; 3] = [
        |conn| conn.exec_drop("INSERT INTO t VALUES (?)", (1,)),
        |conn| conn.exec_batch("INSERT INTO t VALUES (?)", [(1,)]),
        |conn| conn.exec_iter("INSERT INTO t VALUES (?)", (1,)).map(drop),
    ];
    for (number, act) in acts.into_iter().enumerate() {
        let rig = Rig::new(&format!("unknown_prepared{number}"));
        let manager = rig.manager();
        let mut conn = connect(&manager);
        conn.prep("INSERT INTO t VALUES (?)").unwrap(); // so that only the change is cut
        let error = rig.cut(
            || rig.rows() == 1 && rig.proxy.held() > 0,
            || {
                rig.proxy.hold_answers();
                act(&mut conn).unwrap_err()
            },
        );
        assert_unknown(&error);
        assert_eq!(manager.on_error(&mut conn, &error), Outcome::Unknown);
    }
}

#[test]
fn a_loss_where_this_crate_does_not_see_is_unknown_by_the_connection() {
    let rig = Rig::new("unknown_unseen");
    let manager = rig.manager();
    let mut conn = connect(&manager);
    let error = rig.cut(
        || rig.rows() == 1 && rig.proxy.held() > 0,
        || {
            rig.proxy.hold_answers();
            conn.as_mut_conn().query_drop(INSERT).unwrap_err()
        },
    );
    assert_eq!(classify(&error), ErrorClass::Lost, "the error alone does not show it: {error}");
    assert_eq!(manager.on_error(&mut conn, &error), Outcome::Unknown);
}

/// A server whose commits can be held: before they take effect, or after.
struct HeldServer {
    server: MariaDb,
    manager: MysqlManager,
}

impl HeldServer {
    fn start() -> Self {
        let server = MariaDb::builder()
            .arg("--log-bin")
            .arg("--rpl-semi-sync-master-timeout=3600000")
            .arg("--rpl-semi-sync-master-wait-point=AFTER_COMMIT")
            .start()
            .expect("a private MariaDB");
        server.run_all(&["CREATE TABLE test.t (a INT) ENGINE=InnoDB"]);
        let manager = manager_for(&server.url());
        Self { server, manager }
    }

    /// From now on commits wait for a replica that never comes, after they have taken effect.
    fn hold_after_commit(&self) {
        self.server.run_all(&["SET GLOBAL rpl_semi_sync_master_enabled = ON"]);
    }

    fn let_go(&self) {
        self.server.run_all(&["SET GLOBAL rpl_semi_sync_master_enabled = OFF"]);
    }

    fn rows(&self) -> usize {
        self.server.admin().query_first("SELECT COUNT(*) FROM test.t").unwrap().unwrap()
    }
}

const WAITS_FOR_REPLICA: &str = "semi-sync ACK";
const WAITS_FOR_LOCK: &str = "backup lock";

#[test]
fn a_commit_during_which_the_server_is_killed_is_unknown() {
    let mut held = HeldServer::start();
    for is_committed in [true, false] {
        let before = held.rows();
        let mut conn = connect(&held.manager);
        let id = conn.connection_id();
        conn.query_drop("BEGIN").unwrap();
        conn.query_drop(INSERT).unwrap();
        let mut blocker = held.server.admin();
        if is_committed {
            held.hold_after_commit();
        } else {
            blocker.query_drop("FLUSH TABLES WITH READ LOCK").unwrap();
        }
        let what = if is_committed { WAITS_FOR_REPLICA } else { WAITS_FOR_LOCK };
        let error = thread::scope(|threads| {
            let committing = threads.spawn(|| conn.query_drop("COMMIT").unwrap_err());
            wait_for(&held.server, id, what);
            held.server.kill9();
            committing.join().unwrap()
        });
        assert_unknown(&error);
        assert_eq!(held.manager.on_error(&mut conn, &error), Outcome::Unknown);
        held.server.restart().expect("the server starts again");
        assert_eq!(held.rows() - before, usize::from(is_committed));
    }
}

/// Waits until the session of this number waits for something of this name.
fn wait_for(server: &MariaDb, id: u32, what: &str) {
    let sql = format!("SELECT STATE FROM information_schema.PROCESSLIST WHERE ID = {id}");
    let mut admin = server.admin();
    until(what, || {
        let state: Option<Option<String>> = admin.query_first(&sql).unwrap();
        state.flatten().is_some_and(|state| state.contains(what))
    });
}

/// Interrupts a statement that waits for something of this name, and returns its result.
fn interrupt(
    held: &HeldServer,
    conn: &mut Connection,
    sql: &str,
    waits_for: &str,
) -> mysql::Result<()> {
    let id = conn.connection_id();
    thread::scope(|threads| {
        let running = threads.spawn(|| conn.query_drop(sql));
        wait_for(&held.server, id, waits_for);
        held.server.run_all(&[&format!("KILL QUERY {id}")]);
        running.join().unwrap()
    })
}

#[test]
fn a_commit_that_is_interrupted_is_unknown() {
    let held = HeldServer::start();
    let mut conn = connect(&held.manager);
    // The second statement commits before it begins: its interruption comes too late for that.
    for (sql, is_committed) in [("COMMIT", false), ("CREATE TABLE test.other (a INT)", true)] {
        let before = held.rows();
        conn.query_drop("BEGIN").unwrap();
        conn.query_drop(INSERT).unwrap();
        let mut blocker = held.server.admin();
        let waits_for = if is_committed {
            held.hold_after_commit();
            WAITS_FOR_REPLICA
        } else {
            blocker.query_drop("FLUSH TABLES WITH READ LOCK").unwrap();
            WAITS_FOR_LOCK
        };
        let result = interrupt(&held, &mut conn, sql, waits_for);
        blocker.query_drop("UNLOCK TABLES").unwrap();
        held.let_go();
        let error = result.unwrap_err();
        assert_unknown(&error);
        let mysql::Error::MySqlError(answer) = &error else { panic!("{error}") };
        assert_eq!((answer.code, &*answer.state), (1317, "08007"), "{error}");
        assert_eq!(held.manager.on_error(&mut conn, &error), Outcome::Unknown);
        assert!(!held.manager.has_broken(&mut conn), "the connection is in step");
        held.manager.reset(&mut conn).unwrap();
        assert_eq!(held.rows() - before, usize::from(is_committed), "{sql}");
    }
}

#[test]
fn a_commit_that_has_taken_effect_is_not_interrupted() {
    let held = HeldServer::start();
    let mut conn = connect(&held.manager);
    held.hold_after_commit();
    conn.query_drop("BEGIN").unwrap();
    conn.query_drop(INSERT).unwrap();
    let committed = interrupt(&held, &mut conn, "COMMIT", WAITS_FOR_REPLICA);
    held.let_go();
    committed.unwrap();
    assert_eq!(held.rows(), 1);
}

#[test]
fn a_single_change_that_is_interrupted_was_not_made() {
    let held = HeldServer::start();
    let mut conn = connect(&held.manager);
    let mut blocker = held.server.admin();
    blocker.query_drop("FLUSH TABLES WITH READ LOCK").unwrap();
    let error = interrupt(&held, &mut conn, INSERT, "lock").unwrap_err();
    blocker.query_drop("UNLOCK TABLES").unwrap();
    assert_eq!(classify(&error), ErrorClass::Ordinary, "{error}");
    assert_eq!(held.manager.on_error(&mut conn, &error), Outcome::Failed);
    assert_eq!(held.rows(), 0);

    // After it has taken effect, the server no longer looks for the interruption.
    held.hold_after_commit();
    let made = interrupt(&held, &mut conn, INSERT, WAITS_FOR_REPLICA);
    held.let_go();
    made.unwrap();
    assert_eq!(held.rows(), 1);
}

#[test]
fn a_change_that_waited_too_long_for_a_lock_was_not_made() {
    let rig = Rig::new("unknown_certain");
    rig.admin("INSERT INTO {}.t VALUES (1)");
    let manager = rig.manager();
    let (mut one, mut other) = (connect(&manager), connect(&manager));
    one.query_drop("BEGIN").unwrap();
    one.query_drop("UPDATE t SET a = 2").unwrap();
    other.query_drop("SET innodb_lock_wait_timeout = 1").unwrap();
    let error = other.query_drop("UPDATE t SET a = 3").unwrap_err();
    assert_eq!(manager.on_error(&mut other, &error), Outcome::Failed, "{error}");
    assert!(!manager.has_broken(&mut other));
}
