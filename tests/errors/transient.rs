//! Transient errors: a `get` waits until they are over, or a later one succeeds. If a statement
//! fails with one, the pool keeps the connection.

use std::time::Instant;

use mysql::prelude::Queryable;
use mysql::{Conn, Error};
use threadwise::ManageConnection;
use threadwise::mysql::{Connection, ErrorClass, MysqlManager, classify};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait;

use crate::kinds::{
    AnyPool, SETTLED, answers, as_root, assert_closed, await_statement, code, empty, heals,
    in_new_database, manager, on_each_pool, refusal, serves, start,
};

/// Asserts that the statement fails with this error, and that its connection goes on, also for the
/// next borrower.
fn fails_and_goes_on(
    pool: &impl AnyPool,
    expected: u16,
    statement: impl FnOnce(&mut Connection) -> Error,
) {
    let mut conn = pool.get().unwrap();
    let error = statement(&mut conn);
    assert_eq!(code(&error), Some(expected), "{error}");
    assert_eq!(classify(&error), ErrorClass::Transient, "{error}");
    answers(&mut conn);
    let id = conn.connection_id();
    drop(conn);
    assert_eq!(serves(pool), id);
    assert_closed(pool, 0, &[]);
}

/// Starts a server with settings that these tests change, and an account that cannot ignore them.
fn small_server() -> (MariaDb, String) {
    let server = start(MariaDb::builder().max_connections(10).arg("--max-user-connections=4"));
    as_root(
        &server,
        &[
            "CREATE USER app@127.0.0.1 IDENTIFIED BY 'x'",
            "CREATE USER lone@127.0.0.1 IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS 1",
            "GRANT ALL ON test.* TO app@127.0.0.1, lone@127.0.0.1",
            "CREATE TABLE test.t (id INT PRIMARY KEY) ENGINE=InnoDB",
        ],
    );
    let url = format!("mysql://app:x@127.0.0.1:{}/test", server.port());
    (server, url)
}

#[test]
fn a_pool_serves_again_when_a_transient_refusal_is_over() {
    let (server, url) = small_server();
    on_each_pool!(full, manager(&url), &server);
    on_each_pool!(many_of_one_user, manager(&url), &server, &url);
    let lone = url.replace("app:", "lone:");
    on_each_pool!(limited_user, manager(&lone), &lone);
    on_each_pool!(read_only, manager(&url), &server);
    on_each_pool!(no_room_for_statements, manager(&url), &server);
}

/// Asserts that the server refuses the next connection with this error until `others` are closed.
fn refused_until_closed(pool: &impl AnyPool, expected: u16, others: Vec<Conn>) {
    let refused = refusal(pool, |error| (code(error), classify(error)));
    assert_eq!(refused, (Some(expected), ErrorClass::Transient));
    drop(others);
    heals(pool);
}

/// Opens connections until the server refuses the next one, and none of an earlier test is left whose
/// end would make room.
fn take_all_places(server: &MariaDb, url: &str) -> Vec<Conn> {
    let mut admin = server.admin();
    let mut others = Vec::new();
    wait::until("all places to be taken", || {
        let sessions: Option<usize> = admin
            .query_first(
                "SELECT COUNT(*) FROM information_schema.processlist \
                 WHERE command <> 'Daemon' AND user <> 'system user'",
            )
            .unwrap();
        let before = others.len();
        others.extend(std::iter::from_fn(|| Conn::new(url).ok()));
        (sessions, others.len()) == (Some(before + 1), before)
    });
    others
}

fn full(pool: &impl AnyPool, server: &MariaDb) {
    empty(pool);
    // `root` also takes the place for an administrator.
    let others = take_all_places(server, &server.url());
    refused_until_closed(pool, 1040, others);
}

fn many_of_one_user(pool: &impl AnyPool, server: &MariaDb, url: &str) {
    empty(pool);
    let others = take_all_places(server, url);
    refused_until_closed(pool, 1203, others);
}

fn limited_user(pool: &impl AnyPool, url: &str) {
    // The server counts a closed connection until it has seen its end. One kind of pool closes one
    // when it is built.
    heals(pool);
    empty(pool);
    let mut others = Vec::new();
    wait::until("the place", || Conn::new(url).map(|c| others.push(c)).is_ok());
    refused_until_closed(pool, 1226, others);
}

fn read_only(pool: &impl AnyPool, server: &MariaDb) {
    as_root(server, &["SET GLOBAL read_only = 1"]);
    wait::until("the return of a young connection", || {
        let start = Instant::now();
        empty(pool);
        let mut conn = pool.get().unwrap();
        let error = conn.query_drop("INSERT INTO t VALUES (1)").unwrap_err();
        assert_eq!((code(&error), classify(&error)), (Some(1290), ErrorClass::Transient));
        answers(&mut conn);
        let id = conn.connection_id();
        drop(conn);
        let next = serves(pool);
        let is_young = start.elapsed() < SETTLED;
        assert!(!is_young || next == id, "a young connection stays");
        is_young
    });
    as_root(server, &["SET GLOBAL read_only = 0"]);
    pool.get().unwrap().query_drop("REPLACE INTO t VALUES (1)").unwrap();
}

