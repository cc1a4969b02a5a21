//! What the manager of several hosts asks of the manager of one.

use std::time::Duration;

use threadwise_core::ManageConnection;

use crate::{Condition, NoHost, Refusal};

/// A manager of connections to one host that can say what the host is good for. [`Hosts`](crate::Hosts)
/// takes one of them for each host.
pub trait OneHost: ManageConnection {
    /// Asks the server whether it is ready, and whether it accepts writes. Must leave the session as it
    /// was. Typically costs a round trip or two.
    ///
    /// It is called on each new connection, by the thread that opens it, and again and again by the
    /// thread that watches the host, on a connection of its own.
    ///
    /// # Errors
    ///
    /// If the server does not answer within `limit`, or its answer cannot be understood. The connection
    /// is closed then.
    fn condition(
        &self,
        conn: &mut Self::Connection,
        limit: Duration,
    ) -> Result<Condition, Self::Error>;

    /// Whether `error`, which a use of the connection returned, says that the host refuses the work and has
    /// done nothing of it, so that another host may do it. [`steady`](threadwise_core::Guard::steady) then
    /// runs the work again, on a new connection.
    ///
    /// The default is `None`.
    fn refusal(&self, conn: &mut Self::Connection, error: &Self::Error) -> Option<Refusal> {
        let _ = (conn, error);
        None
    }

    /// Turns the error that no host can be used into the manager's error. It must not be
    /// [permanent](ManageConnection::is_permanent): a host may come back.
    fn no_host(problem: NoHost) -> Self::Error;
}
