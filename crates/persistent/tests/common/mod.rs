//! A pool of scripted connections on a clock that the test turns.
#![allow(dead_code)] // not every test needs all of it

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use threadwise_core::{CloseReason, ManageConnection, VirtualClock};
use threadwise_persistent::{Builder, PersistentPool, PooledConnection};
use threadwise_testkit::{Ledger, Script, Scripted, ScriptedConnection};

/// Sessions that may be in a transaction, and that carry a mark until they are reset.
#[derive(Debug, Default)]
pub(crate) struct Driver;

#[derive(Debug, Default)]
pub(crate) struct Session {
    pub(crate) in_transaction: AtomicBool,
    pub(crate) mark: Option<&'static str>,
}

impl ManageConnection for Driver {
    type Connection = Session;
    type Error = Infallible;

    fn connect(&self) -> Result<Session, Infallible> {
        Ok(Session::default())
    }

    fn is_valid(&self, _: &mut Session) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Session) -> bool {
        false
    }

    fn reset(&self, session: &mut Session) -> Result<(), Infallible> {
        *session = Session::default();
        Ok(())
    }

    fn has_changed(&self, session: &mut Session) -> bool {
        session.mark.is_some() || *session.in_transaction.get_mut()
    }

    fn in_transaction(&self, session: &Session) -> bool {
        session.in_transaction.load(Ordering::SeqCst)
    }
}

pub(crate) type Manager = Scripted<Driver>;
pub(crate) type Connection = ScriptedConnection<Session>;

pub(crate) struct Rig {
    pub(crate) pool: PersistentPool<Manager>,
    pub(crate) script: Arc<Script>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) clock: VirtualClock,
}

/// A pool with these settings, opened lazily.
pub(crate) fn rig(settings: impl FnOnce(Builder<Manager>) -> Builder<Manager>) -> Rig {
    let manager = Scripted::new(Driver);
    let (script, ledger, clock) = (manager.script(), manager.ledger(), VirtualClock::new());
    let pool = PersistentPool::builder().clock(clock.clock()).get_timeout(None);
    let pool = settings(pool).build_lazy(manager).unwrap();
    Rig { pool, script, ledger, clock }
}

impl Rig {
    pub(crate) fn get(&self) -> PooledConnection<'_, Manager> {
        self.pool.get().unwrap()
    }

    /// The number of this thread's connection.
    pub(crate) fn id(&self) -> u64 {
        self.get().id()
    }

    pub(crate) fn closed(&self, reason: CloseReason) -> u64 {
        self.pool.state().counters.closed(reason)
    }
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_secs(60);
