//! A thread's place in a pool, and how the thread finds it.
#![allow(unsafe_code)]

use std::sync::{Arc, Weak};

use threadwise_core::{CloseReason, ManageConnection};

use crate::cache_line::CacheLine;
use crate::core::{Core, Held, Own};
use crate::exit::{self, ThreadEnd};
use crate::opening::Entry;
use crate::slot::Slot;

/// A thread's place in a pool.
pub(crate) struct ThreadSlot<M: ManageConnection> {
    /// Its thread writes to it at each use, so it shares no cache line with another thread's.
    pub(crate) slot: CacheLine<Slot<Held<M::Connection>>>,
    core: Weak<Core<M>>,
}

impl<M: ManageConnection> Core<M> {
    /// This thread's slot, if it was used lately.
    #[inline]
    pub(crate) fn find(&self) -> Option<Own<'_, M>> {
        // SAFETY: the slots of this pool are of this type. What is done with it before it is entered
        // is done now, on a thread that is not ending, and while the pool is there; and while it is
        // entered, which it is as long as there is a connection in it or a guard of it, the registry
        // keeps it alive.
        let slot: &ThreadSlot<M> = unsafe { exit::find(self.key) }?;
        // SAFETY: it was found among this thread's.
        Some(unsafe { slot.slot.own() })
    }

    /// This thread's slot, found or made; `None` on a thread that is ending.
    pub(crate) fn find_or_make(&self) -> Option<Own<'_, M>> {
        self.find().or_else(|| {
            exit::remember(self.key, &self.slot_of_this_thread()?);
            self.find()
        })
    }

    /// The last handle of the pool is dropped. Needs nothing of the system, so that nothing can fail.
    pub(crate) fn end_slots(&self) {
        // SAFETY: this is called by the drop of the last handle, which has synchronised with that of
        // each of the others (their count is decremented with AcqRel). Every guard borrows a handle,
        // and only what holds a handle borrows a connection; a thread that ends takes its connection
        // under the slot's lock.
        let seen = unsafe { self.flags.close_unused() };
        self.close_slots(Some(seen));
    }

    pub(crate) fn slot_of_this_thread(&self) -> Option<Arc<ThreadSlot<M>>> {
        let make = |owner| ThreadSlot {
            slot: CacheLine::new(Slot::new(owner)),
            core: Weak::clone(&self.me),
        };
        exit::slot_of(self.key, make)
    }
}

impl<M: ManageConnection> ThreadEnd for ThreadSlot<M> {
    fn thread_ended(&self) {
        let Some(core) = self.core.upgrade() else { return };
        // SAFETY: it is called on the thread that owns the slot.
        let own = unsafe { self.slot.own() };
        if core.flags.is_forked() {
            if let Some(held) = own.end_unlocked() {
                core.lifecycle.forget_in_child(held.conn);
            }
        } else if let Some(held) = own.end() {
            let _entry = Entry { core: &core, thread: self.slot.owner() };
            core.lifecycle.close(held.conn, CloseReason::ThreadEnded);
        }
    }

    fn is_over(&self) -> bool {
        self.core.strong_count() == 0
    }
}
