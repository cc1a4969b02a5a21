//! A prepared statement belongs to its connection and its session, and is closed in time.

mod common;

use common::{as_root, ask, connect, manager, manager_for};
use mysql::prelude::Queryable;
use mysql::{Statement, TxOpts};
use threadwise_core::{ManageConnection, Pool};
use threadwise_mysql::{Connection, ErrorClass, MysqlManager, classify};
use threadwise_persistent::PersistentPool;
use threadwise_queue::QueuePool;
use threadwise_shared::SharedPool;
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait;

/// Two connections with a statement of the same number: the first has prepared a query, the second
/// a DELETE.
fn mixed_up() -> (MysqlManager, Connection, Statement, Connection, Statement) {
    let manager = manager("statements");
    let mut first = connect(&manager);
    first.query_drop("CREATE TABLE t (x INT)").unwrap();
    first.query_drop("INSERT INTO t VALUES (1)").unwrap();
    let mut second = connect(&manager);
    // The server numbers statements on each connection, but not always from 1.
    let mut query = first.prep("SELECT x FROM t").unwrap();
    let mut delete = second.prep("DELETE FROM t").unwrap();
    while query.id() != delete.id() {
        if query.id() < delete.id() {
            query = again(&mut first, query, "SELECT x FROM t");
        } else {
            delete = again(&mut second, delete, "DELETE FROM t");
        }
    }
    (manager, first, query, second, delete)
}

fn again(conn: &mut Connection, statement: Statement, text: &str) -> Statement {
    conn.close(statement).unwrap();
    conn.prep(text).unwrap()
}

type Use = fn(&mut Connection, &Statement) -> mysql::Result<()>;

/// Each way to use a statement.
const USES: [(&str, Use); 15] = [
    ("exec_drop", |conn, s| conn.exec_drop(s, ())),
    ("exec", |conn, s| conn.exec::<u32, _, _>(s, ()).map(drop)),
    ("exec_opt", |conn, s| conn.exec_opt::<u32, _, _>(s, ()).map(drop)),
    ("exec_first", |conn, s| conn.exec_first::<u32, _, _>(s, ()).map(drop)),
    ("exec_first_opt", |conn, s| conn.exec_first_opt::<u32, _, _>(s, ()).map(drop)),
    ("exec_map", |conn, s| conn.exec_map(s, (), |_: u32| ()).map(drop)),
    ("exec_map_opt", |conn, s| conn.exec_map_opt::<u32, _, _, _, _>(s, (), |_| ()).map(drop)),
    ("exec_fold", |conn, s| conn.exec_fold(s, (), 0, |sum, x: u32| sum + x).map(drop)),
    ("exec_fold_opt", |conn, s| {
        conn.exec_fold_opt::<u32, _, _, _, _>(s, (), 0, |sum, _| sum).map(drop)
    }),
    ("exec_iter", |conn, s| conn.exec_iter(s, ()).map(drop)),
    ("exec_batch", |conn, s| conn.exec_batch(s, [(), ()])),
    ("close", |conn, s| conn.close(s.clone())),
    ("by value", |conn, s| conn.exec_drop(s.clone(), ())),
    ("in a transaction", |conn, s| conn.start_transaction(TxOpts::default())?.exec_drop(s, ())),
    ("a transaction's close", |conn, s| {
        conn.start_transaction(TxOpts::default())?.close(s.clone())
    }),
];

#[test]
fn a_statement_of_another_connection_is_refused_and_not_sent() {
    let (manager, mut first, query, mut second, delete) = mixed_up();
    for (name, act) in USES {
        let error = act(&mut second, &query).expect_err(name);
        let text = error.to_string();
        for id in [first.connection_id(), second.connection_id()] {
            assert!(text.contains(&format!("connection {id}")), "{name}: {text}");
        }
        assert_eq!(classify(&error), ErrorClass::Ordinary, "{name}: {text}");
        assert!(!manager.has_broken(&mut second), "{name}");
    }
    assert_eq!(ask::<u32>(&mut first, "SELECT COUNT(*) FROM t"), 1, "the DELETE did not run");
    second.exec_drop(&delete, ()).expect("it is open, and its own");
    assert_eq!(ask::<u32>(&mut first, "SELECT COUNT(*) FROM t"), 0);
}

#[test]
fn a_statement_from_before_a_reset_is_refused_and_a_new_one_works() {
    let (manager, mut first, query, ..) = mixed_up();
    for _ in 0..3 {
        manager.reset(&mut first).unwrap();
        for (name, act) in USES {
            let error = act(&mut first, &query).expect_err(name);
            let text = error.to_string();
            assert!(text.contains("from before the session's reset"), "{name}: {text}");
            assert!(!manager.has_broken(&mut first), "{name}");
        }
        let delete = first.prep("DELETE FROM t WHERE x = ?").unwrap();
        first.exec_drop(&delete, (7,)).unwrap();
        first.close(delete).unwrap();
    }
    assert_eq!(ask::<u32>(&mut first, "SELECT COUNT(*) FROM t"), 1);
}

/// Waits until the server has at most two prepared statements, for all connections. It does not answer
/// when it closes one, so it may do that a moment later.
fn await_few_prepared(server: &MariaDb) {
    wait::until("the statements to be closed", || server.status("Prepared_stmt_count") <= 2);
}

/// Runs statements by their text, with a driver that caches none.
fn assert_statements_are_closed<P: Pool<Manager = MysqlManager>>(
    server: &MariaDb,
    pool: &P,
    uses: u32,
) {
    for number in 0..uses {
        let mut conn = pool.get().unwrap();
        let one: Option<u32> = conn.exec_first("SELECT 1", ()).unwrap();
        assert_eq!(one, Some(1));
        if number % 1_000 == 0 {
            await_few_prepared(server);
        }
    }
    for number in 0..100_u32 {
        let mut conn = pool.get().unwrap();
        let _kept = conn.prep(format!("SELECT {number}")).unwrap(); // left open
        let _ = conn.exec_drop("SELECT COUNT(*) FROM missing WHERE x = ?", (number,));
        let _ = conn.exec_iter("SELECT ?", (number,)).map(drop);
        conn.exec_batch("INSERT INTO t VALUES (?)", [(1,), (2,)]).unwrap();
    }
    await_few_prepared(server);
}

#[test]
fn statements_are_closed_if_the_driver_does_not_cache_them() {
    let server = MariaDb::start().unwrap();
    server.admin().query_drop("CREATE TABLE test.t (x INT)").unwrap();
    let manager = || manager_for(&format!("{}&stmt_cache_size=0", server.url()));
    assert_statements_are_closed(
        &server,
        &SharedPool::builder().max_size(1).build(manager()).unwrap(),
        20_000,
    );
    assert_statements_are_closed(
        &server,
        &QueuePool::builder().size(1).build(manager()).unwrap(),
        2_000,
    );
    assert_statements_are_closed(
        &server,
        &PersistentPool::builder().build(manager()).unwrap(),
        2_000,
    );
}

#[test]
fn uncached_statements_are_closed_within_one_use_too() {
    let server = MariaDb::start().unwrap();
    let mut conn = connect(&manager_for(&format!("{}&stmt_cache_size=0", server.url())));
    for _ in 0..500 {
        conn.exec_iter("SELECT ?", (1,)).map(drop).unwrap();
        conn.exec_drop("SELECT ?", (1,)).unwrap();
        let own = conn.prep("SELECT ?").unwrap();
        conn.exec_drop(&own, (1,)).unwrap();
        conn.close(own).unwrap();
    }
    conn.query_drop("SELECT 1").unwrap();
    await_few_prepared(&server);
    as_root("DO 1");
}
