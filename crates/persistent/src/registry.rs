//! Which threads have a connection: the pool's limit, its waiters, and its list for closing.

use std::collections::HashMap;
use std::sync::Arc;

use threadwise_core::Deadline;
use threadwise_core::sync::{Condvar, Mutex};

use crate::exit::ThreadKey;
use crate::slot::Slot;

/// An entry is the right to have a connection: it is there before the connection is opened and
/// until it is closed. Visited when a thread gets its first connection or loses it, not when it
/// uses the one it has.
pub(crate) struct Registry<C> {
    max_threads: Option<usize>,
    threads: Mutex<Threads<C>>,
    left: Condvar,
}

struct Threads<C> {
    entries: HashMap<ThreadKey, Arc<Slot<C>>>,
    waiting: usize,
    closed: bool,
}

/// Why a thread was not entered.
pub(crate) enum Refused {
    Full,
    Closed,
}

pub(crate) struct Counts {
    pub(crate) entries: usize,
    pub(crate) idle: usize,
    pub(crate) waiting: usize,
}

impl<C> Registry<C> {
    pub(crate) fn new(max_threads: Option<usize>) -> Self {
        let threads = Threads { entries: HashMap::new(), waiting: 0, closed: false };
        Self { max_threads, threads: Mutex::new(threads), left: Condvar::new() }
    }

    /// Enters a thread, waiting until `deadline` for another to leave; `None` does not wait.
    /// `on_wait` is called before the first wait, with the lock held: it only counts.
    pub(crate) fn enter(
        &self,
        thread: ThreadKey,
        slot: &Arc<Slot<C>>,
        deadline: Option<Deadline>,
        on_wait: impl FnOnce(),
    ) -> Result<(), Refused> {
        let mut on_wait = Some(on_wait);
        let mut threads = self.threads.lock();
        loop {
            if threads.closed {
                return Err(Refused::Closed);
            }
            if self.max_threads.is_none_or(|max| threads.entries.len() < max) {
                threads.entries.insert(thread, Arc::clone(slot));
                return Ok(());
            }
            let Some(deadline) = deadline.filter(|deadline| !deadline.has_passed()) else {
                return Err(Refused::Full);
            };
            if let Some(on_wait) = on_wait.take() {
                on_wait();
            }
            threads.waiting += 1;
            threads = self.left.wait_until(threads, deadline.instant());
            threads.waiting -= 1;
        }
    }

    /// A thread has no connection any more: another may have one.
    pub(crate) fn leave(&self, thread: ThreadKey) {
        if self.threads.lock().entries.remove(&thread).is_some() {
            self.left.notify_one();
        }
    }

    /// The slot of a thread that has been entered.
    pub(crate) fn slot_of(&self, thread: ThreadKey) -> Option<Arc<Slot<C>>> {
        self.threads.lock().entries.get(&thread).cloned()
    }

    /// Admits nobody any more, tells those who wait, and lists those who were entered.
    pub(crate) fn close(&self) -> Vec<(ThreadKey, Arc<Slot<C>>)> {
        let mut threads = self.threads.lock();
        threads.closed = true;
        let entries = threads.entries.iter().map(|(key, slot)| (*key, Arc::clone(slot))).collect();
        drop(threads);
        self.left.notify_all();
        entries
    }

    pub(crate) fn counts(&self) -> Counts {
        let threads = self.threads.lock();
        Counts {
            entries: threads.entries.len(),
            idle: threads.entries.iter().filter(|(key, slot)| slot.is_idle(**key)).count(),
            waiting: threads.waiting,
        }
    }
}
