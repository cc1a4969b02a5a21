//! A pool and its server, of any kind.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use threadwise_figures::{Moment, ScenarioRun};

use super::times::{ms, wait_at};
use crate::contender::{Queried, Worker};
use crate::{Queries, Result};

/// A pool, as scenarios use it.
pub(super) trait Subject: Send + Sync {
    /// Borrows a connection, calls `got`, runs a query that takes this long at the server, and returns
    /// the connection.
    fn query(&self, takes: Duration, got: &mut dyn FnMut()) -> Result<()>;
}

impl<C: Queried> Subject for C {
    fn query(&self, takes: Duration, got: &mut dyn FnMut()) -> Result<()> {
        self.worker()?.with_conn(|conn| {
            got();
            conn.sleep(takes)
        })?
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

    /// Borrows a connection for a query that takes this long. Returns the wait, or the error.
    pub(super) fn query(&self, takes: Duration) -> Result<Duration> {
        self.query_after(takes, || ())
    }

    /// Like `query`, and calls `got` between the borrow and the query.
    pub(super) fn query_after(&self, takes: Duration, mut got: impl FnMut()) -> Result<Duration> {
        let start = Instant::now();
        let mut waited = None;
        self.asked.fetch_add(1, SeqCst);
        let result = self.pool.query(takes, &mut || {
            waited = Some(start.elapsed());
            self.served.fetch_add(1, SeqCst);
            got();
        });
        self.refused.fetch_add(u64::from(waited.is_none()), SeqCst);
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.waits.extend(waited);
        log.errors += u64::from(result.is_err());
        result.map(|()| waited.unwrap_or_default())
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
