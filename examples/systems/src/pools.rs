//! The pool by name.

use std::fmt;

use clap::ValueEnum;
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise::{BuildError, ManageConnection, Pool};

use crate::{Database, Unpooled};

/// Which pool a system runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PoolKind {
    /// Many threads, few connections: `SharedPool`.
    Shared,
    /// A connection for each thread: `PersistentPool`.
    Persistent,
    /// A fixed number of connections behind a queue: `QueuePool`.
    Queue,
    /// One connection, which all threads take in turns: a `QueuePool` of size 1.
    One,
    /// No pool: a connection is opened for each use, and closed after it.
    None,
}

/// What is done with a pool, whichever it is. A function cannot be generic in its argument's
/// type and be handed over at the same time; a value with this trait can.
pub trait UsePool<M: ManageConnection = Database> {
    /// What it returns.
    type Output;

    /// Does it.
    fn run<P: Pool<Manager = M> + 'static>(self, pool: P) -> Self::Output;
}

impl PoolKind {
    /// All of them, the three pools first.
    pub const ALL: [Self; 5] = [Self::Shared, Self::Persistent, Self::Queue, Self::One, Self::None];

    /// Builds the pool of `manager`'s connections, with `size` of them where it has a size (a
    /// `PersistentPool` has as many as there are threads that use it), and hands it to `user`.
    ///
    /// # Errors
    ///
    /// If the first connection cannot be opened.
    pub fn build<M: ManageConnection, U: UsePool<M>>(
        self,
        manager: M,
        size: usize,
        user: U,
    ) -> Result<U::Output, BuildError<M::Error>> {
        let name = self.to_string();
        Ok(match self {
            Self::Shared => {
                user.run(SharedPool::builder().max_size(size).name(name).build(manager)?)
            }
            Self::Persistent => user.run(PersistentPool::builder().name(name).build(manager)?),
            Self::Queue => user.run(QueuePool::builder().size(size).name(name).build(manager)?),
            Self::One => user.run(QueuePool::builder().size(1).name(name).build(manager)?),
            Self::None => user.run(Unpooled::build(manager)?),
        })
    }
}

impl fmt::Display for PoolKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shared => "shared",
            Self::Persistent => "persistent",
            Self::Queue => "queue",
            Self::One => "one",
            Self::None => "none",
        })
    }
}
