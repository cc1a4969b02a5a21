//! Sets up a pool.

use std::time::Duration;

use threadwise_core::parts::fork;
use threadwise_core::parts::{Lifecycle, Patience, Policies, Setting};
use threadwise_core::{BuildError, Clock, ManageConnection, Validation};

use crate::affinity::Affinity;
use crate::core::Core;
use crate::pool::SharedPool;
use crate::settings::{ConnectBackoff, NestedGet, Settings};

/// The settings of a [`SharedPool`]. Each default suits a program that the pool knows nothing
/// about, and its doc comment gives the reason.
#[must_use = "a builder makes a pool only when `build` is called"]
pub struct Builder<M: ManageConnection> {
    settings: Settings,
    policies: Policies<M::Connection>,
}

impl<M: ManageConnection> Default for Builder<M> {
    fn default() -> Self {
        Self { settings: Settings::default(), policies: Policies::new(Validation::DEFAULT) }
    }
}

/// # How many connections
impl<M: ManageConnection> Builder<M> {
    /// The most connections that may be open, those being opened and closed included; from 1 to
    /// 1 048 576. A limit that the pool never reaches costs nothing.
    ///
    /// Default: 10. A database does its work with a few connections for each of its processors and
    /// disks; with more, requests wait there instead of here.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::builder().max_size(3).build(SqliteManager::memory())?;
    /// assert_eq!(pool.state().max_size, Some(3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_size(mut self, max_size: usize) -> Self {
        self.settings.limits.max_size = max_size;
        self
    }

    /// How many idle connections the pool keeps ready. If fewer are idle, it opens others, as far
    /// as `max_size` allows. `idle_timeout` does not close these.
    ///
    /// Default: 0. A program that does not use its pool then holds no connection.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::builder().min_idle(2).build(SqliteManager::memory())?;
    /// assert_eq!(pool.state().idle, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn min_idle(mut self, min_idle: usize) -> Self {
        self.settings.limits.min_idle = min_idle;
        self
    }

    /// The most idle connections. The pool closes a connection that comes back beyond that, unless a
    /// thread waits for it. With this setting each return takes a lock and looks through the slots.
    ///
    /// Default: no limit besides `max_size`, and no lock. `idle_timeout` closes what a burst has opened
    /// when the burst is certainly over.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::builder().max_idle(1).build(SqliteManager::memory())?;
    /// let (one, other) = (pool.get()?, pool.get()?);
    /// drop(one);
    /// drop(other); // one connection is idle already, so the pool closes this one
    /// assert_eq!(pool.state().idle, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_idle(mut self, max_idle: impl Into<Option<usize>>) -> Self {
        self.settings.per_use.max_idle = max_idle.into();
        self
    }

    /// The most connections that threads [`share`](SharedPool::share) at the same time. Each counts as
    /// one against `max_size`, however many threads share it.
    ///
    /// Default: 0, which switches sharing off. Only some drivers' connections can be shared.
    ///
    /// ```
    /// # use std::sync::atomic::AtomicU32;
    /// # use threadwise_shared::{ManageConnection, SharedPool};
    /// # struct Counters; // connections that are atomic counters
    /// # impl ManageConnection for Counters {
    /// #     type Connection = AtomicU32;
    /// #     type Error = std::io::Error;
    /// #     fn connect(&self) -> Result<AtomicU32, Self::Error> { Ok(AtomicU32::new(0)) }
    /// #     fn is_valid(&self, _: &mut AtomicU32) -> Result<(), Self::Error> { Ok(()) }
    /// #     fn has_broken(&self, _: &mut AtomicU32) -> bool { false }
    /// # }
    /// let pool = SharedPool::builder().max_sharing(1).build(Counters)?;
    /// let holders = (pool.share()?, pool.share()?, pool.share()?);
    /// assert_eq!(pool.state().borrowed, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_sharing(mut self, max_sharing: usize) -> Self {
        self.settings.max_sharing = max_sharing;
        self
    }
}

