//! What several test files use: a database of the shared server, and managers for it.
#![allow(dead_code)] // each test file uses some of it

use mysql::prelude::Queryable;
use threadwise_core::ManageConnection;
use threadwise_mysql::{Connection, MysqlManager};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait;

/// A manager for a new, empty database of the shared server.
pub(crate) fn manager(name: &str) -> MysqlManager {
    let server = MariaDb::shared();
    manager_for(&server.url_for(&server.create_database(name)))
}

pub(crate) fn manager_for(url: &str) -> MysqlManager {
    MysqlManager::from_url(url).expect("a good URL")
}

pub(crate) fn connect(manager: &MysqlManager) -> Connection {
    manager.connect().expect("the private MariaDB is up")
}

/// Connects with a manager whose timeouts are so short that a busy machine may exceed them: tries
/// until a login succeeds.
pub(crate) fn connect_patiently(manager: &MysqlManager) -> Connection {
    wait::until_some("a login in time", || manager.connect().ok())
}

/// Waits until a plain query on this connection needs no reset.
pub(crate) fn await_answer(manager: &MysqlManager, conn: &mut Connection) {
    wait::until("the server's answer about names", || {
        conn.query_drop("SELECT 1").unwrap();
        let has_changed = manager.has_changed(conn);
        if has_changed {
            manager.reset(conn).unwrap();
        }
        !has_changed
    });
}

/// The only value of a statement's only row.
pub(crate) fn ask<T: mysql::prelude::FromValue>(conn: &mut Connection, sql: &str) -> T {
    conn.query_first(sql).expect(sql).expect("one row")
}

/// Runs a statement as the server's root.
pub(crate) fn as_root(sql: &str) {
    MariaDb::shared().admin().query_drop(sql).expect(sql);
}

/// Waits until `condition` holds.
pub(crate) fn wait_until(condition: impl FnMut() -> bool) {
    wait::until("the condition", condition);
}
