//! What the pool counts, and what it says of itself.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use threadwise_core::{ConnectError, Deadline, Exhausted, GetError, ManageConnection, State};

use crate::pool::Core;

/// For [`State`] only; nothing is decided by these numbers, hence `Relaxed` throughout.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) open: AtomicUsize,
    pub(crate) connecting: AtomicUsize,
    pub(crate) waiting: AtomicUsize,
}

/// What was done with a place's connections. Only the place's holder writes to it, so counting costs
/// no locked instruction; what the channel does when a place changes hands orders the writes, hence
/// `Relaxed`. Two lines of 64 bytes, since processors fetch neighbouring lines together.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Used {
    pub(crate) gets: AtomicU64,
    pub(crate) resets: AtomicU64,
}

/// Adds one to a number of the caller's place.
#[inline]
pub(crate) fn count(number: &AtomicU64) {
    number.store(number.load(Relaxed) + 1, Relaxed);
}

impl<M: ManageConnection> Core<M> {
    #[cold]
    pub(crate) fn exhausted(&self) -> GetError<M::Error> {
        GetError::Exhausted(Box::new(Exhausted::new(self.state(), None)))
    }

    #[cold]
    pub(crate) fn timed_out(
        &self,
        deadline: Deadline,
        cause: Option<ConnectError<M::Error>>,
    ) -> GetError<M::Error> {
        let advice = "hold connections for a shorter time, or raise `size` or `get_timeout`";
        self.lifecycle.timed_out(deadline, || self.state(), cause, advice)
    }

    pub(crate) fn state(&self) -> State {
        let size = self.settings.size - self.taken().len();
        let mut state = self.lifecycle.state();
        state.max_size = Some(size);
        state.open = self.counts.open.load(Relaxed);
        state.connecting = self.counts.connecting.load(Relaxed);
        state.waiting = self.counts.waiting.load(Relaxed);
        state.closed = self.is_closed();
        // A place that does not lie in the queue is with a borrower or being filled; those of a
        // closed pool do not come back, and its connections are all borrowed.
        let lent = size.saturating_sub(self.queue.len() + state.connecting).min(state.open);
        state.borrowed = if state.closed { state.open } else { lent };
        state.idle = state.open - state.borrowed;
        for Used { gets, resets } in &self.used {
            state.counters.gets += gets.load(Relaxed);
            state.counters.resets += resets.load(Relaxed);
        }
        state
    }
}
