//! The builder of a pool.

use std::time::Duration;

use threadwise_core::parts::{Lifecycle, Patience, Policies, Setting, fork};
use threadwise_core::{BuildError, Clock, Hooks, ManageConnection, Validation};

use crate::core::Core;
use crate::open::open_all;
use crate::place::Place;
use crate::pool::QueuePool;
use crate::settings::Settings;

/// The settings of a [`QueuePool`].
///
/// ```
/// # use std::time::Duration;
/// # use threadwise_queue::{QueuePool, Validation};
/// # use threadwise_testkit::FakeManager;
/// let pool = QueuePool::builder()
///     .size(4)
///     .get_timeout(Duration::from_secs(5))
///     .validation(Validation::IdleLongerThan(Duration::from_secs(60)))
///     .validation_timeout(Duration::from_secs(1))
///     .build(FakeManager)?;
/// assert_eq!(pool.state().max_size, Some(4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a builder makes a pool only when `build` is called"]
pub struct Builder<M: ManageConnection> {
    settings: Settings,
    policies: Policies<M::Connection>,
}

impl<M: ManageConnection> Default for Builder<M> {
    fn default() -> Self {
        let get_timeout = Patience::new(Some(Duration::from_secs(30)));
        Self {
            settings: Settings {
                size: 10,
                get_timeout,
                has_per_use_work: false,
                emits_uses: false,
            },
            policies: Policies::new(Validation::Never),
        }
    }
}

/// # Size, timeouts and checks
impl<M: ManageConnection> Builder<M> {
    /// How many connections the pool has, at least 1. Default: 10.
    ///
    /// ```
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = QueuePool::builder().size(2).build(FakeManager)?;
    /// assert_eq!(pool.state().open, 2);
    /// assert!(QueuePool::builder().size(0).build(FakeManager).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn size(mut self, size: usize) -> Self {
        self.settings.size = size;
        self
    }

    /// How long `get` waits for a connection, and how long `build` may take. `None` waits without a
    /// limit; zero makes `get` a `try_get`. Default: 30 seconds.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_queue::{GetError, QueuePool};
    /// # use threadwise_testkit::FakeManager;
    /// let timeout = Duration::from_millis(10);
    /// let pool = QueuePool::builder().size(1).get_timeout(timeout).build(FakeManager)?;
    /// let borrowed = pool.get()?;
    /// assert!(matches!(pool.get(), Err(GetError::TimedOut(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.get_timeout = Patience::new(timeout.into());
        self
    }

    /// When the pool asks the server whether a connection works. Default: [`Validation::Never`], since
    /// the manager's free check finds most dead connections, and the queue uses all of them regularly.
    ///
    /// [`Validation::IdleLongerThan`] makes each `get` and each return read the clock. Its time counts
    /// from the server's last answer if the manager knows that, otherwise from the connection's opening
    /// or last validation.
    ///
    /// ```
    /// # use threadwise_queue::{QueuePool, Validation};
    /// # use threadwise_testkit::FakeManager;
    /// let pool = QueuePool::builder().validation(Validation::OnCheckout).build(FakeManager)?;
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
    /// A caller of `get` that waits for less than this returns earlier. The pool keeps the
    /// connection if the manager can wait for a late answer: see
    /// [`is_valid_patient`](ManageConnection::is_valid_patient).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_queue::{QueuePool, Validation};
    /// # use threadwise_testkit::FakeManager;
    /// let pool = QueuePool::builder()
    ///     .validation(Validation::OnCheckout)
    ///     .validation_timeout(Duration::from_secs(1))
    ///     .build(FakeManager)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn validation_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.policies.validation_timeout = timeout.into();
        self
    }
}

threadwise_core::policy_setters!(Builder, "threadwise_queue::QueuePool");

/// # Looking at the settings
impl<M: ManageConnection> Builder<M> {
    /// The settings with their values, defaults included, for a log. Hooks and events are not among
    /// them, and no value is a secret.
    ///
    /// ```
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_sqlite::SqliteManager;
    /// let builder = QueuePool::<SqliteManager>::builder().name("orders");
    /// for (name, value) in builder.settings() {
    ///     println!("{name} = {value}");
    /// }
    /// assert!(builder.settings().contains(&("get_timeout", "30s".into())));
    /// ```
    #[must_use]
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let Policies { name, validation, validation_timeout, reset, .. } = &self.policies;
        let values: [(&str, Setting); 5] = [
            ("size", self.settings.size.into()),
            ("get_timeout", self.settings.get_timeout.timeout().into()),
            ("validation", (*validation).into()),
            ("validation_timeout", (*validation_timeout).into()),
            ("reset", (*reset).into()),
        ];
        Setting::list(name.as_deref(), values)
    }
}

