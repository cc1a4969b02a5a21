//! The pool's slots: segments that are added as connections are opened, and that stay where they are.
//! So what looks through the slots costs by what was ever open, and not by the limit.

use std::sync::OnceLock;

use crate::slot::{Handed, Owned, Seen, Slot};

/// The most slots that there are from the beginning.
const FIRST: usize = 64;

/// How many segments may follow. Each is as long as all before it, so they reach beyond
/// [`MAX_SIZE`] even if the first has one slot.
const SEGMENTS: usize = 21;

/// The most connections that a pool may be allowed to open.
pub(crate) const MAX_SIZE: usize = 1 << 20;

pub(crate) struct Slots<T> {
    first: Box<[Slot<T>]>,
    more: [OnceLock<Box<[Slot<T>]>>; SEGMENTS],
}

impl<T> Slots<T> {
    /// For a pool that may have `count` connections, with `marks` on each slot.
    pub(crate) fn new(count: usize, marks: u32) -> Self {
        let first = segment(0, count.min(FIRST), marks);
        Self { first, more: [const { OnceLock::new() }; SEGMENTS] }
    }

    /// Adds slots until there are `count`, which is [`MAX_SIZE`] at most. The caller holds the line's
    /// lock: one at a time.
    pub(crate) fn grow(&self, count: usize, marks: u32) {
        let mut len = self.first.len();
        for more in &self.more {
            if len >= count {
                return;
            }
            // As many as there are, so that few segments reach far.
            more.get_or_init(|| segment(len, len, marks));
            len *= 2;
        }
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
        // Segment `n` begins at 2ⁿ times the length of the first, and is as long.
        let segment = (index / self.first.len()).ilog2() as usize;
        let start = self.first.len() << segment;
        self.more.get(segment)?.get()?.get(index - start)
    }

    /// All slots, in the order of their indices.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Slot<T>> {
        let more = self.more.iter().map_while(OnceLock::get).flat_map(|segment| segment.iter());
        self.first.iter().chain(more)
    }

    /// Takes any idle connection, the fresh ones first, from the slot `home` on, and no others unless
    /// `stale_too`; the second value says that it is stale. One that is idle all the while is never
    /// overlooked.
    pub(crate) fn take_any(&self, home: usize, stale_too: bool) -> Option<(Owned<'_, T>, bool)> {
        let is_fresh = |slot: &&Slot<T>| slot.seen() == Seen::Idle { stale: false };
        let home = home % self.first.len();
        let from_home = self.iter().skip(home).chain(self.first[..home].iter());
        if let Some(owned) = from_home.filter(is_fresh).find_map(Slot::take_fresh) {
            return Some((owned, false));
        }
        if !stale_too {
            return None;
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
