//! What a program can be told of while a pool works.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::{CloseReason, Holder, chain, foreign};

/// Hears of what happens in a pool. Every method does nothing unless it is written, but for
/// [`report`](Self::report), which logs.
///
/// Methods are called on the thread on which the thing happens, never under a lock of the pool; that
/// thread waits, so be quick. A panic in one ends there.
///
/// A pool without events pays nothing for them. With them, and unless
/// [`watches_uses`](Self::watches_uses) says otherwise, every checkout and every return takes the
/// slow path and reads a clock, which is some 100 ns instead of 10.
pub trait Events: Send + Sync + 'static {
    /// Whether [`acquired`](Self::acquired) and [`returned`](Self::returned) are wanted. Asked once,
    /// when a builder is given the events.
    fn watches_uses(&self) -> bool {
        true
    }

    /// A connection was opened, which took so long.
    fn opened(&self, took: Duration) {
        let _ = took;
    }

    /// An attempt to open a connection failed. `error` is a [`ConnectError`](crate::ConnectError);
    /// [`chain`](crate::chain) prints it with its causes.
    fn connect_failed(&self, error: &(dyn Error + 'static)) {
        let _ = error;
    }

    /// A connection left the pool.
    fn closed(&self, reason: CloseReason) {
        let _ = reason;
    }

    /// A connection was lent to somebody who has waited so long for it.
    fn acquired(&self, waited: Duration) {
        let _ = waited;
    }

    /// A connection came back from somebody who has held it for so long.
    fn returned(&self, held: Duration) {
        let _ = held;
    }

    /// A `get` gave up after so long.
    fn timed_out(&self, waited: Duration) {
        let _ = waited;
    }

    /// Something that a person ought to look at. The default writes it to the `log` crate's log, as
    /// a warning.
    fn report(&self, report: &Report<'_>) {
        log::warn!("{report}");
    }
}

/// Something about a pool's users that a person ought to look at.
#[non_exhaustive]
#[derive(Debug)]
pub enum Report<'r> {
    /// A connection has been held for longer than `leak_threshold`.
    Leaked {
        /// The pool's name.
        pool: &'r str,
        /// Who has it.
        holder: &'r Holder,
        /// For how long.
        held: Duration,
    },
    /// A connection that was reported as leaked has come back.
    LeakReturned {
        /// The pool's name.
        pool: &'r str,
        /// Who had it.
        holder: &'r Holder,
        /// For how long.
        held: Duration,
    },
    /// A `get` was served, but took longer than `slow_get`.
    SlowGet {
        /// The pool's name.
        pool: &'r str,
        /// For how long it waited.
        waited: Duration,
    },
    /// A thread waits that holds a connection itself, and all others are held by threads that wait
    /// as well: nobody can give one back.
    Deadlock {
        /// The pool's name.
        pool: &'r str,
        /// Who has the connections.
        holders: &'r [Holder],
    },
    /// A `get` waits on a thread on which an async runtime polls its tasks, all of which wait with it.
    /// Reported once for each pool, in builds with debug assertions.
    BlocksRuntime {
        /// The pool's name.
        pool: &'r str,
        /// The thread's name.
        thread: &'r str,
    },
    /// The pool closes connection after connection for the same kind of reason, so each use pays
    /// for a new one. Reported once a minute at most while that goes on.
    Churn {
        /// The pool's name.
        pool: &'r str,
        /// Why the last of them was closed.
        reason: CloseReason,
        /// How many were closed within the last ten seconds.
        closed: u32,
        /// What the hook, the manager or the server said about the last one, if it said anything.
        cause: Option<&'r (dyn Error + 'static)>,
    },
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaked { pool, holder, held } => {
                write!(f, "pool {pool}: a connection has not come back for {held:.1?}; {holder:#}")
            }
            Self::LeakReturned { pool, holder, held } => write!(
                f,
                "pool {pool}: a connection that was reported as leaked came back after {held:.1?}; \
                 {holder}"
            ),
            Self::SlowGet { pool, waited } => write!(
                f,
                "pool {pool}: a `get` took {waited:.1?}, longer than `slow_get`: hold connections \
                 for a shorter time, or raise `max_size`"
            ),
            Self::Deadlock { pool, holders } => {
                write!(f, "pool {pool}: nobody can give a connection back, for all who have one ")?;
                f.write_str("wait for another:")?;
                holders.iter().try_for_each(|holder| write!(f, " {holder};"))?;
                f.write_str(
                    " borrow one connection at a time on each thread, or raise `max_size` above \
                     threads × (connections for each − 1)",
                )
            }
            Self::BlocksRuntime { pool, thread } => write!(
                f,
                "pool {pool}: a `get` waits on the thread `{thread}` of an async runtime, and stops \
                 all tasks of that thread: call it within `spawn_blocking`, as docs/async.md shows"
            ),
            Self::Churn { pool, reason, closed, cause } => {
                write!(
                    f,
                    "pool {pool}: {closed} connections were closed within 10 s instead of being \
                     used again; the last one because {}",
                    reason.explained()
                )?;
                match cause {
                    Some(cause) => write!(f, ": {}", chain(*cause)),
                    None => Ok(()),
                }
            }
        }
    }
}

