//! No output shows the password.

mod common;

use common::{as_root, connect, manager_for};
use mysql::prelude::Queryable;
use threadwise_core::ManageConnection;
use threadwise_mysql::MysqlManager;
use threadwise_testkit::mariadb::MariaDb;

const PASSWORD: &str = "gr3p-f0r-m3";

#[test]
fn no_debug_output_and_no_error_shows_the_password() {
    as_root(&format!("CREATE OR REPLACE USER secretive@'%' IDENTIFIED BY '{PASSWORD}'"));
    as_root("GRANT ALL ON test.* TO secretive@'%'");
    let port = MariaDb::shared().port();
    let at = |rest: &str| format!("mysql://secretive:{PASSWORD}@{rest}");
    let mut said = Vec::new();

    let manager = manager_for(&at(&format!("127.0.0.1:{port}/test")));
    said.push(format!("{manager:?} {manager:#?}"));
    let mut conn = connect(&manager);
    said.push(format!("{conn:?}"));
    said.push(format!("{:?}", conn.start_transaction(mysql::TxOpts::default()).unwrap()));
    let error = conn.query_drop("nonsense").unwrap_err();
    said.push(format!("{error} {error:?}"));
    MariaDb::shared().kill_connection(u64::from(conn.connection_id()));
    common::wait_until(|| manager.has_broken(&mut conn));
    for _ in 0..2 {
        let error = conn.query_drop("SELECT 1").unwrap_err();
        said.push(format!("{error} {error:?} {conn:?}"));
    }
    for rest in ["127.0.0.1:1/test", &format!("127.0.0.1:{port}/no_such"), "no-such-host.invalid/"]
    {
        let error = manager_for(&at(rest)).connect().map(drop).unwrap_err();
        said.push(format!("{error} {error:?}"));
    }
    let wrong = manager_for(&format!("mysql://secretive:x{PASSWORD}@127.0.0.1:{port}/test"));
    let error = wrong.connect().map(drop).unwrap_err();
    said.push(format!("{error} {error:?}"));
    for rest in ["", "h:port", "h/?no_such=1", "h/?pool_min=1", "h/a/b", "/"] {
        let error = MysqlManager::from_url(&at(rest)).unwrap_err();
        said.push(format!("{error} {error:?} {}", error.part()));
    }

    assert!(said.iter().all(|text| !text.is_empty()));
    for text in said {
        assert!(!text.contains(PASSWORD), "{text}");
    }
}

#[test]
fn debug_shows_address_user_database_and_timeouts() {
    let manager = manager_for("mysql://someone:x@db.example:3307/shop");
    let text = format!("{manager:?}");
    for part in ["db.example:3307", "someone", "shop", "10s", "60s"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}
