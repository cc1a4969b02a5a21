//! A pool whose kind is chosen at run time.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use threadwise_core::{
    BuildError, Events, GetError, HookError, ManageConnection, Outcome, Pool, Reset, State,
    Validation,
};

use crate::PoolKind;

/// Evaluates `$result` with the content of `$any`, whichever variant of `$From` that is. In the second
/// form, `$same` is the variant of `$To` that has the same name.
macro_rules! each {
    ($any:expr, $From:ident => |$content:ident| $result:expr) => {
        match $any {
            #[cfg(feature = "shared")]
            $From::Shared($content) => $result,
            #[cfg(feature = "persistent")]
            $From::Persistent($content) => $result,
            #[cfg(feature = "queue")]
            $From::Queue($content) => $result,
        }
    };
    ($any:expr, $From:ident => $To:ident |$content:ident, $same:ident| $result:expr) => {
        match $any {
            #[cfg(feature = "shared")]
            $From::Shared($content) => {
                let $same = $To::Shared;
                $result
            }
            #[cfg(feature = "persistent")]
            $From::Persistent($content) => {
                let $same = $To::Persistent;
                $result
            }
            #[cfg(feature = "queue")]
            $From::Queue($content) => {
                let $same = $To::Queue;
                $result
            }
        }
    };
}

/// A pool of one of the kinds, chosen at run time by [`PoolKind`].
///
/// Each method costs one branch more than the pool's own. [`run`](Self::run) calls code that is
/// generic over [`Pool`] with the pool itself, so that this code pays the branch only once. Use
/// `match` for what only one kind has, such as `resize` or owned guards. (There is no owned guard
/// for all kinds, because the connection of a `PersistentPool` cannot leave its thread.)
///
/// Clones are handles to the same pool. The last handle closes the pool when it is dropped.
#[non_exhaustive]
pub enum AnyPool<M: ManageConnection> {
    /// Many threads share a few connections.
    #[cfg(feature = "shared")]
    Shared(crate::shared::SharedPool<M>),
    /// Each thread has its own connection.
    #[cfg(feature = "persistent")]
    Persistent(crate::persistent::PersistentPool<M>),
    /// A fixed number of connections behind a queue.
    #[cfg(feature = "queue")]
    Queue(crate::queue::QueuePool<M>),
}

/// Work that runs on any pool: the argument of [`AnyPool::run`].
///
/// This is a trait because a closure cannot be generic over the type of its argument.
pub trait UsePool<M: ManageConnection> {
    /// What the work returns.
    type Output;

    /// Does the work. [`AnyPool::run`] has an example.
    fn run<P: Pool<Manager = M> + Clone + 'static>(self, pool: P) -> Self::Output;
}

impl<M: ManageConnection> AnyPool<M> {
    /// The kind of this pool.
    ///
    /// ```
    /// # use threadwise::PoolKind;
    /// # use threadwise_sqlite::SqliteManager;
    /// for kind in PoolKind::ALL {
    ///     assert_eq!(kind.build(SqliteManager::memory(), 1)?.kind(), *kind);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn kind(&self) -> PoolKind {
        each!(self, AnyPool => PoolKind |_pool, kind| kind)
    }

    /// Hands the pool to generic work, as its own type. The work then calls that pool without a branch,
    /// so its figures are those of the pool itself.
    ///
    /// ```
    /// use threadwise::{ManageConnection, Pool, PoolKind, UsePool};
    /// use threadwise_sqlite::SqliteManager;
    ///
    /// /// Borrows a connection this many times.
    /// struct Borrow(u64);
    ///
    /// impl<M: ManageConnection> UsePool<M> for Borrow {
    ///     type Output = u64;
    ///
    ///     fn run<P: Pool<Manager = M> + Clone + 'static>(self, pool: P) -> u64 {
    ///         (0..self.0).for_each(|_| drop(pool.get()));
    ///         pool.state().counters.gets
    ///     }
    /// }
    ///
    /// for kind in PoolKind::ALL {
    ///     assert_eq!(kind.build(SqliteManager::memory(), 1)?.run(Borrow(3)), 3);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run<U: UsePool<M>>(self, work: U) -> U::Output {
        each!(self, AnyPool => |pool| work.run(pool))
    }
}

impl<M: ManageConnection> Pool for AnyPool<M> {
    type Manager = M;
    type Connection<'p> = AnyConnection<'p, M>;

