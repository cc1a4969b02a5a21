//! Servers that freeze, crash, restart or are full. Each test has one of its own.

mod common;

use std::time::{Duration, Instant};

use common::{ask, connect, manager_for, wait_until};
use mysql::Error;
use mysql::prelude::Queryable;
use threadwise_core::ManageConnection;
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait;

const LIMIT: Duration = Duration::from_millis(200);
/// Far more than the limit, for a busy machine; far less than the configured timeouts.
const LATE: Duration = LIMIT.saturating_mul(50);

fn start() -> MariaDb {
    MariaDb::start().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_limit_holds_on_a_frozen_server() {
    let server = start();
    let socket = server.socket().to_str().expect("a plain path").replace('/', "%2F");
    for url in [server.url(), format!("mysql://root@localhost/test?socket={socket}")] {
        let manager = manager_for(&url);
        let mut conn = connect(&manager);
        server.freeze();

        let start = Instant::now();
        let error = manager.connect_within(LIMIT).map(drop).expect_err("the server is frozen");
        assert!(start.elapsed() < LATE, "{error} after {:?}", start.elapsed());
        assert!(!manager.is_permanent(&error), "{error}");

        let start = Instant::now();
        let error = manager.is_valid_within(&mut conn, LIMIT).expect_err("the server is frozen");
        assert!(start.elapsed() < LATE, "{error} after {:?}", start.elapsed());
        assert!(manager.is_lost(&error), "{error}");
        assert!(manager.has_broken(&mut conn));

        let start = Instant::now();
        manager.close(conn);
        assert!(start.elapsed() < LATE, "closing took {:?}", start.elapsed());

        server.thaw();
        manager.connect_within(Duration::from_secs(20)).expect("it answers again");
    }
}

#[test]
fn a_check_with_a_limit_leaves_the_timeouts_as_they_were() {
    let server = start();
    let manager = manager_for(&server.url());
    let mut conn = wait::until_some("a check in time", || {
        let mut conn = connect(&manager);
        manager.is_valid_within(&mut conn, LIMIT).is_ok().then_some(conn)
    });
    conn.query_drop("DO SLEEP(0.5)").expect("the limit was for the check only");
}

#[test]
fn a_crash_of_the_server_is_found_and_its_return_too() {
    let mut server = start();
    let manager = manager_for(&server.url());
    let mut conn = connect(&manager);
    server.kill9();
    wait_until(|| manager.has_broken(&mut conn));
    let error = conn.query_drop("SELECT 1").expect_err("the server is gone");
    assert!(manager.is_lost(&error), "{error}");
    let error = manager.connect().map(drop).expect_err("the server is gone");
    assert!(!manager.is_permanent(&error), "{error}");

    server.restart().unwrap_or_else(|error| panic!("{error}"));
    conn.query_drop("SELECT 1").expect_err("a broken connection stays broken");
    assert_eq!(ask::<u32>(&mut connect(&manager), "SELECT 42"), 42);
}

#[test]
fn an_idle_connection_that_the_server_closed_is_found() {
    let server = start();
    let manager = manager_for(&server.url());
    let mut conn = connect(&manager);
    conn.query_drop("SET SESSION wait_timeout = 1").unwrap();
    wait_until(|| manager.has_broken(&mut conn));
}

#[test]
fn a_full_server_is_a_transient_error() {
    let server =
        MariaDb::builder().max_connections(10).start().unwrap_or_else(|error| panic!("{error}"));
    let manager = manager_for(&server.url());
    let mut open = Vec::new();
    // Ten places, and one more for an administrator.
    let error = (0..=11)
        .find_map(|_| manager.connect().map(|conn| open.push(conn)).err())
        .expect("it has no more than eleven places");
    assert!(matches!(&error, Error::MySqlError(answer) if answer.code == 1040), "{error}");
    assert!(!manager.is_permanent(&error), "{error}");
    open.truncate(5);
    wait_until(|| manager.connect().is_ok());
}
