//! Setting a pool up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::time::Duration;

use threadwise_core::fork::{self, ChildPool};
use threadwise_core::sync::Condvar;
use threadwise_core::{
    BuildError, Clock, Events, HookError, Lifecycle, ManageConnection, Observer, Patience,
    Policies, Reset, Validation,
};

use crate::after_fork::ForkSnapshot;
use crate::dialer::Backoff;
use crate::handoff::Exchange;
use crate::affinity::HintKey;
use crate::holders::Holders;
use crate::housekeeper::Ages;
use crate::state::Limits;
use crate::pool::{Core, SharedPool};
use crate::share::table::Sharing;
use crate::slot::WATCHED;
use crate::slots::MAX_SIZE;
use crate::per_use::{NestedGet, Watch};
use crate::background::Workshop;

/// The settings of a [`SharedPool`]. Each has a default that suits a program that nothing is known
/// about, and says why it is that.
#[must_use = "a builder makes a pool only when `build` is called"]
pub struct Builder<M: ManageConnection> {
    settings: Settings,
    policies: Policies<M::Connection>,
}

/// What a pool is made of, apart from its lifecycle.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) limits: Limits,
    pub(crate) get_timeout: Patience,
    pub(crate) fair_after: Duration,
    pub(crate) max_sharing: usize,
    pub(crate) ages: Ages,
    pub(crate) connect_backoff: Backoff,
    pub(crate) connect_patience: Duration,
    pub(crate) watch: Watch,
    pub(crate) clock: Clock,
}

impl<M: ManageConnection> Default for Builder<M> {
    fn default() -> Self {
        Self {
            settings: Settings {
                limits: Limits {
                    max_size: 10,
                    min_idle: 0,
                    max_waiters: None,
                    connect_concurrency: 4,
                },
                get_timeout: Patience::new(Some(Duration::from_secs(30))),
                fair_after: Duration::from_millis(1),
                max_sharing: 0,
                ages: Ages {
                    max_lifetime: Some(Duration::from_secs(30 * 60)),
                    lifetime_jitter: 0.25,
                    idle_timeout: Some(Duration::from_secs(10 * 60)),
                    keepalive: Some(Duration::from_secs(2 * 60)),
                    leak_threshold: None,
                },
                connect_backoff: Backoff {
                    first: Duration::from_millis(10),
                    longest: Duration::from_secs(5),
                },
                connect_patience: Duration::from_secs(3),
                watch: Watch {
                    watches_uses: false,
                    tells_uses: false,
                    traces_holders: false,
                    traces_places: false,
                    max_uses: None,
                    max_idle: None,
                    nested_get: NestedGet::Off,
                    slow_get: None,
                },
                clock: Clock::SYSTEM,
            },
            policies: Policies {
                validation_timeout: Some(Duration::from_secs(5)),
                ..Policies::new(Validation::DEFAULT)
            },
        }
    }
}

/// # How many
impl<M: ManageConnection> Builder<M> {
    /// The most connections that may be open, those being opened and closed included; at least 1, at
    /// most 1 048 576. A limit that is never reached costs nothing.
    ///
    /// Default: 10. A database does its work with a few connections for each of its processors and
    /// disks; more only wait there instead of here.
    pub fn max_size(mut self, max_size: usize) -> Self {
        self.settings.limits.max_size = max_size;
        self
    }

    /// How many connections are kept ready for use: whenever fewer are idle, others are opened, as
    /// far as `max_size` allows. No idle connection is closed for its idleness below this.
    ///
    /// Default: 0. A program that is not used then holds nothing.
    pub fn min_idle(mut self, min_idle: usize) -> Self {
        self.settings.limits.min_idle = min_idle;
        self
    }

    /// The most connections that lie idle: what comes back beyond that is closed, unless somebody
    /// waits for it. With this each return takes a lock and looks through the slots.
    ///
    /// Default: no other limit than `max_size`, and no lock. What a burst has opened is closed by
    /// `idle_timeout` when it is certain that the burst is over.
    pub fn max_idle(mut self, max_idle: impl Into<Option<usize>>) -> Self {
        self.settings.watch.max_idle = max_idle.into();
        self
    }

