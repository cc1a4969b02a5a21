//! The builder of a pool.

use std::time::Duration;

use threadwise_core::parts::{
    Deadline, Lifecycle, MOST_CONNECTIONS, Patience, Policies, Setting, fork,
};
use threadwise_core::{BuildError, Clock, CloseReason, ManageConnection, Validation};

use crate::core::Core;
use crate::pool::PersistentPool;
use crate::settings::{Limits, Settings};

/// The settings of a [`PersistentPool`].
///
/// ```
/// # use std::time::Duration;
/// # use threadwise_persistent::PersistentPool;
/// # use threadwise_testkit::FakeManager;
/// let pool = PersistentPool::builder()
///     .max_threads(8)
///     .get_timeout(Duration::from_secs(5))
///     .max_lifetime(Duration::from_secs(3600))
///     .build(FakeManager)?;
/// assert_eq!(pool.state().max_size, Some(8));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder makes a pool only when `build` is called"]
pub struct Builder<M: ManageConnection> {
    settings: Settings,
    policies: Policies<M::Connection>,
}

impl<M: ManageConnection> Default for Builder<M> {
    fn default() -> Self {
        Self {
            settings: Settings {
                max_threads: None,
                max_overflow: 0,
                get_timeout: Patience::new(Some(Duration::from_secs(30))),
                clock: Clock::SYSTEM,
                limits: Limits::default(),
                has_per_use_work: false,
                emits_uses: false,
            },
            policies: Policies::new(Validation::Never),
        }
    }
}

/// # How many, and how long
impl<M: ManageConnection> Builder<M> {
    /// How many threads may have a connection at the same time, from 1 to [`MOST_CONNECTIONS`]. A thread
    /// beyond that waits for another thread to end. Default: no limit, one connection for each thread.
    ///
    /// ```
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = PersistentPool::builder().max_threads(8).build(FakeManager)?;
    /// assert_eq!(pool.state().max_size, Some(8));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_threads(mut self, max: impl Into<Option<usize>>) -> Self {
        self.settings.max_threads = max.into();
        self
    }

    /// How many overflow connections may be open: connections in addition to the threads' own, for
    /// all threads together. At most [`MOST_CONNECTIONS`]. Default: 0; a second `get` on a thread
    /// is then [`GetError::AlreadyBorrowed`](crate::GetError::AlreadyBorrowed).
    ///
    /// These connections serve a `get` on a thread that has borrowed its own connection. That happens
    /// under work stealing, where a thread that waits inside a task runs another task. The pool opens
    /// each one for one use and closes it afterwards.
    ///
    /// ```
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = PersistentPool::builder().max_overflow(1).build(FakeManager)?;
    /// let own = pool.get()?;
    /// let second = pool.get()?;
    /// assert_eq!(pool.state().open, 2);
    /// drop(second); // closes that connection
    /// assert_eq!(pool.state().open, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_overflow(mut self, max: usize) -> Self {
        self.settings.max_overflow = max;
        self
    }

    /// How long `get` may take, to wait for another thread to end or to open a connection. `None` sets no
    /// limit; zero makes `get` a `try_get`. Default: 30 seconds.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_testkit::FakeManager;
    /// let timeout = Duration::from_secs(5);
    /// let pool = PersistentPool::builder().get_timeout(timeout).build(FakeManager)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.get_timeout = Patience::new(timeout.into());
        self
    }

    /// How old a connection may get. The `get` that finds an older one replaces it, unless a transaction
    /// is open on it. Default: no limit.
    ///
    /// Each of the three limits makes every `get` and every return read the clock, which costs
    /// about 50 nanoseconds instead of 5. Between uses the pool closes nothing: a thread that does
    /// not borrow again keeps its connection.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_core::VirtualClock;
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_testkit::FakeManager;
    /// let time = VirtualClock::new();
    /// let hour = Duration::from_secs(3600);
    /// let pool = PersistentPool::builder()
    ///     .max_lifetime(hour)
    ///     .clock(time.clock())
    ///     .build_lazy(FakeManager)?;
    /// drop(pool.get()?);
    /// time.advance(hour);
    /// drop(pool.get()?); // replaces the connection
    /// assert_eq!(pool.state().counters.opened, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_lifetime(mut self, lifetime: impl Into<Option<Duration>>) -> Self {
        self.settings.limits.max_lifetime = lifetime.into();
        self
    }

    /// How long a connection may be idle. Works and costs like
    /// [`max_lifetime`](Self::max_lifetime). Default: no limit.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_testkit::FakeManager;
    /// let timeout = Duration::from_secs(600);
    /// let pool = PersistentPool::builder().idle_timeout(timeout).build(FakeManager)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.limits.idle_timeout = timeout.into();
        self
    }

    /// How often a connection may be borrowed. Works and costs like
    /// [`max_lifetime`](Self::max_lifetime). Default: no limit.
    ///
    /// ```
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = PersistentPool::builder().max_uses(2).build_lazy(FakeManager)?;
    /// for _ in 0..4 {
    ///     drop(pool.get()?);
    /// }
    /// assert_eq!(pool.state().counters.opened, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_uses(mut self, uses: impl Into<Option<u64>>) -> Self {
        self.settings.limits.max_uses = uses.into();
        self
    }
}

