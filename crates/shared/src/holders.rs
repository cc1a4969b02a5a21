//! Which thread holds which connection, if the settings ask for that record. The table has its own
//! lock. Under this lock the pool takes no other lock and calls no code of the program.

use std::collections::{HashMap, HashSet};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use threadwise_core::Holder;
use threadwise_core::parts::sync::Mutex;

pub(crate) struct Holders(Mutex<Table>);

struct Table {
    /// Keyed by the index of the slot and the part in it.
    held: HashMap<(usize, Part), Held>,
    parts: Part,
}

/// A thread's part in a connection. Several threads hold a shared one.
pub(crate) type Part = u64;

/// The part of the thread that borrowed the connection, for itself or to share it.
pub(crate) const FIRST: Part = 0;

struct Held {
    holder: Holder,
    reported: bool,
}

impl Held {
    fn by(holder: Holder) -> Self {
        Self { holder, reported: false }
    }
}

impl Holders {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Table { held: HashMap::new(), parts: FIRST }))
    }

    /// Holds the table's lock; for tests.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn lock(&self) -> impl Drop {
        self.0.lock()
    }

    /// Adds the thread that has borrowed the connection.
    pub(crate) fn insert(&self, index: usize, holder: Holder) {
        self.0.lock().held.insert((index, FIRST), Held::by(holder));
    }

    /// Adds a thread that has joined the connection. Returns its part.
    pub(crate) fn join(&self, index: usize, holder: Holder) -> Part {
        let mut table = self.0.lock();
        table.parts += 1;
        let part = table.parts;
        table.held.insert((index, part), Held::by(holder));
        part
    }

    /// Removes the holder of this part. Returns it if it was reported.
    pub(crate) fn remove(&self, index: usize, part: Part) -> Option<Holder> {
        let held = self.0.lock().held.remove(&(index, part))?;
        held.reported.then_some(held.holder)
    }

    /// How many connections have a holder for which `is_meant` returns `true`.
    pub(crate) fn held_by(&self, is_meant: impl Fn(&Holder) -> bool) -> usize {
        let table = self.0.lock();
        let held = table.held.iter().filter(|(_, held)| is_meant(&held.holder));
        held.map(|((index, _), _)| index).collect::<HashSet<_>>().len()
    }

    /// All holders; those that have held theirs for longest come first.
    pub(crate) fn list(&self) -> Vec<Holder> {
        let table = self.0.lock();
        let mut holders: Vec<_> = table.held.values().map(|held| held.holder.clone()).collect();
        drop(table);
        holders.sort_by_key(|holder| holder.since);
        holders
    }

    pub(crate) fn has(&self, thread: ThreadId) -> bool {
        self.0.lock().held.values().any(|held| held.holder.thread == thread)
    }

    /// The holders that have held theirs for `threshold` and were not reported before. They count as
    /// reported from now on.
    pub(crate) fn take_overdue(&self, threshold: Duration, now: Instant) -> Vec<Holder> {
        let mut table = self.0.lock();
        let overdue = table.held.values_mut().filter(|held| {
            !held.reported && now.saturating_duration_since(held.holder.since) >= threshold
        });
        overdue
            .map(|held| {
                held.reported = true;
                held.holder.clone()
            })
            .collect()
    }
}
