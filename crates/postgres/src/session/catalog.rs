//! Whether the code that users have defined in the database can change a session.
//!
//! No text of a statement shows the functions behind a view, a trigger, a default, a policy, an
//! operator or a cast. So the manager reads all such code, as the server's tables have it, and looks
//! for what could change a session. It asks at most once a minute, on a thread and a session of its
//! own, so no borrower waits for the answer. If any code can change a session, or if there is no
//! answer, every session on which a statement ran is reset.

mod ask;
mod code;

use std::sync::Arc;
use std::time::{Duration, Instant};

use threadwise_core::parts::fork;
use threadwise_core::parts::sync::Mutex;
use threadwise_core::parts::sync::atomic::{AtomicU64, Ordering};

pub(crate) use self::ask::{LIMIT, ask};

/// How long an answer is valid.
const VALID: Duration = Duration::from_secs(65);
/// How long after an answer the next one is asked for.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// How long after a failure, or after an answer that code has side effects, the next one is asked for.
const ASK_AFTER_FAILURE: Duration = Duration::from_secs(60);

/// How long after a question the next one is asked at the earliest, however often the code changes.
const PAUSE: Duration = Duration::from_secs(1);

/// What is known about the code in a database, for all connections of a manager.
#[derive(Default)]
pub(crate) struct Catalog {
    /// The number of the valid answer that no code has side effects; zero if there is none.
    current: AtomicU64,
    /// Locked for a moment only, and `fork` waits meanwhile.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    last_number: u64,
    valid_until: Option<Instant>,
    /// When the next question is due; `None` is now.
    ask_at: Option<Instant>,
    /// When the last question was asked.
    asked: Option<Instant>,
    is_asking: bool,
    /// Whether the manager is gone.
    is_closed: bool,
    /// The process to which the two fields above, and the next one, belong: a forked child has neither
    /// the threads nor the connections of its parent.
    process: u32,
    /// How many statements run that may change the code.
    changes: usize,
    /// How often the code may have changed.
    epoch: u64,
}

/// The number of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    number: u64,
}

/// The code may be changing. No answer is valid until this is dropped.
pub(crate) struct CodeChange(Arc<Catalog>);

/// The right to ask. Dropped without an answer, it counts as a failure.
pub(crate) struct Question {
    catalog: Arc<Catalog>,
    epoch: u64,
    has_answer: bool,
}

impl Catalog {
    /// The answer that is valid now and says that no code has side effects.
    pub(crate) fn version(&self) -> Option<Version> {
        // Acquire: pairs with the release in `answer`.
        let number = self.current.load(Ordering::Acquire);
        (number > 0).then_some(Version { number })
    }

    /// Whether the answer is still the valid one.
    pub(crate) fn is_still(&self, version: Version) -> bool {
        if self.version() != Some(version) {
            return false;
        }
        let is_valid = self.with(|state| state.valid_until.is_some_and(|end| Instant::now() < end));
        if !is_valid {
            // Unless a new answer has come meanwhile. The failure loads nothing, and zero publishes
            // nothing, so both are relaxed.
            let (old, none) = (version.number, 0);
            let _ = self.current.compare_exchange(old, none, Ordering::Relaxed, Ordering::Relaxed);
        }
        is_valid
    }

    /// Begins a change of the code.
    pub(crate) fn begin_change(self: &Arc<Self>) -> CodeChange {
        self.with(|state| {
            state.forget_parent();
            state.changes += 1;
            self.current.store(0, Ordering::Release);
        });
        CodeChange(Arc::clone(self))
    }

    /// The right to ask, if a question is due and no other thread asks.
    pub(crate) fn question(self: &Arc<Self>) -> Option<Question> {
        let epoch = self.with(|state| {
            if state.changes == 0 && !state.is_due() {
                return None; // the usual case, without a question to the system
            }
            state.forget_parent();
            if !state.is_due() || state.is_closed || state.is_asking || state.changes > 0 {
                return None;
            }
            state.asked = Some(Instant::now());
            state.is_asking = true;
            Some(state.epoch)
        })?;
        Some(Question { catalog: Arc::clone(self), epoch, has_answer: false })
    }

    /// Records that a password or a user has changed: another user may meet other code.
    pub(crate) fn forget(&self) {
        self.with(|state| {
            state.epoch += 1;
            state.ask_soon();
            self.current.store(0, Ordering::Release);
        });
    }

    /// Has no more questions asked.
    pub(crate) fn close(&self) {
        self.with(|state| state.is_closed = true);
    }

    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        fork::hold_off(|| work(&mut self.state.lock()))
    }

    #[cfg(test)]
    pub(crate) fn answer_for_tests(self: &Arc<Self>, is_harmless: bool) {
        self.with(|state| state.ask_at = None);
        if let Some(question) = self.question() {
            question.answer(is_harmless);
        }
    }
}

impl State {
    fn is_due(&self) -> bool {
        self.ask_at.is_none_or(|at| Instant::now() >= at)
    }

    /// Asks again soon.
    fn ask_soon(&mut self) {
        self.ask_at = self.asked.and_then(|asked| asked.checked_add(PAUSE));
    }

    /// Forgets what belongs to another process.
    fn forget_parent(&mut self) {
        let process = std::process::id();
        if self.process != process {
            if self.changes > 0 {
                self.ask_soon(); // nothing here notices the end of the change
            }
            (self.process, self.changes, self.is_asking) = (process, 0, false);
        }
    }
}

impl Question {
    /// Records the answer: whether no code has side effects.
    pub(crate) fn answer(mut self, is_harmless: bool) {
        self.has_answer = true;
        let (catalog, epoch) = (Arc::clone(&self.catalog), self.epoch);
        catalog.with(|state| {
            let now = Instant::now();
            state.is_asking = false;
            if state.epoch != epoch || state.changes > 0 {
                state.ask_soon(); // the code has changed meanwhile
                return;
            }
            state.ask_at = now.checked_add(ASK_AGAIN);
            state.valid_until = now.checked_add(VALID);
            state.last_number += 1;
            let number = if is_harmless { state.last_number } else { 0 };
            // Release: who reads the number finds the time until which it is valid.
            catalog.current.store(number, Ordering::Release);
        });
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if !self.has_answer {
            self.catalog.with(|state| {
                state.is_asking = false;
                state.ask_at = Instant::now().checked_add(ASK_AFTER_FAILURE);
            });
        }
    }
}

impl Drop for CodeChange {
    fn drop(&mut self) {
        self.0.with(|state| {
            state.changes = state.changes.saturating_sub(1); // in a forked child it is the parent's
            state.epoch += 1;
            state.ask_soon();
        });
    }
}