    #[inline]
    fn get(&self) -> Result<AnyConnection<'_, M>, GetError<M::Error>> {
        each!(self, AnyPool => Connections |pool, wrap| pool.get().map(wrap))
            .map(AnyConnection::from)
    }

    #[inline]
    fn try_get(&self) -> Result<AnyConnection<'_, M>, GetError<M::Error>> {
        each!(self, AnyPool => Connections |pool, wrap| pool.try_get().map(wrap))
            .map(AnyConnection::from)
    }

    #[inline]
    fn get_timeout(&self, timeout: Duration) -> Result<AnyConnection<'_, M>, GetError<M::Error>> {
        each!(self, AnyPool => Connections |pool, wrap| pool.get_timeout(timeout).map(wrap))
            .map(AnyConnection::from)
    }

    fn manager(&self) -> &M {
        each!(self, AnyPool => |pool| pool.manager())
    }

    fn state(&self) -> State {
        each!(self, AnyPool => |pool| pool.state())
    }

    fn close(&self) {
        each!(self, AnyPool => |pool| pool.close());
    }
}

impl<M: ManageConnection> Clone for AnyPool<M> {
    fn clone(&self) -> Self {
        each!(self, AnyPool => AnyPool |pool, wrap| wrap(pool.clone()))
    }
}

impl<M: ManageConnection> fmt::Debug for AnyPool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each!(self, AnyPool => |pool| fmt::Debug::fmt(pool, f))
    }
}

/// A connection borrowed from an [`AnyPool`]. Dropping it returns the connection.
///
/// Each use costs one branch more than the pool's own guard. It cannot leave its thread, whichever kind
/// the pool is, because the connection of a `PersistentPool` cannot.
pub struct AnyConnection<'p, M: ManageConnection> {
    inner: Connections<'p, M>,
    /// Neither `Send` nor `Sync`, whichever features are on.
    on_its_thread: PhantomData<*const ()>,
}

/// The guards of the pools.
enum Connections<'p, M: ManageConnection> {
    #[cfg(feature = "shared")]
    Shared(crate::shared::PooledConnection<'p, M>),
    #[cfg(feature = "persistent")]
    Persistent(crate::persistent::PooledConnection<'p, M>),
    #[cfg(feature = "queue")]
    Queue(crate::queue::PooledConnection<'p, M>),
}

impl<'p, M: ManageConnection> From<Connections<'p, M>> for AnyConnection<'p, M> {
    fn from(inner: Connections<'p, M>) -> Self {
        Self { inner, on_its_thread: PhantomData }
    }
}

impl<M: ManageConnection> AnyConnection<'_, M> {
    /// Closes the connection instead of returning it: see [`Guard::discard`](crate::Guard::discard).
    ///
    /// ```
    /// # use threadwise::{CloseReason, Pool, PoolKind};
    /// # use threadwise_sqlite::SqliteManager;
    /// for kind in PoolKind::ALL {
    ///     let pool = kind.build(SqliteManager::memory(), 1)?;
    ///     pool.get()?.discard();
    ///     drop(pool.get()?); // the pool has opened another one
    ///     assert_eq!(pool.state().counters.closed(CloseReason::Discarded), 1);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn discard(self) {
        each!(self.inner, Connections => |conn| conn.discard());
    }

    /// Takes the connection out of the pool for good: see [`Guard::detach`](crate::Guard::detach).
    ///
    /// ```
    /// # use threadwise::{Pool, PoolKind};
    /// # use threadwise_sqlite::SqliteManager;
    /// for kind in PoolKind::ALL {
    ///     let pool = kind.build(SqliteManager::memory(), 1)?;
    ///     let mine = pool.get()?.detach();
    ///     pool.close();
    ///     mine.execute_batch("SELECT 1")?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "use `discard` to close the connection"]
    pub fn detach(self) -> M::Connection {
        each!(self.inner, Connections => |conn| conn.detach())
    }

    /// Runs `work`, and once more on a new connection if this one is lost: see
    /// [`Guard::steady`](crate::Guard::steady).
    ///
    /// ```
    /// # use threadwise::{Pool, PoolKind};
    /// # use threadwise_sqlite::SqliteManager;
    /// for kind in PoolKind::ALL {
    ///     let pool = kind.build(SqliteManager::memory(), 1)?;
    ///     let mut conn = pool.get()?;
    ///     let answer: u32 = conn.steady(|conn| conn.query_row("SELECT 42", [], |row| row.get(0)))?;
    ///     assert_eq!(answer, 42);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The error of the last run of `work`.
    pub fn steady<T>(
        &mut self,
        work: impl FnMut(&mut M::Connection) -> Result<T, M::Error>,
    ) -> Result<T, M::Error> {
        each!(&mut self.inner, Connections => |conn| conn.steady(work))
    }

    /// Tells the manager about an error of a use, and returns what it means: see
    /// [`Guard::outcome`](crate::Guard::outcome).
    ///
    /// ```
    /// # use threadwise::{Outcome, Pool, PoolKind};
    /// # use threadwise_sqlite::SqliteManager;
    /// for kind in PoolKind::ALL {
    ///     let pool = kind.build(SqliteManager::memory(), 1)?;
    ///     let mut conn = pool.get()?;
    ///     if let Err(error) = conn.execute_batch("SELEKT 1") {
    ///         assert_eq!(conn.outcome(&error), Outcome::Failed);
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn outcome(&mut self, error: &M::Error) -> Outcome {
        each!(&mut self.inner, Connections => |conn| conn.outcome(error))
    }
}

