//! Eviction, and suspicion after a connection was found dead.

use threadwise_core::parts::foreign;
use threadwise_core::{CloseReason, ManageConnection};

use crate::background::Task;
use crate::core::{CONNECTED, Core};
use crate::origin::Origin;
use crate::slot::Slot;

impl<M: ManageConnection> Core<M> {
    /// Closes the idle connections of this generation and of earlier ones, and marks the borrowed ones.
    pub(crate) fn evict(&self, generation: u64) {
        let mut state = self.handoff.state.lock();
        let generation = generation.min(state.generation);
        state.evicted = state.evicted.max(generation);
        state.generation = state.generation.max(generation + 1);
        drop(state);
        let is_meant = |slot: &&Slot<M::Connection>| slot.origin().generation <= generation;
        for slot in self.handoff.slots.iter().filter(is_meant) {
            slot.retire(|owned| self.close_in_background(owned, CloseReason::Evicted));
        }
    }

    /// Closes the idle connections.
    pub(crate) fn evict_idle(&self) {
        for owned in self.handoff.slots.iter().filter_map(Slot::reserve) {
            self.close_in_background(owned, CloseReason::Evicted);
        }
    }

    /// Closes the idle connections for which `is_meant` returns `true`, or panics.
    pub(crate) fn evict_if(&self, mut is_meant: impl FnMut(&mut M::Connection) -> bool) {
        for mut owned in self.handoff.slots.iter().filter_map(Slot::reserve_to_look) {
            let conn = owned.content_mut().as_mut().expect(CONNECTED);
            if foreign::call(|| is_meant(conn)).unwrap_or(true) {
                self.close_in_background(owned, CloseReason::Evicted);
            } else {
                self.put(owned);
            }
        }
    }

    /// Makes the pool validate the connections of this origin's group before their next use, because
    /// one of them no longer works.
    ///
    /// The pool's threads validate the idle ones now, so that borrowers do not find the dead ones
    /// one by one. The pool validates the borrowed ones after their return. Does nothing if the
    /// connections of this origin were suspected before.
    pub(crate) fn suspect(&self, origin: Origin) {
        let mut state = self.handoff.state.lock();
        if state.closed || !state.suspect(origin) {
            return;
        }
        let generation = state.generation - 1; // those opened from now on are not meant
        drop(state);
        let is_meant = |slot: &&Slot<M::Connection>| {
            let other = slot.origin();
            other.group == origin.group && other.generation <= generation
        };
        for slot in self.handoff.slots.iter().filter(is_meant) {
            slot.suspect(|owned| self.submit(Task::Check(owned.hand_over())));
        }
    }
}
