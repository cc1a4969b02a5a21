//! Handles and guards: the pool closes with its last handle, a guard outlives it.

use threadwise_shared::SharedPool;
use threadwise_testkit::{FakeManager, Scripted, wait};

type Manager = Scripted<FakeManager>;

fn manager() -> Manager {
    Scripted::new(FakeManager)
}

#[test]
fn an_owned_guard_outlives_the_pool_and_its_connection_is_closed_then() {
    let manager = manager();
    let ledger = manager.ledger();
    let pool = SharedPool::builder().build(manager).unwrap();
    let conn = pool.get_owned().unwrap();
    drop(pool);
    let conn = std::thread::spawn(move || conn).join().unwrap();
    assert_eq!(ledger.open(), 1);
    drop(conn);
    assert_eq!(ledger.open(), 0);
}

#[test]
fn the_pool_closes_when_its_last_handle_is_dropped() {
    let manager = manager();
    let ledger = manager.ledger();
    let pool = SharedPool::builder().build(manager).unwrap();
    let other = pool.clone();
    drop(pool);
    assert!(other.get().is_ok());
    drop(other);
    wait::until("its connection to be closed", || ledger.open() == 0);
}