    /// The most connections that are shared by [`share`](SharedPool::share) at the same time; each
    /// counts as one against `max_size`, however many share it.
    ///
    /// Default: 0, none is. Only some drivers' connections can be.
    pub fn max_sharing(mut self, max_sharing: usize) -> Self {
        self.settings.max_sharing = max_sharing;
        self
    }
}

/// # Waiting
impl<M: ManageConnection> Builder<M> {
    /// How long `get` waits, and how long `build` may take; `None` is for ever, and zero makes
    /// `get` a `try_get`.
    ///
    /// Default: 30 seconds, longer than any healthy wait and shorter than a person's patience.
    pub fn get_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.get_timeout = Patience::new(timeout.into());
        self
    }

    /// The most threads that may wait; one more is told
    /// [`QueueFull`](crate::GetError::QueueFull) at once.
    ///
    /// Default: no limit. How much work a server takes on is better decided where it comes in.
    pub fn max_waiters(mut self, max: impl Into<Option<usize>>) -> Self {
        self.settings.limits.max_waiters = max.into();
        self
    }

    /// How long a thread waits before the next connection that comes back is its own, in the order
    /// in which threads came. Before that, a thread that is running may take it first: when
    /// connections are held for microseconds, that saves a switch of threads for each use. Zero is
    /// strict order.
    ///
    /// Default: 1 ms, which is longer than a good many short uses and shorter than a query that
    /// anybody would call slow.
    pub fn fair_after(mut self, fair_after: Duration) -> Self {
        self.settings.fair_after = fair_after;
        self
    }
}

/// # Opening connections
impl<M: ManageConnection> Builder<M> {
    /// The most connections that are being opened at the same time, at least 1.
    ///
    /// Default: 4. One would make all wait for the slowest; as many as are wanted would run down a
    /// server that has just come back.
    pub fn connect_concurrency(mut self, dialers: usize) -> Self {
        self.settings.limits.connect_concurrency = dialers;
        self
    }

    /// How long to pause after a failure to connect: `first`, then twice as long each time, up to
    /// `longest`, less a quarter at most by chance; and 200 ms at most while a thread waits.
    ///
    /// Default: 10 ms to 5 s. A server that restarts quickly is found quickly, and one that is down
    /// for long is asked rarely.
    pub fn connect_backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.settings.connect_backoff = Backoff { first, longest };
        self
    }

    /// How long an attempt to connect may take until others begin as if it were not under way. It
    /// goes on, and counts against `max_size`, until the manager's own time-out ends it.
    ///
    /// Default: 3 s. A packet that was lost on the way has been sent again by then.
    pub fn connect_patience(mut self, patience: Duration) -> Self {
        self.settings.connect_patience = patience;
        self
    }
}

/// # Ageing
impl<M: ManageConnection> Builder<M> {
    /// How long a connection lives at most: it is closed when that is over, if it is borrowed when
    /// it comes back, and if it is in a transaction after that. `None` sets no limit.
    ///
    /// Default: 30 minutes. Memory that a server keeps for a session is freed that way, and a pool
    /// moves to where a changed address points.
    pub fn max_lifetime(mut self, lifetime: impl Into<Option<Duration>>) -> Self {
        self.settings.ages.max_lifetime = lifetime.into();
        self
    }

    /// The part of `max_lifetime`, from 0 to 1, by which each connection's own is shorter, at most;
    /// how much is left to chance.
    ///
    /// Default: 0.25. Connections that were opened together are not all replaced together.
    pub fn lifetime_jitter(mut self, part: f64) -> Self {
        self.settings.ages.lifetime_jitter = part;
        self
    }

