//! One SQLite file with many readers and one writer.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use threadwise_core::{BuildError, GetError};
use threadwise_shared::{PooledConnection, SharedPool};
use threadwise_sqlite::SqliteManager;
use threadwise_sqlite::rusqlite::{Error, TransactionBehavior};

type Pool = SharedPool<SqliteManager>;
/// What [`ReadersAndWriter::read`] and [`ReadersAndWriter::write`] return.
type Borrowed<'p> = Result<PooledConnection<'p, SqliteManager>, GetError<Error>>;

/// Two pools for one SQLite file: many readers, and one writer.
///
/// In write-ahead-log mode, readers wait for no other connection. But SQLite allows one writer at a
/// time. A second connection that wants to write sleeps and tries again until its busy timeout is over.
/// Here writers wait in their pool of one connection instead, which serves them in order and wakes them
/// at once.
///
/// * The writer's `transaction()` begins with `BEGIN IMMEDIATE`, so that a transaction that reads first
///   and writes later does not meet a busy file in the middle.
/// * The readers' connections are `query_only`: they cannot write by mistake.
///
/// Clones are handles to the same two pools.
///
/// ```
/// use threadwise::ReadersAndWriter;
///
/// # let folder = std::env::temp_dir().join(format!("threadwise-raw-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("bank.db");
/// let bank = ReadersAndWriter::open(&path, 4)?;
/// bank.write()?.execute_batch("CREATE TABLE account AS SELECT 1 AS id, 500 AS balance")?;
/// let sum: u32 = bank.read()?.query_row("SELECT sum(balance) FROM account", [], |row| row.get(0))?;
/// assert_eq!(sum, 500);
/// assert!(bank.read()?.execute("DELETE FROM account", []).is_err(), "a reader cannot write");
/// # drop(bank);
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ReadersAndWriter {
    readers: Pool,
    writer: Pool,
}

impl ReadersAndWriter {
    /// Opens the file at `path`, and creates it if it is missing, with at most `readers` connections for
    /// reading. The other settings have their defaults.
    ///
    /// # Errors
    ///
    /// As the `build` of a shared pool: the file cannot be opened, or `readers` is zero.
    pub fn open(path: impl AsRef<Path>, readers: usize) -> Result<Self, BuildError<Error>> {
        let path = path.as_ref();
        Self::builder(|| SqliteManager::file(path)).readers(readers).build()
    }

    /// Settings for both pools. `manager` makes the manager of each; both must name the same file.
    ///
    /// ```
    /// use std::time::Duration;
    /// use threadwise::ReadersAndWriter;
    /// use threadwise::sqlite::SqliteManager;
    ///
    /// # let folder = std::env::temp_dir().join(format!("threadwise-rawb-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// # let path = folder.join("bank.db");
    /// let bank = ReadersAndWriter::builder(|| {
    ///     SqliteManager::file(&path).with_init(|conn| conn.pragma_update(None, "cache_size", -8000))
    /// })
    /// .readers(8)
    /// .get_timeout(Duration::from_secs(2))
    /// .build()?;
    /// assert_eq!(bank.readers().state().max_size, Some(8));
    /// # drop(bank);
    /// # std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder<F: Fn() -> SqliteManager>(manager: F) -> ReadersAndWriterBuilder<F> {
        ReadersAndWriterBuilder { manager, readers: 4, get_timeout: Some(Duration::from_secs(30)) }
    }

    /// Borrows a connection for reading. Waits until one is free, up to `get_timeout`.
    ///
    /// # Errors
    ///
    /// See [`GetError`].
    pub fn read(&self) -> Borrowed<'_> {
        self.readers.get()
    }

    /// Borrows the connection for writing. Waits for the writers that came before, up to
    /// `get_timeout`.
    ///
    /// # Errors
    ///
    /// See [`GetError`].
    pub fn write(&self) -> Borrowed<'_> {
        self.writer.get()
    }

    /// The pool of the readers, for its state and its other methods.
    #[must_use]
    pub fn readers(&self) -> &Pool {
        &self.readers
    }

    /// The pool of the writer.
    #[must_use]
    pub fn writer(&self) -> &Pool {
        &self.writer
    }

    /// Closes both pools, the readers first: the last connection to close moves the log back into the
    /// file, and only a writer may.
    pub fn close(&self) {
        self.readers.close();
        self.writer.close();
    }
}

impl fmt::Debug for ReadersAndWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReadersAndWriter(readers: {:?}, writer: {:?})", self.readers, self.writer)
    }
}

/// The settings of [`ReadersAndWriter`].
#[must_use = "a builder makes the pools only when `build` is called"]
pub struct ReadersAndWriterBuilder<F> {
    manager: F,
    readers: usize,
    get_timeout: Option<Duration>,
}

impl<F: Fn() -> SqliteManager> ReadersAndWriterBuilder<F> {
    /// The most connections for reading, at least 1. Default: 4.
    pub fn readers(mut self, readers: usize) -> Self {
        self.readers = readers;
        self
    }

    /// How long `read` and `write` wait. `None` is no limit. Default: 30 seconds.
    pub fn get_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.get_timeout = timeout.into();
        self
    }

    /// Opens one connection of each pool, the writer's first, so that it can create the file.
    ///
    /// # Errors
    ///
    /// As the `build` of a shared pool.
    pub fn build(self) -> Result<ReadersAndWriter, BuildError<Error>> {
        let writer = SharedPool::<SqliteManager>::builder()
            .name("writer")
            .max_size(1)
            .get_timeout(self.get_timeout)
            .on_connect(|conn| {
                conn.set_transaction_behavior(TransactionBehavior::Immediate);
                Ok(())
            })
            .build((self.manager)())?;
        let readers = SharedPool::<SqliteManager>::builder()
            .name("readers")
            .max_size(self.readers)
            .get_timeout(self.get_timeout)
            .on_connect(|conn| Ok(conn.pragma_update(None, "query_only", true)?))
            .build((self.manager)())?;
        Ok(ReadersAndWriter { readers, writer })
    }
}