/// # Waiting
impl<M: ManageConnection> Builder<M> {
    /// How long `get` waits, and how long `build` may take. `None` waits forever; zero makes `get` a
    /// `try_get`.
    ///
    /// Default: 30 seconds. That is longer than any healthy wait and shorter than a person's patience.
    ///
    /// ```
    /// # use threadwise_shared::{GetError, SharedPool};
    /// # use threadwise_sqlite::SqliteManager;
    /// # use std::time::Duration;
    /// let short = Duration::from_millis(50);
    /// let pool = SharedPool::builder().max_size(1).get_timeout(short).build(SqliteManager::memory())?;
    /// let _held = pool.get()?;
    /// assert!(matches!(pool.get(), Err(GetError::TimedOut(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.get_timeout = Patience::new(timeout.into());
        self
    }

    /// The most threads that may wait. A further one gets [`QueueFull`](crate::GetError::QueueFull) at
    /// once.
    ///
    /// Default: no limit. A server better decides at its entrance how much work it takes on.
    ///
    /// ```
    /// # use threadwise_shared::{GetError, SharedPool};
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::builder().max_size(1).max_waiters(0).build(SqliteManager::memory())?;
    /// let _held = pool.get()?;
    /// assert!(matches!(pool.get(), Err(GetError::QueueFull { max_waiters: 0 })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_waiters(mut self, max: impl Into<Option<usize>>) -> Self {
        self.settings.limits.max_waiters = max.into();
        self
    }

    /// How long a thread waits before the next returned connection is reserved for it. Threads are
    /// served in the order in which they came. Before that, a running thread may take a connection
    /// first; where threads hold connections for microseconds, that saves a switch of threads for each
    /// use. Zero is strict order.
    ///
    /// Default: 1 ms. Many short uses fit in it, and it is shorter than any query that a person calls
    /// slow.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// # use std::time::Duration;
    /// let strict = Duration::ZERO;
    /// let pool = SharedPool::builder().fair_after(strict).build(SqliteManager::memory())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fair_after(mut self, fair_after: Duration) -> Self {
        self.settings.fair_after = fair_after;
        self
    }
}

/// # Opening connections
impl<M: ManageConnection> Builder<M> {
    /// The most connections that the pool opens at the same time, at least 1.
    ///
    /// Default: 4. With one, all threads would wait for the slowest dial; without a limit, the pool
    /// would overload a server that has just come back.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::builder().connect_concurrency(1).build(SqliteManager::memory())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect_concurrency(mut self, dialers: usize) -> Self {
        self.settings.limits.connect_concurrency = dialers;
        self
    }

    /// How long the pool pauses after a failed attempt to connect: `first`, then twice as long each
    /// time, up to `longest`. Each pause is up to a quarter shorter at random, and at most 200 ms long
    /// while a thread waits.
    ///
    /// Default: 10 ms to 5 s. The pool finds a server that restarts quickly, and asks one that is down
    /// for long only rarely.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// # use std::time::Duration;
    /// let (first, longest) = (Duration::from_millis(50), Duration::from_secs(60));
    /// let pool =
    ///     SharedPool::builder().connect_backoff(first, longest).build(SqliteManager::memory())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect_backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.settings.connect_backoff = ConnectBackoff { first, longest };
        self
    }

    /// How long an attempt to connect may take before the pool begins others as if it did not
    /// exist. The attempt goes on, and counts against `max_size`, until the manager's own timeout
    /// ends it.
    ///
    /// Default: 3 s. By then the system has sent a lost packet again.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// # use std::time::Duration;
    /// let patience = Duration::from_secs(10); // a server far away
    /// let pool = SharedPool::builder().connect_patience(patience).build(SqliteManager::memory())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn connect_patience(mut self, patience: Duration) -> Self {
        self.settings.connect_patience = patience;
        self
    }
}

