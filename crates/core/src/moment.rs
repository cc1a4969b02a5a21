//! The moments at which a pool makes the free check.

/// The moment at which a pool makes the free check,
/// [`has_broken_at`](crate::ManageConnection::has_broken_at).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The pool has just opened the connection.
    Opened,
    /// A borrower is about to get the connection.
    Checkout,
    /// The pool validates the connection. No borrower has it.
    Idle,
    /// A borrower has returned the connection. A transaction may be open on it, which the reset
    /// will roll back.
    Return,
}
