//! Prints a repeated error only now and then.

use std::fmt;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::note;

/// Prints an error now and then. While a database is away, every request has one.
#[derive(Debug, Default)]
pub struct Troubles(Mutex<Option<Instant>>);

impl Troubles {
    const PAUSE: Duration = Duration::from_secs(10);

    /// Prints `what`, unless it printed something within the last ten seconds.
    pub fn report(&self, what: impl fmt::Display) {
        let mut last = self.0.lock();
        if last.is_none_or(|at| at.elapsed() > Self::PAUSE) {
            *last = Some(Instant::now());
            drop(last); // printing may take its time
            note!("{what}");
        }
    }
}
