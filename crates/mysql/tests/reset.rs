//! After a reset the session is like a new one.

mod common;

use common::{as_root, ask, connect, manager, manager_for, wait_until};
use mysql::prelude::Queryable;
use mysql::{AccessMode, IsolationLevel, OptsBuilder, TxOpts, params};
use threadwise_core::ManageConnection;
use threadwise_mysql::{Connection, MysqlManager};
use threadwise_testkit::mariadb::MariaDb;

/// Asserts that a reset undoes what the statements do, by the answer to a question before and
/// after.
fn assert_undone(manager: &MysqlManager, statements: &[&str], question: &str) {
    let mut conn = connect(manager);
    let fresh: Option<String> = ask(&mut conn, question);
    manager.reset(&mut conn).unwrap();
    assert!(!manager.has_changed(&mut conn));
    for sql in statements {
        conn.query_drop(sql).expect(sql);
    }
    let used: Option<String> = ask(&mut conn, question);
    assert_ne!(used, fresh, "the statements must show: {statements:?}");
    assert!(manager.has_changed(&mut conn));
    manager.reset(&mut conn).unwrap();
    let next: Option<String> = ask(&mut conn, question);
    assert_eq!(next, fresh, "{statements:?}");
}

#[test]
fn a_session_has_changed_unless_every_statement_has_no_side_effects() {
    let manager = manager("unchanged");
    connect(&manager).query_drop("CREATE TABLE t (x INT)").unwrap();
    let mut conn = connect(&manager);
    assert!(!manager.has_changed(&mut conn));
    manager.is_valid(&mut conn).unwrap();
    assert!(!manager.has_changed(&mut conn));
    for change in [
        |conn: &mut Connection| conn.query_drop("SET @a = 1"),
        |conn: &mut Connection| conn.exec_drop("SELECT @a := ?", (1,)),
        |conn: &mut Connection| conn.query_iter("SELECT 1").map(drop),
        |conn: &mut Connection| conn.select_db("test"),
        |conn: &mut Connection| conn.query_drop("nonsense").or(Ok(())),
        |conn: &mut Connection| conn.query_drop("BEGIN"),
        |conn: &mut Connection| conn.as_mut_conn().ping(),
    ] {
        change(&mut conn).unwrap();
        assert!(manager.has_changed(&mut conn));
        manager.reset(&mut conn).unwrap();
        assert!(!manager.has_changed(&mut conn));
    }
    // `as_mut_conn` may have defined any name, so the manager asks the server again, a second
    // later.
    wait_until(|| {
        conn.query_drop("SELECT 1").unwrap();
        let has_changed = manager.has_changed(&mut conn);
        if has_changed {
            manager.reset(&mut conn).unwrap();
        }
        !has_changed
    });
    for no_change in [
        |conn: &mut Connection| conn.query_drop("SELECT COUNT(*) FROM t WHERE x IN (1, 2)"),
        |conn: &mut Connection| conn.exec_drop("SELECT x FROM t WHERE x = ?", (1,)),
        |conn: &mut Connection| {
            conn.exec_drop("SELECT x FROM t WHERE x = :x", params! { "x" => 1 })
        },
        |conn: &mut Connection| conn.prep("SELECT @a := ?").map(drop),
        |conn: &mut Connection| conn.start_transaction(TxOpts::default())?.commit(),
    ] {
        no_change(&mut conn).unwrap();
        assert!(!manager.has_changed(&mut conn));
    }
}

#[test]
fn an_open_transaction_is_rolled_back_and_its_locks_are_free() {
    let manager = manager("transaction");
    let mut conn = connect(&manager);
    conn.query_drop("CREATE TABLE t (x INT PRIMARY KEY) ENGINE=InnoDB").unwrap();
    for begin in ["BEGIN", "SET autocommit = 0"] {
        conn.query_drop(begin).unwrap();
        conn.query_drop("INSERT INTO t VALUES (1)").unwrap();
        assert!(manager.in_transaction(&mut conn));
        manager.reset(&mut conn).unwrap();
        assert!(!manager.in_transaction(&mut conn));
        let mut other = connect(&manager);
        other.query_drop("SET innodb_lock_wait_timeout = 0").unwrap();
        other.query_drop("INSERT INTO t VALUES (1)").expect("neither row nor lock is left");
        other.query_drop("DELETE FROM t").unwrap();
    }
}

