//! Who has a connection.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::Instant;

use crate::fork;

/// A thread that borrowed a connection, as it was then. Cheap to clone.
///
/// `{}` names the thread; `{:#}` adds where it borrowed, if that was recorded.
#[derive(Clone)]
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
            backtrace: backtrace.then(|| {
                // The standard library walks the stack under a lock of its own, which a forked child
                // would find locked forever.
                Arc::new(fork::hold_off(Backtrace::force_capture))
            }),
        }
    }

    /// Where the connection was borrowed, if that was recorded.
    #[must_use]
    pub fn backtrace(&self) -> Option<&Backtrace> {
        self.backtrace.as_deref().filter(|trace| trace.status() == BacktraceStatus::Captured)
    }
}

// By hand: the names in a backtrace are found under a lock, see `Display`.
impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Holder")
            .field("thread", &self.thread)
            .field("name", &self.name)
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "held by thread `{name}`")?,
            None => write!(f, "held by {:?}", self.thread)?,
        }
        match self.backtrace() {
            Some(backtrace) if f.alternate() => {
                // Names are found under the same lock as in `current`.
                let backtrace = fork::hold_off(|| backtrace.to_string());
                write!(f, ", borrowed at:\n{backtrace}")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn borrows_here(backtrace: bool) -> Holder {
        Holder::current(Instant::now(), backtrace)
    }

    #[test]
    fn a_holder_is_named_by_its_thread() {
        let named = thread::Builder::new().name("orders".into());
        let holder = named.spawn(|| borrows_here(false)).unwrap().join().unwrap();
        assert_eq!(holder.to_string(), "held by thread `orders`");
        let nameless = thread::spawn(|| borrows_here(false)).join().unwrap();
        assert_eq!(nameless.to_string(), format!("held by {:?}", nameless.thread));
    }

    #[test]
    fn where_it_borrowed_is_told_if_it_was_recorded_and_asked_for() {
        let traced = borrows_here(true);
        assert!(format!("{traced:#}").contains("borrows_here"), "{traced:#}");
        assert!(!traced.to_string().contains("borrows_here"), "{traced}");
        let plain = borrows_here(false);
        assert!(plain.backtrace().is_none());
        assert_eq!(format!("{plain:#}"), plain.to_string());
    }
}
