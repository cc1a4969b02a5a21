//! When a pool asks the free check.

/// When a pool asks [`has_broken_at`](crate::ManageConnection::has_broken_at).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The pool has just opened the connection.
    Opened,
    /// A borrower is about to get the connection.
    Checkout,
    /// The connection is idle, and the pool validates it.
    Idle,
    /// The connection has come back. A transaction may be open on it, which the reset will roll back.
    Return,
}
