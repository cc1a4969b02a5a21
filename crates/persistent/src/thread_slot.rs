//! A thread's slot in a pool, with the pool that it belongs to.
#![allow(unsafe_code)]

use std::sync::Weak;

use threadwise_core::{CloseReason, ManageConnection};

use crate::cache_line::CacheLine;
use crate::core::{Core, Tracked};
use crate::exit::ThreadEnd;
use crate::open::EntryGuard;
use crate::slot::{self, Slot};

pub(crate) type OwnerRef<'p, M> = slot::OwnerRef<'p, Tracked<<M as ManageConnection>::Connection>>;
pub(crate) type Borrowed<'p, M> = slot::Borrowed<'p, Tracked<<M as ManageConnection>::Connection>>;
pub(crate) type Empty<'p, M> = slot::Empty<'p, Tracked<<M as ManageConnection>::Connection>>;
pub(crate) type Shared<'p, M> = slot::Shared<'p, Tracked<<M as ManageConnection>::Connection>>;

pub(crate) struct ThreadSlot<M: ManageConnection> {
    /// The thread writes to it at each use, so it shares no cache line with another thread's slot.
    pub(crate) slot: CacheLine<Slot<Tracked<M::Connection>>>,
    pub(crate) core: Weak<Core<M>>,
}

impl<M: ManageConnection> ThreadEnd for ThreadSlot<M> {
    fn thread_ended(&self) {
        let Some(core) = self.core.upgrade() else { return };
        // SAFETY: this is called on the thread that owns the slot.
        let owner = unsafe { self.slot.owner_ref() };
        if core.flags.is_forked() {
            if let Some(tracked) = owner.end_unlocked() {
                core.lifecycle.forget_in_child(tracked.conn);
            }
        } else if let Some(tracked) = owner.end() {
            let _entry = EntryGuard { core: &core, thread: self.slot.owner() };
            core.lifecycle.close(tracked.conn, CloseReason::ThreadEnded);
        }
    }

    fn is_over(&self) -> bool {
        self.core.strong_count() == 0
    }
}
