//! Who has which connection, where the settings ask for that to be known. A table under a short lock
//! of its own, which nothing else is locked or called under.

use std::collections::{HashMap, HashSet};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use threadwise_core::Holder;
use threadwise_core::sync::Mutex;

pub(crate) struct Holders(Mutex<Table>);

struct Table {
    /// By the index of the slot, and the part in it.
    held: HashMap<(usize, Part), Held>,
    parts: Part,
}

/// Whose part in a connection: several hold one that is shared.
pub(crate) type Part = u64;

/// The part of who borrowed it, alone or to share it.
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

    /// For tests.
    #[cfg(all(test, not(loom)))]
    pub(crate) fn lock(&self) -> impl Drop {
        self.0.lock()
    }

    pub(crate) fn insert(&self, index: usize, holder: Holder) {
        self.0.lock().held.insert((index, FIRST), Held::by(holder));
    }

    /// One more holds it. Which part that is.
    pub(crate) fn join(&self, index: usize, holder: Holder) -> Part {
        let mut table = self.0.lock();
        table.parts += 1;
        let part = table.parts;
        table.held.insert((index, part), Held::by(holder));
        part
    }

    /// The connection came back, or a part in it. Who had it, if that was reported.
    pub(crate) fn remove(&self, index: usize, part: Part) -> Option<Holder> {
        let held = self.0.lock().held.remove(&(index, part))?;
        held.reported.then_some(held.holder)
    }

    /// How many connections have a holder of this kind.
    pub(crate) fn held_by(&self, is_meant: impl Fn(&Holder) -> bool) -> usize {
        let table = self.0.lock();
        let held = table.held.iter().filter(|(_, held)| is_meant(&held.holder));
        held.map(|((index, _), _)| index).collect::<HashSet<_>>().len()
    }

    /// All of them, those who have held theirs for longest first.
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

    /// Those who have held theirs for `threshold` and were not reported yet; from now on they are.
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