    /// How long a connection may lie idle until it is closed, as long as more than `min_idle` are
    /// idle; never earlier, and a quarter later at most. `None` sets no limit.
    ///
    /// Default: 10 minutes, so that a burst's connections outlive its pauses.
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.ages.idle_timeout = timeout.into();
        self
    }

    /// How long a connection may lie idle until the pool asks the server whether it works, on a
    /// thread of its own; nobody can borrow it meanwhile. `None` is never.
    ///
    /// Default: 2 minutes. Firewalls forget connections that are silent for longer, and a pool that
    /// was not used for a night is in order in the morning.
    pub fn keepalive(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.settings.ages.keepalive = interval.into();
        self
    }

    /// How often a connection is lent until it is closed, which happens when it comes back, and not
    /// inside a transaction. With this each use leaves the fast path.
    ///
    /// Default: no limit. It is for drivers and servers that leak something at each use.
    pub fn max_uses(mut self, uses: impl Into<Option<u64>>) -> Self {
        self.settings.watch.max_uses = uses.into();
        self
    }
}

/// # Between two users
impl<M: ManageConnection> Builder<M> {
    /// When the server is asked whether a connection works. The manager's free check is made on
    /// every checkout and every return in any case. After one such question has failed, all
    /// connections that were open then are asked before they are lent again.
    ///
    /// Default: when the connection has been idle for more than 500 ms. A connection in constant use
    /// is known to work, and asking would double the cost of a short query.
    pub fn validation(mut self, validation: Validation) -> Self {
        self.policies.validation = validation;
        self
    }

    /// How long the server may take for its answer, if the borrower's deadline does not come first;
    /// and how long the pool's own checks and closes may hold a connection's capacity. `None` is for
    /// ever.
    ///
    /// Default: 5 s. A server that does not answer the shortest question for so long will not answer
    /// a longer one.
    pub fn validation_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.policies.validation_timeout = timeout.into();
        self
    }

    /// When the session of a returned connection is made fresh. If that fails the connection is
    /// closed.
    ///
    /// Default: [`Reset::WhenChanged`], which is safe as far as the manager can tell, and free when
    /// nothing was changed.
    pub fn reset(mut self, reset: Reset) -> Self {
        self.policies.reset = reset;
        self
    }

    /// Called with each connection that was opened, on the pool's thread that opened it. An error or
    /// a panic is a veto, and counts as a failure to connect.
    ///
    /// Default: none. What every session needs is better said in the manager, once for all pools.
    pub fn on_connect(
        mut self,
        hook: impl Fn(&mut M::Connection) -> Result<(), HookError> + Send + Sync + 'static,
    ) -> Self {
        self.policies.hooks.on_connect = Some(Box::new(hook));
        self
    }

    /// Called with each connection that is about to be lent, on the borrower's thread. After a veto
    /// the connection is closed, and the borrower gets another. With this each use leaves the fast
    /// path.
    ///
    /// Default: none.
    pub fn on_acquire(
        mut self,
        hook: impl Fn(&mut M::Connection) -> Result<(), HookError> + Send + Sync + 'static,
    ) -> Self {
        self.policies.hooks.on_acquire = Some(Box::new(hook));
        self
    }

    /// Called with each connection that comes back, on the thread that gives it back, before it is
    /// reset, but not if that thread panics. After a veto the connection is closed. With this each
    /// use leaves the fast path.
    ///
    /// Default: none.
    pub fn on_return(
        mut self,
        hook: impl Fn(&mut M::Connection) -> Result<(), HookError> + Send + Sync + 'static,
    ) -> Self {
        self.policies.hooks.on_return = Some(Box::new(hook));
        self
    }
}

