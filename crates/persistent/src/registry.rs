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
}

struct Threads<S> {
    entries: HashMap<ThreadKey, Arc<S>>,
    waiting: usize,
    closed: bool,
}

/// Why a thread was not entered.
pub(crate) enum Refused {
    Full,
    Closed,
}

impl<S> Registry<S> {
    pub(crate) fn new(max_threads: Option<usize>) -> Self {
        let threads = Threads { entries: HashMap::new(), waiting: 0, closed: false };
        Self { max_threads, threads: Mutex::new(threads), left: Condvar::new() }
    }

    /// Enters a thread, waiting until `deadline` for another to leave; `None` does not wait.
    /// `on_wait` is called before the first wait, with the lock held: it only counts.
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

    /// A thread has no connection any more: another may have one. `count` is told of the slot.
    pub(crate) fn leave(&self, thread: ThreadKey, count: impl FnOnce(&S)) {
        if let Some(slot) = self.threads.lock().entries.remove(&thread) {
            count(&slot);
            self.left.notify_one();
        }
    }

    /// Admits nobody any more, tells those who wait, and lists those who were entered.
    pub(crate) fn close(&self) -> Vec<Arc<S>> {
        let mut threads = self.threads.lock();
        threads.closed = true;
        let entries = threads.entries.values().map(Arc::clone).collect();
        drop(threads);
        self.left.notify_all();
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
