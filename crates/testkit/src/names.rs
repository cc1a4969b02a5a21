//! Waiting for what the MySQL and PostgreSQL managers ask their servers.

use mysql::prelude::Queryable;
use threadwise_core::Pool;
use threadwise_mysql::MysqlManager;
use threadwise_postgres::PostgresManager;

use crate::wait;

/// Waits until a use that leaves nothing costs no reset.
///
/// The manager first has to know what the names in the database mean. It asks while it opens its
/// first connection, and gives the server 20 ms. A busy machine may need longer; the manager then
/// asks again on a thread of its own, and each use costs a reset until the answer is there.
///
/// # Panics
///
/// If that does not come within [`PATIENCE`](wait::PATIENCE), or a use fails.
pub fn await_names<P: Pool<Manager = MysqlManager>>(pool: &P) {
    wait::until("the server's answer about names", || {
        let resets = pool.state().counters.resets;
        pool.get().expect("a connection").query_drop("SELECT 1").expect("an answer");
        pool.state().counters.resets == resets
    });
}

/// Waits until a use that leaves nothing costs no reset, for the PostgreSQL manager: it first has to know
/// what the code in the database may do.
///
/// # Panics
///
/// If that does not come within [`PATIENCE`](wait::PATIENCE), or a use fails.
pub fn await_code<P: Pool<Manager = PostgresManager>>(pool: &P) {
    wait::until("the server's answer about code", || {
        let resets = pool.state().counters.resets;
        pool.get().expect("a connection").batch_execute("SELECT 1").expect("an answer");
        pool.state().counters.resets == resets
    });
}
