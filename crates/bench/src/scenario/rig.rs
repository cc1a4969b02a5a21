//! A pool, and the server before it, whatever both are.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::timeline::Moment;
use super::{ScenarioRun, ms};
use crate::Failure;

/// What a scenario asks of pool and server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Needs {
    /// The pool's limit. It begins without a connection, if it can.
    pub(super) size: usize,
    /// How long a `get` waits.
    pub(super) get_timeout: Duration,
    /// How long opening a connection takes.
    pub(super) connect: Duration,
}

/// A connection, as scenarios use it.
pub(super) trait Session {
    /// Runs a query that takes so long at the server.
    fn query(&mut self, takes: Duration) -> Result<(), Failure>;
}

/// A pool, as scenarios use it.
pub(super) trait Subject: Send + Sync {
    /// Borrows a connection, uses it and gives it back.
    fn with(&self, use_it: &mut dyn FnMut(&mut dyn Session)) -> Result<(), Failure>;
}

/// A server, as scenarios treat it.
pub(super) trait Server: Send + Sync {
    /// Cuts all connections and refuses new ones.
    fn refuse(&self);
    /// Serves again.
    fn serve(&self);
    /// Connections opened so far.
    fn opened(&self) -> u64;
    /// Connections open now, those that are being opened included.
    fn open(&self) -> u64;
}

pub(super) struct Rig {
    pub(super) pool: Box<dyn Subject>, // before the server, so that it closes its connections first
    pub(super) server: Box<dyn Server>,
    account: Mutex<Account>,
    asked: AtomicU64,
    served: AtomicU64,
    refused: AtomicU64,
}

#[derive(Default)]
struct Account {
    waits: Vec<Duration>,
    errors: u64,
    timeline: Vec<Moment>,
}

impl Rig {
    pub(super) fn new(pool: Box<dyn Subject>, server: Box<dyn Server>) -> Self {
        let (asked, served, refused) = Default::default();
        Self { pool, server, account: Mutex::default(), asked, served, refused }
    }

    /// How it is now, so long after the beginning. It reads counters, and takes no lock of anybody's.
    pub(super) fn moment(&self, since: Duration) -> Moment {
        let (served, refused) = (self.served.load(SeqCst), self.refused.load(SeqCst));
        // Asked last: whoever was served or refused had asked before.
        let waiting = self.asked.load(SeqCst).saturating_sub(served + refused);
        Moment { ms: ms(since), connections: self.server.open(), waiting, served }
    }

    /// Puts down how it went.
    pub(super) fn keep(&self, timeline: Vec<Moment>) {
        self.account.lock().unwrap_or_else(PoisonError::into_inner).timeline = timeline;
    }

    /// Borrows a connection and uses it. How long it waited, or that it failed.
    pub(super) fn with(
        &self,
        use_it: &mut dyn FnMut(&mut dyn Session) -> Result<(), Failure>,
    ) -> Result<Duration, Failure> {
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
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        account.waits.extend(waited);
        let result = got.and(used);
        account.errors += u64::from(result.is_err());
        drop(account);
        result.map(|()| waited.unwrap_or_default())
    }

    /// As `with`, for a query that takes so long.
    pub(super) fn query(&self, takes: Duration) -> Result<Duration, Failure> {
        self.with(&mut |session| session.query(takes))
    }

    /// Writes down what has happened.
    pub(super) fn tell(&self, run: &mut ScenarioRun) {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        account.waits.sort_unstable();
        let at = |part: f64| {
            let last = account.waits.len().checked_sub(1)?;
            Some(ms(account.waits[(last as f64 * part).round() as usize]))
        };
        (run.wait_p50_ms, run.wait_p99_ms) = (at(0.5), at(0.99));
        (run.served, run.errors) = (account.waits.len() as u64, account.errors);
        run.timeline = std::mem::take(&mut account.timeline);
    }
}
