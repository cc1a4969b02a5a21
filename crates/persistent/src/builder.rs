//! Setting a pool up.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::time::Duration;

use thread_local::ThreadLocal;
use threadwise_core::{
    BuildError, CloseReason, Deadline, Keeper, ManageConnection, Reset, Validation,
};

use crate::pool::{Core, PersistentPool};
use crate::registry::Registry;

/// The settings of a [`PersistentPool`].
#[must_use = "a builder makes a pool only when `build` is called"]
pub struct Builder<M> {
    max_threads: Option<usize>,
    get_timeout: Option<Duration>,
    validation: Validation,
    reset: Reset,
    manager: PhantomData<fn() -> M>,
}

impl<M: ManageConnection> Default for Builder<M> {
    fn default() -> Self {
        Self {
            max_threads: None,
            get_timeout: Some(Duration::from_secs(30)),
            validation: Validation::Never,
            reset: Reset::WhenChanged,
            manager: PhantomData,
        }
    }
}

impl<M: ManageConnection> Builder<M> {
    /// The most threads that may have a connection at the same time, at least 1; a thread beyond
    /// that waits for another to end. Default: no limit, as many connections as threads.
    pub fn max_threads(mut self, max: impl Into<Option<usize>>) -> Self {
        self.max_threads = max.into();
        self
    }

    /// How long `get` may take, waiting for another thread to end or opening a connection; `None`
    /// is for ever, and zero makes `get` a `try_get`. Default: 30 seconds.
    pub fn get_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.get_timeout = timeout.into();
        self
    }

    /// When the server is asked whether a connection works. Default: [`Validation::Never`], since
    /// the free check of the manager finds most dead connections.
    /// [`Validation::IdleLongerThan`] makes each `get` and each return read the clock.
    pub fn validation(mut self, validation: Validation) -> Self {
        self.validation = validation;
        self
    }

    /// When the session of a returned connection is made fresh. Default: [`Reset::WhenChanged`].
    pub fn reset(mut self, reset: Reset) -> Self {
        self.reset = reset;
        self
    }

    /// Makes a pool. Opens one connection to find out whether the settings work, and closes it
    /// again: the pool's connections are the threads' own.
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] for `max_threads` of zero, [`BuildError::ConnectFailed`] if no
    /// connection can be opened.
    pub fn build(self, manager: M) -> Result<PersistentPool<M>, BuildError<M::Error>> {
        let pool = self.build_lazy(manager)?;
        let core = pool.core();
        let limit = Deadline::for_work(core.get_timeout).remaining();
        let conn = core.keeper.open(limit).map_err(BuildError::ConnectFailed)?;
        core.keeper.close(conn, CloseReason::Probed);
        Ok(pool)
    }

    /// Makes a pool without opening a connection: the first `get` finds out whether it works.
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] for `max_threads` of zero.
    pub fn build_lazy(self, manager: M) -> Result<PersistentPool<M>, BuildError<M::Error>> {
        if self.max_threads == Some(0) {
            let problem = "0 threads would leave nobody to use the pool; at least 1, or `None`";
            return Err(BuildError::setting("max_threads", problem));
        }
        Ok(PersistentPool::from_core(Core {
            keeper: Keeper::new(manager, self.validation, self.reset),
            get_timeout: self.get_timeout,
            max_threads: self.max_threads,
            slots: ThreadLocal::new(),
            registry: Registry::new(self.max_threads),
            connecting: AtomicUsize::new(0),
            handles: AtomicUsize::new(1),
            closed: AtomicBool::new(false),
        }))
    }
}
