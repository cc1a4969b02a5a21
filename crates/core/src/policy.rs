//! When a connection is checked, and when its session is reset.

use std::time::Duration;

use crate::ManageConnection;

/// When a pool asks the server whether a connection works
/// ([`is_valid`](crate::ManageConnection::is_valid), typically a round trip).
///
/// The free check ([`has_broken`](crate::ManageConnection::has_broken)) is made on every checkout
/// and every return whatever is set here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// Never; the free check alone decides.
    Never,
    /// Each time a connection is lent. Costs the borrower a round trip.
    OnCheckout,
    /// Each time a connection comes back. Costs the returning thread a round trip.
    OnReturn,
    /// On checkout, when the connection has lain idle for longer than this. Connections in
    /// constant use are never asked; those that a firewall or a server time-out may have cut are.
    IdleLongerThan(Duration),
}

impl Validation {
    /// What a shared pool does unless told otherwise: ask after half a second of idleness.
    pub const DEFAULT: Self = Self::IdleLongerThan(Duration::from_millis(500));
}

/// When the session of a returned connection is made fresh
/// ([`reset`](crate::ManageConnection::reset)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reset {
    /// On every return.
    Always,
    /// When the manager cannot rule out that the session was changed
    /// ([`has_changed`](crate::ManageConnection::has_changed)).
    #[default]
    WhenChanged,
    /// When a transaction is open, as far as the manager knows
    /// ([`in_transaction`](crate::ManageConnection::in_transaction)): the next user finds whatever else
    /// the last one left. For threads that keep their connections, and what they set up on them
    /// (DBUtils' PersistentDB does so).
    InTransaction,
    /// Never: the next user finds whatever the last one left, an open transaction included. For
    /// connections that carry no state, or users who clean up themselves.
    Never,
}

impl Reset {
    /// Whether this connection of the manager's has to be reset. The manager is asked only if its
    /// answer matters.
    pub fn is_due<M: ManageConnection>(self, manager: &M, conn: &mut M::Connection) -> bool {
        match self {
            Self::Always => true,
            Self::WhenChanged => manager.has_changed(conn),
            Self::InTransaction => manager.in_transaction(conn),
            Self::Never => false,
        }
    }
}
