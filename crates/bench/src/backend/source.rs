//! What contenders are built from.

use delegate::delegate;
use threadwise_core::ManageConnection;

use crate::dial::Dial;
use crate::{Queries, Result};

/// The connections of a backend, for each kind of contender.
pub trait Source {
    /// Opens connections for the pools of this project.
    type Manager: ManageConnection<Connection: Queries>;
    /// Opens them with the bare driver, for contenders without a connection manager.
    type Plain: Dial<Connection: Queries>;
    /// Opens them for r2d2.
    type R2d2: r2d2::ManageConnection<Connection: Queries>;

    /// Returns a connection manager.
    ///
    /// # Errors
    ///
    /// If the address is malformed.
    fn manager(&self) -> Result<Self::Manager>;

    /// Returns what opens connections with the bare driver.
    fn plain(&self) -> Self::Plain;

    /// Returns a connection manager for r2d2.
    fn r2d2(&self) -> Self::R2d2;
}

/// A connection manager for r2d2 that asks one of ours.
#[derive(Clone, Copy, Debug)]
pub struct ForR2d2<M>(pub M);

impl<M: ManageConnection> r2d2::ManageConnection for ForR2d2<M> {
    type Connection = M::Connection;
    type Error = M::Error;

    delegate! {
        to self.0 {
            fn connect(&self) -> Result<M::Connection, M::Error>;
            fn is_valid(&self, conn: &mut M::Connection) -> Result<(), M::Error>;
            fn has_broken(&self, conn: &mut M::Connection) -> bool;
        }
    }
}
