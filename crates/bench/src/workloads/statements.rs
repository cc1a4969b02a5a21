//! What statements cost on a database, and what opening a connection to it does.

use threadwise_figures::{Backend, ContenderKind};

use crate::operation::Operate;
use crate::queries::{Queries, ROWS};
use crate::workload::Workload;
use crate::{Result, Rng};

const DATABASES: &[Backend] = &[Backend::Sqlite, Backend::Mysql, Backend::Postgres];

/// Opens and closes one connection after the other, and does nothing else.
pub const CONNECT: Workload = Workload {
    name: "connect",
    about: "what does it cost to open and close a connection, with the bare driver and our manager?",
    backends: &[Backend::Mysql], // the other backends have no server
    admits: |_, pool| matches!(pool, ContenderKind::ConnectPerUse | ContenderKind::ManagerPerUse),
    ..Workload::ONE
};

/// Reads rows by primary key.
pub const POINT_SELECT: Workload = Workload {
    name: "point-select",
    about: "how many rows per second can be read by primary key, one per borrow?",
    backends: DATABASES,
    threads: 8,
    size: 8,
    with_tuned: true,
    with_adapted: true,
    ..Workload::ONE
};

/// Adds rows, each in its own transaction.
pub const INSERT: Workload = Workload {
    name: "insert",
    about: "how many rows per second can be added and committed, one per borrow?",
    with_adapted: false,
    ..POINT_SELECT
};

/// A transaction for each borrow: see [`Transact`].
pub const TRANSACTION: Workload = Workload {
    name: "transaction",
    about: "how many transactions of five statements per second, one per borrow?",
    with_tuned: false,
    ..INSERT
};

/// A transaction that reads two rows, adds one, changes one and commits. These are five statements.
/// With the beginning they are six round trips to a server.
#[derive(Clone, Copy, Debug)]
pub struct Transact;

impl Operate for Transact {
    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<()> {
        let ids = [1 + rng.u32(..ROWS), 1 + rng.u32(..ROWS)];
        conn.transact(ids, rng.u32(..1_000))
    }
}
