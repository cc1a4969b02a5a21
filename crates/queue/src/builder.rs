//! Setting a pool up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use threadwise_core::{
    BuildError, Deadline, Events, HookError, Hooks, Keeper, ManageConnection, Observer, Reset,
    Validation,
};

use crate::open::open_all;
use crate::place::Place;
use crate::pool::{Core, QueuePool};

/// The settings of a [`QueuePool`].
#[must_use = "a builder makes a pool only when `build` is called"]
pub struct Builder<M: ManageConnection> {
    settings: Settings,
    validation: Validation,
    reset: Reset,
    hooks: Hooks<M::Connection>,
    observer: Observer,
}

/// What the pool itself has to know of its settings.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) name: Option<Arc<str>>,
    pub(crate) size: usize,
    pub(crate) get_timeout: Option<Duration>,
    /// Whether anything is done at each use: a hook, an event, a look at the clock.
    pub(crate) is_watched: bool,
    /// Whether the events want to hear of each use.
    pub(crate) tells_uses: bool,
}

impl<M: ManageConnection> Default for Builder<M> {
    fn default() -> Self {
        let get_timeout = Some(Duration::from_secs(30));
        let (is_watched, tells_uses) = (false, false);
        Self {
            settings: Settings { name: None, size: 10, get_timeout, is_watched, tells_uses },
            validation: Validation::Never,
            reset: Reset::WhenChanged,
            hooks: Hooks::default(),
            observer: Observer::default(),
        }
    }
}

impl<M: ManageConnection> Builder<M> {
    /// How many connections the pool has, at least 1. Default: 10.
    pub fn size(mut self, size: usize) -> Self {
        self.settings.size = size;
        self
    }

    /// How long `get` waits, and how long `build` may take; `None` is for ever, and zero makes
    /// `get` a `try_get`. Default: 30 seconds.
    pub fn get_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.get_timeout = timeout.into();
        self
    }

    /// When the server is asked whether a connection works. Default: [`Validation::Never`], since
    /// the free check of the manager finds most dead connections and the queue keeps all of them
    /// in use. [`Validation::IdleLongerThan`] makes each `get` and each return read the clock.
    pub fn validation(mut self, validation: Validation) -> Self {
        self.validation = validation;
        self
    }

    /// When the session of a returned connection is made fresh. Default: [`Reset::WhenChanged`].
    pub fn reset(mut self, reset: Reset) -> Self {
        self.reset = reset;
        self
    }

    /// What the pool is called in errors and by [`state`](QueuePool::state). Default: nothing.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.settings.name = Some(name.into());
        self
    }

    /// Who is told of what happens. Unless [`Events::watches_uses`] says otherwise, each use reads
    /// the clock. Default: nobody, which costs nothing.
    pub fn events(mut self, events: impl Events) -> Self {
        self.observer = Observer::new(events);
        self
    }

    /// Called with each connection that was opened, on the thread that opened it. An error or a
    /// panic is a veto, and counts as a failure to connect. Default: none.
    pub fn on_connect(
        mut self,
        hook: impl Fn(&mut M::Connection) -> Result<(), HookError> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.on_connect = Some(Box::new(hook));
        self
    }

    /// Called with each connection that is about to be lent, on the borrower's thread. After a veto
    /// it is closed, and the borrower opens another. Default: none.
    pub fn on_acquire(
        mut self,
        hook: impl Fn(&mut M::Connection) -> Result<(), HookError> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.on_acquire = Some(Box::new(hook));
        self
    }

    /// Called with each connection that comes back, on the thread that gives it back, before it is
    /// reset, but not if that thread panics. After a veto it is closed. Default: none.
    pub fn on_return(
        mut self,
        hook: impl Fn(&mut M::Connection) -> Result<(), HookError> + Send + Sync + 'static,
    ) -> Self {
        self.hooks.on_return = Some(Box::new(hook));
        self
    }

    /// Opens all connections, up to 16 at a time, and makes a pool of them.
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] for a size of zero; [`BuildError::ConnectFailed`] with the first
    /// error if a connection cannot be opened. Then no other is begun, those that are under way are
    /// waited for, and all are closed again.
    pub fn build(self, manager: M) -> Result<QueuePool<M>, BuildError<M::Error>> {
        let (keeper, settings, opened) = self.open(manager)?;
        let core = Core::start(keeper, settings);
        for (number, conn) in opened.into_iter().enumerate() {
            let mut place = Place { number, conn: None, since: Some(Instant::now()) };
            core.seat(&mut place, conn);
            core.put(Some(Box::new(place)));
        }
        Ok(QueuePool { core })
    }

    pub(crate) fn open(mut self, mut manager: M) -> Result<Opened<M>, BuildError<M::Error>> {
        self.settings.name.as_ref().inspect(|name| manager.set_pool_name(name));
        self.settings.tells_uses = self.observer.watches_uses();
        self.settings.is_watched = self.settings.tells_uses
            || self.hooks.watch_uses()
            || matches!(self.validation, Validation::IdleLongerThan(_));
        let keeper = Keeper::new(manager, self.validation, self.reset)
            .with_hooks(self.hooks)
            .with_observer(self.observer);
        let deadline = Deadline::for_work(self.settings.get_timeout);
        let opened = open_all(&keeper, self.settings.size, deadline)?;
        Ok((keeper, self.settings, opened))
    }

    /// A setting for connections that have one user at a time, if there is such.
    pub(crate) fn needs_one_user(&self) -> Option<&'static str> {
        match &self.hooks {
            _ if self.validation != Validation::Never => Some("validation"),
            Hooks { on_acquire: Some(_), .. } => Some("on_acquire"),
            Hooks { on_return: Some(_), .. } => Some("on_return"),
            _ => None,
        }
    }
}

/// What pools are made of.
type Opened<M> = (Keeper<M>, Settings, Vec<<M as ManageConnection>::Connection>);
