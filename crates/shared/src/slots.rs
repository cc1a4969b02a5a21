//! The pool's slots: segments that are added as the limit is raised, and that stay where they are.

use std::sync::OnceLock;

use crate::slot::{Handed, Owned, Seen, Slot};

/// How often the limit can be raised beyond what it ever was.
const SEGMENTS: usize = 32;

pub(crate) struct Slots<T> {
    first: Box<[Slot<T>]>,
    more: [OnceLock<Box<[Slot<T>]>>; SEGMENTS],
}

impl<T> Slots<T> {
    pub(crate) fn new(count: usize) -> Self {
        Self { first: segment(0, count), more: [const { OnceLock::new() }; SEGMENTS] }
    }

    /// Adds slots until there are `count`; `false` if they cannot be added any more. The caller
    /// holds the line's lock: one at a time.
    pub(crate) fn grow(&self, count: usize) -> bool {
        let missing = count.saturating_sub(self.iter().count());
        if missing == 0 {
            return true;
        }
        // Twice as many as there were, so that few segments reach far.
        let len = count - missing;
        let added = missing.max(len);
        let free = self.more.iter().find(|segment| segment.get().is_none());
        free.is_some_and(|free| free.set(segment(len, added)).is_ok())
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&Slot<T>> {
        match self.first.get(index) {
            Some(slot) => Some(slot),
            None => self.get_beyond_first(index),
        }
    }

    #[cold]
    fn get_beyond_first(&self, index: usize) -> Option<&Slot<T>> {
        self.iter().nth(index)
    }

    /// All slots, in the order of their indices.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot<T>> {
        let more = self.more.iter().map_while(OnceLock::get).flat_map(|segment| segment.iter());
        self.first.iter().chain(more)
    }

    /// Takes any idle connection, the fresh ones first; the second value says that it is stale.
    /// One that is idle all the while is never overlooked.
    pub(crate) fn take_any(&self) -> Option<(Owned<'_, T>, bool)> {
        let is = |slot: &Slot<T>, wanted| slot.seen() == Seen::Idle { stale: wanted };
        let fresh = self.iter().filter(|slot| is(slot, false)).find_map(Slot::take);
        if let Some(owned) = fresh {
            return Some((owned, false));
        }
        let idle = self.iter().filter(|slot| matches!(slot.seen(), Seen::Idle { .. }));
        idle.map(Slot::take_stale).find_map(|taken| taken)
    }

    pub(crate) fn any_idle(&self) -> bool {
        self.iter().any(|slot| matches!(slot.seen(), Seen::Idle { .. }))
    }

    /// Takes a slot without a connection, to open one.
    pub(crate) fn begin_dial(&self) -> Option<Owned<'_, T>> {
        self.iter().find_map(Slot::begin_dial)
    }

    /// Takes up the right that was handed over.
    pub(crate) fn accept(&self, handed: Handed<T>) -> Owned<'_, T> {
        let slot = self.slot_of(&handed);
        handed.accept(slot)
    }

    #[inline]
    pub(crate) fn slot_of(&self, handed: &Handed<T>) -> &Slot<T> {
        self.get(handed.index()).expect("slots are never removed")
    }
}

fn segment<T>(start: usize, count: usize) -> Box<[Slot<T>]> {
    (start..start + count).map(Slot::new).collect()
}
