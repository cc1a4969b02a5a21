//! What one user of a session could leave to the next one in rare cases, and waits that had no bound.

mod common;

use std::time::{Duration, Instant};

use common::{ask, await_answer, connect, connect_patiently, manager, manager_for};
use mysql::prelude::Queryable;
use mysql::{Opts, OptsBuilder, TxOpts};
use threadwise_core::ManageConnection;
use threadwise_mysql::MysqlManager;
use threadwise_testkit::mariadb::MariaDb;

/// A manager on a new database with a table, whose sessions begin with these statements.
fn with_init(name: &str, init: &[&str]) -> (MysqlManager, String) {
    let server = MariaDb::shared();
    let database = server.create_database(name);
    let url = server.url_for(&database);
    connect(&manager_for(&url)).query_drop("CREATE TABLE t (x INT)").unwrap();
    let init: Vec<_> = init.iter().map(|text| text.replace("{db}", &database)).collect();
    let opts = OptsBuilder::from_opts(Opts::from_url(&url).unwrap()).init(init);
    (MysqlManager::new(opts), database)
}

#[test]
fn a_statement_is_judged_by_what_its_names_meant_when_it_ran() {
    let manager = manager("dropped_trigger");
    let mut other = connect(&manager);
    for sql in [
        "CREATE TABLE t (x INT)",
        "CREATE TRIGGER fires BEFORE INSERT ON t FOR EACH ROW SET @a = 1",
    ] {
        other.query_drop(sql).unwrap();
    }
    let mut conn = connect(&manager);
    await_answer(&manager, &mut conn);
    conn.query_drop("INSERT INTO t VALUES (1)").unwrap();
    other.query_drop("DROP TRIGGER fires").unwrap();
    manager.reset(&mut other).unwrap();
    await_answer(&manager, &mut other);
    assert!(manager.has_changed(&mut conn), "a trigger ran that no longer exists");
    manager.reset(&mut conn).unwrap();
    assert_eq!(ask::<Option<u8>>(&mut conn, "SELECT @a"), None);
    await_answer(&manager, &mut conn);
    for _ in 0..2 {
        conn.query_drop("INSERT INTO t VALUES (1)").unwrap();
        assert!(!manager.has_changed(&mut conn), "now it has no trigger");
    }
}

#[test]
fn a_statement_is_not_judged_by_what_another_user_sees() {
    let server = MariaDb::shared();
    let database = server.create_database("seen_by");
    server.run_all(&[
        &format!("CREATE TABLE {database}.t (x INT)"),
        &format!("CREATE VIEW {database}.v AS SELECT x FROM {database}.t"),
        &format!("CREATE USER blind_{database}@'%'"),
        &format!("GRANT SELECT ON {database}.t TO blind_{database}@'%'"),
    ]);
    let manager = manager_for(&server.url_for(&database));
    let mut conn = connect(&manager);
    await_answer(&manager, &mut conn);
    manager.set_credentials(Some(&format!("blind_{database}")), None);
    let mut new = connect(&manager);
    await_answer(&manager, &mut new);
    conn.query_drop("SELECT x FROM v").unwrap(); // a view that the new user does not see
    assert!(manager.has_changed(&mut conn));
    new.query_drop("SELECT x FROM t").unwrap();
    assert!(!manager.has_changed(&mut new));
}

#[test]
fn a_statement_of_init_that_may_choose_a_database_or_role_does_not_replace_restoring_them() {
    for init in [&["SET @x = 'use drop call'"][..], &["DROP TEMPORARY TABLE IF EXISTS scratch"]] {
        let (manager, database) = with_init("init_words", init);
        let mut conn = connect(&manager);
        conn.query_drop("USE mysql").unwrap();
        manager.reset(&mut conn).unwrap();
        assert_eq!(ask::<String>(&mut conn, "SELECT DATABASE()"), database, "{init:?}");
    }
}