/// # Making the pool
impl<M: ManageConnection> Builder<M> {
    /// Opens all connections, up to 16 at a time, and makes a pool of them.
    ///
    /// If one connection cannot be opened, `build` begins no other attempt, waits for those that are
    /// under way, and closes what it has opened.
    ///
    /// ```
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_testkit::FakeManager;
    /// let pool = QueuePool::builder().name("orders").size(4).build(FakeManager)?;
    /// assert_eq!(pool.state().idle, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] for a size of zero or of more than
    /// [`MOST_CONNECTIONS`](threadwise_core::parts::MOST_CONNECTIONS), and for a `validation_timeout` of zero;
    /// [`BuildError::ConnectFailed`] with the first error if a connection cannot be opened.
    pub fn build(self, manager: M) -> Result<QueuePool<M>, BuildError<M::Error>> {
        self.build_from(manager, None)
    }

    /// Makes a pool as [`build`](Self::build) does, of a server that may be starting: while connections
    /// cannot be opened, closes those that it has and tries again after pauses of 10 ms to 1 s, until
    /// `limit` has passed. `get_timeout` does not matter here. Blocks this thread.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use threadwise_queue::QueuePool;
    /// # use threadwise_testkit::FakeManager;
    /// let minute = Duration::from_secs(60);
    /// let pool = QueuePool::builder().size(4).build_within(minute, FakeManager)?;
    /// assert_eq!(pool.state().idle, 4);
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
    ) -> Result<QueuePool<M>, BuildError<M::Error>> {
        self.build_from(manager, Some(limit))
    }

    fn build_from(
        self,
        manager: M,
        within: Option<Duration>,
    ) -> Result<QueuePool<M>, BuildError<M::Error>> {
        let (lifecycle, settings, opened) = self.open(manager, within)?;
        let core = fork::watched(Core::new(lifecycle, settings));
        for (index, conn) in opened.into_iter().enumerate() {
            let mut place = Place::empty(index);
            core.install(&mut place, conn);
            core.put(Some(Box::new(place)));
        }
        Ok(QueuePool { core })
    }

    /// Checks the settings and opens the connections of a pool. Tries again until `within` has passed,
    /// if that is set.
    pub(crate) fn open(
        self,
        manager: M,
        within: Option<Duration>,
    ) -> Result<Opened<M>, BuildError<M::Error>> {
        let Self { mut settings, policies } = self;
        settings.emits_uses = policies.observer.watches_uses();
        let reads_clock = matches!(policies.validation, Validation::IdleLongerThan(_));
        settings.has_per_use_work = policies.watch_uses() || reads_clock;
        if policies.validation_timeout == Some(Duration::ZERO) {
            let problem = "is zero, so every validation would fail; use `None` for no limit";
            return Err(BuildError::setting("validation_timeout", problem));
        }
        let lifecycle = Lifecycle::new(manager, policies);
        settings.has_per_use_work |= lifecycle.makes_quick_checks();
        let open = |deadline| open_all(&lifecycle, settings.size, deadline);
        let opened = match within {
            Some(limit) => lifecycle.build_within(limit, Clock::SYSTEM, open)?,
            None => open(settings.get_timeout.work_deadline(Clock::SYSTEM))?,
        };
        Ok((lifecycle, settings, opened))
    }

    /// The name of a setting that needs connections with one user at a time, if one is set.
    pub(crate) fn setting_for_one_user(&self) -> Option<&'static str> {
        let Hooks { on_acquire, on_return, .. } = &self.policies.hooks;
        if self.policies.validation != Validation::Never {
            Some("validation")
        } else if on_acquire.is_some() {
            Some("on_acquire")
        } else if on_return.is_some() {
            Some("on_return")
        } else {
            None
        }
    }
}

/// The parts of a pool.
type Opened<M> = (Lifecycle<M>, Settings, Vec<<M as ManageConnection>::Connection>);
