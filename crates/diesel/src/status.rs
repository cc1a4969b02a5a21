//! What diesel knows of a connection's transactions.

use diesel::QueryResult;
use diesel::connection::{Connection, TransactionManager};

/// What diesel knows of a connection. It learns it from its own calls, and asks no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// No transaction is open, or only the test transaction that every user finds.
    Clean,
    /// So many transactions are open, one in the other, that the user has begun.
    InTransaction(u32),
    /// diesel could not end a transaction, so it does not know what the server has.
    Broken,
}

impl Status {
    pub(crate) fn of<C: Connection>(conn: &mut C) -> Self {
        let Ok(depth) =
            C::TransactionManager::transaction_manager_status_mut(conn).transaction_depth()
        else {
            return Self::Broken;
        };
        let Some(depth) = depth else { return Self::Clean };
        // diesel calls an open transaction broken, except one of tests.
        let is_test = !C::TransactionManager::is_broken_transaction_manager(conn);
        match depth.get() - u32::from(is_test) {
            0 => Self::Clean,
            depth => Self::InTransaction(depth),
        }
    }
}

/// Rolls back what the user has begun.
pub(crate) fn roll_back<C: Connection>(conn: &mut C) -> QueryResult<()> {
    while let Status::InTransaction(_) = Status::of(conn) {
        C::TransactionManager::rollback_transaction(conn)?;
    }
    match Status::of(conn) {
        Status::Broken => Err(diesel::result::Error::BrokenTransactionManager),
        _ => Ok(()),
    }
}
