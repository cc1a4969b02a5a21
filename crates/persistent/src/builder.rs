//! Setting a pool up.

use std::time::Duration;

use threadwise_core::{
    BuildError, Clock, CloseReason, Lifecycle, MOST_CONNECTIONS, ManageConnection, Patience,
    Policies, Validation,
};

use crate::pool::PersistentPool;
use crate::settings::{Limits, Settings};

/// The settings of a [`PersistentPool`].
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
                tells_uses: false,
                watches_uses: false,
            },
            policies: Policies::new(Validation::Never),
        }
    }
}

/// # How many, and how long
impl<M: ManageConnection> Builder<M> {
    /// The most threads that may have a connection at the same time, from 1 to
    /// [`MOST_CONNECTIONS`]; a thread beyond that waits for another to end. Default: no limit, as many
    /// connections as threads.
    pub fn max_threads(mut self, max: impl Into<Option<usize>>) -> Self {
        self.settings.max_threads = max.into();
        self
    }

    /// The most connections, of all threads together, that may be open besides the threads' own: for
    /// a `get` on a thread that holds its connection already, as under work stealing, where a thread
    /// that waits inside of a task is given another one. Each is opened for one use and closed after
    /// it. At most [`MOST_CONNECTIONS`]. Default: 0; such a `get` is [`GetError::AlreadyBorrowed`](crate::GetError::AlreadyBorrowed).
    pub fn max_overflow(mut self, max: usize) -> Self {
        self.settings.max_overflow = max;
        self
    }

    /// How long `get` may take, waiting for another thread to end or opening a connection; `None`
    /// is for ever, and zero makes `get` a `try_get`. Default: 30 seconds.
    pub fn get_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.get_timeout = Patience::new(timeout.into());
        self
    }

    /// How old a connection may get; an older one is replaced by the `get` that finds it, unless a
    /// transaction is open on it. Default: no limit.
    ///
    /// Each of the three limits makes every `get` and every return read the clock, which is some 50
    /// nanoseconds instead of 5. Nothing is closed between the uses: a thread that does not come
    /// back keeps its connection.
    pub fn max_lifetime(mut self, lifetime: impl Into<Option<Duration>>) -> Self {
        self.settings.limits.max_lifetime = lifetime.into();
        self
    }

    /// How long a connection may lie unused; as [`max_lifetime`](Self::max_lifetime). Default: no
    /// limit.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.limits.idle_timeout = timeout.into();
        self
    }

    /// How often a connection may be borrowed; as [`max_lifetime`](Self::max_lifetime). Default: no
    /// limit.
    pub fn max_uses(mut self, uses: impl Into<Option<u64>>) -> Self {
        self.settings.limits.max_uses = uses.into();
        self
    }
}

/// # Checks, and their clock
impl<M: ManageConnection> Builder<M> {
    /// When the server is asked whether a connection works. Default: [`Validation::Never`], since
    /// the free check of the manager finds most dead connections.
    /// [`Validation::IdleLongerThan`] makes each `get` and each return read the clock; the time
    /// counts from the server's last answer, if the manager knows it, otherwise from the connection's
    /// opening or last validation.
    pub fn validation(mut self, validation: Validation) -> Self {
        self.policies.validation = validation;
        self
    }

    /// How long a question to the server, or the reset of a session, may take; `None` sets no limit.
    /// The connection is closed if the server does not answer within that time. A caller whose own
    /// time is up earlier goes away earlier, and its thread keeps the connection where the manager can
    /// wait for a late answer: see
    /// [`is_valid_patient`](ManageConnection::is_valid_patient). Default: 5 seconds.
    pub fn validation_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.policies.validation_timeout = timeout.into();
        self
    }

    /// The clock that limits and reports go by, for tests. Time-outs of waiting, and the time of a
    /// validation, go by the system's.
    /// Default: the system's.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.settings.clock = clock;
        self
    }
}

threadwise_core::policy_setters!(Builder, "threadwise_persistent::PersistentPool");

/// # Making the pool
impl<M: ManageConnection> Builder<M> {
    /// Makes a pool. Opens one connection to find out whether the settings work, and closes it
    /// again: the pool's connections are the threads' own.
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] for a limit of zero or beyond [`MOST_CONNECTIONS`];
    /// [`BuildError::ConnectFailed`] if no connection
    /// can be opened.
    pub fn build(self, manager: M) -> Result<PersistentPool<M>, BuildError<M::Error>> {
        let pool = self.build_lazy(manager)?;
        let core = pool.core();
        let limit = core.settings.get_timeout.for_work();
        let conn = core.lifecycle.open(limit).map_err(BuildError::ConnectFailed)?;
        core.lifecycle.close(conn, CloseReason::Probed);
        Ok(pool)
    }

    /// Makes a pool without opening a connection: the first `get` finds out whether it works.
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] for a limit of zero or beyond [`MOST_CONNECTIONS`].
    pub fn build_lazy(self, manager: M) -> Result<PersistentPool<M>, BuildError<M::Error>> {
        self.check()?;
        let Self { mut settings, policies } = self;
        settings.tells_uses = policies.observer.watches_uses();
        settings.watches_uses = policies.watch_uses()
            || settings.limits.are_set()
            || matches!(policies.validation, Validation::IdleLongerThan(_));
        Ok(PersistentPool::start(Lifecycle::new(manager, policies), settings))
    }

    fn check(&self) -> Result<(), BuildError<M::Error>> {
        let limits = &self.settings.limits;
        let is_zero = |limit: Option<Duration>| limit == Some(Duration::ZERO);
        let zero = [
            ("max_lifetime", is_zero(limits.max_lifetime)),
            ("idle_timeout", is_zero(limits.idle_timeout)),
            ("max_uses", limits.max_uses == Some(0)),
        ];
        if let Some((name, _)) = zero.into_iter().find(|(_, is_zero)| *is_zero) {
            let problem = "is 0, so no connection could be used twice; `None` sets no limit";
            return Err(BuildError::setting(name, problem));
        }
        if is_zero(self.policies.validation_timeout) {
            let problem = "is zero, so each check would fail; `None` sets no limit";
            return Err(BuildError::setting("validation_timeout", problem));
        }
        if let Some(max) = self.settings.max_threads
            && !(1..=MOST_CONNECTIONS).contains(&max)
        {
            let problem =
                format!("is {max}; must be from 1 to {MOST_CONNECTIONS}, or `None` for no limit");
            return Err(BuildError::setting("max_threads", problem));
        }
        let max = self.settings.max_overflow;
        if max > MOST_CONNECTIONS {
            let problem = format!("is {max}; must be at most {MOST_CONNECTIONS}");
            return Err(BuildError::setting("max_overflow", problem));
        }
        Ok(())
    }
}
