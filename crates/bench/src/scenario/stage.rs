//! A pool, and the server before it, whatever both are.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Scene, ms};
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
}

pub(super) struct Stage {
    pub(super) pool: Box<dyn Subject>, // before the server, so that it closes its connections first
    pub(super) server: Box<dyn Server>,
    account: Mutex<Account>,
}

#[derive(Default)]
struct Account {
    waits: Vec<Duration>,
    errors: u64,
}

impl Stage {
    pub(super) fn new(pool: Box<dyn Subject>, server: Box<dyn Server>) -> Self {
        Self { pool, server, account: Mutex::default() }
    }

    /// Borrows a connection and uses it. How long it waited, or that it failed.
    pub(super) fn with(
        &self,
        use_it: &mut dyn FnMut(&mut dyn Session) -> Result<(), Failure>,
    ) -> Result<Duration, Failure> {
        let start = Instant::now();
        let mut waited = None;
        let mut used = Ok(());
        let got = self.pool.with(&mut |session| {
            waited = Some(start.elapsed());
            used = use_it(session);
        });
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
    pub(super) fn tell(&self, scene: &mut Scene) {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        account.waits.sort_unstable();
        let at = |part: f64| {
            let last = account.waits.len().checked_sub(1)?;
            Some(ms(account.waits[(last as f64 * part).round() as usize]))
        };
        (scene.wait_p50_ms, scene.wait_p99_ms) = (at(0.5), at(0.99));
        (scene.served, scene.errors) = (account.waits.len() as u64, account.errors);
    }
}
