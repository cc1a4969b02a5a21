//! The pool by name.

use std::fmt;

use clap::ValueEnum;
use threadwise::queue::QueuePool;
use threadwise::{BuildError, ManageConnection, PoolKind, UsePool};

use crate::Unpooled;

/// The pool of a system: one of threadwise's kinds, or one of the two alternatives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PoolChoice {
    /// Many threads, few connections: `SharedPool`.
    Shared,
    /// A connection for each thread: `PersistentPool`.
    Persistent,
    /// A fixed number of connections behind a queue: `QueuePool`.
    Queue,
    /// One connection, which all threads take in turns: a `QueuePool` of size 1.
    One,
    /// No pool: each use opens a connection, and closes it afterwards.
    None,
}

impl PoolChoice {
    /// All of them, the three pools first.
    pub const ALL: [Self; 5] = [Self::Shared, Self::Persistent, Self::Queue, Self::One, Self::None];

    /// The pool's kind, if it is one of the three.
    fn kind(self) -> Option<PoolKind> {
        match self {
            Self::Shared => Some(PoolKind::Shared),
            Self::Persistent => Some(PoolKind::Persistent),
            Self::Queue => Some(PoolKind::Queue),
            Self::One | Self::None => None,
        }
    }

    /// Builds the pool with `manager` and hands it to `user`. A pool that has a size gets `size`; a
    /// `PersistentPool` opens one connection for each thread that uses it.
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
        if let Some(kind) = self.kind() {
            let builder = kind.builder().name(self.to_string());
            let has_size = kind != PoolKind::Persistent;
            let builder = if has_size { builder.size(size) } else { builder };
            return Ok(builder.build(manager)?.run(user));
        }
        if self == Self::One {
            let pool = QueuePool::builder().size(1).name(self.to_string()).build(manager)?;
            return Ok(user.run(pool));
        }
        Ok(user.run(Unpooled::build(manager)?))
    }
}

impl fmt::Display for PoolChoice {
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
