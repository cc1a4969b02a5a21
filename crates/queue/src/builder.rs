//! Setting a pool up.

use std::time::Duration;

use threadwise_core::{
    BuildError, Clock, Hooks, Lifecycle, ManageConnection, Patience, Policies, Validation, fork,
};

use crate::open::open_all;
use crate::place::Place;
use crate::pool::{Core, QueuePool};

/// The settings of a [`QueuePool`].
#[must_use = "a builder makes a pool only when `build` is called"]
pub struct Builder<M: ManageConnection> {
    settings: Settings,
    policies: Policies<M::Connection>,
}

/// What the pool itself has to know of its settings.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) size: usize,
    pub(crate) get_timeout: Patience,
    /// Whether anything is done at each use: a hook, an event, a look at the clock.
    pub(crate) is_watched: bool,
    /// Whether the events want to hear of each use.
    pub(crate) tells_uses: bool,
}

impl<M: ManageConnection> Default for Builder<M> {
    fn default() -> Self {
        let get_timeout = Patience::new(Some(Duration::from_secs(30)));
        Self {
            settings: Settings { size: 10, get_timeout, is_watched: false, tells_uses: false },
            policies: Policies::new(Validation::Never),
        }
    }
}

threadwise_core::policy_setters!(Builder, "threadwise_queue::QueuePool");

impl<M: ManageConnection> Builder<M> {
    /// How many connections the pool has, at least 1. Default: 10.
    pub fn size(mut self, size: usize) -> Self {
        self.settings.size = size;
        self
    }

    /// How long `get` waits, and how long `build` may take; `None` is for ever, and zero makes
    /// `get` a `try_get`. Default: 30 seconds.
    pub fn get_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.get_timeout = Patience::new(timeout.into());
        self
    }

    /// How long a question to the server, and the reset of a session on return, may take; `None`
    /// leaves it to the manager's own time-outs, and 30 s for a reset. A connection that takes
    /// longer is closed. If a caller of `get` waits for less than that, its question does not end
    /// early at the connection's cost: see
    /// [`is_valid_patient`](ManageConnection::is_valid_patient). Default: 5 seconds.
    pub fn validation_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.policies.validation_timeout = timeout.into();
        self
    }

    /// When the server is asked whether a connection works. Default: [`Validation::Never`], since
    /// the free check of the manager finds most dead connections and the queue keeps all of them
    /// in use. [`Validation::IdleLongerThan`] makes each `get` and each return read the clock; the
    /// time counts from the server's last answer, if the manager knows it, otherwise from the
    /// connection's opening or last validation.
    pub fn validation(mut self, validation: Validation) -> Self {
        self.policies.validation = validation;
        self
    }

    /// Opens all connections, up to 16 at a time, and makes a pool of them.
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] for a size of zero, or of more than [`MOST_CONNECTIONS`](threadwise_core::MOST_CONNECTIONS),
    /// and for a `validation_timeout` of zero; [`BuildError::ConnectFailed`] with the first
    /// error if a connection cannot be opened. Then no other is begun, those that are under way are
    /// waited for, and all are closed again.
    pub fn build(self, manager: M) -> Result<QueuePool<M>, BuildError<M::Error>> {
        let (lifecycle, settings, opened) = self.open(manager)?;
        let core = fork::watched(Core::new(lifecycle, settings));
        for (number, conn) in opened.into_iter().enumerate() {
            let mut place = Place { number, conn: None, since: None, alive: None };
            core.seat(&mut place, conn);
            core.put(Some(Box::new(place)));
        }
        Ok(QueuePool { core })
    }

    pub(crate) fn open(self, manager: M) -> Result<Opened<M>, BuildError<M::Error>> {
        let Self { mut settings, policies } = self;
        settings.tells_uses = policies.observer.watches_uses();
        settings.is_watched =
            policies.watch_uses() || matches!(policies.validation, Validation::IdleLongerThan(_));
        if policies.validation_timeout.is_some_and(|timeout| timeout.is_zero()) {
            let problem = "is zero, so each check would fail; `None` sets no limit";
            return Err(BuildError::setting("validation_timeout", problem));
        }
        let lifecycle = Lifecycle::new(manager, policies);
        let opened =
            open_all(&lifecycle, settings.size, settings.get_timeout.work_deadline(Clock::SYSTEM))?;
        Ok((lifecycle, settings, opened))
    }

    /// A setting for connections that have one user at a time, if there is such.
    pub(crate) fn needs_one_user(&self) -> Option<&'static str> {
        match &self.policies.hooks {
            _ if self.policies.validation != Validation::Never => Some("validation"),
            Hooks { on_acquire: Some(_), .. } => Some("on_acquire"),
            Hooks { on_return: Some(_), .. } => Some("on_return"),
            _ => None,
        }
    }
}

/// What pools are made of.
type Opened<M> = (Lifecycle<M>, Settings, Vec<<M as ManageConnection>::Connection>);
