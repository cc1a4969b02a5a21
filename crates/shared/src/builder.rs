//! Setting a pool up.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use threadwise_core::sync::Condvar;
use threadwise_core::{BuildError, Deadline, Keeper, ManageConnection, Reset, Validation};

use crate::exchange::Exchange;
use crate::hint::HintKey;
use crate::line::Limits;
use crate::pool::{Core, SharedPool};
use crate::sharing::Sharing;

/// The settings of a [`SharedPool`].
#[must_use = "a builder makes a pool only when `build` is called"]
pub struct Builder<M> {
    limits: Limits,
    get_timeout: Option<Duration>,
    fair_after: Duration,
    max_sharing: usize,
    validation: Validation,
    reset: Reset,
    manager: PhantomData<fn() -> M>,
}

impl<M: ManageConnection> Default for Builder<M> {
    fn default() -> Self {
        Self {
            limits: Limits { max_size: 10, min_idle: 0, max_waiters: None, connect_concurrency: 4 },
            get_timeout: Some(Duration::from_secs(30)),
            fair_after: Duration::from_millis(1),
            max_sharing: 0,
            validation: Validation::DEFAULT,
            reset: Reset::WhenChanged,
            manager: PhantomData,
        }
    }
}

impl<M: ManageConnection> Builder<M> {
    /// The most connections that may be open, those being opened included; at least 1.
    /// Default: 10.
    pub fn max_size(mut self, max_size: usize) -> Self {
        self.limits.max_size = max_size;
        self
    }

    /// How many connections are kept ready for use: whenever fewer are idle, others are opened, as
    /// far as `max_size` allows. Default: 0.
    pub fn min_idle(mut self, min_idle: usize) -> Self {
        self.limits.min_idle = min_idle;
        self
    }

    /// How long `get` waits, and how long `build` may take; `None` is for ever, and zero makes
    /// `get` a `try_get`. Default: 30 seconds.
    pub fn get_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.get_timeout = timeout.into();
        self
    }

    /// The most threads that may wait; one more is told [`QueueFull`](crate::GetError::QueueFull) at once. Default:
    /// no limit.
    pub fn max_waiters(mut self, max: impl Into<Option<usize>>) -> Self {
        self.limits.max_waiters = max.into();
        self
    }

    /// How long a thread waits before the next connection that comes back is its own, in the order
    /// in which threads came. Before that, a thread that is running may take it first: when
    /// connections are held for microseconds, that saves a switch of threads for each use. Zero is
    /// strict order. Default: 1 ms.
    pub fn fair_after(mut self, fair_after: Duration) -> Self {
        self.fair_after = fair_after;
        self
    }

    /// The most connections that are shared by [`share`](SharedPool::share) at the same time; each
    /// counts as one against `max_size`, however many share it. Default: 0, none is.
    pub fn max_sharing(mut self, max_sharing: usize) -> Self {
        self.max_sharing = max_sharing;
        self
    }

    /// The most connections that are being opened at the same time, at least 1. Default: 4.
    pub fn connect_concurrency(mut self, dialers: usize) -> Self {
        self.limits.connect_concurrency = dialers;
        self
    }

    /// When the server is asked whether a connection works. Default: when the connection has been
    /// idle for more than 500 ms.
    pub fn validation(mut self, validation: Validation) -> Self {
        self.validation = validation;
        self
    }

    /// When the session of a returned connection is made fresh. Default: [`Reset::WhenChanged`].
    pub fn reset(mut self, reset: Reset) -> Self {
        self.reset = reset;
        self
    }

    /// Makes a pool with one connection, or with `min_idle` connections.
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] for settings that make no sense; [`BuildError::ConnectFailed`] with
    /// the first error if a connection cannot be opened; [`BuildError::TimedOut`] if that takes
    /// longer than `get_timeout`.
    pub fn build(self, manager: M) -> Result<SharedPool<M>, BuildError<M::Error>> {
        let pool = self.build_lazy(manager)?;
        let core = pool.core();
        let deadline = Deadline::for_work(core.get_timeout);
        let line = core.exchange.line.lock();
        let wanted = line.limits.min_idle.max(1);
        if line.limits.min_idle == 0 {
            core.grow(line);
        } else {
            core.meet_demand(line);
        }
        match core.await_open(wanted, deadline) {
            Some(()) => Ok(pool),
            None => Err(match core.exchange.line.lock().last_error.take() {
                Some(error) => BuildError::ConnectFailed(error),
                None => BuildError::TimedOut { waited: deadline.waited() },
            }),
        }
    }

    /// Makes a pool without opening a connection; `min_idle` and the first `get`s do.
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] for settings that make no sense.
    pub fn build_lazy(self, manager: M) -> Result<SharedPool<M>, BuildError<M::Error>> {
        self.check()?;
        let pool = SharedPool::from_core(Arc::new_cyclic(|me| Core {
            exchange: Exchange::new(self.limits, self.fair_after),
            keeper: Keeper::new(manager, self.validation, self.reset),
            sharing: Sharing::new(self.max_sharing),
            hint: HintKey::new(),
            get_timeout: self.get_timeout,
            me: me.clone(),
            retry: Condvar::new(),
            chore: Condvar::new(),
            progress: Condvar::new(),
            handles: AtomicUsize::new(1),
        }));
        pool.core().start_housekeeper().map_err(BuildError::Thread)?;
        Ok(pool)
    }

    fn check(&self) -> Result<(), BuildError<M::Error>> {
        let Limits { max_size, min_idle, connect_concurrency, .. } = self.limits;
        if max_size == 0 {
            let problem = "0 connections serve nobody; at least 1";
            return Err(BuildError::setting("max_size", problem));
        }
        if min_idle > max_size {
            let problem = format!("{min_idle} is more than `max_size`, which is {max_size}");
            return Err(BuildError::setting("min_idle", problem));
        }
        if connect_concurrency == 0 {
            let problem = "0 would never open a connection; at least 1";
            return Err(BuildError::setting("connect_concurrency", problem));
        }
        Ok(())
    }
}