/// Events for a pool that was given none: reports are logged.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogReports;

impl Events for LogReports {
    fn watches_uses(&self) -> bool {
        false
    }
}

/// Somebody's events, from whose panics the pool is safe; for writers of pools.
pub struct Observer {
    events: Box<dyn Events>,
    watches_uses: bool,
}

impl Observer {
    /// Tells these.
    pub fn new(events: impl Events) -> Self {
        let watches_uses = foreign::call(|| events.watches_uses());
        Self { events: Box::new(events), watches_uses: watches_uses.unwrap_or(false) }
    }

    /// Calls one of the methods.
    pub fn emit(&self, emit: impl FnOnce(&dyn Events)) {
        // The panic hook tells of a panic; the pool has its own work to finish.
        let _ = foreign::call(|| emit(&*self.events));
    }

    /// What the events have answered to [`Events::watches_uses`]; no, if that panicked.
    #[must_use]
    pub fn watches_uses(&self) -> bool {
        self.watches_uses
    }
}

impl Default for Observer {
    fn default() -> Self {
        Self::new(LogReports)
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Instant;

    use super::*;

    /// The log of this test program.
    struct Log(Mutex<Vec<(log::Level, String)>>);

    static LOG: Log = Log(Mutex::new(Vec::new()));

    impl log::Log for Log {
        fn enabled(&self, _: &log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &log::Record<'_>) {
            self.0.lock().unwrap().push((record.level(), record.args().to_string()));
        }

        fn flush(&self) {}
    }

    #[test]
    fn reports_are_logged_as_warnings_unless_they_are_written_otherwise() {
        struct Silent;
        impl Events for Silent {
            fn report(&self, _: &Report<'_>) {}
        }
        struct OfOpenings;
        impl Events for OfOpenings {
            fn opened(&self, _: Duration) {}
        }
        log::set_logger(&LOG).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        let waited = Duration::from_secs(2);
        for pool in ["nobody's", "silent", "partial"] {
            let observer = match pool {
                "silent" => Observer::new(Silent),
                "partial" => Observer::new(OfOpenings),
                _ => Observer::default(),
            };
            observer.emit(|events| events.report(&Report::SlowGet { pool, waited }));
            observer.emit(|events| events.opened(waited));
        }
        let logged = LOG.0.lock().unwrap();
        let pools: Vec<_> = logged.iter().map(|(_, text)| text.split(':').next()).collect();
        assert_eq!(pools, [Some("pool nobody's"), Some("pool partial")]);
        assert!(logged.iter().all(|(level, _)| *level == log::Level::Warn));
    }

    #[test]
    fn reports_say_which_pool_who_how_long_and_what_to_do() {
        let holder = Holder::current(Instant::now(), false);
        let (pool, held) = ("orders", Duration::from_millis(61_234));
        let told = |report: Report<'_>, words: &[&str]| {
            let text = report.to_string();
            for word in ["pool orders: "].iter().chain(words) {
                assert!(text.contains(word), "{word}: {text}");
            }
        };
        let name = holder.to_string();
        told(Report::Leaked { pool, holder: &holder, held }, &["not come back for 61.2s", &name]);
        told(Report::LeakReturned { pool, holder: &holder, held }, &["after 61.2s", &name]);
        told(Report::SlowGet { pool, waited: held }, &["61.2s", "`slow_get`", "`max_size`"]);
        told(Report::BlocksRuntime { pool, thread: "rt" }, &["`rt`", "`spawn_blocking`"]);
        let holders = [holder.clone(), holder];
        told(Report::Deadlock { pool, holders: &holders }, &[&name, "`max_size`"]);
    }

    #[test]
    fn events_watch_uses_unless_they_say_otherwise_and_nobody_watches_none() {
        struct Plain;
        impl Events for Plain {}
        struct Undecided;
        impl Events for Undecided {
            fn watches_uses(&self) -> bool {
                std::panic::resume_unwind(Box::new("as planned"))
            }
        }
        assert!(Observer::new(Plain).watches_uses());
        assert!(!Observer::default().watches_uses());
        assert!(!Observer::new(Undecided).watches_uses());
    }

    #[test]
    fn a_panic_in_events_ends_there() {
        let observer = Observer::default();
        observer.emit(|_| std::panic::resume_unwind(Box::new("as planned")));
    }
}
