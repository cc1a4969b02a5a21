//! The data of a pool: its fields, its counters, and the state that it reports.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use threadwise_core::parts::fork::ChildPool;
use threadwise_core::parts::{LastError, Lifecycle};
use threadwise_core::{ManageConnection, State};

use crate::cache_line::CacheLine;
use crate::flags::Flags;
use crate::registry::Registry;
use crate::settings::Settings;
use crate::this_thread::PoolKey;
use crate::thread_slot::ThreadSlot;

/// The parts that the handles, the guards and the ends of threads share.
///
/// Each use reads `key`, `flags` and `lifecycle`. What threads write as they come and go has cache lines
/// of its own. (So have the counts of the `Arc` around this, since this is aligned to a line.)
pub(crate) struct Core<M: ManageConnection> {
    pub(crate) key: PoolKey,
    pub(crate) flags: Flags,
    pub(crate) lifecycle: Lifecycle<M>,
    pub(crate) settings: Settings,
    pub(crate) registry: CacheLine<Registry<ThreadSlot<M>>>,
    pub(crate) counts: CacheLine<Counts>,
    pub(crate) last_error: LastError<M::Error>,
    /// In a forked child, the pool that replaces this one.
    pub(crate) child_pool: ChildPool<Self>,
    /// How many [`PersistentPool`](crate::PersistentPool)s there are, see `pool_handle!`.
    pub(crate) handles: CacheLine<AtomicUsize>,
    pub(crate) weak_self: Weak<Self>,
}

/// Numbers of the pool as a whole. They order no other memory, so all accesses are `Relaxed`.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connecting: AtomicUsize,
    /// Open overflow connections. `max_overflow` limits this number.
    pub(crate) overflow: AtomicUsize,
    /// The `get`s of overflow connections, and of slots that have left the registry.
    pub(crate) gets: AtomicU64,
    pub(crate) resets: AtomicU64,
}

/// A connection, with what the limits and the validation need to know about it.
pub(crate) struct Tracked<C> {
    pub(crate) conn: C,
    pub(crate) opened_at: Instant,
    /// When a thread last borrowed or returned it. Up to date only if each use has work of its own,
    /// see `per_use`.
    pub(crate) used_at: Instant,
    /// When it was opened or validated last, by the system's clock.
    pub(crate) last_alive: Option<Instant>,
    pub(crate) uses: u64,
}

impl<C> Tracked<C> {
    pub(crate) fn new(conn: C, now: Instant) -> Self {
        Self { conn, opened_at: now, used_at: now, last_alive: Some(Instant::now()), uses: 0 }
    }
}

impl<M: ManageConnection> Core<M> {
    pub(crate) fn new(lifecycle: Lifecycle<M>, settings: Settings) -> Arc<Self> {
        Arc::new_cyclic(|weak_self| Self {
            key: PoolKey::new(),
            flags: Flags::new(settings.has_per_use_work),
            lifecycle,
            registry: CacheLine::new(Registry::new(settings.max_threads)),
            settings,
            counts: CacheLine::default(),
            last_error: LastError::default(),
            child_pool: ChildPool::new(),
            handles: CacheLine::new(AtomicUsize::new(1)),
            weak_self: Weak::clone(weak_self),
        })
    }

    /// How many connections are open, of all threads together. The number may lag behind.
    pub(crate) fn open_connections(&self) -> usize {
        let exist = self.registry.entries() + self.counts.overflow.load(Ordering::Relaxed);
        exist.saturating_sub(self.counts.connecting.load(Ordering::Relaxed))
    }

    pub(crate) fn state(&self) -> State {
        let (mut entries, mut idle) = (0, 0);
        let (mut gets, mut resets) = (0, 0);
        let waiting = self.registry.visit(|slots| {
            // Read here, where no thread leaves: the counts of one that does would be missed or be
            // counted twice.
            gets = self.counts.gets.load(Ordering::Relaxed);
            resets = self.counts.resets.load(Ordering::Relaxed);
            for slot in slots {
                entries += 1;
                idle += usize::from(slot.slot.is_idle());
                let (slot_gets, slot_resets) = slot.slot.counts();
                gets += slot_gets;
                resets += slot_resets;
            }
        });
        let exist = entries + self.counts.overflow.load(Ordering::Relaxed);
        let connecting = self.counts.connecting.load(Ordering::Relaxed).min(exist);
        let mut state = self.lifecycle.state();
        state.max_size =
            self.settings.max_threads.map(|max| max.saturating_add(self.settings.max_overflow));
        state.open = exist - connecting;
        state.connecting = connecting;
        state.idle = idle;
        state.borrowed = state.open.saturating_sub(idle);
        state.waiting = waiting;
        state.closed = self.flags.is_closed();
        state.counters.gets = gets;
        state.counters.resets += resets;
        state
    }
}
