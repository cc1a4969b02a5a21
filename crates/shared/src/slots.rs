//! All slots of a pool.
//!
//! Slots are in segments, which are added as connections are opened and never move. A search through
//! the slots therefore costs by how many connections were ever open, and not by the limit.

use std::sync::OnceLock;

use crate::flags::Seen;
use crate::slot::{Handed, Owned, Slot};

/// The most slots in the first segment.
const FIRST: usize = 64;

/// The most segments that may follow. Each is as long as all before it, so they reach beyond
/// [`MAX_SIZE`] even if the first segment has one slot.
const SEGMENTS: usize = 21;

/// The highest `max_size` that a pool may have.
pub(crate) const MAX_SIZE: usize = 1 << 20;

pub(crate) struct Slots<T> {
    first: Box<[Slot<T>]>,
    more: [OnceLock<Box<[Slot<T>]>>; SEGMENTS],
}

impl<T> Slots<T> {
    /// Slots for a pool of up to `count` connections, with `flags` on each slot.
    pub(crate) fn new(count: usize, flags: u32) -> Self {
        let first = segment(0, count.min(FIRST), flags);
        Self { first, more: [const { OnceLock::new() }; SEGMENTS] }
    }

    /// Adds slots until there are `count`, which is at most [`MAX_SIZE`]. The caller holds the pool's
    /// lock, so one thread at a time adds slots.
    pub(crate) fn grow(&self, count: usize, flags: u32) {
        let mut len = self.first.len();
        for more in &self.more {
            if len >= count {
                return;
            }
            // As many as there are, so that few segments reach far.
            more.get_or_init(|| segment(len, len, flags));
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

    /// Takes any idle connection: a fresh one, searched from the slot `start` on, or else a stale one
    /// if `stale_too`. The second value says whether it is stale. A connection that stays idle is
    /// never missed.
    pub(crate) fn take_any(&self, start: usize, stale_too: bool) -> Option<(Owned<'_, T>, bool)> {
        let is_fresh = |slot: &&Slot<T>| slot.seen() == Seen::Idle { stale: false };
        let start = start % self.first.len();
        let from_start = self.iter().skip(start).chain(self.first[..start].iter());
        if let Some(owned) = from_start.filter(is_fresh).find_map(Slot::take_fresh) {
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

    /// How many connections are idle now.
    pub(crate) fn idle(&self) -> usize {
        self.iter().filter(|slot| matches!(slot.seen(), Seen::Idle { .. })).count()
    }

    /// Ends the use of all connections: passes the idle ones to `close`, and marks the others, whose
    /// owners close them on return.
    pub(crate) fn retire_all(&self, close: impl Fn(Owned<'_, T>)) {
        for slot in self.iter() {
            slot.retire(&close);
        }
    }

    /// Takes `surplus` connections out of use, and returns the idle ones, which the caller closes.
    /// If fewer are idle, marks all others: the pool closes the first ones that come back.
    pub(crate) fn retire_surplus(&self, surplus: usize) -> Vec<Owned<'_, T>> {
        let idle = self.iter().filter_map(Slot::reserve);
        let mut retired: Vec<_> = idle.take(surplus).collect();
        // In any state: a connection that was borrowed during the first pass may be idle now.
        for slot in self.iter() {
            if retired.len() < surplus {
                slot.retire_surplus(|owned| retired.push(owned));
            }
        }
        retired
    }

    /// Takes an empty slot, to open a connection.
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

fn segment<T>(start: usize, count: usize, flags: u32) -> Box<[Slot<T>]> {
    (start..start + count).map(|index| Slot::new(index, flags)).collect()
}
