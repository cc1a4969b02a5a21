//! A pool of scripted connections, with a clock that the test sets.
#![allow(dead_code)] // each test program uses a part of it

use std::sync::Arc;
use std::time::Duration;

use threadwise_core::{CloseReason, VirtualClock};
use threadwise_persistent::{Builder, PersistentPool, PooledConnection};
use threadwise_testkit::sessions::{Driver, Session};
use threadwise_testkit::{Ledger, Script, Scripted, ScriptedConnection};

pub(crate) type Manager = Scripted<Driver>;
pub(crate) type Connection = ScriptedConnection<Session>;

pub(crate) struct Rig {
    pub(crate) pool: PersistentPool<Manager>,
    pub(crate) script: Arc<Script>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) clock: VirtualClock,
}

/// A pool with these settings, from `build_lazy`.
pub(crate) fn rig(settings: impl FnOnce(Builder<Manager>) -> Builder<Manager>) -> Rig {
    let manager = Scripted::new(Driver::that_knows_changes());
    let (script, ledger, clock) = (manager.script(), manager.ledger(), VirtualClock::new());
    let pool = PersistentPool::builder().clock(clock.clock()).get_timeout(None);
    let pool = settings(pool).build_lazy(manager).unwrap();
    Rig { pool, script, ledger, clock }
}

impl Rig {
    pub(crate) fn get(&self) -> PooledConnection<'_, Manager> {
        self.pool.get().unwrap()
    }

    /// The id of this thread's connection.
    pub(crate) fn id(&self) -> u64 {
        self.get().id()
    }

    pub(crate) fn closed(&self, reason: CloseReason) -> u64 {
        self.pool.state().counters.closed(reason)
    }
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
