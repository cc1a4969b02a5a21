//! What the conformance suite asks of a database.

mod fake;
mod maria;
mod sqlite;

use threadwise_core::ManageConnection;

pub use self::fake::Fake;
pub use self::maria::Maria;
pub use self::sqlite::Sqlite;

/// A database that a test has for itself.
pub trait Backend: Sized + Sync + 'static {
    /// Connects to it.
    type Manager: ManageConnection;

    /// Makes the database, or takes one on a server that tests share.
    fn start() -> Self;

    /// A manager that connects to it.
    fn manager(&self) -> Self::Manager;

    /// A manager that cannot connect, for a reason that trying again does not mend.
    fn hopeless_manager(&self) -> Option<Self::Manager>;

    /// Uses the connection: sends `nonce` on its way and returns what came back.
    fn echo(conn: &mut ConnectionOf<Self>, nonce: u64) -> u64;

    /// Leaves something in the session that the next user must not find: a transaction in which a
    /// row was written, and whatever else the session can carry.
    fn soil(conn: &mut ConnectionOf<Self>);

    /// Whether nothing of that is to be found.
    fn is_fresh(conn: &mut ConnectionOf<Self>) -> bool;

    /// Cuts the connection off, as a server does that was restarted; `false` if this database has
    /// no such thing.
    fn cut(&self, conn: &mut ConnectionOf<Self>) -> bool;
}

/// The connection type of a backend.
pub type ConnectionOf<B> = <<B as Backend>::Manager as ManageConnection>::Connection;
