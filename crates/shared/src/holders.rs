//! Who has which connection, where the settings ask for that to be known. A table under a short lock
//! of its own, which nothing else is locked or called under.

use std::collections::HashMap;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use threadwise_core::Holder;
use threadwise_core::sync::Mutex;

/// By the index of the slot.
pub(crate) struct Holders(Mutex<HashMap<usize, Held>>);

struct Held {
    holder: Holder,
    reported: bool,
}

impl Holders {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    pub(crate) fn insert(&self, index: usize, holder: Holder) {
        self.0.lock().insert(index, Held { holder, reported: false });
    }

    /// The connection came back. Who had it, if that was reported.
    pub(crate) fn remove(&self, index: usize) -> Option<Holder> {
        let held = self.0.lock().remove(&index)?;
        held.reported.then_some(held.holder)
    }

    /// All of them, those who have held theirs for longest first.
    pub(crate) fn list(&self) -> Vec<Holder> {
        let table = self.0.lock();
        let mut holders: Vec<_> = table.values().map(|held| held.holder.clone()).collect();
        drop(table);
        holders.sort_by_key(|holder| holder.since);
        holders
    }

    pub(crate) fn has(&self, thread: ThreadId) -> bool {
        self.0.lock().values().any(|held| held.holder.thread == thread)
    }

    /// Those who have held theirs for `threshold` and were not reported yet; from now on they are.
    pub(crate) fn take_overdue(&self, threshold: Duration, now: Instant) -> Vec<Holder> {
        let mut table = self.0.lock();
        let overdue = table.values_mut().filter(|held| {
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
