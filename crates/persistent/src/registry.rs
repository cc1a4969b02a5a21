//! Which threads have a connection: the pool's limit, its waiters, and its list for closing.

use std::collections::{HashMap, hash_map};
use std::sync::Arc;

use threadwise_core::parts::Deadline;
use threadwise_core::parts::sync::{Condvar, Mutex};

use crate::this_thread::ThreadKey;

/// The threads that have a connection, each with its slot.
///
/// An entry is the right to have a connection. It is made before the connection is opened, removed after
/// it is closed, and keeps the slot alive. A thread comes here when it opens or loses its connection, not
/// when it uses the connection that it has.
pub(crate) struct Registry<S> {
    max_threads: Option<usize>,
    threads: Mutex<Threads<S>>,
    /// Signalled when an entry is removed.
    entry_removed: Condvar,
    /// Signalled when any connection is closed: for threads in [`pause`](Registry::pause).
    retry: Condvar,
}

struct Threads<S> {
    entries: HashMap<ThreadKey, Arc<S>>,
    waiting: usize,
    /// How many of the waiting threads are in `pause`.
    pausing: usize,
    closed: bool,
}

/// Why a thread got no entry.
pub(crate) enum EnterError {
    Full,
    Closed,
}

impl<S> Registry<S> {
    pub(crate) fn new(max_threads: Option<usize>) -> Self {
        let threads = Threads { entries: HashMap::new(), waiting: 0, pausing: 0, closed: false };
        Self {
            max_threads,
            threads: Mutex::new(threads),
            entry_removed: Condvar::new(),
            retry: Condvar::new(),
        }
    }

    /// Enters a thread. Waits until `deadline` for another thread to leave; `None` does not wait.
    /// Calls `on_wait` before the first wait, without the lock.
    pub(crate) fn enter(
        &self,
        thread: ThreadKey,
        slot: &Arc<S>,
        deadline: Option<Deadline>,
        on_wait: impl FnOnce(),
    ) -> Result<(), EnterError> {
        let mut on_wait = Some(on_wait);
        let mut threads = self.threads.lock();
        loop {
            if threads.closed {
                return Err(EnterError::Closed);
            }
            if self.max_threads.is_none_or(|max| threads.entries.len() < max) {
                let before = threads.entries.insert(thread, Arc::clone(slot));
                drop(threads);
                drop(before); // there is none; if there were one, it must not be dropped under the lock
                return Ok(());
            }
            let Some(deadline) = deadline.filter(|deadline| !deadline.has_passed()) else {
                return Err(EnterError::Full);
            };
            if let Some(on_wait) = on_wait.take() {
                drop(threads);
                on_wait();
                threads = self.threads.lock();
                continue; // a thread may have left meanwhile
            }
            threads.waiting += 1;
            threads = self.entry_removed.wait_until(threads, deadline.instant());
            threads.waiting -= 1;
        }
    }

    /// Removes the entry of a thread that has no connection any more, and wakes a waiter. Calls `count`
    /// with the slot, under the lock.
    pub(crate) fn leave(&self, thread: ThreadKey, count: impl FnOnce(&S)) {
        let mut threads = self.threads.lock();
        let Some(slot) = threads.entries.remove(&thread) else { return };
        count(&slot);
        let is_pausing = threads.pausing > 0;
        drop(threads);
        self.entry_removed.notify_one();
        if is_pausing {
            self.retry.notify_all();
        }
        drop(slot); // not under the lock, since this may be the last reference
    }

    /// Waits until a connection of the pool was closed, the pool is closed, or `until` has passed.
    pub(crate) fn pause(&self, until: Deadline) {
        let mut threads = self.threads.lock();
        if threads.closed {
            return;
        }
        threads.waiting += 1;
        threads.pausing += 1;
        threads = self.retry.wait_until(threads, until.instant());
        threads.pausing -= 1;
        threads.waiting -= 1;
    }

    /// Wakes the threads in [`pause`](Self::pause), after a connection without an entry was closed.
    pub(crate) fn wake_pausing(&self) {
        if self.threads.lock().pausing > 0 {
            self.retry.notify_all();
        }
    }

    /// How many threads have an entry.
    pub(crate) fn entries(&self) -> usize {
        self.threads.lock().entries.len()
    }

    /// Lets no thread enter any more, wakes all waiters, and returns the slots of all entries.
    pub(crate) fn close(&self) -> Vec<Arc<S>> {
        let mut threads = self.threads.lock();
        threads.closed = true;
        let slots = threads.entries.values().map(Arc::clone).collect();
        drop(threads);
        self.entry_removed.notify_all();
        self.retry.notify_all();
        slots
    }

    /// Calls `look` with the slots while no thread enters or leaves, and returns how many threads wait.
    pub(crate) fn visit(
        &self,
        look: impl FnOnce(hash_map::Values<'_, ThreadKey, Arc<S>>),
    ) -> usize {
        let threads = self.threads.lock();
        look(threads.entries.values());
        threads.waiting
    }
}