#[test]
fn variables_and_modes_are_reset() {
    let manager = manager("variables");
    assert_undone(&manager, &["SET @secret = 'x'"], "SELECT @secret");
    assert_undone(&manager, &["SET sql_mode = 'ANSI'"], "SELECT @@sql_mode");
    assert_undone(&manager, &["SET time_zone = '+05:00'"], "SELECT @@time_zone");
    assert_undone(&manager, &["SET NAMES latin1"], "SELECT @@character_set_client");
    assert_undone(&manager, &["SET SESSION TRANSACTION READ ONLY"], "SELECT @@tx_read_only");
}

#[test]
fn temporary_tables_are_removed() {
    let manager = manager("temporary");
    let mut conn = connect(&manager);
    conn.query_drop("CREATE TEMPORARY TABLE t (x INT)").unwrap();
    manager.reset(&mut conn).unwrap();
    conn.query_drop("SELECT * FROM t").expect_err("the table is gone");
}

#[test]
fn named_locks_are_released() {
    let manager = manager("locks");
    let mut conn = connect(&manager);
    assert_eq!(ask::<u32>(&mut conn, "SELECT GET_LOCK('threadwise reset', 0)"), 1);
    manager.reset(&mut conn).unwrap();
    let mut other = connect(&manager);
    assert_eq!(ask::<u32>(&mut other, "SELECT IS_FREE_LOCK('threadwise reset')"), 1);
}

#[test]
fn prepared_statements_are_closed_and_prepared_again() {
    let manager = manager("prepared");
    let mut conn = connect(&manager);
    for _ in 0..3 {
        let statement = conn.prep("SELECT ? + 1").unwrap();
        assert_eq!(conn.exec_first::<u32, _, _>(&statement, (1,)).unwrap(), Some(2));
        assert_eq!(conn.exec_first::<u32, _, _>("SELECT ? + 1", (1,)).unwrap(), Some(2));
        manager.reset(&mut conn).unwrap();
        conn.exec_drop(&statement, (1,)).expect_err("the reset has closed it");
    }
}

#[test]
fn the_configured_default_database_is_restored() {
    let manager = manager("database");
    let question = "SELECT DATABASE()";
    assert_undone(&manager, &["USE test"], question);
    assert_undone(&manager, &["SELECT 1; use test"], question);
    assert_undone(&manager, &["EXECUTE IMMEDIATE CONCAT('US', 'E test')"], question);
    assert_undone(&manager, &["/*!50000USE test*/"], question);
    let chosen: [fn(&mut Connection) -> mysql::Result<()>; 3] = [
        |conn| conn.select_db("test"),
        |conn| conn.exec_drop("USE test", ()),
        |conn| conn.as_mut_conn().select_db("test"),
    ];
    let mut conn = connect(&manager);
    let configured: String = ask(&mut conn, question);
    for choose in chosen {
        choose(&mut conn).unwrap();
        assert_eq!(ask::<String>(&mut conn, question), "test");
        manager.reset(&mut conn).unwrap();
        assert_eq!(ask::<String>(&mut conn, question), configured);
    }
}

#[test]
fn a_reset_fails_if_the_default_database_was_dropped() {
    let manager = manager("dropped");
    let mut conn = connect(&manager);
    let configured: String = ask(&mut conn, "SELECT DATABASE()");
    conn.query_drop(format!("DROP DATABASE {configured}")).unwrap();
    manager.reset(&mut conn).expect_err("the database does not exist any more");
}

#[test]
fn without_a_configured_database_a_reset_after_use_fails() {
    let port = MariaDb::shared().port();
    let manager = manager_for(&format!("mysql://root@127.0.0.1:{port}"));
    let mut conn = connect(&manager);
    conn.query_drop("DO 1 /* use nothing */").unwrap();
    manager.reset(&mut conn).expect("none was chosen");
    conn.query_drop("USE test").unwrap();
    let error = manager.reset(&mut conn).expect_err("no statement removes the database");
    assert!(error.to_string().contains("`test`"), "{error}");
}

#[test]
fn the_role_of_a_new_login_is_restored() {
    let database = MariaDb::shared().create_database("role");
    for sql in [
        "CREATE OR REPLACE ROLE `reset boss`",
        "CREATE OR REPLACE ROLE reset_clerk",
        "CREATE OR REPLACE USER reset_user@'%'",
        "GRANT `reset boss` TO reset_user@'%'",
        "GRANT reset_clerk TO reset_user@'%'",
    ] {
        as_root(sql);
    }
    as_root(&format!("GRANT ALL ON {database}.* TO reset_user@'%', `reset boss`, reset_clerk"));
    let port = MariaDb::shared().port();
    let manager = manager_for(&format!("mysql://reset_user@127.0.0.1:{port}/{database}"));
    for default in ["NONE", "`reset boss`"] {
        as_root(&format!("SET DEFAULT ROLE {default} FOR reset_user@'%'"));
        assert_undone(&manager, &["SET ROLE reset_clerk"], "SELECT CURRENT_ROLE()");
        assert_undone(
            &manager,
            &[
                "CREATE OR REPLACE PROCEDURE p() SQL SECURITY INVOKER SET ROLE reset_clerk",
                "CALL p()",
            ],
            "SELECT CURRENT_ROLE()",
        );
    }
    assert_undone(&manager, &["SET ROLE NONE"], "SELECT CURRENT_ROLE()");
}

