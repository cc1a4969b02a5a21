//! The databases of the conformance suite, and what it needs of one.

mod fake;
mod maria;
mod pg;
mod sqlite;

use threadwise_core::ManageConnection;

pub use self::fake::Fake;
pub use self::maria::Maria;
pub use self::pg::Pg;
pub use self::sqlite::Sqlite;

/// A database of one test.
pub trait Backend: Sized + Sync + 'static {
    /// The manager that connects to it.
    type Manager: ManageConnection;

    /// Makes the database, or creates one on a server that tests share.
    fn start() -> Self;

    /// A manager that connects to it.
    fn manager(&self) -> Self::Manager;

    /// A manager that cannot connect, for a permanent reason; `None` if there is no such reason.
    fn hopeless_manager(&self) -> Option<Self::Manager>;

    /// Uses the connection: sends `nonce` to the database and returns what comes back.
    fn echo(conn: &mut ConnectionOf<Self>, nonce: u64) -> u64;

    /// Changes the session in ways that the next user must not find: a transaction in which a row
    /// was written, and whatever else a session can carry.
    fn soil(conn: &mut ConnectionOf<Self>);

    /// Whether the session shows none of the changes that `soil` makes.
    fn is_fresh(conn: &mut ConnectionOf<Self>) -> bool;

    /// Ends the connection, as a restarted server does. Returns `false` if the database has no
    /// server that can do that.
    fn cut(&self, conn: &mut ConnectionOf<Self>) -> bool;
}

/// The connection type of a backend.
pub type ConnectionOf<B> = <<B as Backend>::Manager as ManageConnection>::Connection;
