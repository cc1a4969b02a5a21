//! The traits that a contender implements, and one adapter for each kind of pool.

mod build_your_own;
mod channel;
mod connect_per_use;
mod dedicated;
mod dial;
mod fifo;
mod floor;
mod mutex;
mod mysql_pool;
mod opened;
mod per_thread;
mod r2d2;
mod threadwise;

pub use self::build_your_own::BuildYourOwn;
pub use self::channel::Channel;
pub use self::connect_per_use::ConnectPerUse;
pub use self::dedicated::Dedicated;
pub use self::dial::Dial;
pub use self::fifo::{Fifo, FifoWorker};
pub use self::floor::Floor;
pub use self::mutex::{MutexGuard, MutexPool};
pub use self::mysql_pool::MysqlPool;
pub use self::opened::{Counted, Opened};
pub use self::per_thread::PerThread;
pub use self::r2d2::R2d2;
pub use self::threadwise::{Threadwise, persistent, queue, shared};

use std::time::Duration;

use crate::Failure;

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
    fn worker(&self) -> Result<Self::Worker<'_>, Failure>;
}

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
    fn with_conn<R>(
        &mut self,
        operation: impl FnOnce(&mut Self::Connection) -> R,
    ) -> Result<R, Failure>;
}
