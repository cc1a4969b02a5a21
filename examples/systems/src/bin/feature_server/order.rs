//! A request's deadline, and whether a worker still waits for the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::refusal::Refusal;

/// The values that the tasks of one request share.
pub(crate) struct Order {
    deadline: Instant,
    is_over: AtomicBool,
}

/// The worker's side. When the worker drops it, tasks that have not begun do not run.
pub(crate) struct Waiting(Arc<Order>);

impl Order {
    /// Begins a request with this deadline.
    pub(crate) fn until(deadline: Instant) -> Waiting {
        Waiting(Arc::new(Self { deadline, is_over: AtomicBool::new(false) }))
    }

    /// Whether the worker still waits for an answer.
    pub(crate) fn is_wanted(&self) -> bool {
        // Relaxed: a task that sees it late only does some useless work.
        !self.is_over.load(Ordering::Relaxed) && Instant::now() < self.deadline
    }

    /// The time until the deadline.
    pub(crate) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

impl Waiting {
    /// The tasks' side.
    pub(crate) fn order(&self) -> Arc<Order> {
        Arc::clone(&self.0)
    }

    // ANCHOR: deadline
    /// The next answer of a task, or the end of the time: whatever the database does meanwhile,
    /// and however long the driver would wait for it.
    pub(crate) fn receive<T>(&self, answers: &Receiver<Result<T, Refusal>>) -> Result<T, Refusal> {
        match answers.recv_deadline(self.0.deadline) {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => Err(Refusal::Late),
            // Each task sends an answer, unless it panicked or saw that the time was over.
            Err(RecvTimeoutError::Disconnected) if !self.0.is_wanted() => Err(Refusal::Late),
            Err(RecvTimeoutError::Disconnected) => {
                Err(Refusal::Broken("a task panicked; see what the server printed".to_owned()))
            }
        }
    }
    // ANCHOR_END: deadline
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}
