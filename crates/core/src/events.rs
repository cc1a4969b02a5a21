//! Events and reports: what a pool tells the program while it works.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::parts::foreign;
use crate::{CloseReason, ConnectionInfo, Holder, chain};

/// Receives a pool's events. Every method does nothing by default, except
/// [`report`](Self::report), which logs.
///
/// The pool calls a method on the thread that caused the event, never under a lock of the pool. That
/// thread waits meanwhile, so be quick. The pool catches a panic in a method.
///
/// A pool without events pays nothing for them. With events, every `get` and every return takes the
/// slow path and reads a clock, about 100 ns instead of 10, unless
/// [`watches_uses`](Self::watches_uses) returns `false`.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
/// use std::time::Duration;
/// use threadwise_core::{ConnectionInfo, Events};
/// use threadwise_queue::QueuePool;
/// use threadwise_sqlite::SqliteManager;
///
/// struct CountsOpened(Arc<AtomicU32>);
///
/// impl Events for CountsOpened {
///     fn watches_uses(&self) -> bool {
///         false // only connections that open are of interest
///     }
///
///     fn opened(&self, _: &ConnectionInfo<'_>, _took: Duration) {
///         self.0.fetch_add(1, Relaxed);
///     }
/// }
///
/// let opened = Arc::new(AtomicU32::new(0));
/// let events = CountsOpened(Arc::clone(&opened));
/// let _pool = QueuePool::builder().size(2).events(events).build(SqliteManager::memory())?;
/// assert_eq!(opened.load(Relaxed), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Events: Send + Sync + 'static {
    /// Whether the pool calls [`acquired`](Self::acquired) and [`returned`](Self::returned). The
    /// builder asks once, when it gets the events.
    fn watches_uses(&self) -> bool {
        true
    }

    /// The pool opened a connection. `took` is how long that took.
    fn opened(&self, conn: &ConnectionInfo<'_>, took: Duration) {
        let _ = (conn, took);
    }

    /// An attempt to open a connection failed. `error` is a [`ConnectError`](crate::ConnectError);
    /// [`chain`](crate::chain) prints it with its causes.
    fn connect_failed(&self, error: &(dyn Error + 'static)) {
        let _ = error;
    }

    /// A connection left the pool. `conn` has neither a number nor a host if a task of the pool on
    /// this connection is overdue: then another thread has the connection.
    fn closed(&self, conn: &ConnectionInfo<'_>, reason: CloseReason) {
        let _ = (conn, reason);
    }

    /// A `get` returned a connection. `waited` is how long the borrower waited for it.
    fn acquired(&self, conn: &ConnectionInfo<'_>, waited: Duration) {
        let _ = (conn, waited);
    }

    /// A connection came back. `held` is how long its holder had it.
    fn returned(&self, conn: &ConnectionInfo<'_>, held: Duration) {
        let _ = (conn, held);
    }

    /// A `get` gave up at its deadline. `waited` is how long it waited.
    fn timed_out(&self, waited: Duration) {
        let _ = waited;
    }

    /// The pool noticed a problem that a person should look at. The default writes it to the `log`
    /// crate's log, as a warning.
    fn report(&self, report: &Report<'_>) {
        log::warn!("{report}");
    }
}

