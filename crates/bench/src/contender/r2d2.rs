//! `r2d2` and `r2d2-mysql`: r2d2 with its defaults. `r2d2-tuned` and `r2d2-mysql-tuned`: r2d2 as it is
//! told to be fast.

use r2d2::ManageConnection;

use super::{Contender, Counted, GET_TIMEOUT, Opened, Worker};
use crate::Failure;

/// An r2d2 pool as a contender.
pub struct R2d2<M: ManageConnection>(r2d2::Pool<Counted<M>>);

impl<M: ManageConnection> R2d2<M> {
    /// A pool of `size` connections, which r2d2 opens at once, with its defaults for the rest: each
    /// connection is tested whenever it is lent.
    ///
    /// # Errors
    ///
    /// When the connections are not open within 30 seconds.
    pub fn new(manager: M, size: usize, opened: &Opened) -> Result<Self, Failure> {
        Self::build(manager, size, true, opened)
    }

    /// The same, but no connection is tested when it is lent: a server that closed one is noticed by
    /// the borrower's query. On return r2d2 asks the manager whether the connection is broken, whatever
    /// it is told; that of `r2d2_mysql` pings for it.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn tuned(manager: M, size: usize, opened: &Opened) -> Result<Self, Failure> {
        Self::build(manager, size, false, opened)
    }

    fn build(manager: M, size: usize, test: bool, opened: &Opened) -> Result<Self, Failure> {
        r2d2::Pool::builder()
            .max_size(u32::try_from(size).map_err(Failure::of)?)
            .connection_timeout(GET_TIMEOUT)
            .test_on_check_out(test)
            .build(Counted::new(manager, opened))
            .map(Self)
            .map_err(Failure::of)
    }
}

impl<M: ManageConnection> Contender for R2d2<M> {
    type Connection = M::Connection;
    type Worker<'c> = &'c Self;

    fn worker(&self) -> Result<&Self, Failure> {
        Ok(self)
    }
}

impl<M: ManageConnection> Worker for &R2d2<M> {
    type Connection = M::Connection;

    #[inline]
    fn with_conn<R>(
        &mut self,
        operation: impl FnOnce(&mut M::Connection) -> R,
    ) -> Result<R, Failure> {
        match self.0.get() {
            Ok(mut conn) => Ok(operation(&mut conn)),
            Err(error) => Err(Failure::of(error)),
        }
    }
}