#[test]
fn statements_of_init_run_again_last() {
    let opts = mysql::Opts::from_url(&MariaDb::shared().url()).unwrap();
    let opts = OptsBuilder::from_opts(opts).init(vec!["SET @init = 'x'", "USE mysql"]);
    let manager = MysqlManager::new(opts);
    assert_undone(&manager, &["SET @init = 'y'"], "SELECT @init");
    assert_undone(&manager, &["USE test"], "SELECT DATABASE()");
    let mut conn = connect(&manager);
    assert_eq!(ask::<String>(&mut conn, "SELECT DATABASE()"), "mysql");
}

#[test]
fn a_handler_of_local_files_is_removed() {
    let manager = manager("handler");
    let mut conn = connect(&manager);
    conn.query_drop("CREATE TABLE t (x INT)").unwrap();
    conn.set_local_infile_handler(Some(mysql::LocalInfileHandler::new(|_, file| {
        std::io::Write::write_all(file, b"7\n")
    })));
    assert!(manager.has_changed(&mut conn));
    conn.query_drop("LOAD DATA LOCAL INFILE 'x' INTO TABLE t").unwrap();
    assert_eq!(ask::<u32>(&mut conn, "SELECT COUNT(*) FROM t"), 1);
    manager.reset(&mut conn).unwrap();
    // Without a handler the driver sends an empty file.
    conn.query_drop("LOAD DATA LOCAL INFILE 'x' INTO TABLE t").unwrap();
    assert_eq!(ask::<u32>(&mut conn, "SELECT COUNT(*) FROM t"), 1);
}

#[test]
fn a_transaction_is_committed_or_rolled_back() {
    let manager = manager("tx");
    let mut conn = connect(&manager);
    conn.query_drop("CREATE TABLE t (x INT) ENGINE=InnoDB").unwrap();
    let count = |conn: &mut Connection| ask::<u32>(conn, "SELECT COUNT(*) FROM t");

    let mut transaction = conn.start_transaction(TxOpts::default()).unwrap();
    transaction.query_drop("INSERT INTO t VALUES (1)").unwrap();
    assert_eq!(transaction.affected_rows(), 1);
    transaction.commit().unwrap();
    assert_eq!(count(&mut conn), 1);

    let mut transaction = conn.start_transaction(TxOpts::default()).unwrap();
    transaction.query_drop("INSERT INTO t VALUES (1)").unwrap();
    transaction.rollback().unwrap();
    assert_eq!(count(&mut conn), 1);

    let mut transaction = conn.start_transaction(TxOpts::default()).unwrap();
    transaction.query_drop("INSERT INTO t VALUES (1)").unwrap();
    drop(transaction);
    assert_eq!(count(&mut conn), 1);
    assert!(!manager.in_transaction(&mut conn));
}

#[test]
fn a_transaction_has_the_options_it_was_given() {
    let manager = manager("tx_options");
    let mut conn = connect(&manager);
    conn.query_drop("CREATE TABLE t (x INT) ENGINE=InnoDB").unwrap();
    let options = TxOpts::default()
        .set_isolation_level(Some(IsolationLevel::Serializable))
        .set_access_mode(Some(AccessMode::ReadOnly))
        .set_with_consistent_snapshot(true);
    let mut transaction = conn.start_transaction(options).unwrap();
    transaction.query_drop("INSERT INTO t VALUES (1)").expect_err("it is read-only");
    transaction.rollback().unwrap();
    conn.query_drop("INSERT INTO t VALUES (1)").expect("that was for one transaction");
}

#[test]
fn a_transaction_on_a_dead_connection_is_an_error_and_no_panic() {
    let manager = manager("tx_dead");
    let mut conn = connect(&manager);
    MariaDb::shared().kill_connection(u64::from(conn.connection_id()));
    wait_until(|| manager.has_broken(&mut conn));
    let options = TxOpts::default().set_with_consistent_snapshot(true);
    let error = conn.start_transaction(options).map(drop).expect_err("the connection is dead");
    assert!(manager.is_lost(&error), "{error}");
}
