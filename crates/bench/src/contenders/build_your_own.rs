//! `build-your-own`: the last step of the pool that `examples/build_your_own` builds from nothing.

use build_your_own::b7_atomics_and_hints::Pool;
use build_your_own::server::{Manage, Refused};
use threadwise_core::ManageConnection;

use crate::contender::{GET_TIMEOUT, Lend};
use crate::{Failure, Result};

/// The pool of the guide's last step: slots with an atomic state, affinity of threads to slots, and
/// a wait queue. It makes a free check before it lends a connection, and resets nothing.
pub struct BuildYourOwn<M: ManageConnection>(Pool<Managed<M>>);

/// Adapts a connection manager to that pool's trait.
struct Managed<M>(M);

impl<M: ManageConnection> Manage for Managed<M> {
    type Connection = M::Connection;

    fn connect(&self) -> Result<M::Connection, Refused> {
        self.0.connect().map_err(|_| Refused)
    }

    #[inline]
    fn is_broken(&self, conn: &mut M::Connection) -> bool {
        self.0.has_broken(conn)
    }
}

impl<M: ManageConnection> BuildYourOwn<M> {
    /// Creates a pool of up to `size` connections. It opens them when threads need them.
    pub fn new(manager: M, size: usize) -> Self {
        Self(Pool::new(Managed(manager), size))
    }
}

impl<M: ManageConnection> Lend for BuildYourOwn<M> {
    type Connection = M::Connection;

    #[inline]
    fn lend<R>(&self, operation: impl FnOnce(&mut M::Connection) -> R) -> Result<R> {
        match self.0.get(GET_TIMEOUT) {
            Ok(mut conn) => Ok(operation(&mut conn)),
            Err(error) => Err(Failure::of(error)),
        }
    }
}
