//! What a contender is: a pool, or a replacement for one. There is an adapter for each in
//! [`contenders`](crate::contenders).

use std::time::Duration;

use crate::{Queries, Result};

/// How long a contender waits for a connection, if it has a timeout. This is the default of r2d2,
/// and so long that a pool that works never reaches it.
pub const GET_TIMEOUT: Duration = Duration::from_secs(30);

/// A pool, or a replacement for one, from which threads get connections.
pub trait Contender: Send + Sync + 'static {
    /// The connection that it lends.
    type Connection;

    /// One thread's access to it.
    type Worker<'c>: Worker<Connection = Self::Connection>
    where
        Self: 'c;

    /// Returns what a thread needs before it can begin: for most contenders a reference to the
    /// pool, for some the thread's own connection. Each thread calls this once, before any timing.
    ///
    /// # Errors
    ///
    /// If the thread's own connection cannot be opened.
    fn worker(&self) -> Result<Self::Worker<'_>>;
}

/// A contender whose connections answer the statements of workloads.
pub trait Queried: Contender<Connection: Queries> {}

impl<C: Contender<Connection: Queries>> Queried for C {}

/// One thread's access to a [`Contender`].
pub trait Worker {
    /// The connection that the thread borrows.
    type Connection;

    /// Borrows a connection, runs `operation` with it and returns it. The harness times all of
    /// this. The wait is the time from the call to the start of `operation`.
    ///
    /// # Errors
    ///
    /// If the contender lends no connection. Then `operation` has not run.
    fn with_conn<R>(&mut self, operation: impl FnOnce(&mut Self::Connection) -> R) -> Result<R>;
}

/// A contender of which a thread needs nothing of its own. It is a [`Contender`], and a reference to
/// it is the worker.
pub trait Lend: Send + Sync + 'static {
    /// The connection that it lends.
    type Connection;

    /// Borrows a connection, runs `operation` with it and returns it.
    ///
    /// # Errors
    ///
    /// As for [`Worker::with_conn`].
    fn lend<R>(&self, operation: impl FnOnce(&mut Self::Connection) -> R) -> Result<R>;
}

impl<L: Lend> Contender for L {
    type Connection = L::Connection;
    type Worker<'c> = &'c L;

    fn worker(&self) -> Result<&L> {
        Ok(self)
    }
}

impl<L: Lend> Worker for &L {
    type Connection = L::Connection;

    #[inline]
    fn with_conn<R>(&mut self, operation: impl FnOnce(&mut L::Connection) -> R) -> Result<R> {
        self.lend(operation)
    }
}
