//! `r2d2` and `r2d2-mysql`: r2d2 with its defaults. `r2d2-tuned` and `r2d2-mysql-tuned`: r2d2, set
//! to be fast.

use std::time::Duration;

use r2d2::ManageConnection;

use crate::contender::{GET_TIMEOUT, Lend};
use crate::opened::{Counted, Opened};
use crate::{Failure, Result};

/// An r2d2 pool as a contender.
pub struct R2d2<M: ManageConnection>(r2d2::Pool<Counted<M>>);

impl<M: ManageConnection> R2d2<M> {
    /// Creates a pool of `size` connections, which r2d2 opens at once. It has defaults for the
    /// rest, if it `validates` a connection on each borrow.
    ///
    /// Without validation, the borrower's query fails if the server has closed the connection. On
    /// return r2d2 always asks the manager whether the connection is broken; the manager of
    /// `r2d2_mysql` pings for that.
    ///
    /// # Errors
    ///
    /// If the connections are not open within 30 seconds.
    pub fn new(manager: M, size: usize, validates: bool, opened: &Opened) -> Result<Self> {
        r2d2::Pool::builder()
            .max_size(u32::try_from(size).map_err(Failure::of)?)
            .connection_timeout(GET_TIMEOUT)
            .test_on_check_out(validates)
            .build(Counted::new(manager, opened))
            .map(Self)
            .map_err(Failure::of)
    }

    /// Creates a pool that opens connections when threads need them, and does not print errors. By
    /// default r2d2 opens all at once.
    ///
    /// # Errors
    ///
    /// If there are too many connections for r2d2.
    pub fn lazy(manager: M, size: usize, get_timeout: Duration) -> Result<Self> {
        let pool = r2d2::Pool::builder()
            .max_size(u32::try_from(size).map_err(Failure::of)?)
            .min_idle(Some(0))
            .connection_timeout(get_timeout)
            .error_handler(Box::new(r2d2::NopErrorHandler))
            .build_unchecked(Counted::new(manager, &Opened::default()));
        Ok(Self(pool))
    }
}

impl<M: ManageConnection> Lend for R2d2<M> {
    type Connection = M::Connection;

    #[inline]
    fn lend<R>(&self, operation: impl FnOnce(&mut M::Connection) -> R) -> Result<R> {
        match self.0.get() {
            Ok(mut conn) => Ok(operation(&mut conn)),
            Err(error) => Err(Failure::of(error)),
        }
    }
}
