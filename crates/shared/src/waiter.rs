//! A thread that waits: where it sleeps, and where it is told what becomes of it.

use std::thread::{self, ThreadId};
use std::time::Duration;

use threadwise_core::sync::{Condvar, Mutex};
use threadwise_core::{ConnectError, Deadline};

use crate::slot::Handed;

pub(crate) struct Waiter<T, E> {
    mail: Mutex<Mail<T, E>>,
    came: Condvar,
    /// Who waits.
    pub(crate) thread: ThreadId,
}

/// What a waiter is told. The last three end its wait, and come from whoever took it out of the
/// line, under the line's lock: so there is one at most.
pub(crate) enum Mail<T, E> {
    Nothing,
    /// Something is idle: go and see, and come back if somebody was quicker.
    Look,
    /// Here is a connection. It is yours: nobody else can take it. The second value says that it is
    /// stale.
    Connection(Handed<T>, bool),
    /// No connection can be opened, and waiting does not help.
    Failed(ConnectError<E>),
    Closed,
}

impl<T, E> Waiter<T, E> {
    pub(crate) fn new() -> Self {
        Self {
            mail: Mutex::new(Mail::Nothing),
            came: Condvar::new(),
            thread: thread::current().id(),
        }
    }

    /// Leaves a message. [`wake`](Self::wake) is separate, to be called without the line's lock.
    pub(crate) fn post(&self, mail: Mail<T, E>) {
        *self.mail.lock() = mail;
    }

    /// Wakes the waiter if it sleeps. No wake-up is lost: `post` had the mailbox's lock, so the
    /// waiter has seen the message, or was asleep by then.
    pub(crate) fn wake(&self) {
        self.came.notify_one();
    }

    /// Sleeps until something comes, or until `deadline`.
    pub(crate) fn wait(&self, deadline: Deadline) -> Mail<T, E> {
        let mut mail = self.mail.lock();
        while matches!(*mail, Mail::Nothing) {
            let left = deadline.remaining();
            if left == Some(Duration::ZERO) {
                break;
            }
            mail = deadline.clock().wait_for(&self.came, mail, left);
        }
        std::mem::replace(&mut *mail, Mail::Nothing)
    }
}
