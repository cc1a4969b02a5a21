//! What the manager of several hosts needs from the manager of one host.

use std::time::Duration;

use threadwise_core::ManageConnection;

use crate::{Condition, NoHost, Refusal};

/// A manager of connections to one host, which can ask the host for its condition. [`Hosts`](crate::Hosts)
/// takes one for each host.
pub trait OneHost: ManageConnection {
    /// Asks the server whether it is ready, and whether it accepts writes. Must leave the session as it
    /// was. Typically costs one or two round trips.
    ///
    /// The thread that opens a connection calls this method on it. The watcher calls it regularly, on a
    /// connection of its own.
    ///
    /// # Errors
    ///
    /// If the server does not answer within `limit`, or the manager does not understand its answer. The
    /// caller then closes the connection.
    fn condition(
        &self,
        conn: &mut Self::Connection,
        limit: Duration,
    ) -> Result<Condition, Self::Error>;

    /// Returns a refusal if `error`, from a use of the connection, says that the host has refused the work
    /// and done none of it. [`steady`](threadwise_core::Guard::steady) then runs the work again on a
    /// connection to another host.
    ///
    /// The default is `None`.
    fn refusal(&self, conn: &mut Self::Connection, error: &Self::Error) -> Option<Refusal> {
        let _ = (conn, error);
        None
    }

    /// Makes the manager's error from the list of hosts that cannot serve. It must not be
    /// [permanent](ManageConnection::is_permanent), because a host may recover.
    fn no_host(problem: NoHost) -> Self::Error;
}
