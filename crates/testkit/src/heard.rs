//! Events that record what a pool tells them.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use threadwise_core::{CloseReason, ConnectionInfo, Events, Report, chain};

/// Records a pool's events, a line for each. A clone records into the same list: give one to the
/// pool, and read the other.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    said: Arc<Mutex<Vec<String>>>,
    ignores_uses: bool,
}

impl Heard {
    /// A recorder that does not ask for events of each use.
    #[must_use]
    pub fn of_all_but_uses() -> Self {
        Self { ignores_uses: true, ..Self::default() }
    }

    /// All lines so far, in order.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.lock().clone()
    }

    /// How many lines contain these words.
    #[must_use]
    pub fn count(&self, what: &str) -> usize {
        self.all().iter().filter(|said| said.contains(what)).count()
    }

    /// Whether a line contains these words.
    #[must_use]
    pub fn has(&self, what: &str) -> bool {
        self.count(what) > 0
    }

    fn say(&self, what: impl Into<String>) {
        self.lock().push(what.into());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events for Heard {
    fn watches_uses(&self) -> bool {
        !self.ignores_uses
    }

    fn opened(&self, _: &ConnectionInfo<'_>, _: Duration) {
        self.say("opened");
    }

    fn connect_failed(&self, error: &(dyn Error + 'static)) {
        self.say(format!("connect failed: {}", chain(error)));
    }

    fn closed(&self, _: &ConnectionInfo<'_>, reason: CloseReason) {
        self.say(format!("closed: {}", reason.name()));
    }

    fn acquired(&self, _: &ConnectionInfo<'_>, waited: Duration) {
        self.say(format!("acquired after {waited:?}"));
    }

    fn returned(&self, _: &ConnectionInfo<'_>, held: Duration) {
        self.say(format!("returned after {held:?}"));
    }

    fn timed_out(&self, waited: Duration) {
        self.say(format!("timed out after {waited:?}"));
    }

    fn report(&self, report: &Report<'_>) {
        self.say(report.to_string());
    }
}
