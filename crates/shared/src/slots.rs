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
    /// With `marks` on each slot.
    pub(crate) fn new(count: usize, marks: u32) -> Self {
        Self { first: segment(0, count, marks), more: [const { OnceLock::new() }; SEGMENTS] }
    }

    /// Adds slots until there are `count`; `false` if they cannot be added any more. The caller
    /// holds the line's lock: one at a time.
    pub(crate) fn grow(&self, count: usize, marks: u32) -> bool {
        let missing = count.saturating_sub(self.iter().count());
        if missing == 0 {
            return true;
        }
        // Twice as many as there were, so that few segments reach far.
        let len = count - missing;
        let added = missing.max(len);
        let free = self.more.iter().find(|segment| segment.get().is_none());
        free.is_some_and(|free| free.set(segment(len, added, marks)).is_ok())
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

    /// Takes any idle connection, the fresh ones first, from the slot `home` on; the second value
    /// says that it is stale. One that is idle all the while is never overlooked.
    pub(crate) fn take_any(&self, home: usize) -> Option<(Owned<'_, T>, bool)> {
        let is_fresh = |slot: &&Slot<T>| slot.seen() == Seen::Idle { stale: false };
        let home = home % self.first.len();
        let from_home = self.iter().skip(home).chain(self.first[..home].iter());
        if let Some(owned) = from_home.filter(is_fresh).find_map(Slot::take_fresh) {
            return Some((owned, false));
        }
        let idle = self.iter().filter(|slot| matches!(slot.seen(), Seen::Idle { .. }));
        idle.map(Slot::take_stale).find_map(|taken| taken)
    }

    pub(crate) fn any_idle(&self) -> bool {
        self.iter().any(|slot| matches!(slot.seen(), Seen::Idle { .. }))
    }

    /// Ends the use of all connections: idle ones go to `close`, those that somebody has are
    /// marked, and go there when they come back.
    pub(crate) fn retire_all(&self, close: impl Fn(Owned<'_, T>)) {
        self.iter().for_each(|slot| {
            slot.retire(&close);
        });
    }

    /// Takes `surplus` connections out of use, to be closed. If so many are not idle, all that
    /// somebody has are marked: the first to come back are too many.
    pub(crate) fn retire_surplus(&self, surplus: usize) -> Vec<Owned<'_, T>> {
        let idle = self.iter().filter_map(Slot::reserve);
        let mut retired: Vec<_> = idle.take(surplus).collect();
        // In whatever state they are by now: one that was borrowed above may be idle here.
        for slot in self.iter() {
            if retired.len() < surplus {
                slot.retire_surplus(|owned| retired.push(owned));
            }
        }
        retired
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

fn segment<T>(start: usize, count: usize, marks: u32) -> Box<[Slot<T>]> {
    (start..start + count).map(|index| Slot::new(index, marks)).collect()
}
