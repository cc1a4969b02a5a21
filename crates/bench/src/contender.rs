//! The trait that makes a pool measurable, and one adapter for each kind of pool.

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

/// How long every contender that can give up waits for a connection: the default of r2d2, and long
/// enough never to be reached by a pool that works.
pub const GET_TIMEOUT: Duration = Duration::from_secs(30);

/// Something that threads get connections from.
pub trait Contender: Send + Sync + 'static {
    /// What it gives to its users.
    type Connection;

    /// One thread's access to it.
    type Worker<'c>: Worker<Connection = Self::Connection>
    where
        Self: 'c;

    /// What a thread needs before it can begin: for most contenders a reference to the pool, for
    /// some a connection of its own. Called once on each thread that takes part, before anything
    /// is timed.
    ///
    /// # Errors
    ///
    /// When the thread's own connection cannot be opened.
    fn worker(&self) -> Result<Self::Worker<'_>, Failure>;
}

/// One thread's access to a [`Contender`].
pub trait Worker {
    /// What is borrowed.
    type Connection;

    /// Borrows a connection, runs `operation` with it and gives it back. All of this is timed, and
    /// what is between the call and the start of `operation` is the wait.
    ///
    /// # Errors
    ///
    /// When no connection is to be had; `operation` has not run then.
    fn with_conn<R>(
        &mut self,
        operation: impl FnOnce(&mut Self::Connection) -> R,
    ) -> Result<R, Failure>;
}
