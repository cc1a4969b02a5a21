//! Who has a connection.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::Instant;

/// A thread that borrowed a connection, as it was then. Cheap to clone.
///
/// `{}` names the thread; `{:#}` adds where it borrowed, if that was recorded.
#[derive(Clone, Debug)]
pub struct Holder {
    /// The thread. (It may have passed the guard on since.)
    pub thread: ThreadId,
    /// Its name, if it has one.
    pub name: Option<Arc<str>>,
    /// When it was lent the connection.
    pub since: Instant,
    backtrace: Option<Arc<Backtrace>>,
}

impl Holder {
    /// The thread that calls this, at this time. With `backtrace` it records where it is, which
    /// takes some microseconds.
    #[must_use]
    pub fn current(since: Instant, backtrace: bool) -> Self {
        let thread = thread::current();
        Self {
            thread: thread.id(),
            name: thread.name().map(Arc::from),
            since,
            backtrace: backtrace.then(|| Arc::new(Backtrace::force_capture())),
        }
    }

    /// Where the connection was borrowed, if that was recorded.
    #[must_use]
    pub fn backtrace(&self) -> Option<&Backtrace> {
        self.backtrace.as_deref().filter(|trace| trace.status() == BacktraceStatus::Captured)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "held by thread `{name}`")?,
            None => write!(f, "held by {:?}", self.thread)?,
        }
        match self.backtrace() {
            Some(backtrace) if f.alternate() => write!(f, ", borrowed at:\n{backtrace}"),
            _ => Ok(()),
        }
    }
}
