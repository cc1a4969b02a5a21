//! The messages between the event loop and the workers.

use std::sync::Arc;

use crossbeam_channel::Sender;
use mio::{Token, Waker};

use crate::protocol::{Answer, Request};

/// A line for a worker.
pub(crate) struct Job {
    pub(crate) request: Request,
    pub(crate) reply: Reply,
}

/// Sends the answer back. If it is dropped without an answer (because its worker panicked), it
/// sends that the outcome is unknown. Otherwise the client would wait forever.
pub(crate) struct Reply {
    to: Option<Mailbox>,
    client: Token,
    line: u64,
}

/// An answer, and the client and line that it belongs to.
pub(crate) struct Delivery {
    pub(crate) client: Token,
    pub(crate) line: u64,
    pub(crate) answer: Answer,
}

/// The channel to the event loop, and the waker of its thread.
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

    /// Takes the line back if no worker has room for it. The client keeps the line in its input.
    pub(crate) fn cancel(mut self) {
        self.to = None;
    }

    fn deliver(&mut self, answer: Answer) {
        let Some(Mailbox { answers, waker }) = self.to.take() else { return };
        // Both fail only if the event loop is gone. Then the clients are gone, too.
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
