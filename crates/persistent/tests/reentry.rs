//! Hooks, events and managers that use the pool that calls them.

mod common;

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use threadwise_core::{CloseReason, ConnectionInfo, Events, GetError, HookError, ManageConnection};
use threadwise_persistent::PersistentPool;
use threadwise_testkit::{FakeConnection, FakeManager, Scripted};

use common::{Manager, rig};

/// Borrows from the pool in each hook and event, and counts the results.
#[derive(Clone, Default)]
struct Borrows {
    pool: Arc<OnceLock<PersistentPool<Manager>>>,
    tried: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
}

impl Borrows {
    fn borrow(&self) {
        let Some(pool) = self.pool.get() else { return };
        self.tried.fetch_add(1, SeqCst);
        match pool.get() {
            Ok(conn) => drop(conn.hold()),
            Err(GetError::AlreadyBorrowed) => drop(self.refused.fetch_add(1, SeqCst)),
            Err(GetError::Closed | GetError::ThreadEnding) => {}
            Err(error) => panic!("{error}"),
        }
    }

    fn hook<C>(&self) -> impl Fn(&mut C) -> Result<(), HookError> + use<C> {
        let borrows = self.clone();
        move |_| {
            borrows.borrow();
            Ok(())
        }
    }
}

impl Events for Borrows {
    fn opened(&self, _: &ConnectionInfo<'_>, _: Duration) {
        self.borrow();
    }

    fn closed(&self, _: &ConnectionInfo<'_>, _: CloseReason) {
        self.borrow();
    }

    fn acquired(&self, _: &ConnectionInfo<'_>, _: Duration) {
        self.borrow();
    }

    fn returned(&self, _: &ConnectionInfo<'_>, _: Duration) {
        self.borrow();
    }
}

#[test]
fn a_hook_or_an_event_that_borrows_gets_already_borrowed() {
    let borrows = Borrows::default();
    let rig = rig(|pool| {
        let pool = pool.max_threads(1).events(borrows.clone());
        pool.on_connect(borrows.hook()).on_acquire(borrows.hook()).on_return(borrows.hook())
    });
    assert!(borrows.pool.set(rig.pool.clone()).is_ok());
    for number in 1..4 {
        let conn = rig.get();
        assert_eq!(conn.id(), number);
        drop(conn);
        assert_eq!(rig.id(), number);
        rig.get().discard();
        let state = rig.pool.state();
        assert_eq!((state.open, rig.ledger.open()), (0, 0), "{number}: {state}");
    }
    drop(rig.get().detach());
    assert_eq!((rig.pool.state().open, rig.ledger.open()), (0, 0));
    assert_eq!(borrows.tried.load(SeqCst), borrows.refused.load(SeqCst));
    assert!(borrows.tried.load(SeqCst) > 20);
    rig.ledger.assert_in_order();
    rig.pool.close();
}

#[test]
fn a_connection_that_an_event_borrowed_is_closed_with_the_pool() {
    let borrows = Borrows::default();
    let rig = rig(|pool| pool.max_overflow(1).events(borrows.clone()));
    assert!(borrows.pool.set(rig.pool.clone()).is_ok());
    drop(rig.get());
    rig.get().discard();
    drop(rig.get());
    drop(rig.get().detach());
    drop(rig.get());
    assert_eq!(rig.pool.state().open, rig.ledger.open());
    rig.pool.close();
    assert_eq!(rig.ledger.open(), 0);
    rig.ledger.assert_in_order();
}

/// A manager whose `close` borrows from its own pool.
#[derive(Clone, Default)]
struct Farewell {
    pool: Arc<OnceLock<PersistentPool<Scripted<Farewell>>>>,
    said: Arc<Mutex<Vec<String>>>,
}

impl ManageConnection for Farewell {
    type Connection = FakeConnection;
    type Error = std::convert::Infallible;

    fn connect(&self) -> Result<FakeConnection, Self::Error> {
        FakeManager.connect()
    }

    fn is_valid(&self, conn: &mut FakeConnection) -> Result<(), Self::Error> {
        FakeManager.is_valid(conn)
    }

    fn has_broken(&self, conn: &mut FakeConnection) -> bool {
        FakeManager.has_broken(conn)
    }

    fn close(&self, conn: FakeConnection) {
        drop(conn);
        if let Some(pool) = self.pool.get() {
            let said = match pool.get() {
                Ok(_) => "lent".into(),
                Err(error) => error.to_string(),
            };
            self.said.lock().unwrap().push(said);
        }
    }
}

#[test]
fn a_close_that_borrows_is_refused_and_loses_no_connection() {
    let farewell = Farewell::default();
    let manager = Scripted::new(farewell.clone());
    let ledger = manager.ledger();
    let pool = PersistentPool::builder().max_threads(2).build_lazy(manager).unwrap();
    assert!(farewell.pool.set(pool.clone()).is_ok());
    pool.get().unwrap().discard();
    pool.get().unwrap().broken = true; // closed on return
    let mut conn = pool.get().unwrap();
    conn.left_behind = None;
    drop(conn);
    thread::scope(|scope| scope.spawn(|| drop(pool.get().unwrap())).join().unwrap());
    assert_eq!((pool.state().open, ledger.open()), (1, 1));
    pool.close();
    assert_eq!((pool.state().open, ledger.open()), (0, 0));
    let said = farewell.said.lock().unwrap().clone();
    let in_use = "this thread already holds its connection";
    let expected = [in_use, in_use, "this thread is ending", "the pool is closed"];
    assert_eq!(said.len(), expected.len());
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected), "{said}");
    }
    ledger.assert_in_order();
}
