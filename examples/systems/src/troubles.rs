//! The same trouble, many times.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::note;

/// Prints what goes wrong now and then: while a database is away, something does for each request.
#[derive(Debug, Default)]
pub struct Troubles(Mutex<Option<Instant>>);

impl Troubles {
    const PAUSE: Duration = Duration::from_secs(10);

    /// Prints `what`, unless something was printed within the last ten seconds.
    pub fn report(&self, what: impl fmt::Display) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_none_or(|at| at.elapsed() > Self::PAUSE) {
            *last = Some(Instant::now());
            drop(last); // printing may take its time
            note!("{what}");
        }
    }
}
