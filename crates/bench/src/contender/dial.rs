//! Opening a connection, and nothing else.

use crate::Failure;

/// Opens connections for the contenders that know nothing about them.
pub trait Dial: Send + Sync + 'static {
    /// What is opened.
    type Connection: Send + 'static;

    /// Opens one.
    ///
    /// # Errors
    ///
    /// Whatever the driver says.
    fn dial(&self) -> Result<Self::Connection, Failure>;
}
