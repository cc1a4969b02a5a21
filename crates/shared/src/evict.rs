//! Eviction, and suspicion after a connection was found dead.

use threadwise_core::{CloseReason, ManageConnection};

use crate::background::Task;
use crate::core::Core;
use crate::slot::Slot;

impl<M: ManageConnection> Core<M> {
    /// Closes the idle connections of this generation and of earlier ones, and marks the borrowed ones.
    pub(crate) fn evict(&self, generation: u64) {
        let mut state = self.handoff.state.lock();
        let generation = generation.min(state.generation);
        state.evicted = state.evicted.max(generation);
        state.generation = state.generation.max(generation + 1);
        drop(state);
        let is_meant = |slot: &&Slot<M::Connection>| slot.generation() <= generation;
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

    /// Makes the pool validate all connections of this generation before their next use, because
    /// one of them no longer works.
    ///
    /// The pool's threads validate the idle ones now, so that borrowers do not find the dead ones
    /// one by one. The pool validates the borrowed ones after their return. Does nothing if the
    /// generation was suspected before.
    pub(crate) fn suspect(&self, generation: u64) {
        let mut state = self.handoff.state.lock();
        if generation < state.generation || state.closed {
            return;
        }
        state.suspected = state.generation;
        state.generation += 1;
        drop(state);
        let is_meant = |slot: &&Slot<M::Connection>| slot.generation() <= generation;
        for slot in self.handoff.slots.iter().filter(is_meant) {
            slot.suspect(|owned| self.submit(Task::Check(owned.hand_over())));
        }
    }
}