impl<M: ManageConnection> Deref for AnyConnection<'_, M> {
    type Target = M::Connection;

    #[inline]
    fn deref(&self) -> &M::Connection {
        each!(&self.inner, Connections => |conn| conn)
    }
}

impl<M: ManageConnection> DerefMut for AnyConnection<'_, M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut M::Connection {
        each!(&mut self.inner, Connections => |conn| conn)
    }
}

threadwise_core::pool_guard!(['p, M: ManageConnection] AnyConnection<'p, M>);

/// The settings that all kinds of pools have: what [`PoolKind::builder`] returns.
///
/// Each setting has the default of the kind's own builder. That builder's docs describe it in full.
///
/// ```
/// use std::time::Duration;
/// use threadwise::{LogReports, Pool, PoolKind, Reset, Validation};
/// use threadwise_sqlite::SqliteManager;
///
/// for kind in PoolKind::ALL {
///     let pool = kind
///         .builder::<SqliteManager>()
///         .name("orders")
///         .size(4)
///         .get_timeout(Duration::from_secs(2))
///         .validation(Validation::OnCheckout)
///         .validation_timeout(Duration::from_secs(1))
///         .reset(Reset::Always)
///         .events(LogReports)
///         .on_connect(|conn| Ok(conn.execute_batch("PRAGMA cache_size = -8000")?))
///         .on_acquire(|_| Ok(()))
///         .on_return(|_| Ok(()))
///         .build(SqliteManager::memory())?;
///     let size: i64 = pool.get()?.query_row("PRAGMA cache_size", [], |row| row.get(0))?;
///     assert_eq!(size, -8000);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder makes a pool only when `build` is called"]
pub struct AnyBuilder<M: ManageConnection>(pub(crate) Builders<M>);

pub(crate) enum Builders<M: ManageConnection> {
    #[cfg(feature = "shared")]
    Shared(crate::shared::Builder<M>),
    #[cfg(feature = "persistent")]
    Persistent(crate::persistent::Builder<M>),
    #[cfg(feature = "queue")]
    Queue(crate::queue::Builder<M>),
}

impl<M: ManageConnection> AnyBuilder<M> {
    pub(crate) fn new(kind: PoolKind) -> Self {
        Self(match kind {
            #[cfg(feature = "shared")]
            PoolKind::Shared => Builders::Shared(crate::shared::SharedPool::builder()),
            #[cfg(feature = "persistent")]
            PoolKind::Persistent => {
                Builders::Persistent(crate::persistent::PersistentPool::builder())
            }
            #[cfg(feature = "queue")]
            PoolKind::Queue => Builders::Queue(crate::queue::QueuePool::builder()),
        })
    }

    /// The most connections that may be open, at least 1. It is `max_size` of a `SharedPool`, which
    /// opens them as needed; `size` of a `QueuePool`, whose `build` opens all of them; `max_threads` of
    /// a `PersistentPool`, where one more thread waits until another one ends.
    ///
    /// ```
    /// # use threadwise::{Pool, PoolKind};
    /// # use threadwise_sqlite::SqliteManager;
    /// for kind in PoolKind::ALL {
    ///     let pool = kind.builder().size(2).build(SqliteManager::memory())?;
    ///     assert_eq!(pool.state().max_size, Some(2));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn size(self, size: usize) -> Self {
        Self(match self.0 {
            #[cfg(feature = "shared")]
            Builders::Shared(builder) => Builders::Shared(builder.max_size(size)),
            #[cfg(feature = "persistent")]
            Builders::Persistent(builder) => Builders::Persistent(builder.max_threads(size)),
            #[cfg(feature = "queue")]
            Builders::Queue(builder) => Builders::Queue(builder.size(size)),
        })
    }

    /// How long `get` waits, and how long `build` may take. `None` is no limit, and zero makes `get` a
    /// `try_get`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise::{GetError, Pool, PoolKind};
    /// # use threadwise_sqlite::SqliteManager;
    /// let short = Duration::from_secs(2);
    /// for kind in PoolKind::ALL {
    ///     let pool = kind.builder().size(1).get_timeout(short).build(SqliteManager::memory())?;
    ///     let _held = pool.get()?;
    ///     std::thread::scope(|threads| {
    ///         let other = threads.spawn(|| matches!(pool.get(), Err(GetError::TimedOut(_))));
    ///         assert!(other.join().unwrap());
    ///     });
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        let timeout = timeout.into();
        Self(each!(self.0, Builders => Builders |builder, wrap| wrap(builder.get_timeout(timeout))))
    }

    /// When the pool validates a connection.
    ///
    /// ```
    /// # use threadwise::{Pool, PoolKind, Validation};
    /// # use threadwise_sqlite::SqliteManager;
    /// for kind in PoolKind::ALL {
    ///     let pool =
    ///         kind.builder().validation(Validation::OnCheckout).build(SqliteManager::memory())?;
    ///     drop(pool.get()?);
    ///     drop(pool.get()?); // validates the connection first
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn validation(self, validation: Validation) -> Self {
        Self(each!(self.0, Builders => Builders |builder, wrap| {
            wrap(builder.validation(validation))
        }))
    }

    /// How long a validation and a reset may take. `None` leaves a validation to the manager's own
    /// timeouts, and limits a reset to 30 seconds.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise::{PoolKind, Validation};
    /// # use threadwise_sqlite::SqliteManager;
    /// for kind in PoolKind::ALL {
    ///     let pool = kind
    ///         .builder()
    ///         .validation(Validation::OnCheckout)
    ///         .validation_timeout(Duration::from_secs(1))
    ///         .build(SqliteManager::memory())?;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn validation_timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        let timeout = timeout.into();
        Self(each!(self.0, Builders => Builders |builder, wrap| {
            wrap(builder.validation_timeout(timeout))
        }))
    }

    /// When the pool resets the session of a returned connection.
    ///
    /// ```
    /// # use threadwise::{Pool, PoolKind, Reset};
    /// # use threadwise_sqlite::SqliteManager;
    /// for kind in PoolKind::ALL {
    ///     let pool = kind.builder().reset(Reset::Always).build(SqliteManager::memory())?;
    ///     drop(pool.get()?);
    ///     assert_eq!(pool.state().counters.resets, 1);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reset(self, reset: Reset) -> Self {
        Self(each!(self.0, Builders => Builders |builder, wrap| wrap(builder.reset(reset))))
    }

    /// The pool's name: in its state and its errors, and at its server if the manager passes it on.
    ///
    /// ```
    /// # use threadwise::{Pool, PoolKind};
    /// # use threadwise_sqlite::SqliteManager;
    /// for kind in PoolKind::ALL {
    ///     let pool = kind.builder().name("orders").build(SqliteManager::memory())?;
    ///     assert_eq!(pool.state().name.as_deref(), Some("orders"));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(self, name: impl Into<Arc<str>>) -> Self {
        Self(each!(self.0, Builders => Builders |builder, wrap| wrap(builder.name(name))))
    }

    /// Receives the pool's events.
    ///
    /// ```
    /// # use threadwise::{CloseReason, ConnectionInfo, Events, Pool, PoolKind};
    /// # use threadwise_sqlite::SqliteManager;
    /// struct PrintsReasons;
    ///
    /// impl Events for PrintsReasons {
    ///     fn closed(&self, _: &ConnectionInfo<'_>, reason: CloseReason) {
    ///         println!("closed: {}", reason.name());
    ///     }
    /// }
    ///
    /// for kind in PoolKind::ALL {
    ///     let pool = kind.builder().events(PrintsReasons).build(SqliteManager::memory())?;
    ///     pool.get()?.discard(); // closed: discarded
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn events(self, events: impl Events) -> Self {
        Self(each!(self.0, Builders => Builders |builder, wrap| wrap(builder.events(events))))
    }

    /// Runs with each new connection, and after each reset. An error or a panic is a veto.
    ///
    /// ```
    /// # use threadwise::{Pool, PoolKind};
    /// # use threadwise_sqlite::SqliteManager;
    /// for kind in PoolKind::ALL {
    ///     let pool = kind
    ///         .builder::<SqliteManager>()
    ///         .on_connect(|conn| Ok(conn.execute_batch("PRAGMA cache_size = -8000")?))
    ///         .build(SqliteManager::memory())?;
    ///     let size: i64 = pool.get()?.query_row("PRAGMA cache_size", [], |row| row.get(0))?;
    ///     assert_eq!(size, -8000);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_connect(
        self,
        hook: impl Fn(&mut M::Connection) -> Result<(), HookError> + Send + Sync + 'static,
    ) -> Self {
        Self(each!(self.0, Builders => Builders |builder, wrap| wrap(builder.on_connect(hook))))
    }

    /// Runs with each connection before a borrower gets it. An error or a panic is a veto.
    ///
    /// ```
    /// # use threadwise::{Pool, PoolKind};
    /// # use threadwise_sqlite::SqliteManager;
    /// for kind in PoolKind::ALL {
    ///     let pool = kind
    ///         .builder::<SqliteManager>()
    ///         .on_acquire(|_| Err("maintenance".into()))
    ///         .build(SqliteManager::memory())?;
    ///     assert!(pool.try_get().is_err());
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_acquire(
        self,
        hook: impl Fn(&mut M::Connection) -> Result<(), HookError> + Send + Sync + 'static,
    ) -> Self {
        Self(each!(self.0, Builders => Builders |builder, wrap| wrap(builder.on_acquire(hook))))
    }

    /// Runs with each connection that comes back, before the reset. An error or a panic is a veto.
    ///
    /// ```
    /// # use threadwise::{Pool, PoolKind};
    /// # use threadwise_sqlite::SqliteManager;
    /// for kind in PoolKind::ALL {
    ///     let pool = kind
    ///         .builder::<SqliteManager>()
    ///         .on_return(|conn| {
    ///             if conn.is_autocommit() { Ok(()) } else { Err("open transaction".into()) }
    ///         })
    ///         .build(SqliteManager::memory())?;
    ///     pool.get()?.execute_batch("BEGIN")?; // the pool closes this connection
    ///     pool.get()?.execute_batch("BEGIN")?; // another connection
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_return(
        self,
        hook: impl Fn(&mut M::Connection) -> Result<(), HookError> + Send + Sync + 'static,
    ) -> Self {
        Self(each!(self.0, Builders => Builders |builder, wrap| wrap(builder.on_return(hook))))
    }

    /// The settings with their values, defaults included, in the order of the kind's own builder. For a
    /// log: no setting is a secret. Hooks and events are not among them.
    ///
    /// ```
    /// # use threadwise::PoolKind;
    /// # use threadwise_sqlite::SqliteManager;
    /// for kind in PoolKind::ALL {
    ///     let settings = kind.builder::<SqliteManager>().settings();
    ///     assert!(settings.contains(&("get_timeout", "30s".into())), "{kind}: {settings:?}");
    /// }
    /// ```
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        each!(&self.0, Builders => |builder| builder.settings())
    }

    /// Builds the pool.
    ///
    /// ```
    /// # use threadwise::{BuildError, Pool, PoolKind};
    /// # use threadwise_sqlite::SqliteManager;
    /// for kind in PoolKind::ALL {
    ///     let pool = kind.builder().size(2).build(SqliteManager::memory())?;
    ///     drop(pool.get()?);
    ///     let refused = kind.builder().size(0).build(SqliteManager::memory());
    ///     assert!(matches!(refused, Err(BuildError::Setting { .. })));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The same as the `build` of the kind's own builder. [`BuildError::Setting`] names the setting
    /// as that builder does: `max_size`, `max_threads` or `size` for [`size`](Self::size).
    pub fn build(self, manager: M) -> Result<AnyPool<M>, BuildError<M::Error>> {
        each!(self.0, Builders => AnyPool |builder, wrap| builder.build(manager).map(wrap))
    }

    /// Builds the pool of a server that may be starting: tries again until `limit` has passed.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise::{Pool, PoolKind};
    /// # use threadwise_sqlite::SqliteManager;
    /// let minute = Duration::from_secs(60);
    /// for kind in PoolKind::ALL {
    ///     let pool = kind.builder().build_within(minute, SqliteManager::memory())?;
    ///     drop(pool.get()?);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build), with the error of the last attempt. An error that
    /// [is permanent](ManageConnection::is_permanent) ends the attempts at once.
    pub fn build_within(
        self,
        limit: Duration,
        manager: M,
    ) -> Result<AnyPool<M>, BuildError<M::Error>> {
        each!(self.0, Builders => AnyPool |builder, wrap| {
            builder.build_within(limit, manager).map(wrap)
        })
    }
}

impl<M: ManageConnection> fmt::Debug for AnyBuilder<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = each!(&self.0, Builders => PoolKind |_builder, kind| kind);
        f.debug_tuple("AnyBuilder").field(&kind).finish()
    }
}
