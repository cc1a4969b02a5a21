//! The end of a thread: who has to know, and who the thread was.

use std::cell::RefCell;
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number for a thread that no other thread of this process ever gets. (The ids of
/// `thread_local` are used again; the standard library's are slower to come by.)
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ThreadKey(u64);

/// Wants to know when a thread has ended. Runs on that thread, as its thread-local values are
/// destroyed, so before a `join` on it returns.
pub(crate) trait OnThreadExit: Send + Sync {
    fn thread_ended(&self, thread: ThreadKey);
}

thread_local! {
    static THIS_THREAD: ThisThread = ThisThread::new();
}

struct ThisThread {
    key: ThreadKey,
    listeners: RefCell<Vec<Weak<dyn OnThreadExit>>>,
}

impl ThisThread {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // Relaxed: nothing but the number's being new is asked of it.
        let key = ThreadKey(NEXT.fetch_add(1, Ordering::Relaxed));
        Self { key, listeners: RefCell::new(Vec::new()) }
    }
}

impl Drop for ThisThread {
    fn drop(&mut self) {
        for listener in self.listeners.take() {
            if let Some(listener) = listener.upgrade() {
                listener.thread_ended(self.key);
            }
        }
    }
}

/// This thread, or `None` if it is ending and its listeners have been told already.
#[inline]
pub(crate) fn this_thread() -> Option<ThreadKey> {
    THIS_THREAD.try_with(|this| this.key).ok()
}

/// Tells `listener` when this thread ends. Does nothing on a thread that is ending.
pub(crate) fn on_exit(listener: Weak<dyn OnThreadExit>) {
    let _ = THIS_THREAD.try_with(|this| {
        let mut listeners = this.listeners.borrow_mut();
        listeners.retain(|listener| listener.strong_count() > 0); // pools come and go
        listeners.push(listener);
    });
}
