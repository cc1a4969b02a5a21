//! A trait for opening connections.

use crate::Result;

/// Opens connections for contenders that have no connection manager.
pub trait Dial: Send + Sync + 'static {
    /// The connection that it opens.
    type Connection: Send + 'static;

    /// Opens a connection.
    ///
    /// # Errors
    ///
    /// The driver's error.
    fn dial(&self) -> Result<Self::Connection>;
}
