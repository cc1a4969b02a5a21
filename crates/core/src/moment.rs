//! The moments at which a pool makes the free check.

use crate::Reset;

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
    /// A borrower has returned the connection. A transaction may be open on it.
    Return {
        /// The pool's setting. If [`is_due`](Reset::is_due) is true for it, the pool resets the
        /// session next, which rolls the transaction back. Otherwise this check is the last one
        /// before the next borrower.
        reset: Reset,
    },
}
