//! Which threads have a connection: the pool's limit, its waiters, and its list for closing.

use std::collections::{HashMap, hash_map};
use std::sync::Arc;

use threadwise_core::Deadline;
use threadwise_core::sync::{Condvar, Mutex};

use crate::exit::ThreadKey;

/// An entry is the right to have a connection: it is there before the connection is opened and
/// until it is closed, and keeps the slot alive. Visited when a thread gets its first connection or
/// loses it, not when it uses the one it has.
pub(crate) struct Registry<S> {
    max_threads: Option<usize>,
    threads: Mutex<Threads<S>>,
    left: Condvar,
    /// For threads that wait for any connection to be closed, or for a pause to be over.
    pausing: Condvar,
}

struct Threads<S> {
    entries: HashMap<ThreadKey, Arc<S>>,
    waiting: usize,
    /// How many of those that wait do so in `pause`.
    pausing: usize,
    closed: bool,
}

/// Why a thread was not entered.
pub(crate) enum Refused {
    Full,
    Closed,
}

impl<S> Registry<S> {
    pub(crate) fn new(max_threads: Option<usize>) -> Self {
        let threads = Threads { entries: HashMap::new(), waiting: 0, pausing: 0, closed: false };
        Self {
            max_threads,
            threads: Mutex::new(threads),
            left: Condvar::new(),
            pausing: Condvar::new(),
        }
    }

    /// Enters a thread, waiting until `deadline` for another to leave; `None` does not wait.
    /// `on_wait` is called before the first wait, without the lock.
    pub(crate) fn enter(
        &self,
        thread: ThreadKey,
        slot: &Arc<S>,
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
                let before = threads.entries.insert(thread, Arc::clone(slot));
                drop(threads);
                drop(before); // there is none; if there were, it would not be dropped under the lock
                return Ok(());
            }
            let Some(deadline) = deadline.filter(|deadline| !deadline.has_passed()) else {
                return Err(Refused::Full);
            };
            if let Some(on_wait) = on_wait.take() {
                drop(threads);
                on_wait();
                threads = self.threads.lock();
                continue; // a thread may have left meanwhile
            }
            threads.waiting += 1;
            threads = self.left.wait_until(threads, deadline.instant());
            threads.waiting -= 1;
        }
    }

    /// A thread has no connection any more: another may have one. `count` is told of the slot.
    pub(crate) fn leave(&self, thread: ThreadKey, count: impl FnOnce(&S)) {
        let mut threads = self.threads.lock();
        let Some(slot) = threads.entries.remove(&thread) else { return };
        count(&slot);
        let is_pausing = threads.pausing > 0;
        drop(threads);
        self.left.notify_one();
        if is_pausing {
            self.pausing.notify_all();
        }
        drop(slot); // it may be the last of it, so not under the lock
    }

    /// Waits until a connection of the pool may have been closed, the pool is closed, or `until`.
    pub(crate) fn pause(&self, until: Deadline) {
        let mut threads = self.threads.lock();
        if threads.closed {
            return;
        }
        threads.waiting += 1;
        threads.pausing += 1;
        threads = self.pausing.wait_until(threads, until.instant());
        threads.pausing -= 1;
        threads.waiting -= 1;
    }

    /// A connection that has no entry was closed.
    pub(crate) fn tell_pausing(&self) {
        if self.threads.lock().pausing > 0 {
            self.pausing.notify_all();
        }
    }

    /// How many threads have an entry.
    pub(crate) fn entries(&self) -> usize {
        self.threads.lock().entries.len()
    }

    /// Admits nobody any more, tells those who wait, and lists those who were entered.
    pub(crate) fn close(&self) -> Vec<Arc<S>> {
        let mut threads = self.threads.lock();
        threads.closed = true;
        let entries = threads.entries.values().map(Arc::clone).collect();
        drop(threads);
        self.left.notify_all();
        self.pausing.notify_all();
        entries
    }

    /// How many threads wait; and looks at the slots, while none enters or leaves.
    pub(crate) fn visit(
        &self,
        look: impl FnOnce(hash_map::Values<'_, ThreadKey, Arc<S>>),
    ) -> usize {
        let threads = self.threads.lock();
        look(threads.entries.values());
        threads.waiting
    }
}
