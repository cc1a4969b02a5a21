//! Servers that crash, restart and freeze. Each test has its own server.

use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use threadwise::mysql::{ErrorClass, classify};
use threadwise::{CloseReason, Guard};
use threadwise_testkit::mariadb::MariaDb;

use crate::kinds::{
    AnyPool, Closed, FOUND_DEAD, READ_TIMEOUT, assert_closed, await_statement, code, during, heals,
    manager, nonce, on_each_pool, refusal, serves, serves_unless_late, start, unless_late,
};

const SLOW: &str = "DO SLEEP(60)";

#[test]
fn after_a_crash_the_pool_heals_when_the_server_is_back() {
    let mut server = start(MariaDb::builder());
    on_each_pool!(crash, manager(&server.url()), &mut server);
}

fn crash(pool: &impl AnyPool, server: &mut MariaDb) {
    let mut conn = pool.get().unwrap();
    let error = during(&mut conn, SLOW, |id| {
        await_statement(server, id, SLOW);
        server.kill9();
    });
    let error = error.unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Lost, "{error}");
    let error = conn.query_drop("SELECT 1").unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Lost, "{error}");
    drop(conn);
    assert_closed(pool, 1, &[CloseReason::Broken]);

    assert_eq!(refusal(pool, classify), ErrorClass::Transient);
    server.restart().unwrap();
    heals(pool);
    assert_closed(pool, 1, &[CloseReason::Broken]);
}

#[test]
fn after_a_restart_a_borrower_gets_a_new_connection_and_no_error() {
    let mut server = start(MariaDb::builder());
    on_each_pool!(restart, manager(&server.url()), &mut server);
}

fn restart(pool: &impl AnyPool, server: &mut MariaDb) {
    serves(pool);
    server.restart().unwrap();
    serves(pool);
    assert_closed(pool, 1, FOUND_DEAD);
}

#[test]
fn a_restart_within_a_statement_loses_its_connection() {
    let mut server = start(MariaDb::builder());
    on_each_pool!(restart_within, manager(&server.url()), &mut server);
}

fn restart_within(pool: &impl AnyPool, server: &mut MariaDb) {
    let mut conn = pool.get().unwrap();
    let outcome = during(&mut conn, SLOW, |id| {
        await_statement(server, id, SLOW);
        server.restart().unwrap();
    });
    let error = outcome.unwrap_err();
    // The server may still report that the statement was interrupted.
    assert!(classify(&error) == ErrorClass::Lost || code(&error) == Some(1317), "{error}");
    let error = conn.query_drop("SELECT 1").unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Lost, "{error}");
    drop(conn);
    assert_closed(pool, 1, &[CloseReason::Broken]);
    serves(pool);
}

#[test]
fn a_frozen_server_causes_a_read_timeout_and_the_pool_heals_when_it_goes_on() {
    let server = start(MariaDb::builder());
    let impatient = || manager(&server.url()).read_timeout(Some(READ_TIMEOUT));
    on_each_pool!(freeze, impatient(), &server);
}

fn freeze(pool: &impl AnyPool, server: &MariaDb) {
    let mut conn = unless_late("a connection", || pool.get());
    let before = Closed::by(pool);
    server.freeze();
    let late = format!("SELECT {}", nonce());
    let error = conn.query_drop(&late).unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Lost, "{error}");
    assert!(error.to_string().contains("read timeout 500ms"), "{error}");
    drop(conn);
    before.assert_more(pool, 1, &[CloseReason::Broken]);

    // The system accepts the connection, and then the server sends nothing.
    assert_eq!(refusal(pool, classify), ErrorClass::Transient);
    server.thaw(); // now it answers the earlier statement
    serves_unless_late(pool);
}

#[test]
fn a_server_that_freezes_while_connections_are_idle_is_noticed_by_the_next_statement() {
    let server = start(MariaDb::builder());
    let impatient = || manager(&server.url()).read_timeout(Some(READ_TIMEOUT));
    on_each_pool!(freeze_idle, impatient(), &server);
}

fn freeze_idle(pool: &impl AnyPool, server: &MariaDb) {
    serves_unless_late(pool);
    let before = Closed::by(pool);
    server.freeze();
    // If it was idle for a short time, the pool lends it without validation. It does not answer.
    if let Ok(mut conn) = pool.get_timeout(Duration::from_millis(700)) {
        let error = conn.query_drop("SELECT 1").unwrap_err();
        assert_eq!(classify(&error), ErrorClass::Lost, "{error}");
    }
    server.thaw();
    let start = Instant::now();
    serves_unless_late(pool);
    if start.elapsed() < READ_TIMEOUT {
        before.assert_more(pool, 1, FOUND_DEAD); // no other one was late
    }
    unless_late("a connection", || pool.get()).discard();
    serves_unless_late(pool);
}