#[test]
fn statements_of_init_run_again_in_the_database_in_which_they_ran_first() {
    let init = ["INSERT INTO t SELECT 1", "USE mysql"];
    let (manager, database) = with_init("init_use", &init);
    let mut conn = connect(&manager);
    for uses in 1..4_u8 {
        assert_eq!(ask::<String>(&mut conn, "SELECT DATABASE()"), "mysql");
        let rows: u8 = ask(&mut conn, &format!("SELECT COUNT(*) FROM {database}.t"));
        assert_eq!(rows, uses);
        conn.query_drop("USE information_schema").unwrap();
        manager.reset(&mut conn).unwrap();
    }
    let (manager, _) = with_init("init_use_first", &["USE mysql", "SET @x = 1"]);
    let mut conn = connect(&manager);
    conn.query_drop("USE information_schema").unwrap();
    manager.reset(&mut conn).unwrap();
    assert_eq!(ask::<String>(&mut conn, "SELECT DATABASE()"), "mysql");
}

#[test]
fn a_mode_that_a_hook_sets_by_a_number_changes_what_texts_mean() {
    let manager = manager("mode_number");
    let mut conn = connect(&manager);
    await_answer(&manager, &mut conn);
    conn.query_drop("SET sql_mode = 512").unwrap(); // ORACLE is among its modes
    manager.begin_session(&mut conn);
    conn.query_drop("SELECT 1").unwrap();
    assert!(manager.has_changed(&mut conn));
}

#[test]
#[cfg(unix)]
fn a_dropped_transaction_waits_for_a_frozen_server_within_a_bound() {
    let server = MariaDb::start().expect("a private MariaDB");
    let manager = manager_for(&server.url()).read_timeout(Some(Duration::from_secs(60)));
    let mut conn = connect(&manager);
    let mut transaction = conn.start_transaction(TxOpts::default()).unwrap();
    transaction.query_drop("SET @a = 1").unwrap();
    server.freeze();
    let start = Instant::now();
    drop(transaction);
    let took = start.elapsed();
    server.thaw();
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert!(manager.has_broken(&mut conn), "it is unknown whether the rollback was done");
}

#[test]
fn an_init_connect_that_the_session_cannot_read_costs_the_connection_and_does_not_panic() {
    let server = MariaDb::builder()
        .arg("--skip-character-set-client-handshake")
        .arg("--character-set-server=latin1")
        .start()
        .expect("a private MariaDB");
    server.run_all(&["CREATE USER plain@'%'", "GRANT ALL ON test.* TO plain@'%'"]);
    let mut admin = server.admin();
    admin.query_drop("SET NAMES utf8mb4").unwrap();
    admin.query_drop("SET GLOBAL init_connect = \"SET @b = '\u{e9}'\"").unwrap();
    let manager = manager_for(&server.url().replace("root@", "plain@"));
    let mut conn = connect(&manager);
    conn.query_drop("SET @a = 1").unwrap();
    let error = manager.reset(&mut conn).expect_err("it cannot be repeated").to_string();
    assert!(error.contains("init_connect") && error.contains("UTF-8"), "{error}");
}

#[test]
#[cfg(unix)]
fn a_conn_in_the_place_of_the_first_is_watched_instead_of_it() {
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    let server = MariaDb::shared();
    let manager = manager_for(&server.url()).read_timeout(Some(Duration::from_millis(500)));
    let mut conn = connect_patiently(&manager);
    let opts = OptsBuilder::from_opts(Opts::from_url(&server.url()).unwrap());
    let other = mysql::Conn::new(opts).unwrap();
    let first = std::mem::replace(conn.as_mut_conn(), other);
    let descriptor = first.as_raw_fd();
    drop(first);
    // Very likely these get the descriptor of the first.
    let pairs: Vec<_> = (0..20).map(|_| UnixStream::pair().unwrap()).collect();
    let error = conn.query_drop("SELECT SLEEP(60)").unwrap_err();
    assert!(manager.is_lost(&error), "the timeout holds for the other one, too: {error}");
    std::thread::sleep(Duration::from_secs(1)); // longer than the watchdog waits
    for (one, two) in &pairs {
        for (socket, peer) in [(one, two), (two, one)] {
            std::io::Write::write_all(&mut &*peer, b"x").unwrap();
            let read = std::io::Read::read(&mut &*socket, &mut [0]).unwrap();
            assert_eq!(read, 1, "{} of {descriptor}", socket.as_raw_fd());
        }
    }
}
