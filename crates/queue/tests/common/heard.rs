//! Events that write down what they hear.
#![allow(dead_code)] // not every test needs all of it

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use threadwise_core::{CloseReason, Events, Report};

#[derive(Clone, Default)]
pub(crate) struct Heard {
    said: Arc<Mutex<Vec<String>>>,
    ignores_uses: bool,
}

impl Heard {
    pub(crate) fn of_all_but_uses() -> Self {
        Self { ignores_uses: true, ..Self::default() }
    }

    pub(crate) fn all(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    pub(crate) fn count(&self, what: &str) -> usize {
        self.all().iter().filter(|said| said.contains(what)).count()
    }

    pub(crate) fn has(&self, what: &str) -> bool {
        self.count(what) > 0
    }

    fn say(&self, what: impl Into<String>) {
        self.said.lock().unwrap().push(what.into());
    }
}

impl Events for Heard {
    fn watches_uses(&self) -> bool {
        !self.ignores_uses
    }

    fn opened(&self, _: Duration) {
        self.say("opened");
    }

    fn connect_failed(&self, error: &(dyn Error + 'static)) {
        self.say(format!("connect failed: {error}"));
    }

    fn closed(&self, reason: CloseReason) {
        self.say(format!("closed: {}", reason.name()));
    }

    fn acquired(&self, waited: Duration) {
        self.say(format!("acquired after {waited:?}"));
    }

    fn returned(&self, held: Duration) {
        self.say(format!("returned after {held:?}"));
    }

    fn timed_out(&self, waited: Duration) {
        self.say(format!("timed out after {waited:?}"));
    }

    fn report(&self, report: &Report<'_>) {
        self.say(report.to_string());
    }
}