fn no_room_for_statements(pool: &impl AnyPool, server: &MariaDb) {
    as_root(server, &["SET GLOBAL max_prepared_stmt_count = 0"]);
    fails_and_goes_on(pool, 1461, |conn| conn.prep("SELECT ?").map(drop).unwrap_err());
    as_root(server, &["SET GLOBAL max_prepared_stmt_count = DEFAULT"]);
    pool.get().unwrap().exec_drop("SELECT ?", (1,)).unwrap();
}

/// A manager for a new database with a table of some rows.
fn with_rows(name: &str) -> MysqlManager {
    let manager = in_new_database(name);
    let mut conn = manager.connect().unwrap();
    conn.query_drop("CREATE TABLE t (id INT PRIMARY KEY, v INT) ENGINE=InnoDB").unwrap();
    conn.query_drop("INSERT INTO t SELECT seq, 0 FROM seq_1_to_50").unwrap();
    manager
}

fn same_database(manager: &MysqlManager) -> MysqlManager {
    let mut conn = manager.connect().unwrap();
    let database: Option<String> = conn.query_first("SELECT DATABASE()").unwrap();
    crate::kinds::manager(&MariaDb::shared().url_for(&database.unwrap()))
}

#[test]
fn a_lock_wait_timeout_does_not_close_the_connection() {
    let rows = with_rows("lock_wait");
    on_each_pool!(lock_wait, same_database(&rows), &rows);
}

fn lock_wait(pool: &impl AnyPool, rows: &MysqlManager) {
    let mut other = rows.connect().unwrap();
    other.query_drop("BEGIN; UPDATE t SET v = 1 WHERE id = 1").unwrap();
    fails_and_goes_on(pool, 1205, |conn| {
        conn.query_drop("SET SESSION innodb_lock_wait_timeout = 0").unwrap(); // no wait at all
        conn.query_drop("UPDATE t SET v = 2 WHERE id = 1").unwrap_err()
    });
}

#[test]
fn a_deadlock_does_not_close_the_connection() {
    let rows = with_rows("deadlock");
    on_each_pool!(deadlock, same_database(&rows), &rows);
}

fn deadlock(pool: &impl AnyPool, rows: &MysqlManager) {
    let mut other = rows.connect().unwrap();
    // The server rolls back the transaction that has changed less.
    other.query_drop("BEGIN; UPDATE t SET v = v + 1 WHERE id > 1").unwrap();
    fails_and_goes_on(pool, 1213, |conn| {
        conn.query_drop("BEGIN; UPDATE t SET v = v + 1 WHERE id = 1").unwrap();
        std::thread::scope(|scope| {
            let id = other.connection_id();
            let waits = scope.spawn(|| other.query_drop("UPDATE t SET v = v + 1 WHERE id = 1"));
            await_statement(MariaDb::shared(), id, "UPDATE");
            let error = conn.query_drop("UPDATE t SET v = v + 1 WHERE id = 2").unwrap_err();
            waits.join().unwrap().unwrap();
            error
        })
    });
}

#[test]
fn a_full_table_does_not_close_the_connection() {
    on_each_pool!(full_table, in_new_database("full_table"));
}

fn full_table(pool: &impl AnyPool) {
    fails_and_goes_on(pool, 1114, |conn| {
        conn.query_drop("SET SESSION max_heap_table_size = 16384").unwrap();
        conn.query_drop("CREATE TEMPORARY TABLE t (x CHAR(200)) ENGINE=MEMORY").unwrap();
        conn.query_drop("INSERT INTO t SELECT 'x' FROM seq_1_to_10000").unwrap_err()
    });
}

#[test]
fn a_full_disk_does_not_close_the_connection() {
    // A separate small file system would need the right to mount it. For InnoDB a tablespace at its
    // limit is the same: there is no room for another page.
    let server = start(
        MariaDb::builder()
            .arg("--innodb-data-file-path=ibdata1:12M:autoextend:max:14M")
            .arg("--innodb-file-per-table=0"),
    );
    as_root(&server, &["CREATE TABLE test.t (x TEXT) ENGINE=InnoDB"]);
    on_each_pool!(full_disk, manager(&server.url()));
}

fn full_disk(pool: &impl AnyPool) {
    fails_and_goes_on(pool, 1114, |conn| {
        conn.query_drop("INSERT INTO t SELECT REPEAT('x', 8000) FROM seq_1_to_5000").unwrap_err()
    });
}
