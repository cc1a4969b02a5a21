//! The thread that holds a connection.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::Instant;

use crate::parts::fork;

/// The thread that borrowed a connection, as it was at that moment. Cheap to clone.
///
/// `{}` prints the thread's name; `{:#}` adds the backtrace of the `get`, if the pool recorded it.
///
/// ```
/// use std::time::Instant;
/// use threadwise_core::Holder;
///
/// let thread = std::thread::Builder::new().name("orders".into());
/// let holder = thread.spawn(|| Holder::current(Instant::now(), false))?.join().unwrap();
/// assert_eq!(holder.to_string(), "held by thread `orders`");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Holder {
    /// The thread. It may have passed the guard on since.
    pub thread: ThreadId,
    /// Its name, if it has one.
    pub name: Option<Arc<str>>,
    /// When it got the connection.
    pub since: Instant,
    backtrace: Option<Arc<Backtrace>>,
}

impl Holder {
    /// The calling thread; for writers of pools. With `backtrace` it records where the thread is,
    /// which takes some microseconds.
    #[must_use]
    pub fn current(since: Instant, backtrace: bool) -> Self {
        let thread = thread::current();
        Self {
            thread: thread.id(),
            name: thread.name().map(Arc::from),
            since,
            backtrace: backtrace.then(|| {
                // The standard library walks the stack under its own lock. A child that is forked
                // meanwhile could never take that lock.
                Arc::new(fork::hold_off(Backtrace::force_capture))
            }),
        }
    }

    /// Where the thread called `get`, if the pool recorded it (`leak_threshold` of the shared pool).
    ///
    /// ```
    /// # use std::time::Instant;
    /// # use threadwise_core::Holder;
    /// let recorded = Holder::current(Instant::now(), true);
    /// println!("{}", recorded.backtrace().expect("a backtrace"));
    /// assert!(Holder::current(Instant::now(), false).backtrace().is_none());
    /// ```
    #[must_use]
    pub fn backtrace(&self) -> Option<&Backtrace> {
        self.backtrace.as_deref().filter(|trace| trace.status() == BacktraceStatus::Captured)
    }
}

// By hand, without the backtrace: printing one takes a lock, see `Display`.
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
                // Printing takes the same lock as recording, see `current`.
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
    fn a_holder_prints_its_threads_name() {
        let named = thread::Builder::new().name("orders".into());
        let holder = named.spawn(|| borrows_here(false)).unwrap().join().unwrap();
        assert_eq!(holder.to_string(), "held by thread `orders`");
        let nameless = thread::spawn(|| borrows_here(false)).join().unwrap();
        assert_eq!(nameless.to_string(), format!("held by {:?}", nameless.thread));
    }

    #[test]
    fn the_alternate_form_prints_the_backtrace_if_it_was_recorded() {
        let traced = borrows_here(true);
        assert!(format!("{traced:#}").contains("borrows_here"), "{traced:#}");
        assert!(!traced.to_string().contains("borrows_here"), "{traced}");
        let plain = borrows_here(false);
        assert!(plain.backtrace().is_none());
        assert_eq!(format!("{plain:#}"), plain.to_string());
    }
}
