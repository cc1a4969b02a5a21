//! The transaction in which tests run.

use diesel::Connection;
use diesel::connection::TransactionManager;

/// Begins a transaction that is never committed, for the hook `on_connect` of a pool. A test sees what
/// it changed, and the database does not.
///
/// The pool calls the hook again after each reset. It then finds the transaction open and does nothing.
/// Use a pool of one connection, so that all parts of a test share the transaction.
///
/// # Errors
///
/// The database's error, as a veto of the hook.
pub fn test_transaction<C: Connection>(
    conn: &mut C,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let status = C::TransactionManager::transaction_manager_status_mut(conn);
    if status.transaction_depth()?.is_none() {
        conn.begin_test_transaction()?;
    }
    Ok(())
}
