//! Every method of the driver's query interface returns what the driver's own connection returns.

mod common;

use common::{connect, manager};
use mysql::prelude::*;
use mysql::{Conn, Value};
use threadwise_testkit::mariadb::MariaDb;

/// Calls every method once, in one order.
fn everything(conn: &mut impl Queryable) -> Vec<String> {
    const ROWS: &str = "SELECT 1 UNION SELECT 2 UNION SELECT 3";
    const BAD: &str = "SELECT 'one' UNION SELECT '2'";
    let mut seen = Vec::new();
    let mut see = |value: &dyn std::fmt::Debug| seen.push(format!("{value:?}"));

    see(&conn.query_iter(ROWS).unwrap().map(|row| row.unwrap().unwrap()).collect::<Vec<_>>());
    see(&conn.query::<u32, _>(ROWS).unwrap());
    see(&conn.query_opt::<u32, _>(BAD).unwrap());
    see(&conn.query_first::<u32, _>(ROWS).unwrap());
    see(&conn.query_first::<u32, _>("DO 1").unwrap());
    see(&conn.query_first_opt::<u32, _>(BAD).unwrap());
    see(&conn.query_map(ROWS, |x: u32| x * 2).unwrap());
    see(&conn.query_map_opt(BAD, |x: Result<u32, _>| x.is_ok()).unwrap());
    see(&conn.query_fold(ROWS, 10, |sum, x: u32| sum + x).unwrap());
    see(&conn.query_fold_opt(BAD, 10, |sum, x: Result<u32, _>| sum + x.unwrap_or(5)).unwrap());
    see(&conn.query_drop(ROWS).unwrap());
    see(&conn.query::<u32, _>("SELECT 1; SELECT 2").unwrap());
    see(&conn.query_drop("nonsense").unwrap_err());

    let rows = conn.prep("SELECT ? UNION SELECT 2 UNION SELECT 3").unwrap();
    let bad = "SELECT ? UNION SELECT '2'";
    see(&conn.exec_iter(&rows, (1,)).unwrap().map(|row| row.unwrap().unwrap()).collect::<Vec<_>>());
    see(&conn.exec::<u32, _, _>(&rows, (1,)).unwrap());
    see(&conn.exec_opt::<u32, _, _>(bad, ("one",)).unwrap());
    see(&conn.exec_first::<u32, _, _>(&rows, (1,)).unwrap());
    see(&conn.exec_first_opt::<u32, _, _>(bad, ("one",)).unwrap());
    see(&conn.exec_map(&rows, (1,), |x: u32| x * 2).unwrap());
    see(&conn.exec_map_opt(bad, ("one",), |x: Result<u32, _>| x.is_ok()).unwrap());
    see(&conn.exec_fold(&rows, (1,), 10, |sum, x: u32| sum + x).unwrap());
    see(&conn
        .exec_fold_opt(bad, ("one",), 10, |sum, x: Result<u32, _>| sum + x.unwrap_or(5))
        .unwrap());
    see(&conn.exec_drop(&rows, (1,)).unwrap());
    see(&conn.exec_drop("SELECT :a", vec![("a", Value::NULL)]).unwrap());
    conn.close(rows).unwrap();

    conn.query_drop("CREATE TEMPORARY TABLE batch (x INT)").unwrap();
    conn.exec_batch("INSERT INTO batch VALUES (?)", (1..=100).map(|x| (x,))).unwrap();
    see(&conn.query_first::<u32, _>("SELECT SUM(x) FROM batch").unwrap());
    seen
}

#[test]
fn every_method_returns_what_the_driver_returns() {
    let manager = manager("queryable");
    let mut driver = Conn::new(MariaDb::shared().url().as_str()).unwrap();
    let mut ours = connect(&manager);
    assert_eq!(everything(&mut ours), everything(&mut driver));
    assert_eq!(ours.server_version(), driver.server_version());
    let mut transaction = ours.start_transaction(mysql::TxOpts::default()).unwrap();
    transaction.query_drop("DROP TEMPORARY TABLE batch").unwrap();
    everything(&mut *transaction);
}

#[test]
fn the_results_of_the_last_statement_can_be_read() {
    let manager = manager("accessors");
    let mut conn = connect(&manager);
    conn.query_drop("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, x TINYINT)").unwrap();
    conn.query_drop("SET sql_mode = ''").unwrap();
    conn.query_drop("INSERT INTO t (x) VALUES (1), (1000)").unwrap();
    assert_eq!((conn.affected_rows(), conn.last_insert_id(), conn.warnings()), (2, 1, 1));
    assert_eq!(conn.info_str(), "Records: 2  Duplicates: 0  Warnings: 1");
    assert_eq!(conn.info_ref(), conn.info_str().as_bytes());
    assert!(!conn.no_backslash_escape());
    assert!(conn.session_state_changes().unwrap().is_empty());
}

#[test]
fn as_mut_conn_returns_the_drivers_connection() {
    let manager = manager("as_mut_conn");
    let mut conn = connect(&manager);
    let answer: Option<u32> = "SELECT ? + 1".with((41,)).first(conn.as_mut_conn()).unwrap();
    assert_eq!(answer, Some(42));
    assert_eq!(conn.query_first("SELECT 43").unwrap(), Some(43));
}