/// # Watching and diagnosis
impl<M: ManageConnection> Builder<M> {
    /// What the pool and its threads are called, in errors, reports and lists of threads (the system
    /// shows the first 15 bytes there). No NUL.
    ///
    /// Default: none; threads are called `threadwise-…`.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.policies.name = Some(name.into());
        self
    }

    /// Who is told of what happens. Unless [`Events::watches_uses`] says otherwise, each use leaves
    /// the fast path.
    ///
    /// Default: nobody, which costs nothing; reports go to the `log` crate.
    pub fn events(mut self, events: impl Events) -> Self {
        self.policies.observer = Observer::new(events);
        self
    }

    /// After how long a connection that has not come back is reported: who has it, where it was
    /// borrowed, for how long; and again when it comes back. With this each use records its
    /// backtrace, which takes some microseconds. `None` is never.
    ///
    /// Default: never, since a program's own longest use is not known.
    pub fn leak_threshold(mut self, threshold: impl Into<Option<Duration>>) -> Self {
        self.settings.ages.leak_threshold = threshold.into();
        self
    }

    /// Whether it is recorded who has which connection, so that a time-out names them. With this
    /// each use leaves the fast path and takes a lock that all share.
    ///
    /// Default: no; `leak_threshold` and `nested_get` turn it on.
    pub fn trace_holders(mut self, trace: bool) -> Self {
        self.settings.watch.traces_holders = trace;
        self
    }

    /// What happens when a thread that has a connection waits for another, and so do all others that
    /// have one: nobody could give one back. It is found by the threads that borrowed; so keep
    /// guards on their threads. With this each use is recorded as by `trace_holders`.
    ///
    /// Default: [`NestedGet::Off`], which costs nothing.
    pub fn nested_get(mut self, nested_get: NestedGet) -> Self {
        self.settings.watch.nested_get = nested_get;
        self
    }

    /// From how long on a `get` that was served is reported as slow, whatever it waited for: a
    /// connection, or the server's answer to a check. `None` is never. Costs nothing on the fast
    /// path.
    ///
    /// Default: never.
    pub fn slow_get(mut self, wait: impl Into<Option<Duration>>) -> Self {
        self.settings.watch.slow_get = wait.into();
        self
    }

    /// Where the pool takes its time from: for tests, a [`VirtualClock`](crate::VirtualClock).
    ///
    /// Default: the machine's monotonic clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.settings.clock = clock;
        self
    }
}

