//! What an error that a use of a connection returned means.

/// What an error that a use of a connection returned means for the work and for the connection. A
/// manager decides it in [`on_error`](crate::ManageConnection::on_error);
/// [`Guard::outcome`](crate::Guard::outcome) asks for it.
///
/// ```
/// # use threadwise_core::{Guard, Outcome, Pool};
/// # use threadwise_queue::QueuePool;
/// # use threadwise_sqlite::SqliteManager;
/// let pool = QueuePool::new(SqliteManager::memory(), 1)?;
/// let mut conn = pool.get()?;
/// if let Err(error) = conn.execute_batch("INSERT INTO visits VALUES ('/')") {
///     match conn.outcome(&error) {
///         Outcome::Unknown => println!("look into the database before you try again: {error}"),
///         Outcome::Lost => println!("try again on another connection: {error}"),
///         _ => println!("the statement failed: {error}"),
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The work failed, and the connection can be used again.
    Failed,
    /// The connection is lost. The work may run again on another one, if it is safe to run twice: the
    /// server may have done a part of it before the connection was lost.
    Lost,
    /// The error came while the server may have been committing: a transaction, or a single change
    /// outside of one. So the server may have done all of the work for good. `steady` does not repeat
    /// such work. Find out what the server has committed, or make the work safe to run twice.
    Unknown,
}
