//! A pool and its server, of any kind.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use threadwise_figures::{Moment, ScenarioRun};

use super::times::{ms, wait_at};
use crate::Result;
use crate::contender::{Contender, Worker};

/// A connection, as scenarios use it.
pub(super) trait Session {
    /// Runs a query that takes this long at the server.
    fn query(&mut self, takes: Duration) -> Result<()>;
}

/// A pool, as scenarios use it.
pub(super) trait Subject: Send + Sync {
    /// Borrows a connection, uses it and returns it.
    fn with(&self, use_it: &mut dyn FnMut(&mut dyn Session)) -> Result<()>;
}

impl<C: Contender<Connection: Session>> Subject for C {
    fn with(&self, use_it: &mut dyn FnMut(&mut dyn Session)) -> Result<()> {
        self.worker()?.with_conn(|conn| use_it(conn))
    }
}

/// A server, as scenarios control it.
pub(super) trait Server: Send + Sync {
    /// Cuts all connections and refuses new ones.
    fn refuse(&self);
    /// Serves again.
    fn serve(&self);
    /// Returns the number of connections opened so far.
    fn opened(&self) -> u64;
    /// Returns the number of connections that are open or being opened.
    fn open(&self) -> u64;
}

/// A pool and its server.
pub(super) struct Rig {
    pub(super) pool: Box<dyn Subject>, // before `server`, so that it is dropped first
    pub(super) server: Box<dyn Server>,
    log: Mutex<Log>,
    asked: AtomicU64,
    served: AtomicU64,
    refused: AtomicU64,
}

#[derive(Default)]
struct Log {
    waits: Vec<Duration>,
    errors: u64,
    timeline: Vec<Moment>,
}

impl Rig {
    pub(super) fn new(pool: Box<dyn Subject>, server: Box<dyn Server>) -> Self {
        Self {
            pool,
            server,
            log: Mutex::default(),
            asked: AtomicU64::new(0),
            served: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// Returns the state now, `since` after the beginning. This reads counters and takes no lock.
    pub(super) fn moment(&self, since: Duration) -> Moment {
        let (served, refused) = (self.served.load(SeqCst), self.refused.load(SeqCst));
        // Loaded last: each thread in `served` or `refused` is in `asked` already.
        let waiting = self.asked.load(SeqCst).saturating_sub(served + refused);
        Moment { ms: ms(since), connections: self.server.open(), waiting, served }
    }

    /// Stores the timeline.
    pub(super) fn keep(&self, timeline: Vec<Moment>) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).timeline = timeline;
    }

    /// Borrows a connection and uses it. Returns the wait, or the error.
    pub(super) fn with(
        &self,
        use_it: &mut dyn FnMut(&mut dyn Session) -> Result<()>,
    ) -> Result<Duration> {
        let start = Instant::now();
        let mut waited = None;
        let mut used = Ok(());
        self.asked.fetch_add(1, SeqCst);
        let got = self.pool.with(&mut |session| {
            waited = Some(start.elapsed());
            self.served.fetch_add(1, SeqCst);
            used = use_it(session);
        });
        self.refused.fetch_add(u64::from(waited.is_none()), SeqCst);
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.waits.extend(waited);
        let result = got.and(used);
        log.errors += u64::from(result.is_err());
        drop(log);
        result.map(|()| waited.unwrap_or_default())
    }

    /// Like `with`, for a query that takes this long.
    pub(super) fn query(&self, takes: Duration) -> Result<Duration> {
        self.with(&mut |session| session.query(takes))
    }

    /// Writes the results into `run`.
    pub(super) fn report_to(&self, run: &mut ScenarioRun) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.waits.sort_unstable();
        (run.wait_p50_ms, run.wait_p99_ms) = (wait_at(&log.waits, 0.5), wait_at(&log.waits, 0.99));
        (run.served, run.errors) = (log.waits.len() as u64, log.errors);
        run.timeline = std::mem::take(&mut log.timeline);
    }
}
