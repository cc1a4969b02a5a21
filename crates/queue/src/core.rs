//! The data of a pool: its fields, its counters, and the state that it reports.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crossbeam_channel::{Receiver, Sender, bounded};
use threadwise_core::parts::fork::ChildPool;
use threadwise_core::parts::{LastError, Lifecycle};
use threadwise_core::{ManageConnection, State};

use crate::flags::Flags;
use crate::place::{Entry, Place};
use crate::settings::Settings;

/// The parts that the handles and the guards of a pool share.
pub(crate) struct Core<M: ManageConnection> {
    pub(crate) lifecycle: Lifecycle<M>,
    pub(crate) settings: Settings,
    /// One end of the queue. The core has both ends, so the channel never disconnects; a closed pool
    /// sends a marker instead, see [`Entry`].
    pub(crate) sender: Sender<Entry<M::Connection>>,
    /// The other end.
    pub(crate) receiver: Receiver<Entry<M::Connection>>,
    /// The places of connections that left with [`remove`](crate::QueuePool::remove).
    removed: Mutex<Vec<Box<Place<M::Connection>>>>,
    /// For each place, by its index.
    pub(crate) place_counts: Box<[PlaceCounts]>,
    pub(crate) counts: Counts,
    pub(crate) last_error: LastError<M::Error>,
    /// How many [`QueuePool`](crate::QueuePool)s there are, see `pool_handle!`.
    pub(crate) handles: AtomicUsize,
    pub(crate) flags: Flags,
    /// In a forked child, the pool that replaces this one.
    pub(crate) child_pool: ChildPool<Self>,
}

/// Numbers for [`State`]. The pool uses them for one decision only, whether a `get` may wait for
/// another connection. So all accesses are `Relaxed`.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) open: AtomicUsize,
    pub(crate) connecting: AtomicUsize,
    pub(crate) waiting: AtomicUsize,
}

/// The counters of one place.
///
/// Only the thread that has the place writes here, so counting takes no locked instruction. The channel
/// orders the writes when the place changes hands, hence `Relaxed`. Two lines of 64 bytes, since
/// processors fetch neighbouring lines together.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct PlaceCounts {
    pub(crate) gets: AtomicU64,
    pub(crate) resets: AtomicU64,
}

/// Adds one to a number of a place that the caller has.
#[inline]
pub(crate) fn increment(number: &AtomicU64) {
    number.store(number.load(Relaxed) + 1, Relaxed);
}

impl<M: ManageConnection> Core<M> {
    /// A pool whose queue is empty: the caller puts the places in.
    pub(crate) fn new(lifecycle: Lifecycle<M>, settings: Settings) -> Arc<Self> {
        let (sender, receiver) = bounded(settings.size + 1); // the places and a marker
        Arc::new(Self {
            lifecycle,
            sender,
            receiver,
            removed: Mutex::default(),
            place_counts: (0..settings.size).map(|_| PlaceCounts::default()).collect(),
            counts: Counts::default(),
            last_error: LastError::default(),
            handles: AtomicUsize::new(1),
            flags: Flags::new(settings.has_per_use_work),
            child_pool: ChildPool::new(),
            settings,
        })
    }

    pub(crate) fn removed(&self) -> MutexGuard<'_, Vec<Box<Place<M::Connection>>>> {
        self.removed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn state(&self) -> State {
        let size = self.settings.size - self.removed().len();
        let mut state = self.lifecycle.state();
        state.max_size = Some(size);
        state.open = self.counts.open.load(Relaxed);
        state.connecting = self.counts.connecting.load(Relaxed);
        state.waiting = self.counts.waiting.load(Relaxed);
        state.closed = self.flags.is_closed();
        state.borrowed = if state.closed {
            state.open // the places of a closed pool do not come back
        } else {
            // A place outside the queue has a borrower, or its connection is being opened.
            size.saturating_sub(self.receiver.len() + state.connecting).min(state.open)
        };
        state.idle = state.open - state.borrowed;
        for PlaceCounts { gets, resets } in &self.place_counts {
            state.counters.gets += gets.load(Relaxed);
            state.counters.resets += resets.load(Relaxed);
        }
        state
    }
}