/// # Ageing
impl<M: ManageConnection> Builder<M> {
    /// The longest lifetime of a connection. When it is over, the pool closes the connection: at once
    /// if it is idle, on its return if it is borrowed, and after the end of its transaction if one is
    /// open. `None` sets no limit.
    ///
    /// Default: 30 minutes. That frees the memory that a server keeps for a session, and moves the
    /// pool to the new server when an address has changed.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// # use std::time::Duration;
    /// let lifetime = Duration::from_secs(5 * 60);
    /// let pool = SharedPool::builder().max_lifetime(lifetime).build(SqliteManager::memory())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_lifetime(mut self, lifetime: impl Into<Option<Duration>>) -> Self {
        self.settings.ages.max_lifetime = lifetime.into();
        self
    }

    /// A fraction from 0 to 1. Each connection's lifetime is shortened by a random amount, at most this
    /// fraction of `max_lifetime`.
    ///
    /// Default: 0.25. So the pool does not replace at the same moment all connections that it
    /// opened at the same moment.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::builder().lifetime_jitter(0.1).build(SqliteManager::memory())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lifetime_jitter(mut self, part: f64) -> Self {
        self.settings.ages.lifetime_jitter = part;
        self
    }

    /// How long a connection may be idle until the pool closes it, if more than `min_idle` are idle. It
    /// happens never earlier, and at most a quarter later. `None` sets no limit.
    ///
    /// Default: 10 minutes, so that connections survive the pauses within a burst.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// # use std::time::Duration;
    /// let minute = Duration::from_secs(60);
    /// let pool = SharedPool::builder().idle_timeout(minute).build(SqliteManager::memory())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.ages.idle_timeout = timeout.into();
        self
    }

    /// How long a connection may be idle until the pool validates it, on a thread of its own. No
    /// thread can borrow it meanwhile. `None` switches this off.
    ///
    /// Default: 2 minutes. Firewalls forget connections that are silent for longer; and a pool that
    /// was not used for a night works in the morning.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::builder().keepalive(None).build(SqliteManager::memory())?; // no server
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keepalive(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.settings.ages.keepalive = interval.into();
        self
    }

    /// How many times a connection may be borrowed until the pool closes it. That happens on its
    /// return, and not inside a transaction. With this setting each use leaves the fast path.
    ///
    /// Default: no limit. The setting is for drivers and servers that leak something at each use.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::builder().max_uses(1).build(SqliteManager::memory())?;
    /// drop(pool.get()?);
    /// drop(pool.get()?); // another connection
    /// assert_eq!(pool.state().counters.opened, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_uses(mut self, uses: impl Into<Option<u64>>) -> Self {
        self.settings.per_use.max_uses = uses.into();
        self
    }
}

/// # Validation
impl<M: ManageConnection> Builder<M> {
    /// When the pool asks the server whether a connection works. The manager's free check runs on
    /// every borrow and every return in any case. After a validation has failed, the pool validates
    /// all connections that were open then before it lends them again.
    ///
    /// Default: when the server's last answer on the connection is older than 500 ms. A connection in
    /// constant use is known to work, and a validation would double the cost of a short query.
    ///
    /// ```
    /// # use threadwise_shared::{SharedPool, Validation};
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::builder()
    ///     .validation(Validation::OnCheckout)
    ///     .build(SqliteManager::memory())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn validation(mut self, validation: Validation) -> Self {
        self.policies.validation = validation;
        self
    }

    /// How long the server may take to answer a validation, if the borrower's deadline does not come
    /// first. It also limits how long the pool's own checks and closes may hold a connection's
    /// capacity. `None` sets no limit.
    ///
    /// Default: 5 s. A server that does not answer the shortest question for so long will not answer a
    /// longer one.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// # use std::time::Duration;
    /// let second = Duration::from_secs(1);
    /// let pool = SharedPool::builder().validation_timeout(second).build(SqliteManager::memory())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn validation_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.policies.validation_timeout = timeout.into();
        self
    }
}

threadwise_core::policy_setters!(Builder, "threadwise_shared::SharedPool");

