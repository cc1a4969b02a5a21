//! What the tests of this crate share.
#![allow(dead_code)] // not every test file uses all of it

use threadwise_core::{ManageConnection, Reset};
use threadwise_persistent::PersistentPool;
use threadwise_postgres::{Connection, PostgresManager, postgres};
use threadwise_queue::QueuePool;
use threadwise_shared::SharedPool;
use threadwise_testkit::postgres::Postgres;

/// A database of its own on the server that the tests of a program share.
pub(crate) struct Database {
    pub(crate) name: String,
}

impl Database {
    pub(crate) fn new(setup: &[&str]) -> Self {
        let name = Postgres::shared().create_database("db");
        Postgres::shared().run_all(&name, setup);
        Self { name }
    }

    pub(crate) fn url(&self) -> String {
        Postgres::shared().url_for(&self.name)
    }

    pub(crate) fn manager(&self) -> PostgresManager {
        PostgresManager::from_url(&self.url()).expect("the server's own address")
    }

    /// A connection whose session has begun.
    pub(crate) fn connect(&self) -> (PostgresManager, Connection) {
        let manager = self.manager();
        let mut conn = manager.connect().expect("a connection");
        manager.begin_session(&mut conn);
        (manager, conn)
    }
}

/// Calls a test with each of the three pools, each of one connection.
pub(crate) fn with_each_pool(
    manager: impl Fn() -> PostgresManager,
    reset: Reset,
    test: impl EachPool,
) {
    test.run("shared", &SharedPool::builder().max_size(1).reset(reset).build(manager()).unwrap());
    test.run("queue", &QueuePool::builder().size(1).reset(reset).build(manager()).unwrap());
    test.run("persistent", &PersistentPool::builder().reset(reset).build(manager()).unwrap());
}

/// A test that runs on any pool.
pub(crate) trait EachPool {
    fn run<P: threadwise_core::Pool<Manager = PostgresManager>>(&self, name: &str, pool: &P);
}

/// The SQLSTATE of an error.
pub(crate) fn code(error: &postgres::Error) -> &str {
    error.code().map_or("none", |code| code.code())
}
