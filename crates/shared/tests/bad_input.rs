//! Wrong use: leaked guards, panics, returns on another thread than the borrower's.

use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::thread;
use std::time::Duration;

use threadwise_core::{CloseReason, GetError};
use threadwise_shared::SharedPool;
use threadwise_testkit::{FakeManager, Ledger, Scripted, wait};

type Manager = Scripted<FakeManager>;
type Pool = SharedPool<Manager>;

fn pool(max_size: usize) -> (Pool, std::sync::Arc<Ledger>) {
    let manager = Scripted::new(FakeManager);
    let ledger = manager.ledger();
    (SharedPool::builder().max_size(max_size).build(manager).unwrap(), ledger)
}

/// Runs a closure that must panic, without printing the panic.
fn panics(run: impl FnOnce()) {
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    assert!(result.is_err(), "it should panic");
}

fn panic_quietly() -> ! {
    panic::resume_unwind(Box::new("as planned")) // resumes without the hook that prints
}

#[test]
fn a_forgotten_guard_costs_its_connection_and_no_other() {
    let (pool, ledger) = pool(2);
    mem::forget(pool.get().unwrap());
    for _ in 0..10 {
        drop(pool.get().unwrap());
    }
    let state = pool.state();
    assert_eq!((state.open, state.borrowed, state.idle), (2, 1, 1), "{state}");
    pool.close();
    wait::until("all but the forgotten one to be closed", || ledger.open() == 1);
    assert_eq!(pool.state().borrowed, 1, "and which is still reported");
    ledger.assert_in_order();
}

#[test]
fn a_pool_whose_guards_were_all_forgotten_reports_it_and_closes() {
    let (pool, _) = pool(2);
    (0..2).for_each(|_| mem::forget(pool.get().unwrap()));
    let Err(GetError::TimedOut(error)) = pool.get_timeout(Duration::from_millis(1)) else {
        panic!("the only connection is held");
    };
    assert_eq!((error.state.borrowed, error.state.idle), (2, 0), "{}", error.state);
    assert!(GetError::TimedOut(error).to_string().contains("2 open of 2 (2 borrowed"));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| matches!(pool.get(), Err(GetError::Closed)));
        wait::until("a waiter", || pool.state().waiting == 1);
        pool.close();
        assert!(waiter.join().unwrap(), "the waiter is told");
    });
}

#[test]
fn a_forgotten_guard_does_not_keep_the_pool_from_being_dropped() {
    let (pool, ledger) = pool(2);
    mem::forget(pool.get_owned().unwrap());
    drop(pool.get().unwrap());
    drop(pool);
    wait::until("all but the forgotten one to be closed", || ledger.open() == 1);
}

#[test]
fn evict_and_resize_skip_a_forgotten_guard() {
    let (pool, ledger) = pool(3);
    mem::forget(pool.get().unwrap());
    let others: Vec<_> = (0..2).map(|_| pool.get().unwrap()).collect();
    drop(others);
    pool.evict();
    wait::until("the others to be closed", || ledger.open() == 1);
    drop(pool.get().unwrap());
    pool.resize(1).unwrap();
    wait::until("the other to be closed", || pool.state().open == 1);
    pool.resize(2).unwrap();
    assert!(pool.get().is_ok(), "a higher limit makes up for it");
}

#[test]
fn a_guard_may_be_dropped_on_another_thread() {
    let (pool, ledger) = pool(1);
    for _ in 0..100 {
        let conn = pool.get().unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| drop(pool.get().unwrap()));
            scope.spawn(move || drop(conn));
            waiter.join().unwrap();
        });
        let conn = pool.get_owned().unwrap();
        thread::spawn(move || drop(conn)).join().unwrap();
    }
    assert_eq!(pool.state().idle, 1);
    assert_eq!(ledger.opened(), 1, "always the same connection");
    ledger.assert_in_order();
}

#[test]
fn guards_may_be_dropped_in_any_order() {
    let (pool, ledger) = pool(4);
    let mut all: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    let mut ids: Vec<_> = all.iter().map(|conn| conn.id()).collect();
    for at in [2, 0, 1, 0] {
        drop(all.remove(at));
    }
    let mut again: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
    let mut ids_again: Vec<_> = again.drain(..).map(|conn| conn.id()).collect();
    ids.sort_unstable();
    ids_again.sort_unstable();
    assert_eq!(ids, ids_again);
    ledger.assert_in_order();
}

#[test]
fn a_panic_closes_every_connection_that_was_held() {
    let (pool, ledger) = pool(3);
    panics(|| {
        let _first = pool.get().unwrap();
        let _second = pool.get_owned().unwrap();
        panic_quietly();
    });
    // The panic may have interrupted the work on both.
    wait::until("both to be closed", || pool.state().open == 0);
    assert_eq!(ledger.open(), 0);
    let state = pool.state();
    assert_eq!((state.open, state.borrowed), (0, 0), "{state}");
    assert_eq!(state.counters.closed(CloseReason::Panicked), 2);
    assert!((0..3).map(|_| pool.get()).collect::<Vec<_>>().iter().all(Result::is_ok));
    ledger.assert_in_order();
}

#[test]
fn a_panic_of_another_thread_does_not_cost_a_connection() {
    let (pool, ledger) = pool(2);
    let conn = pool.get().unwrap();
    thread::scope(|scope| {
        let panicking = scope.spawn(|| {
            let _own = pool.get().unwrap();
            panic_quietly();
        });
        assert!(panicking.join().is_err());
    });
    let id = conn.id();
    drop(conn);
    assert!(ledger.is_open(id));
    assert_eq!(pool.get().unwrap().id(), id);
}

#[test]
fn a_thousand_panics_leave_the_pool_whole() {
    let (pool, ledger) = pool(2);
    for _ in 0..1_000 {
        panics(|| {
            let _conn = pool.get().unwrap();
            panic_quietly();
        });
    }
    let both = [pool.get().unwrap(), pool.get().unwrap()];
    assert_eq!(pool.state().open, 2);
    assert_eq!(ledger.most_open(), 2);
    drop(both);
    pool.close();
    wait::until("both to be closed", || ledger.open() == 0);
    ledger.assert_in_order();
}
