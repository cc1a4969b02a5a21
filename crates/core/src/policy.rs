//! When a connection is checked, and when its session is reset.

use std::time::Duration;

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
    /// Never: the next user finds whatever the last one left, an open transaction included. For
    /// connections that carry no state, or users who clean up themselves.
    Never,
}

impl Reset {
    /// Whether a connection has to be reset, where `has_changed` is the manager's answer; it is
    /// asked only if it matters.
    #[must_use]
    pub fn is_due(self, has_changed: impl FnOnce() -> bool) -> bool {
        match self {
            Self::Always => true,
            Self::WhenChanged => has_changed(),
            Self::Never => false,
        }
    }
}
