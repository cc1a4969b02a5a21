//! What goes from the event loop to the workers, and back.

use std::sync::Arc;

use crossbeam_channel::Sender;
use mio::{Token, Waker};

use crate::protocol::{Answer, Request};

/// A line to work on.
pub(crate) struct Job {
    pub(crate) request: Request,
    pub(crate) reply: Reply,
}

/// The way back. Dropped without an answer (its worker panicked), it says that nobody knows: a
/// client that waits for its turn would wait for ever otherwise.
pub(crate) struct Reply {
    to: Option<Mailbox>,
    client: Token,
    line: u64,
}

/// An answer, and whose it is.
pub(crate) struct Delivery {
    pub(crate) client: Token,
    pub(crate) line: u64,
    pub(crate) answer: Answer,
}

/// Where the event loop finds answers, and what wakes it.
#[derive(Clone)]
pub(crate) struct Mailbox {
    pub(crate) answers: Sender<Delivery>,
    pub(crate) waker: Arc<Waker>,
}

impl Reply {
    pub(crate) fn new(to: Mailbox, client: Token, line: u64) -> Self {
        Self { to: Some(to), client, line }
    }

    pub(crate) fn send(mut self, answer: Answer) {
        self.deliver(answer);
    }

    /// Nobody works on the line: it goes back to where it came from.
    pub(crate) fn cancel(mut self) {
        self.to = None;
    }

    fn deliver(&mut self, answer: Answer) {
        let Some(Mailbox { answers, waker }) = self.to.take() else { return };
        // Both fail only when the event loop is gone, and the clients with it.
        let _ = answers.send(Delivery { client: self.client, line: self.line, answer });
        let _ = waker.wake();
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        let why =
            "something went wrong here; nobody knows whether the case was saved: ask ?PATIENT";
        self.deliver(Answer::refused("uncertain", why));
    }
}