/// # The pool
impl<M: ManageConnection> Builder<M> {
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
        let deadline = core.settings.get_timeout.work_deadline(core.settings.clock);
        let line = core.exchange.line.lock();
        let wanted = line.limits.min_idle.max(1);
        if line.limits.min_idle == 0 {
            core.grow(line);
        } else {
            core.meet_demand(line);
        }
        match core.await_open(wanted, deadline) {
            Some(()) => Ok(pool),
            None => {
                let error = core.exchange.line.lock().replace_error(None);
                Err(match error {
                    Some(error) => BuildError::ConnectFailed(error),
                    None => BuildError::TimedOut {
                        waited: deadline.waited(),
                        address: core.lifecycle.address(),
                    },
                })
            }
        }
    }

    /// Makes a pool without opening a connection; `min_idle` and the first `get`s do.
    ///
    /// # Errors
    ///
    /// [`BuildError::Setting`] for settings that make no sense.
    pub fn build_lazy(mut self, manager: M) -> Result<SharedPool<M>, BuildError<M::Error>> {
        self.check()?;
        self.settle_what_is_watched();
        let lifecycle = Lifecycle::new(manager, self.policies);
        let core = fork::watched(Core::new(lifecycle, HintKey::new(), self.settings));
        let pool = SharedPool::from_core(core);
        pool.core().start_housekeeper().map_err(BuildError::Thread)?;
        Ok(pool)
    }

    /// What follows from the settings for each use.
    fn settle_what_is_watched(&mut self) {
        let watch = &mut self.settings.watch;
        watch.traces_places = self.settings.ages.leak_threshold.is_some();
        watch.traces_holders |= watch.traces_places || watch.nested_get != NestedGet::Off;
        watch.tells_uses = self.policies.observer.watches_uses();
        watch.watches_uses = self.policies.watch_uses()
            || watch.traces_holders
            || watch.max_uses.is_some()
            || watch.max_idle.is_some();
    }

    fn check(&self) -> Result<(), BuildError<M::Error>> {
        let Limits { max_size, min_idle, connect_concurrency, .. } = self.settings.limits;
        let Backoff { first, longest } = self.settings.connect_backoff;
        let is_zero = |time: Option<Duration>| time == Some(Duration::ZERO);
        let problem = match () {
            () if max_size == 0 => ("max_size", "0 connections serve nobody; at least 1".into()),
            () if max_size > MAX_SIZE => ("max_size", too_many(max_size)),
            () if min_idle > max_size => {
                ("min_idle", format!("{min_idle} is more than `max_size`, which is {max_size}"))
            }
            () if self.settings.watch.max_idle.is_some_and(|max_idle| max_idle < min_idle) => {
                ("max_idle", format!("it is less than `min_idle`, which is {min_idle}"))
            }
            () if connect_concurrency == 0 => {
                ("connect_concurrency", "0 would never open a connection; at least 1".into())
            }
            () if first.is_zero() || first > longest => {
                let problem = format!("from {first:?} to {longest:?}; it has to rise from above 0");
                ("connect_backoff", problem)
            }
            () if self.settings.connect_patience.is_zero() => ("connect_patience", NOT_ZERO.into()),
            () if is_zero(self.settings.ages.max_lifetime) => {
                ("max_lifetime", NONE_FOR_EVER.into())
            }
            () if is_zero(self.settings.ages.idle_timeout) => {
                ("idle_timeout", NONE_FOR_EVER.into())
            }
            () if is_zero(self.settings.ages.keepalive) => ("keepalive", NONE_FOR_NEVER.into()),
            () if is_zero(self.settings.ages.leak_threshold) => {
                ("leak_threshold", NONE_FOR_NEVER.into())
            }
            () if is_zero(self.policies.validation_timeout) => {
                ("validation_timeout", NONE_FOR_EVER.into())
            }
            () if !(0.0..=1.0).contains(&self.settings.ages.lifetime_jitter) => (
                "lifetime_jitter",
                format!("{} is not from 0 to 1", self.settings.ages.lifetime_jitter),
            ),
            () if self.settings.watch.max_uses == Some(0) => {
                ("max_uses", "0 would never lend a connection; at least 1, or none".into())
            }
            () if self.policies.name.as_ref().is_some_and(|name| name.contains('\0')) => {
                ("name", "a thread's name cannot contain NUL".into())
            }
            () => return Ok(()),
        };
        Err(BuildError::setting(problem.0, problem.1))
    }
}

impl<M: ManageConnection> Core<M> {
    /// With nothing open, and no thread yet.
    pub(crate) fn new(lifecycle: Lifecycle<M>, hint: HintKey, settings: Settings) -> Arc<Self> {
        let Settings { limits, watch, clock, .. } = settings;
        let marks = if watch.watches_uses { WATCHED } else { 0 };
        Arc::new_cyclic(|me| Self {
            exchange: Exchange::new(limits, settings.fair_after, marks),
            lifecycle,
            sharing: Sharing::new(settings.max_sharing),
            hint,
            settings,
            epoch: clock.now(),
            looks: AtomicBool::new(watch.watches_uses),
            child_pool: ChildPool::new(),
            snapshot: ForkSnapshot::new(limits),
            holders: Holders::new(),
            workshop: Workshop::new(),
            me: me.clone(),
            retry: Condvar::new(),
            chore: Condvar::new(),
            progress: Condvar::new(),
            gets_told: AtomicU64::new(0),
            is_kept: AtomicBool::new(false),
            handles: AtomicUsize::new(1),
        })
    }
}

/// What is wrong with so high a limit.
pub(crate) fn too_many(max_size: usize) -> String {
    format!("{max_size} is more than a pool can have open; at most {MAX_SIZE}")
}

const NOT_ZERO: &str = "has to be longer than zero";
const NONE_FOR_EVER: &str = "has to be longer than zero, or `None` for no limit";
const NONE_FOR_NEVER: &str = "has to be longer than zero, or `None` for never";
