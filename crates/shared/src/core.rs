//! The parts that the handles, the guards and the pool's threads share.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use threadwise_core::parts::Lifecycle;
use threadwise_core::parts::fork::ChildPool;
use threadwise_core::parts::sync::Condvar;
use threadwise_core::{ManageConnection, State};

use crate::affinity::Affinity;
use crate::after_fork::ForkSnapshot;
use crate::background::Background;
use crate::flags::WATCHED;
use crate::handoff::{Handoff, Locked};
use crate::holders::Holders;
use crate::settings::Settings;
use crate::share::Sharing;
use crate::slot::{Owned, Slot};

pub(crate) struct Core<M: ManageConnection> {
    pub(crate) handoff: Handoff<M::Connection, M::Error>,
    pub(crate) lifecycle: Lifecycle<M>,
    pub(crate) sharing: Sharing<M::Connection>,
    pub(crate) affinity: Affinity,
    pub(crate) settings: Settings,
    /// When the pool was built. Slots record times as nanoseconds since then.
    pub(crate) epoch: Instant,
    /// Whether a return takes the slow path: uses are watched, or the process was forked.
    pub(crate) slow_return: AtomicBool,
    pub(crate) child_pool: ChildPool<Self>,
    pub(crate) snapshot: ForkSnapshot,
    pub(crate) holders: Holders,
    pub(crate) background: Background<M::Connection>,
    pub(crate) me: Weak<Self>,
    /// Wakes the prober during its pause.
    pub(crate) retry: Condvar,
    /// Wakes the housekeeper.
    pub(crate) housekeeper: Condvar,
    /// Notified when a thread of the pool has opened a connection, has failed to, or has ended.
    pub(crate) progress: Condvar,
    /// The highest count of `gets` that [`state`](Self::state) has returned.
    pub(crate) reported_gets: AtomicU64,
    /// There is a housekeeper, or one is about to start.
    pub(crate) has_housekeeper: AtomicBool,
    pub(crate) handles: AtomicUsize,
}

/// The pool's lock, held.
pub(crate) type Lock<'a, M> =
    Locked<'a, <M as ManageConnection>::Connection, <M as ManageConnection>::Error>;
pub(crate) type OwnedSlot<'p, M> = Owned<'p, <M as ManageConnection>::Connection>;

/// How long a drop of the last handle, or `close`, waits for the pool's threads. A dialer that hangs
/// in the manager's `connect` ends when that returns.
pub(crate) const CLOSE_GRACE: Duration = Duration::from_millis(100);

pub(crate) const CONNECTED: &str = "an owned slot that is not empty has a connection";

impl<M: ManageConnection> Core<M> {
    /// A pool without connections and threads.
    pub(crate) fn new(
        lifecycle: Lifecycle<M>,
        affinity: Affinity,
        settings: Settings,
    ) -> Arc<Self> {
        let Settings { limits, per_use, clock, .. } = settings;
        let flags = if per_use.watches_uses { WATCHED } else { 0 };
        Arc::new_cyclic(|me| Self {
            handoff: Handoff::new(limits, settings.fair_after, flags),
            lifecycle,
            sharing: Sharing::new(settings.max_sharing),
            affinity,
            settings,
            epoch: clock.now(),
            slow_return: AtomicBool::new(per_use.watches_uses),
            child_pool: ChildPool::new(),
            snapshot: ForkSnapshot::new(limits),
            holders: Holders::new(),
            background: Background::new(),
            me: me.clone(),
            retry: Condvar::new(),
            housekeeper: Condvar::new(),
            progress: Condvar::new(),
            reported_gets: AtomicU64::new(0),
            has_housekeeper: AtomicBool::new(false),
            handles: AtomicUsize::new(1),
        })
    }

    pub(crate) fn state(&self) -> State {
        let locked = self.handoff.state.lock();
        let mut state = self.lifecycle.state();
        state.max_size = Some(locked.limits.max_size);
        state.open = locked.open;
        state.connecting = locked.connecting();
        state.idle = self.handoff.slots.idle().min(locked.open);
        state.borrowed = locked.open - state.idle;
        state.waiting = locked.waiting();
        state.closed = locked.closed;
        state.suspended = locked.suspended;
        state.generation = locked.generation;
        drop(locked);
        state.counters.gets = self.gets();
        state.counters.resets = self.handoff.slots.iter().map(Slot::resets).sum();
        state
    }

    /// How many times a connection was borrowed. A connection that a `get` finds unfit counts for that
    /// moment; the result therefore never falls below one that was returned before.
    fn gets(&self) -> u64 {
        let gets = self.handoff.slots.iter().map(Slot::gets).sum();
        // Relaxed: the counter says nothing about other memory.
        self.reported_gets.fetch_max(gets, Ordering::Relaxed).max(gets)
    }

    /// The pool's name in reports.
    pub(crate) fn name(&self) -> &str {
        self.lifecycle.name().map_or("SharedPool", |name| name)
    }

    /// The name of a thread of the pool. The system shows the first 15 bytes of it.
    pub(crate) fn thread_name(&self, does: &str) -> String {
        format!("{}-{does}", self.lifecycle.name().map_or("threadwise", |name| name))
    }

    /// Converts a moment to the format of the slots.
    pub(crate) fn nanos(&self, moment: Instant) -> u64 {
        nanos_of(moment.saturating_duration_since(self.epoch))
    }

    /// Converts a moment from the format of the slots; `None` means never.
    pub(crate) fn instant(&self, nanos: u64) -> Option<Instant> {
        if nanos == u64::MAX {
            return None;
        }
        self.epoch.checked_add(Duration::from_nanos(nanos))
    }
}

/// A time in nanoseconds. A time beyond 64 bits never ends.
pub(crate) fn nanos_of(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