/// A problem that a person should look at.
///
/// ```
/// use threadwise_core::{Events, Report};
///
/// struct Alarm;
///
/// impl Events for Alarm {
///     fn watches_uses(&self) -> bool {
///         false
///     }
///
///     fn report(&self, report: &Report<'_>) {
///         match report {
///             Report::Churn { pool, closed, .. } => eprintln!("alarm: {pool} closed {closed}"),
///             other => log::warn!("{other}"),
///         }
///     }
/// }
/// ```
#[non_exhaustive]
#[derive(Debug)]
pub enum Report<'r> {
    /// A thread has held a connection for longer than `leak_threshold`.
    Leaked {
        /// The pool's name.
        pool: &'r str,
        /// The thread that holds the connection.
        holder: &'r Holder,
        /// How long it has held the connection.
        held: Duration,
    },
    /// A connection that the pool reported as leaked has come back.
    LeakReturned {
        /// The pool's name.
        pool: &'r str,
        /// The thread that held the connection.
        holder: &'r Holder,
        /// How long it held the connection.
        held: Duration,
    },
    /// A `get` returned a connection, but took longer than `slow_get`.
    SlowGet {
        /// The pool's name.
        pool: &'r str,
        /// How long it waited.
        waited: Duration,
    },
    /// Every thread that holds a connection waits for another one.
    Deadlock {
        /// The pool's name.
        pool: &'r str,
        /// The threads that hold the connections.
        holders: &'r [Holder],
    },
    /// A `get` waits on a thread that polls the tasks of an async runtime, and blocks all of them.
    /// The pool reports this once, in builds with debug assertions.
    BlocksRuntime {
        /// The pool's name.
        pool: &'r str,
        /// The thread's name.
        thread: &'r str,
    },
    /// The pool closes most connections that come back, so most uses pay for a new connection. The
    /// pool reports this at most once a minute while it goes on.
    Churn {
        /// The pool's name.
        pool: &'r str,
        /// Why the pool closed the latest connection.
        reason: CloseReason,
        /// How many connections the pool closed within the last ten seconds.
        closed: u32,
        /// The error or panic behind the latest close, if there is one.
        cause: Option<&'r (dyn Error + 'static)>,
    },
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaked { pool, holder, held } => {
                write!(
                    f,
                    "pool {pool}: a connection has not come back for {held:.1?}, longer than \
                     `leak_threshold`; {holder:#}"
                )
            }
            Self::LeakReturned { pool, holder, held } => write!(
                f,
                "pool {pool}: the connection reported as leaked came back after {held:.1?}; {holder}"
            ),
            Self::SlowGet { pool, waited } => write!(
                f,
                "pool {pool}: a `get` took {waited:.1?}, longer than `slow_get`: hold connections \
                 for a shorter time, or raise `max_size`"
            ),
            Self::Deadlock { pool, holders } => {
                write!(
                    f,
                    "pool {pool}: deadlock: every thread that holds a connection waits for "
                )?;
                f.write_str("another one:")?;
                holders.iter().try_for_each(|holder| write!(f, " {holder};"))?;
                f.write_str(
                    " borrow one connection at a time on each thread, or raise `max_size` above \
                     threads × (connections for each − 1)",
                )
            }
            Self::BlocksRuntime { pool, thread } => write!(
                f,
                "pool {pool}: a `get` blocks the thread `{thread}` of an async runtime and all tasks \
                 on it: call it within `spawn_blocking`, as docs/async.md shows"
            ),
            Self::Churn { pool, reason, closed, cause } => {
                write!(
                    f,
                    "pool {pool}: within 10 s the pool closed {closed} connections that came back, \
                     instead of keeping them; the last one because {}",
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

/// The events of a pool that has no others: it logs reports and ignores the rest.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogReports;

impl Events for LogReports {
    fn watches_uses(&self) -> bool {
        false
    }
}

/// Calls a program's [`Events`] and catches their panics; for writers of pools.
pub struct Observer {
    events: Box<dyn Events>,
    watches_uses: bool,
}

impl Observer {
    /// Calls these events.
    pub fn new(events: impl Events) -> Self {
        let watches_uses = foreign::call(|| events.watches_uses());
        Self { events: Box::new(events), watches_uses: watches_uses.unwrap_or(false) }
    }

    /// Calls one of the methods.
    pub fn emit(&self, emit: impl FnOnce(&dyn Events)) {
        // The panic hook has printed the panic; the pool finishes its own work.
        let _ = foreign::call(|| emit(&*self.events));
    }

    /// The answer of [`Events::watches_uses`] to the builder; `false` if it panicked.
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
    fn reports_are_logged_as_warnings_unless_the_events_override_report() {
        struct Silent;
        impl Events for Silent {
            fn report(&self, _: &Report<'_>) {}
        }
        struct OnlyOpened;
        impl Events for OnlyOpened {
            fn opened(&self, _: &ConnectionInfo<'_>, _: Duration) {}
        }
        log::set_logger(&LOG).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        let waited = Duration::from_secs(2);
        for pool in ["default", "silent", "partial"] {
            let observer = match pool {
                "silent" => Observer::new(Silent),
                "partial" => Observer::new(OnlyOpened),
                _ => Observer::default(),
            };
            observer.emit(|events| events.report(&Report::SlowGet { pool, waited }));
            observer.emit(|events| events.opened(&ConnectionInfo::new(), waited));
        }
        let logged = LOG.0.lock().unwrap();
        let pools: Vec<_> = logged.iter().map(|(_, text)| text.split(':').next()).collect();
        assert_eq!(pools, [Some("pool default"), Some("pool partial")]);
        assert!(logged.iter().all(|(level, _)| *level == log::Level::Warn));
    }

    #[test]
    fn reports_name_the_pool_the_holder_the_time_and_what_to_do() {
        let holder = Holder::current(Instant::now(), false);
        let (pool, held) = ("orders", Duration::from_millis(61_234));
        let says = |report: Report<'_>, words: &[&str]| {
            let text = report.to_string();
            for word in ["pool orders: "].iter().chain(words) {
                assert!(text.contains(word), "{word}: {text}");
            }
        };
        let name = holder.to_string();
        says(Report::Leaked { pool, holder: &holder, held }, &["not come back for 61.2s", &name]);
        says(Report::LeakReturned { pool, holder: &holder, held }, &["after 61.2s", &name]);
        says(Report::SlowGet { pool, waited: held }, &["61.2s", "`slow_get`", "`max_size`"]);
        says(Report::BlocksRuntime { pool, thread: "rt" }, &["`rt`", "`spawn_blocking`"]);
        let holders = [holder.clone(), holder];
        says(Report::Deadlock { pool, holders: &holders }, &[&name, "`max_size`"]);
    }

    #[test]
    fn events_watch_uses_by_default_and_a_pool_without_events_does_not() {
        struct Plain;
        impl Events for Plain {}
        struct Panics;
        impl Events for Panics {
            fn watches_uses(&self) -> bool {
                std::panic::resume_unwind(Box::new("as planned"))
            }
        }
        assert!(Observer::new(Plain).watches_uses());
        assert!(!Observer::default().watches_uses());
        assert!(!Observer::new(Panics).watches_uses());
    }

    #[test]
    fn a_panic_in_events_is_caught() {
        let observer = Observer::default();
        observer.emit(|_| std::panic::resume_unwind(Box::new("as planned")));
    }
}
