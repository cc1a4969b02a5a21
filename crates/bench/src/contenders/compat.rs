//! `compat`: r2d2's names on a shared pool, with r2d2's defaults.

use r2d2::ManageConnection;
use threadwise_r2d2::compat::Pool;

use crate::contender::{GET_TIMEOUT, Lend};
use crate::opened::{Counted, Opened};
use crate::{Failure, Result};

/// A pool of `threadwise_r2d2::compat` as a contender.
pub struct Compat<M: ManageConnection>(Pool<Counted<M>>);

impl<M: ManageConnection> Compat<M> {
    /// Creates a pool of `size` connections, which it opens at once, and validates on each borrow.
    ///
    /// # Errors
    ///
    /// If the connections are not open within 30 seconds.
    pub fn new(manager: M, size: usize, opened: &Opened) -> Result<Self> {
        Pool::builder()
            .max_size(u32::try_from(size).map_err(Failure::of)?)
            .connection_timeout(GET_TIMEOUT)
            .build(Counted::new(manager, opened))
            .map(Self)
            .map_err(Failure::of)
    }
}

impl<M: ManageConnection> Lend for Compat<M> {
    type Connection = M::Connection;

    #[inline]
    fn lend<R>(&self, operation: impl FnOnce(&mut M::Connection) -> R) -> Result<R> {
        match self.0.get() {
            Ok(mut conn) => Ok(operation(&mut conn)),
            Err(error) => Err(Failure::of(error)),
        }
    }
}
