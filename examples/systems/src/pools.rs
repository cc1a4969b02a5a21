//! The pool by name.

use std::fmt;

use clap::ValueEnum;
use threadwise::persistent::PersistentPool;
use threadwise::{AnyPool, BuildError, ManageConnection, PoolKind};

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

    /// Builds the pool. A pool that has a size gets `size`; a `PersistentPool` opens one connection
    /// for each thread that uses it.
    ///
    /// # Errors
    ///
    /// If the first connection cannot be opened.
    pub fn build<M: ManageConnection>(
        self,
        manager: M,
        size: usize,
    ) -> Result<AnyPool<M>, BuildError<M::Error>> {
        let kind = |kind: PoolKind| kind.builder().name(self.to_string());
        match self {
            Self::Shared => kind(PoolKind::Shared).size(size).build(manager),
            Self::Persistent => kind(PoolKind::Persistent).build(manager),
            Self::Queue => kind(PoolKind::Queue).size(size).build(manager),
            Self::One => kind(PoolKind::Queue).size(1).build(manager),
            Self::None => {
                // There is no limit, and each return is a close. A thread that holds a connection
                // may open others.
                let pool = PersistentPool::builder().name(self.to_string()).max_overflow(1000);
                let pool = pool.on_return(|_| Err("a connection is used once".into()));
                pool.build(manager).map(AnyPool::Persistent)
            }
        }
    }
}

impl fmt::Display for PoolChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().expect("none is hidden").get_name())
    }
}
