//! What the tests of this crate share.
#![allow(dead_code, unused_imports, unused_macros)] // not every test file uses all of it

use threadwise_core::ManageConnection;
use threadwise_postgres::{Connection, PostgresManager, postgres};
use threadwise_testkit::postgres::Postgres;
use threadwise_testkit::wait;

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

    /// A connection whose session has begun, on a manager that knows what the code in the database may
    /// do.
    pub(crate) fn connect(&self) -> (PostgresManager, Connection) {
        let manager = self.manager();
        let mut conn = manager.connect().expect("a connection");
        wait::until("the server's answer about code", || {
            manager.begin_session(&mut conn);
            conn.batch_execute("SELECT 1").expect("an answer");
            !manager.has_changed(&mut conn)
        });
        manager.begin_session(&mut conn);
        (manager, conn)
    }
}

/// Runs a block with each of the three pools, each of one connection. `$name` is the pool's name.
macro_rules! on_each_pool {
    ($manager:expr, |$name:ident, $pool:ident| $test:block) => {{
        {
            let $name = "shared";
            let $pool = threadwise_shared::SharedPool::builder()
                .max_size(1)
                .get_timeout(Some(threadwise_testkit::wait::PATIENCE))
                .build($manager)
                .unwrap();
            $test
        }
        {
            let $name = "queue";
            let $pool = threadwise_queue::QueuePool::builder()
                .size(1)
                .get_timeout(Some(threadwise_testkit::wait::PATIENCE))
                .build($manager)
                .unwrap();
            $test
        }
        {
            let $name = "persistent";
            let $pool = threadwise_persistent::PersistentPool::builder()
                .get_timeout(Some(threadwise_testkit::wait::PATIENCE))
                .build($manager)
                .unwrap();
            $test
        }
    }};
}
pub(crate) use on_each_pool;

/// The SQLSTATE of an error.
pub(crate) fn code(error: &postgres::Error) -> &str {
    error.code().map_or("none", |code| code.code())
}
