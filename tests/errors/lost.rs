//! Errors that lose a connection while its server goes on.

use mysql::prelude::Queryable;
use mysql::{Error, Opts, OptsBuilder};
use threadwise::CloseReason;
use threadwise::mysql::{ErrorClass, MysqlManager, classify};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait;

use crate::kinds::{
    AnyPool, FOUND_DEAD, assert_closed, await_end, await_statement, beginning_with, closed, during,
    in_new_database, on_each_pool, serves, serves_unless_late, unless_late,
};
use crate::wire::Spoiler;

#[test]
fn a_connection_killed_while_idle_is_replaced_before_a_borrower_gets_it() {
    on_each_pool!(kill_idle, in_new_database("kill_idle"));
}

fn kill_idle(pool: &impl AnyPool) {
    let id = serves(pool);
    MariaDb::shared().kill_connection(u64::from(id));
    await_end(MariaDb::shared(), id);
    // The server closes the socket a moment later.
    wait::until("another connection", || pool.get().unwrap().connection_id() != id);
    serves(pool);
    assert_closed(pool, 1, FOUND_DEAD);
}

#[test]
fn a_connection_killed_within_a_statement_is_lost() {
    on_each_pool!(kill_within, in_new_database("kill_within"));
}

fn kill_within(pool: &impl AnyPool) {
    let mut conn = pool.get().unwrap();
    let id = conn.connection_id();
    let outcome = during(&mut conn, "DO SLEEP(60)", |id| {
        await_statement(MariaDb::shared(), id, "DO SLEEP");
        MariaDb::shared().kill_connection(u64::from(id));
    });
    let error = outcome.unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Lost, "{error}");
    drop(conn);
    assert_closed(pool, 1, &[CloseReason::Broken]);
    assert_ne!(serves(pool), id);
}

#[test]
fn a_connection_that_the_server_closed_for_idleness_is_replaced_before_a_borrower_gets_it() {
    // Set when a connection opens, because a reset would undo a holder's setting.
    let server = MariaDb::shared();
    let url = server.url_for(&server.create_database("wait_timeout"));
    let manager = || beginning_with(&url, "SET SESSION wait_timeout = 1");
    on_each_pool!(wait_timeout_idle, manager());
}

fn wait_timeout_idle(pool: &impl AnyPool) {
    // On a slow machine a new connection may be idle for so long that the server closes it, too. Such
    // an attempt takes longer than `READ_TIMEOUT`.
    let id = serves_unless_late(pool);
    await_end(MariaDb::shared(), id);
    unless_late("another connection", || {
        wait::until("another connection", || pool.get().unwrap().connection_id() != id);
        let mut conn = pool.get().unwrap();
        conn.query_drop("SELECT 1")
    });
    assert!(closed(pool, FOUND_DEAD) >= 1, "{:?}", pool.state());
}

#[test]
fn a_borrowed_connection_that_the_server_closes_is_lost() {
    on_each_pool!(wait_timeout_held, in_new_database("wait_timeout_held"));
}

fn wait_timeout_held(pool: &impl AnyPool) {
    let mut conn = pool.get().unwrap();
    conn.query_drop("SET SESSION wait_timeout = 1").unwrap();
    let id = conn.connection_id();
    await_end(MariaDb::shared(), id);
    let error = conn.query_drop("SELECT 1").unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Lost, "{error}");
    drop(conn);
    assert_closed(pool, 1, &[CloseReason::Broken]);
    serves(pool);
}

#[test]
fn a_statement_that_the_server_finds_too_large_loses_the_connection() {
    let server = MariaDb::shared();
    let opts = Opts::from_url(&server.url_for(&server.create_database("large"))).unwrap();
    // The client has a larger limit than the server.
    let opts = OptsBuilder::from_opts(opts).max_allowed_packet(Some(1 << 30));
    on_each_pool!(too_large_for_the_server, MysqlManager::new(opts.clone()));
}

fn too_large_for_the_server(pool: &impl AnyPool) {
    let mut conn = pool.get().unwrap();
    let limit: Option<usize> = conn.query_first("SELECT @@max_allowed_packet").unwrap();
    let sql = format!("SELECT LENGTH('{}')", "x".repeat(limit.unwrap()));
    let error = conn.query_drop(sql).unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Lost, "{error}");
    drop(conn);
    assert_closed(pool, 1, &[CloseReason::Broken]);
    serves(pool);
}

#[test]
fn a_row_that_is_too_large_for_the_client_closes_the_connection() {
    let server = MariaDb::shared();
    let url = server.url_for(&server.create_database("row"));
    let manager = || {
        let opts = OptsBuilder::from_opts(Opts::from_url(&url).unwrap());
        MysqlManager::new(opts.max_allowed_packet(Some(65_536)))
    };
    on_each_pool!(too_large_for_the_client, manager());
}

fn too_large_for_the_client(pool: &impl AnyPool) {
    let mut conn = pool.get().unwrap();
    // Ordinary, because the error can come before anything was sent. So the connection has to show
    // that it is in step, and it cannot.
    let error = conn.query_first::<String, _>("SELECT REPEAT('x', 200000)").unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Ordinary, "{error}");
    drop(conn);
    let reasons = [CloseReason::Broken, CloseReason::ResetFailed];
    assert_closed(pool, 1, &reasons);
    serves(pool);
}

#[test]
fn an_answer_that_is_garbage_loses_the_connection() {
    let spoiler = Spoiler::before(MariaDb::shared().port());
    let url = format!("mysql://root@127.0.0.1:{}/test", spoiler.port());
    on_each_pool!(garbage, MysqlManager::from_url(&url).unwrap(), &spoiler);
}

fn garbage(pool: &impl AnyPool, spoiler: &Spoiler) {
    let mut conn = pool.get().unwrap();
    spoiler.spoil(true);
    let error = conn.query_first::<u32, _>("SELECT 42").unwrap_err();
    spoiler.spoil(false);
    assert!(matches!(error, Error::CodecError(_)), "{error}");
    assert_eq!(classify(&error), ErrorClass::Lost, "{error}");
    let error = conn.query_first::<u32, _>("SELECT 42").unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Lost, "{error}");
    drop(conn);
    assert_closed(pool, 1, &[CloseReason::Broken]);
    serves(pool);
}

#[test]
fn an_answer_that_is_cut_short_loses_the_connection() {
    let spoiler = Spoiler::before(MariaDb::shared().port());
    let url = format!("mysql://root@127.0.0.1:{}/test", spoiler.port());
    on_each_pool!(cut_short, MysqlManager::from_url(&url).unwrap(), &spoiler);
}

fn cut_short(pool: &impl AnyPool, spoiler: &Spoiler) {
    let mut conn = pool.get().unwrap();
    spoiler.cut(true);
    let error = conn.query_first::<u32, _>("SELECT 42").unwrap_err();
    spoiler.cut(false);
    assert_eq!(classify(&error), ErrorClass::Lost, "{error}");
    drop(conn);
    assert_closed(pool, 1, &[CloseReason::Broken]);
    serves(pool);
}
