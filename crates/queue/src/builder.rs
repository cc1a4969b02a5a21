//! Setting a pool up.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use threadwise_core::{
    BuildError, CloseReason, ConnectError, Deadline, Keeper, ManageConnection, Reset, Validation,
};

use crate::pool::{Core, Counts, QueuePool};

/// Most connections that `build` opens at the same time: enough to hide the server's latency, few
/// enough not to be a burst that a server refuses.
const OPENERS: usize = 16;

/// The settings of a [`QueuePool`].
#[must_use = "a builder makes a pool only when `build` is called"]
pub struct Builder<M> {
    size: usize,
    get_timeout: Option<Duration>,
    validation: Validation,
    reset: Reset,
    manager: PhantomData<fn() -> M>,
}

impl<M: ManageConnection> Default for Builder<M> {
    fn default() -> Self {
        Self {
            size: 10,
            get_timeout: Some(Duration::from_secs(30)),
            validation: Validation::Never,
            reset: Reset::WhenChanged,
            manager: PhantomData,
        }
    }
}

impl<M: ManageConnection> Builder<M> {
    /// How many connections the pool has, at least 1. Default: 10.
    pub fn size(mut self, size: usize) -> Self {
        self.size = size;
        self
    }

    /// How long `get` waits, and how long `build` may take; `None` is for ever, and zero makes
    /// `get` a `try_get`. Default: 30 seconds.
    pub fn get_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.get_timeout = timeout.into();
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

    /// Opens all connections, several at a time, and makes a pool of them.
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] for a size of zero; [`BuildError::ConnectFailed`] with the first
    /// error if a connection cannot be opened, after those that could be were closed again.
    pub fn build(self, manager: M) -> Result<QueuePool<M>, BuildError<M::Error>> {
        if self.size == 0 {
            return Err(BuildError::setting("size", "0 connections serve nobody; at least 1"));
        }
        let (entries, queue) = bounded(self.size + 1); // the places and the mark
        let core = Core {
            keeper: Keeper::new(manager, self.validation, self.reset),
            size: self.size,
            get_timeout: self.get_timeout,
            entries,
            queue,
            counts: Counts::default(),
            handles: AtomicUsize::new(1),
            closed: AtomicBool::new(false),
        };
        for conn in open_all(&core.keeper, self.size, Deadline::for_work(self.get_timeout))? {
            core.add_opened(conn);
        }
        Ok(QueuePool::from_core(core))
    }
}

fn open_all<M: ManageConnection>(
    keeper: &Keeper<M>,
    size: usize,
    deadline: Deadline,
) -> Result<Vec<M::Connection>, BuildError<M::Error>> {
    // The first one alone: what is wrong with one is mostly wrong with all.
    let first = keeper.open(deadline.remaining()).map_err(BuildError::ConnectFailed)?;
    let mut opened = vec![first];
    let mut failed: Option<BuildError<M::Error>> = None;
    let ticket = AtomicUsize::new(1);
    let open_some = || {
        let mut mine: Vec<Result<M::Connection, ConnectError<M::Error>>> = Vec::new();
        while mine.last().is_none_or(Result::is_ok)
            && ticket.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < size
        {
            mine.push(keeper.open(deadline.remaining()));
        }
        mine
    };
    thread::scope(|scope| {
        let mut openers = Vec::new();
        for _ in 1..size.min(OPENERS + 1) {
            match thread::Builder::new()
                .name("threadwise-open".into())
                .spawn_scoped(scope, open_some)
            {
                Ok(opener) => openers.push(opener),
                Err(error) => failed = Some(BuildError::Thread(error)),
            }
        }
        for result in openers.into_iter().flat_map(|opener| opener.join().expect(NO_PANIC)) {
            match result {
                Ok(conn) => opened.push(conn),
                Err(error) => failed = failed.take().or(Some(BuildError::ConnectFailed(error))),
            }
        }
    });
    let Some(error) = failed else { return Ok(opened) };
    for conn in opened {
        keeper.close(conn, CloseReason::PoolClosed);
    }
    Err(error)
}

const NO_PANIC: &str = "a keeper's `open` does not unwind";
