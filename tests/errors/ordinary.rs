//! Errors of one statement: its connection and the pool go on.

use mysql::prelude::Queryable;
use threadwise::mysql::{Connection, ErrorClass, classify};
use threadwise_testkit::mariadb::MariaDb;

use crate::kinds::{
    AnyPool, answers, as_root, assert_closed, await_statement, code, during, in_new_database,
    manager, on_each_pool, serves,
};

/// Asserts that a statement fails, and that its connection stays in the pool.
fn goes_on(pool: &impl AnyPool, expected: Option<u16>, sql: &str) {
    let mut conn = pool.get().unwrap();
    let error = conn.query_drop(sql).expect_err(sql);
    assert_eq!(code(&error), expected, "{error}");
    assert_eq!(classify(&error), ErrorClass::Ordinary, "{error}");
    answers(&mut conn);
    let id = conn.connection_id();
    drop(conn);
    assert_eq!(serves(pool), id, "after {error}");
    assert_closed(pool, 0, &[]);
}

#[test]
fn a_failed_statement_does_not_close_its_connection() {
    on_each_pool!(statements, in_new_database("statements"));
}

fn statements(pool: &impl AnyPool) {
    let mut conn = pool.get().unwrap();
    conn.query_drop("CREATE OR REPLACE TABLE t (x INT PRIMARY KEY)").unwrap();
    conn.query_drop("INSERT INTO t VALUES (1)").unwrap();
    drop(conn);
    for (sql, code) in [
        ("nonsense", 1064),
        ("INSERT INTO t VALUES (1)", 1062),
        ("SELECT * FROM no_such_table", 1146),
        ("KILL 4294967295", 1094),
        ("SIGNAL SQLSTATE '45000'", 1644),
        ("SET STATEMENT max_statement_time = 0.01 FOR SELECT SLEEP(60)", 1969),
        // In the middle of the rows.
        ("SELECT (SELECT 1 UNION SELECT seq) FROM seq_1_to_5000", 1242),
    ] {
        goes_on(pool, Some(code), sql);
    }
    let limit: Option<usize> =
        pool.get().unwrap().query_first("SELECT @@max_allowed_packet").unwrap();
    goes_on(pool, None, &format!("SELECT '{}'", "x".repeat(limit.unwrap())));
}

#[test]
fn a_killed_statement_does_not_close_its_connection() {
    on_each_pool!(kill_query, in_new_database("kill_query"));
}

fn kill_query(pool: &impl AnyPool) {
    const SLOW: &str = "SELECT COUNT(*) FROM seq_1_to_1000000 a, seq_1_to_1000000 b";
    let mut conn = pool.get().unwrap();
    let id = conn.connection_id();
    let outcome = during(&mut conn, SLOW, |id| {
        await_statement(MariaDb::shared(), id, "SELECT COUNT");
        as_root(MariaDb::shared(), &[&format!("KILL QUERY {id}")]);
    });
    let error = outcome.unwrap_err();
    assert_eq!((code(&error), classify(&error)), (Some(1317), ErrorClass::Ordinary), "{error}");
    answers(&mut conn);
    drop(conn);
    assert_eq!(serves(pool), id);

    as_root(MariaDb::shared(), &[&format!("KILL QUERY {id}")]); // while it is idle
    assert_eq!(serves(pool), id);
    assert_closed(pool, 0, &[]);
}

#[test]
fn dropping_a_database_fails_statements_but_closes_no_connection() {
    let server = MariaDb::shared();
    let database = server.create_database("dropped");
    on_each_pool!(drop_database, manager(&server.url_for(&database)), &database);
}

fn drop_database(pool: &impl AnyPool, database: &str) {
    let insert = |conn: &mut Connection| conn.query_drop("INSERT INTO t VALUES (1)");
    let create = format!("CREATE TABLE {database}.t (x INT)");
    as_root(MariaDb::shared(), &[&create]);
    let mut conn = pool.get().unwrap();
    let id = conn.connection_id();
    insert(&mut conn).unwrap();
    as_root(MariaDb::shared(), &[&format!("DROP DATABASE {database}")]);
    let error = insert(&mut conn).unwrap_err();
    assert!(matches!(code(&error), Some(1046 | 1049 | 1146)), "{error}");
    answers(&mut conn);
    drop(conn); // its reset succeeds

    let mut conn = pool.get().unwrap();
    assert_eq!(conn.connection_id(), id);
    insert(&mut conn).expect_err("it is still gone");
    drop(conn);
    as_root(MariaDb::shared(), &[&format!("CREATE DATABASE {database}"), &create]);
    insert(&mut pool.get().unwrap()).expect("it is back");
    as_root(MariaDb::shared(), &[&format!("DROP TABLE {database}.t")]);
    assert_closed(pool, 0, &[]);
}
