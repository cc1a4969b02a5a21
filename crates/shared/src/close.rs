//! What is done with a pool as a whole: resize, evict, close.

use std::time::Instant;

use threadwise_core::{BuildError, CloseReason, Deadline, ManageConnection};

use crate::builder::too_many;
use crate::pool::{Core, Lock, OwnedSlot};
use crate::slot::Slot;
use crate::slots::MAX_SIZE;
use crate::waiter::Mail;

impl<M: ManageConnection> Core<M> {
    /// Closes the pool; waits for what is idle to be closed, at the latest until `end`.
    pub(crate) fn close(&self, end: Instant) {
        self.snapshot.closed();
        let mut line = self.exchange.line.lock();
        line.closed = true;
        self.exchange.dismiss_all(line, || Mail::Closed);
        self.sharing.close();
        self.retry.notify_all();
        self.chore.notify_all();
        let close = |owned: OwnedSlot<'_, M>| self.give_up(owned, CloseReason::PoolClosed);
        self.exchange.slots.retire_all(close);
        self.close_workshop(end);
    }

    /// Closes the idle connections of this generation and earlier ones, and marks the borrowed ones.
    pub(crate) fn evict(&self, generation: u64) {
        let mut line = self.exchange.line.lock();
        let generation = generation.min(line.generation);
        line.evicted = line.evicted.max(generation);
        line.generation = line.generation.max(generation + 1);
        drop(line);
        let is_meant = |slot: &&Slot<M::Connection>| slot.generation() <= generation;
        for slot in self.exchange.slots.iter().filter(is_meant) {
            slot.retire(|owned| self.give_up(owned, CloseReason::Evicted));
        }
    }

    pub(crate) fn evict_idle(&self) {
        for owned in self.exchange.slots.iter().filter_map(Slot::reserve) {
            self.give_up(owned, CloseReason::Evicted);
        }
    }

    pub(crate) fn resize(&self, max_size: usize) -> Result<(), BuildError<M::Error>> {
        let mut line = self.exchange.line.lock();
        let min_idle = line.limits.min_idle;
        if max_size == 0 || max_size < min_idle {
            let problem = format!("{max_size} is less than 1 or than `min_idle`, {min_idle}");
            return Err(BuildError::setting("max_size", problem));
        }
        if max_size > MAX_SIZE {
            return Err(BuildError::setting("max_size", too_many(max_size)));
        }
        line.limits.max_size = max_size;
        self.snapshot.resized(max_size);
        let surplus = self.exchange.shrink(&mut line);
        self.meet_demand(line);
        surplus.into_iter().for_each(|owned| self.close_off(owned, CloseReason::Surplus));
        Ok(())
    }

    /// Waits until so many connections are open; `None` if an attempt to open one failed, or the
    /// time is up.
    pub(crate) fn await_open(&self, wanted: usize, deadline: Deadline) -> Option<()> {
        let mut line = self.exchange.line.lock();
        while line.open < wanted {
            if line.last_error().is_some() || deadline.has_passed() {
                return None;
            }
            line = self.settings.clock.wait_until(&self.progress, line, deadline.instant());
        }
        Some(())
    }

    /// Waits for the threads of a closed pool to end.
    pub(crate) fn await_threads(&self, deadline: Deadline) -> bool {
        self.await_quiet(deadline, |line| line.threads == 0)
    }

    /// Waits for the connections and threads of a closed pool to end.
    pub(crate) fn await_end(&self, deadline: Deadline) -> bool {
        self.await_quiet(deadline, |line| {
            line.threads == 0 && line.open == 0 && line.connecting() == 0
        })
    }

    fn await_quiet(&self, deadline: Deadline, is_quiet: impl Fn(&Lock<'_, M>) -> bool) -> bool {
        let mut line = self.exchange.line.lock();
        while !is_quiet(&line) && !deadline.has_passed() {
            line = self.progress.wait_until(line, deadline.instant());
        }
        is_quiet(&line)
    }
}