/// # Diagnosis
impl<M: ManageConnection> Builder<M> {
    /// After how long the pool reports a connection that has not come back: which thread has it, where
    /// the thread borrowed it, and for how long. The pool reports its return too. With this setting
    /// each use records a backtrace, which takes some microseconds. `None` switches this off.
    ///
    /// Default: off, because the pool does not know a program's own longest use.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// # use std::time::Duration;
    /// let minute = Duration::from_secs(60);
    /// let pool = SharedPool::builder().leak_threshold(minute).build(SqliteManager::memory())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn leak_threshold(mut self, threshold: impl Into<Option<Duration>>) -> Self {
        self.settings.ages.leak_threshold = threshold.into();
        self
    }

    /// Whether the pool records which thread has which connection, so that a timeout error names them.
    /// With this setting each use leaves the fast path and takes a lock that all threads share.
    ///
    /// Default: off; `leak_threshold` and `nested_get` switch it on.
    ///
    /// ```
    /// # use threadwise_shared::{GetError, SharedPool};
    /// # use threadwise_sqlite::SqliteManager;
    /// # use std::time::Duration;
    /// let pool = SharedPool::builder()
    ///     .max_size(1)
    ///     .trace_holders(true)
    ///     .build(SqliteManager::memory())?;
    /// let _held = pool.get()?;
    /// let Err(GetError::TimedOut(error)) = pool.get_timeout(Duration::from_millis(10)) else {
    ///     panic!("the only connection is held")
    /// };
    /// assert_eq!(error.holders.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn trace_holders(mut self, trace: bool) -> Self {
        self.settings.per_use.records_holders = trace;
        self
    }

    /// What the pool does about a deadlock: every thread that holds a connection waits for another
    /// one, so that none comes back. The pool only knows which thread borrowed a connection, so
    /// keep guards on their threads. With this setting the pool records each use, as with
    /// `trace_holders`.
    ///
    /// Default: [`NestedGet::Off`], which costs nothing.
    ///
    /// ```
    /// # use threadwise_shared::{GetError, NestedGet, SharedPool};
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::builder()
    ///     .max_size(1)
    ///     .nested_get(NestedGet::Error)
    ///     .build(SqliteManager::memory())?;
    /// let _held = pool.get()?;
    /// assert!(matches!(pool.get(), Err(GetError::Deadlock { .. })));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn nested_get(mut self, nested_get: NestedGet) -> Self {
        self.settings.per_use.nested_get = nested_get;
        self
    }

    /// Reports a successful `get` that took longer than this, whatever it waited for: a connection, or
    /// the server's answer to a validation. `None` switches this off. Costs nothing on the fast path.
    ///
    /// Default: off.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// # use std::time::Duration;
    /// let second = Duration::from_secs(1);
    /// let pool = SharedPool::builder().slow_get(second).build(SqliteManager::memory())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn slow_get(mut self, wait: impl Into<Option<Duration>>) -> Self {
        self.settings.per_use.slow_get = wait.into();
        self
    }

    /// The pool's clock. Tests set a [`VirtualClock`](crate::VirtualClock).
    ///
    /// Default: the machine's monotonic clock.
    ///
    /// ```
    /// # use threadwise_shared::{SharedPool, VirtualClock};
    /// # use threadwise_sqlite::SqliteManager;
    /// # use std::time::Duration;
    /// let clock = VirtualClock::new();
    /// let pool = SharedPool::builder().clock(clock.clock()).build(SqliteManager::memory())?;
    /// clock.advance(Duration::from_secs(3600)); // the pool sees its connections grow old
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clock(mut self, clock: Clock) -> Self {
        self.settings.clock = clock;
        self
    }
}