/// # Checks, and their clock
impl<M: ManageConnection> Builder<M> {
    /// When the pool asks the server whether a connection works. Default: [`Validation::Never`], since
    /// the manager's free check finds most dead connections.
    ///
    /// [`Validation::IdleLongerThan`] makes each `get` and each return read the clock. Its time counts
    /// from the server's last answer if the manager knows that, otherwise from the connection's opening
    /// or last validation.
    ///
    /// ```
    /// # use threadwise_persistent::{PersistentPool, Validation};
    /// # use threadwise_testkit::FakeManager;
    /// let pool = PersistentPool::builder().validation(Validation::OnCheckout).build(FakeManager)?;
    /// drop(pool.get()?); // opens a connection
    /// drop(pool.get()?); // asks the server first
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn validation(mut self, validation: Validation) -> Self {
        self.policies.validation = validation;
        self
    }

    /// How long a validation may take, and the reset of a session on return. The pool closes a
    /// connection that takes longer. `None` leaves a validation to the manager's own timeouts, and
    /// limits a reset to 30 seconds. Default: 5 seconds.
    ///
    /// A caller of `get` that waits for less than this returns earlier. Its thread keeps the connection if
    /// the manager can wait for a late answer: see
    /// [`is_valid_patient`](ManageConnection::is_valid_patient).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_persistent::{PersistentPool, Validation};
    /// # use threadwise_testkit::FakeManager;
    /// let pool = PersistentPool::builder()
    ///     .validation(Validation::OnCheckout)
    ///     .validation_timeout(Duration::from_secs(1))
    ///     .build(FakeManager)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn validation_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.policies.validation_timeout = timeout.into();
        self
    }

    /// The clock of the limits and of the events, for tests. Timeouts and the time of a validation always
    /// use the system's clock. Default: the system's clock.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_core::VirtualClock;
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_testkit::FakeManager;
    /// let time = VirtualClock::new();
    /// let pool = PersistentPool::builder()
    ///     .idle_timeout(Duration::from_secs(60))
    ///     .clock(time.clock())
    ///     .build_lazy(FakeManager)?;
    /// drop(pool.get()?);
    /// time.advance(Duration::from_secs(60)); // without waiting
    /// drop(pool.get()?); // replaces the connection
    /// assert_eq!(pool.state().counters.opened, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clock(mut self, clock: Clock) -> Self {
        self.settings.clock = clock;
        self
    }
}

threadwise_core::policy_setters!(Builder, "threadwise_persistent::PersistentPool");

/// # Looking at the settings
impl<M: ManageConnection> Builder<M> {
    /// The settings with their values, defaults included, for a log. Hooks and events are not among
    /// them, and no value is a secret.
    ///
    /// ```
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let builder = PersistentPool::<SqliteManager>::builder().name("orders");
    /// for (name, value) in builder.settings() {
    ///     println!("{name} = {value}");
    /// }
    /// assert!(builder.settings().contains(&("get_timeout", "30s".into())));
    /// ```
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let Policies { name, validation, validation_timeout, reset, .. } = &self.policies;
        let Settings { max_threads, max_overflow, get_timeout, limits, .. } = &self.settings;
        let values: [(&str, Setting); 9] = [
            ("max_threads", (*max_threads).into()),
            ("max_overflow", (*max_overflow).into()),
            ("get_timeout", get_timeout.timeout().into()),
            ("max_lifetime", limits.max_lifetime.into()),
            ("idle_timeout", limits.idle_timeout.into()),
            ("max_uses", limits.max_uses.into()),
            ("validation", (*validation).into()),
            ("validation_timeout", (*validation_timeout).into()),
            ("reset", (*reset).into()),
        ];
        Setting::list(name.as_deref(), values)
    }
}

