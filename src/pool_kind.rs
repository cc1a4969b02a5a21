//! The pools by name.

use std::fmt;
use std::str::FromStr;

use threadwise_core::{BuildError, ManageConnection};

use crate::any_pool::{AnyBuilder, AnyPool};

/// The kind of a pool, for programs that choose it at run time: in a configuration file, or on the
/// command line.
///
/// Each kind has a name in lower case, which [`FromStr`] reads and [`Display`](fmt::Display) prints. A
/// kind exists if the feature with its name is on.
///
#[cfg_attr(feature = "queue", doc = "```")]
#[cfg_attr(not(feature = "queue"), doc = "```ignore")]
/// use threadwise::{Pool, PoolKind};
/// use threadwise_sqlite::SqliteManager; // threadwise::sqlite with the feature `sqlite`
///
/// let kind: PoolKind = "queue".parse()?; // from the program's configuration
/// let pool = kind.build(SqliteManager::memory(), 4)?;
/// let answer: u32 = pool.get()?.query_row("SELECT 42", [], |row| row.get(0))?;
/// assert_eq!(answer, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolKind {
    /// `SharedPool`: many threads share a few connections.
    #[cfg(feature = "shared")]
    Shared,
    /// `PersistentPool`: each thread has its own connection.
    #[cfg(feature = "persistent")]
    Persistent,
    /// `QueuePool`: a fixed number of connections behind a queue.
    #[cfg(feature = "queue")]
    Queue,
}

impl PoolKind {
    /// All kinds whose features are on.
    ///
    /// ```
    /// use threadwise::PoolKind;
    ///
    /// for kind in PoolKind::ALL {
    ///     assert_eq!(kind.name().parse(), Ok(*kind));
    /// }
    /// ```
    pub const ALL: &'static [Self] = &[
        #[cfg(feature = "shared")]
        Self::Shared,
        #[cfg(feature = "persistent")]
        Self::Persistent,
        #[cfg(feature = "queue")]
        Self::Queue,
    ];

    /// The names of all kinds, whether their features are on or not.
    const NAMES: [&'static str; 3] = ["shared", "persistent", "queue"];

    /// The name: `shared`, `persistent` or `queue`.
    ///
    /// ```
    /// use threadwise::PoolKind;
    ///
    /// let names: Vec<_> = PoolKind::ALL.iter().map(|kind| kind.name()).collect();
    /// println!("pool: one of {}", names.join(", "));
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "shared")]
            Self::Shared => "shared",
            #[cfg(feature = "persistent")]
            Self::Persistent => "persistent",
            #[cfg(feature = "queue")]
            Self::Queue => "queue",
        }
    }

    /// Builds a pool of this kind with at most `size` connections; its other settings have their
    /// defaults. [`AnyBuilder::size`] says what `size` means for each kind.
    ///
    /// ```
    /// use threadwise::{Pool, PoolKind};
    /// use threadwise_sqlite::SqliteManager;
    ///
    /// for kind in PoolKind::ALL {
    ///     let pool = kind.build(SqliteManager::memory(), 4)?;
    ///     pool.get()?.execute_batch("SELECT 1")?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as the `build` of that pool's own builder.
    pub fn build<M: ManageConnection>(
        self,
        manager: M,
        size: usize,
    ) -> Result<AnyPool<M>, BuildError<M::Error>> {
        self.builder().size(size).build(manager)
    }

    /// The settings that all kinds have, each with the default of this kind's own builder.
    ///
    /// ```
    /// use std::time::Duration;
    /// use threadwise::{Pool, PoolKind};
    /// use threadwise_sqlite::SqliteManager;
    ///
    /// for kind in PoolKind::ALL {
    ///     let pool = kind
    ///         .builder()
    ///         .name(kind.name())
    ///         .size(4)
    ///         .get_timeout(Duration::from_secs(2))
    ///         .build(SqliteManager::memory())?;
    ///     assert_eq!(pool.state().name.as_deref(), Some(kind.name()));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder<M: ManageConnection>(self) -> AnyBuilder<M> {
        AnyBuilder::new(self)
    }
}

impl fmt::Display for PoolKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for PoolKind {
    type Err = UnknownPoolKind;

    fn from_str(name: &str) -> Result<Self, UnknownPoolKind> {
        let kind = Self::ALL.iter().copied().find(|kind| kind.name() == name);
        kind.ok_or_else(|| UnknownPoolKind { name: name.into() })
    }
}

/// A name that is not the name of a [`PoolKind`].
///
/// ```
/// use threadwise::PoolKind;
///
/// let error = "shred".parse::<PoolKind>().unwrap_err();
/// assert!(error.to_string().starts_with("no pool is called `shred`: use "));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct UnknownPoolKind {
    name: Box<str>,
}

impl fmt::Display for UnknownPoolKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &*self.name;
        if PoolKind::NAMES.contains(&name) {
            return write!(
                f,
                "this program is built without the pool `{name}`: turn on the feature `{name}` of \
                 threadwise"
            );
        }
        write!(f, "no pool is called `{name}`: use ")?;
        for (number, kind) in PoolKind::ALL.iter().enumerate() {
            let separator = match number {
                0 => "",
                _ if number + 1 == PoolKind::ALL.len() => " or ",
                _ => ", ",
            };
            write!(f, "{separator}`{kind}`")?;
        }
        Ok(())
    }
}

/// The same text: a failed `unwrap`, or a `main` that returns the error, shows it.
impl fmt::Debug for UnknownPoolKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for UnknownPoolKind {}