/// # Looking at the settings
impl<M: ManageConnection> Builder<M> {
    /// The settings with their values, defaults included, for a log. Hooks and events are not among
    /// them, and no value is a secret.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let builder = SharedPool::<SqliteManager>::builder().name("orders");
    /// for (name, value) in builder.settings() {
    ///     println!("{name} = {value}");
    /// }
    /// assert!(builder.settings().contains(&("get_timeout", "30s".into())));
    /// ```
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let Policies { name, validation, validation_timeout, reset, .. } = &self.policies;
        let Settings { limits, ages, per_use, connect_backoff, .. } = &self.settings;
        let backoff = Setting::Times(connect_backoff.first, connect_backoff.longest);
        let values: [(&str, Setting); 22] = [
            ("max_size", limits.max_size.into()),
            ("min_idle", limits.min_idle.into()),
            ("max_idle", per_use.max_idle.into()),
            ("max_sharing", self.settings.max_sharing.into()),
            ("get_timeout", self.settings.get_timeout.timeout().into()),
            ("max_waiters", limits.max_waiters.into()),
            ("fair_after", self.settings.fair_after.into()),
            ("connect_concurrency", limits.connect_concurrency.into()),
            ("connect_backoff", backoff),
            ("connect_patience", self.settings.connect_patience.into()),
            ("max_lifetime", ages.max_lifetime.into()),
            ("lifetime_jitter", ages.lifetime_jitter.into()),
            ("idle_timeout", ages.idle_timeout.into()),
            ("keepalive", ages.keepalive.into()),
            ("max_uses", per_use.max_uses.into()),
            ("validation", (*validation).into()),
            ("validation_timeout", (*validation_timeout).into()),
            ("reset", (*reset).into()),
            ("leak_threshold", ages.leak_threshold.into()),
            ("trace_holders", per_use.records_holders.into()),
            ("nested_get", per_use.nested_get.into()),
            ("slow_get", per_use.slow_get.into()),
        ];
        Setting::list(name.as_deref(), values)
    }
}

/// # The pool
impl<M: ManageConnection> Builder<M> {
    /// Makes a pool and opens `min_idle` connections, at least one.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::builder().max_size(4).build(SqliteManager::memory())?;
    /// assert_eq!(pool.state().open, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] for a setting that makes no sense; [`BuildError::ConnectFailed`] with
    /// the first error if a connection cannot be opened; [`BuildError::TimedOut`] if that takes longer
    /// than `get_timeout`.
    pub fn build(self, manager: M) -> Result<SharedPool<M>, BuildError<M::Error>> {
        let pool = self.build_lazy(manager)?;
        let settings = &pool.core().settings;
        pool.core().open_first(settings.get_timeout.work_deadline(settings.clock))?;
        Ok(pool)
    }

    /// Makes a pool as [`build`](Self::build) does, for a server that may still be starting. While
    /// no connection can be opened, it tries again until `limit` has passed, after pauses that grow
    /// from 10 ms to 1 s. If `min_idle` is set, a thread of the pool also tries meanwhile. Its
    /// pauses are those of [`connect_backoff`](Self::connect_backoff), but at most 200 ms.
    /// `get_timeout` does not matter here.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// # use std::time::Duration;
    /// let minute = Duration::from_secs(60);
    /// let pool = SharedPool::builder().build_within(minute, SqliteManager::memory())?;
    /// assert_eq!(pool.state().open, 1);
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
    ) -> Result<SharedPool<M>, BuildError<M::Error>> {
        let pool = self.build_lazy(manager)?;
        pool.core().open_first_within(limit)?;
        Ok(pool)
    }

    /// Makes a pool without opening a connection. `min_idle` and the first `get`s open them.
    ///
    /// ```
    /// # use threadwise_shared::SharedPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let pool = SharedPool::builder().build_lazy(SqliteManager::memory())?;
    /// assert_eq!(pool.state().open, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] for a setting that makes no sense; [`BuildError::Thread`] if the system
    /// has no thread for the housekeeper.
    pub fn build_lazy(mut self, manager: M) -> Result<SharedPool<M>, BuildError<M::Error>> {
        if let Err((name, problem)) = self.settings.check(&self.policies) {
            return Err(BuildError::setting(name, problem));
        }
        let lifecycle = Lifecycle::new(manager, self.policies);
        self.settings.derive_per_use(&lifecycle);
        let core = fork::watched(Core::new(lifecycle, Affinity::new(), self.settings));
        let pool = SharedPool::from_core(core);
        pool.core().start_housekeeper().map_err(BuildError::Thread)?;
        Ok(pool)
    }
}