/// # Making the pool
impl<M: ManageConnection> Builder<M> {
    /// Makes a pool. Opens one connection to see whether the settings work, and closes it again, since
    /// each thread opens its own.
    ///
    /// ```
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = PersistentPool::builder().name("orders").build(FakeManager)?;
    /// assert_eq!(pool.state().open, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] for a limit of zero or beyond [`MOST_CONNECTIONS`];
    /// [`BuildError::ConnectFailed`] if the connection cannot be opened.
    pub fn build(self, manager: M) -> Result<PersistentPool<M>, BuildError<M::Error>> {
        let pool = self.build_lazy(manager)?;
        let Core { lifecycle, settings, .. } = &*pool.core;
        let conn =
            lifecycle.open(settings.get_timeout.for_work()).map_err(BuildError::ConnectFailed)?;
        lifecycle.close(conn, CloseReason::Probed);
        Ok(pool)
    }

    /// Makes a pool as [`build`](Self::build) does, of a server that may be starting: while the
    /// connection cannot be opened, tries again after pauses of 10 ms to 1 s, until `limit` has passed.
    /// `get_timeout` does not matter here. Blocks this thread.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_testkit::FakeManager;
    /// let minute = Duration::from_secs(60);
    /// let pool = PersistentPool::builder().build_within(minute, FakeManager)?;
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
    ) -> Result<PersistentPool<M>, BuildError<M::Error>> {
        let pool = self.build_lazy(manager)?;
        let lifecycle = &pool.core.lifecycle;
        let attempt = |deadline: Deadline| {
            lifecycle.open(deadline.remaining()).map_err(BuildError::ConnectFailed)
        };
        let conn = lifecycle.build_within(limit, Clock::SYSTEM, attempt)?;
        lifecycle.close(conn, CloseReason::Probed);
        Ok(pool)
    }

    /// Makes a pool without opening a connection. The first `get` shows whether the settings work.
    ///
    /// ```
    /// # use threadwise_persistent::PersistentPool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = PersistentPool::builder().build_lazy(FakeManager)?;
    /// assert_eq!(pool.state().counters.opened, 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] for a limit of zero or beyond [`MOST_CONNECTIONS`].
    pub fn build_lazy(self, manager: M) -> Result<PersistentPool<M>, BuildError<M::Error>> {
        self.check()?;
        let Self { mut settings, policies } = self;
        settings.emits_uses = policies.observer.watches_uses();
        settings.has_per_use_work = policies.watch_uses()
            || settings.limits.are_set()
            || matches!(policies.validation, Validation::IdleLongerThan(_));
        let lifecycle = Lifecycle::new(manager, policies);
        settings.has_per_use_work |= lifecycle.makes_quick_checks();
        let core = Core::new(lifecycle, settings);
        Ok(PersistentPool { core: fork::watched(core) })
    }

    fn check(&self) -> Result<(), BuildError<M::Error>> {
        let Settings { max_threads, max_overflow, limits, .. } = &self.settings;
        let limits_of_zero = [
            ("max_lifetime", limits.max_lifetime == Some(Duration::ZERO)),
            ("idle_timeout", limits.idle_timeout == Some(Duration::ZERO)),
            ("max_uses", limits.max_uses == Some(0)),
        ];
        for (name, is_zero) in limits_of_zero {
            if is_zero {
                let problem =
                    "is zero, so no connection could be used twice; use `None` for no limit";
                return Err(BuildError::setting(name, problem));
            }
        }
        if self.policies.validation_timeout == Some(Duration::ZERO) {
            let problem = "is zero, so every validation would fail; use `None` for no limit";
            return Err(BuildError::setting("validation_timeout", problem));
        }
        if let Some(max) = max_threads
            && !(1..=MOST_CONNECTIONS).contains(max)
        {
            let problem =
                format!("is {max}; must be from 1 to {MOST_CONNECTIONS}, or `None` for no limit");
            return Err(BuildError::setting("max_threads", problem));
        }
        if *max_overflow > MOST_CONNECTIONS {
            let problem = format!("is {max_overflow}; must be at most {MOST_CONNECTIONS}");
            return Err(BuildError::setting("max_overflow", problem));
        }
        Ok(())
    }
}
