//! Handles Ctrl-C.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::watch;

use crate::{Interrupted, note};

/// Tells every part of a program to end.
#[derive(Default)]
pub struct Shutdown {
    state: Mutex<State>,
    begun: Condvar,
    begun_for_tasks: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    has_begun: bool,
    actions: Vec<Box<dyn FnOnce() + Send>>,
}

impl Shutdown {
    /// Begins the shutdown at Ctrl-C, `SIGTERM` or `SIGHUP`. A second signal ends the program at
    /// once, with code 130.
    ///
    /// # Errors
    ///
    /// If the signals have a handler already.
    pub fn on_signals() -> Result<Arc<Self>, ctrlc::Error> {
        let shutdown = Arc::new(Self::default());
        let begin = Arc::clone(&shutdown);
        ctrlc::set_handler(move || {
            if begin.has_begun() {
                std::process::exit(130);
            }
            begin.begin(); // first, because printing may fail
            note!("finishing running work; press Ctrl-C again to end at once");
        })?;
        Ok(shutdown)
    }

    /// Begins the shutdown, and runs the actions on the caller's thread. A second call does
    /// nothing.
    pub fn begin(&self) {
        let mut state = self.state.lock();
        state.has_begun = true;
        let actions = std::mem::take(&mut state.actions);
        drop(state); // an action may ask
        self.begun.notify_all();
        self.begun_for_tasks.send_replace(true);
        actions.into_iter().for_each(|act| act());
    }

    /// Whether the shutdown has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.state.lock().has_begun
    }

    /// Makes a task wait until the shutdown begins.
    pub async fn begun(&self) {
        let mut begun = self.begun_for_tasks.subscribe();
        let _ = begun.wait_for(|begun| *begun).await; // the sender lives as long as `self`
    }

    /// Makes a thread wait until the shutdown begins, for `limit` at most. Returns whether it has
    /// begun.
    #[must_use]
    pub fn wait_timeout(&self, limit: Duration) -> bool {
        let mut state = self.state.lock();
        self.begun.wait_while_for(&mut state, |state| !state.has_begun, limit);
        state.has_begun
    }

    /// Makes a thread wait for `limit`.
    ///
    /// # Errors
    ///
    /// If the shutdown begins before that, or has begun.
    pub fn pause(&self, limit: Duration) -> Result<(), Interrupted> {
        let has_begun = self.has_begun() || self.wait_timeout(limit);
        if has_begun { Err(Interrupted) } else { Ok(()) }
    }

    /// Runs `act` at the beginning of the shutdown, or now if it has begun.
    pub fn at_begin(&self, act: impl FnOnce() + Send + 'static) {
        let mut state = self.state.lock();
        if state.has_begun {
            drop(state);
            return act();
        }
        state.actions.push(Box::new(act));
    }
}
