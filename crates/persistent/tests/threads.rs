//! A connection belongs to one thread, and closes when that thread ends.

use std::thread;

use threadwise_core::{BuildError, CloseReason, GetError};
use threadwise_persistent::PersistentPool;
use threadwise_testkit::{FakeManager, Scripted};

#[test]
fn a_thread_gets_the_same_connection_each_time_and_no_other_thread_gets_it() {
    let pool = PersistentPool::builder().build(Scripted::new(FakeManager)).unwrap();
    let id = || pool.get().unwrap().id();
    let own = id();
    let others = thread::scope(|scope| scope.spawn(|| [(); 3].map(|()| id())).join().unwrap());
    assert_eq!(others, [others[0]; 3]);
    assert_ne!(others[0], own);
    assert_eq!(id(), own);
}

#[test]
fn a_connection_is_closed_when_its_thread_ends() {
    let manager = Scripted::new(FakeManager);
    let ledger = manager.ledger();
    let pool = PersistentPool::builder().build_lazy(manager).unwrap();
    for _ in 0..50 {
        thread::scope(|scope| scope.spawn(|| drop(pool.get().unwrap())).join().unwrap());
        assert_eq!(ledger.open(), 0, "the connection of an ended thread is open");
    }
    assert_eq!(pool.state().counters.closed(CloseReason::ThreadEnded), 50);
    ledger.assert_in_order();
}

#[test]
fn a_second_get_while_the_first_guard_lives_is_already_borrowed() {
    let pool = PersistentPool::builder().build(FakeManager).unwrap();
    let conn = pool.get().unwrap();
    assert!(matches!(pool.get(), Err(GetError::AlreadyBorrowed)));
    drop(conn);
    assert!(pool.get().is_ok());
}

#[test]
fn threads_may_end_after_the_pool() {
    let manager = Scripted::new(FakeManager);
    let ledger = manager.ledger();
    let pool = PersistentPool::builder().build_lazy(manager).unwrap();
    let (used, gone) = (std::sync::Barrier::new(2), std::sync::Barrier::new(2));
    thread::scope(|scope| {
        let other = pool.clone();
        let (used, gone) = (&used, &gone);
        scope.spawn(move || {
            drop(other.get().unwrap());
            drop(other);
            used.wait();
            gone.wait();
        });
        used.wait();
        drop(pool);
        assert_eq!(ledger.open(), 0, "dropping the pool closes all connections");
        gone.wait();
    });
    ledger.assert_in_order();
}

#[test]
fn a_limit_of_zero_threads_is_refused() {
    let built = PersistentPool::builder().max_threads(0).build(FakeManager);
    assert!(matches!(built, Err(BuildError::Setting { name: "max_threads", .. })));
}
