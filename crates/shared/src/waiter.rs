//! A waiting thread: where it sleeps, and how other threads wake it.

use std::thread::{self, ThreadId};
use std::time::Duration;

use threadwise_core::ConnectError;
use threadwise_core::parts::Deadline;
use threadwise_core::parts::sync::{Condvar, Mutex};

use crate::slot::Handed;

pub(crate) struct Waiter<T, E> {
    wakeup: Mutex<Wakeup<T, E>>,
    sent: Condvar,
    /// The thread that waits.
    pub(crate) thread: ThreadId,
}

/// Why a waiter wakes.
///
/// The last three end its wait. The thread that removes the waiter from the wait queue sends them,
/// under the pool's lock, so a waiter gets at most one of them.
pub(crate) enum Wakeup<T, E> {
    /// No wakeup was sent.
    Nothing,
    /// A connection is idle: look at the slots, and wait on if another thread was faster.
    Look,
    /// A connection for this waiter alone. The second value says whether it is stale.
    Connection(Handed<T>, bool),
    /// No connection can be opened, and waiting does not help.
    Failed(ConnectError<E>),
    /// The pool was closed.
    Closed,
}

impl<T, E> Waiter<T, E> {
    pub(crate) fn new() -> Self {
        Self {
            wakeup: Mutex::new(Wakeup::Nothing),
            sent: Condvar::new(),
            thread: thread::current().id(),
        }
    }

    /// Stores the wakeup. The sender calls [`wake`](Self::wake) afterwards, without the pool's lock.
    pub(crate) fn send(&self, wakeup: Wakeup<T, E>) {
        *self.wakeup.lock() = wakeup;
    }

    /// Wakes the waiter if it sleeps. No wakeup is lost: `send` had the lock, so the waiter has
    /// either seen the wakeup or was asleep by then.
    pub(crate) fn wake(&self) {
        self.sent.notify_one();
    }

    /// Sleeps until a wakeup is sent, or until `deadline`.
    pub(crate) fn wait(&self, deadline: Deadline) -> Wakeup<T, E> {
        let mut wakeup = self.wakeup.lock();
        while matches!(*wakeup, Wakeup::Nothing) {
            let left = deadline.remaining();
            if left == Some(Duration::ZERO) {
                break;
            }
            wakeup = deadline.clock().wait_for(&self.sent, wakeup, left);
        }
        std::mem::replace(&mut *wakeup, Wakeup::Nothing)
    }
}
