//! A pool of scripted connections on a clock that the test turns.
#![allow(dead_code)] // not every test needs all of it

use std::sync::Arc;
use std::time::Duration;

use threadwise_core::CloseReason;
use threadwise_shared::{Builder, PooledConnection, SharedPool, VirtualClock};
use threadwise_testkit::sessions::{Driver, Session};
use threadwise_testkit::{Ledger, Script, Scripted, ScriptedConnection, wait};

pub(crate) type Manager = Scripted<Driver>;
pub(crate) type Connection = ScriptedConnection<Session>;

pub(crate) struct Rig {
    pub(crate) pool: SharedPool<Manager>,
    pub(crate) script: Arc<Script>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) clock: VirtualClock,
}

/// A pool with these settings, built lazily. Connections do not age unless the settings say so.
pub(crate) fn rig(settings: impl FnOnce(Builder<Manager>) -> Builder<Manager>) -> Rig {
    let manager = Scripted::new(Driver::default());
    let (script, ledger, clock) = (manager.script(), manager.ledger(), VirtualClock::new());
    let still = SharedPool::builder()
        .clock(clock.clock())
        .max_lifetime(None)
        .idle_timeout(None)
        .keepalive(None)
        .get_timeout(None);
    let pool = settings(still).build_lazy(manager).unwrap();
    Rig { pool, script, ledger, clock }
}

impl Rig {
    pub(crate) fn get(&self) -> PooledConnection<'_, Manager> {
        self.pool.get().unwrap()
    }

    /// Opens `count` connections and makes them idle. Returns their numbers.
    pub(crate) fn fill(&self, count: usize) -> Vec<u64> {
        let all: Vec<_> = (0..count).map(|_| self.get()).collect();
        all.iter().map(|conn| conn.id()).collect()
    }

    pub(crate) fn closed(&self, reason: CloseReason) -> u64 {
        self.pool.state().counters.closed(reason)
    }

    pub(crate) fn await_closed(&self, reason: CloseReason, count: u64) {
        wait::until(reason.name(), || self.closed(reason) == count && self.is_settled());
    }

    /// Whether the pool counts exactly the connections that are open at the server, and each close
    /// that it has counted is done.
    pub(crate) fn is_settled(&self) -> bool {
        let state = self.pool.state();
        let ended = state.counters.closed_total();
        state.counters.opened == ended + state.open as u64
            && state.open == self.ledger.open()
            && state.connecting == 0
    }

    /// Waits until an attempt to connect has failed and the pool knows its error. No other attempt
    /// follows before the clock is turned.
    pub(crate) fn await_failure(&self) {
        wait::until("an attempt to fail", || {
            let state = self.pool.state();
            state.counters.connect_failures > 0 && state.connecting == 0
        });
    }

    /// Turns the clock on in steps until `done`. Returns how far.
    pub(crate) fn turn_until(&self, step: Duration, done: impl Fn() -> bool) -> Duration {
        let mut turned = Duration::ZERO;
        wait::until("the effect of time", || {
            if done() {
                return true;
            }
            self.clock.advance(step);
            turned += step;
            false
        });
        turned
    }
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
