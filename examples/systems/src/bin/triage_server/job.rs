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

/// The way back. If it is dropped without an answer (because its worker panicked), it says that the
/// outcome is unknown. Otherwise the client would wait forever.
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

    /// No worker takes the line: it goes back to its client's input.
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
        let why = "the server failed, and the case may or may not be saved: ask ?PATIENT";
        self.deliver(Answer::refused("uncertain", why));
    }
}
