//! Runs steps, and prints what is open after each.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use threadwise::persistent::PersistentPool;
use threadwise::{CloseReason, State};
use threadwise_systems::{Database, Shutdown};

use crate::witness::Witness;

pub(crate) type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The pool and the witness that all steps use.
#[derive(Clone, Copy)]
pub(crate) struct Stage<'s> {
    pub(crate) pool: &'s PersistentPool<Database>,
    pub(crate) witness: &'s Arc<Witness>,
    pub(crate) shutdown: &'s Shutdown,
    pub(crate) pause: Duration,
}

impl Stage<'_> {
    /// The work of each thread: borrows its connection, asks the database, and returns it.
    pub(crate) fn ask(&self, name: &str) -> Result {
        let mut conn = self.pool.get()?;
        self.witness.note(name, &mut conn)
    }

    pub(crate) fn head(&self, what: &str) {
        println!("\n{what:<52} opened closed open idle  {}", self.witness.heading());
    }

    /// A step. Right after it, exactly these threads must have a connection.
    pub(crate) fn now(&self, what: &str, who: &[&str]) -> Result {
        let open = self.pool.state().open;
        if open != who.len() {
            return Err(
                format!("{what}: {open} open at once, and should be those of {who:?}").into()
            );
        }
        self.soon(what, who)
    }

    /// A step. After it, exactly these threads must have a connection, as soon as the threads that
    /// are not joined have ended. (A server also takes a moment to notice that a client is gone.)
    pub(crate) fn soon(&self, what: &str, who: &[&str]) -> Result {
        let end = Instant::now() + Duration::from_secs(20);
        let (state, seen) = loop {
            let (state, seen) = (self.pool.state(), self.witness.look()?);
            if state.open == who.len() && seen.are(who) {
                break (state, seen);
            }
            if Instant::now() > end {
                return Err(
                    format!("{what}: {state}, {seen}, and should be those of {who:?}").into()
                );
            }
            std::thread::sleep(Duration::from_millis(1)); // nothing signals the end of a thread
        };
        let State { open, idle, counters, .. } = state;
        let (opened, closed) = (counters.opened, counters.closed_total());
        println!("{what:<52} {opened:>6} {closed:>6} {open:>4} {idle:>4}  {seen}");
        Ok(self.shutdown.pause(self.pause)?)
    }

    /// Prints why connections were closed.
    pub(crate) fn reasons(&self) {
        let counters = self.pool.state().counters;
        let reasons = CloseReason::ALL.iter().map(|reason| (reason, counters.closed(*reason)));
        let reasons = reasons.filter(|(_, count)| *count > 0);
        let reasons: Vec<_> =
            reasons.map(|(reason, count)| format!("{} {count}", reason.name())).collect();
        println!("  closed because: {}", reasons.join(", "));
    }
}
