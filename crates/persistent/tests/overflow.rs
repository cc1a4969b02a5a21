//! A thread that has borrowed its connection and borrows another one, as happens under work stealing.

mod common;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Barrier, Mutex};
use std::thread;

use rayon::prelude::*;
use threadwise_core::{CloseReason, GetError};
use threadwise_testkit::{Call, Step};

use common::{Rig, rig};

fn workers(count: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(count).build().unwrap()
}

#[test]
fn without_overflow_a_second_get_is_already_borrowed() {
    let rig = rig(|pool| pool);
    let conn = rig.get();
    assert!(matches!(rig.pool.get(), Err(GetError::AlreadyBorrowed)));
    assert!(matches!(rig.pool.try_get(), Err(GetError::AlreadyBorrowed)));
    drop(conn);
    assert_eq!(rig.ledger.opened(), 1);
}

#[test]
fn an_overflow_connection_is_closed_after_its_use() {
    let rig = rig(|pool| pool.max_overflow(2));
    let own = rig.get();
    let first = rig.get();
    let second = rig.get();
    assert_eq!([own.id(), first.id(), second.id()], [1, 2, 3]);
    assert!(matches!(rig.pool.get(), Err(GetError::AlreadyBorrowed)));
    let state = rig.pool.state();
    assert_eq!((state.open, state.borrowed, state.idle), (3, 3, 0), "{state}");
    drop(first);
    assert_eq!((rig.ledger.open(), rig.closed(CloseReason::Surplus)), (2, 1));
    assert_eq!(rig.id(), 4);
    drop(own); // in any order
    assert_eq!(rig.id(), 1);
    drop(second);
    let state = rig.pool.state();
    assert_eq!((state.open, state.idle, state.counters.gets), (1, 1, 5), "{state}");
    rig.ledger.assert_in_order();
}

#[test]
fn an_overflow_connection_can_be_discarded_detached_and_replaced() {
    let rig = rig(|pool| pool.max_overflow(1));
    let _own = rig.get();
    rig.get().discard();
    drop(rig.get().detach());
    let mut conn = rig.get();
    let mut runs = 0;
    let again = conn.steady(|_| {
        runs += 1;
        let lost =
            threadwise_testkit::ScriptedError::Scripted { call: Call::IsValid, for_good: false };
        if runs == 1 { Err(lost) } else { Ok(()) }
    });
    assert!(again.is_ok());
    drop(conn);
    let counters = rig.pool.state().counters;
    let closed =
        [CloseReason::Discarded, CloseReason::Detached, CloseReason::Broken, CloseReason::Surplus];
    assert_eq!(closed.map(|reason| counters.closed(reason)), [1; 4]);
    assert_eq!((rig.ledger.open(), rig.pool.state().open), (1, 1));
    rig.ledger.assert_in_order();
}

#[test]
fn a_failure_or_a_panic_of_an_overflow_connection_costs_no_capacity() {
    let rig = rig(|pool| pool.max_overflow(1));
    let own = rig.get();
    for step in [Step::Fail, Step::Panic, Step::FailForGood] {
        rig.script.next(Call::Connect, step);
        assert!(matches!(rig.pool.get(), Err(GetError::ConnectFailed(_))));
    }
    rig.script.next(Call::Close, Step::Panic);
    drop(rig.get());
    assert_eq!((rig.ledger.open(), rig.pool.state().open), (1, 1));
    assert!(rig.pool.get().is_ok());
    drop(own);
}

#[test]
fn a_closed_pool_opens_no_overflow_connection() {
    let rig = rig(|pool| pool.max_overflow(1));
    let conn = rig.get();
    rig.pool.close();
    assert!(matches!(rig.pool.get(), Err(GetError::Closed)));
    assert_eq!(rig.ledger.opened(), 1);
    drop(conn);
    assert_eq!(rig.ledger.open(), 0);
}

#[test]
fn an_overflow_connection_that_is_opened_while_the_pool_closes_is_closed() {
    let rig = rig(|pool| pool.max_overflow(1));
    let opened = Barrier::new(2);
    thread::scope(|scope| {
        let user = scope.spawn(|| {
            let _own = rig.get();
            let gate = rig.script.hang_next(Call::Connect);
            let _open_at_end = gate.open_at_end();
            thread::scope(|scope| {
                scope.spawn(|| {
                    gate.await_arrivals(1);
                    rig.pool.close();
                    gate.open();
                });
                let closed = matches!(rig.pool.get(), Err(GetError::Closed));
                opened.wait();
                closed
            })
        });
        opened.wait();
        assert!(user.join().unwrap());
    });
    assert_eq!((rig.ledger.opened(), rig.ledger.open()), (2, 0));
}

#[test]
fn the_limit_of_overflow_is_exact_for_all_threads_together() {
    const THREADS: usize = 6;
    const OVERFLOW: usize = 3;
    let rig = rig(|pool| pool.max_overflow(OVERFLOW));
    let [begin, counted] = [(); 2].map(|()| Barrier::new(THREADS));
    let lent = Mutex::new(BTreeSet::new());
    let borrow_both = || {
        let own = rig.get();
        let _holds_own = own.hold();
        begin.wait();
        let beside = rig.pool.get();
        let _holds = beside.as_ref().map(|conn| conn.hold());
        match &beside {
            Ok(_) => drop(lent.lock().unwrap().insert(own.id())),
            Err(error) => assert!(matches!(error, GetError::AlreadyBorrowed), "{error}"),
        }
        counted.wait();
        assert_eq!(lent.lock().unwrap().len(), OVERFLOW);
    };
    for _ in 0..50 {
        lent.lock().unwrap().clear();
        thread::scope(|scope| {
            let threads = [(); THREADS].map(|()| scope.spawn(borrow_both));
            // The end of a scope does not wait for the close of their connections.
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
    }
    assert_eq!(rig.ledger.most_open(), THREADS + OVERFLOW);
    assert_eq!((rig.ledger.open(), rig.pool.state().open), (0, 0));
    rig.ledger.assert_in_order();
}

/// Splits the work `depth` times. Each step borrows a connection and joins its halves while it holds the
/// guard. A worker that waits for the other half runs another task, which borrows on the same thread.
fn halve(rig: &Rig, depth: u32, lent: &AtomicUsize, refused: &AtomicUsize) {
    let conn = match rig.pool.get() {
        Ok(conn) => Some(conn),
        Err(GetError::AlreadyBorrowed) => None,
        Err(error) => panic!("{error}"),
    };
    let _held = conn.as_ref().map(|conn| conn.hold());
    let count = if conn.is_some() { lent } else { refused };
    count.fetch_add(1, SeqCst);
    if depth > 0 {
        rayon::join(
            || halve(rig, depth - 1, lent, refused),
            || halve(rig, depth - 1, lent, refused),
        );
    }
}

#[test]
fn nested_joins_inside_a_borrowed_guard_neither_deadlock_nor_alias() {
    const DEPTH: u32 = 8;
    for max_overflow in [0, 3, 1_000] {
        let rig = rig(|pool| pool.max_overflow(max_overflow));
        let workers = workers(4);
        let [lent, refused] = [(); 2].map(|()| AtomicUsize::new(0));
        workers.install(|| halve(&rig, DEPTH, &lent, &refused));
        let [lent, refused] = [lent, refused].map(AtomicUsize::into_inner);
        assert_eq!(lent + refused, (1 << (DEPTH + 1)) - 1);
        match max_overflow {
            0 => assert!(rig.ledger.most_open() <= 4 && refused > 0),
            1_000 => assert_eq!(refused, 0, "each task has a connection"),
            _ => assert!(rig.ledger.most_open() <= 4 + 3 && refused > 0),
        }
        rig.ledger.assert_in_order();
        assert_eq!(rig.pool.state().borrowed, 0);
        rig.pool.close();
        assert_eq!(rig.ledger.open(), 0);
    }
}

#[test]
fn a_parallel_iterator_borrows_on_each_of_its_threads() {
    let rig = rig(|pool| pool.max_threads(4));
    let work = |number: u64| {
        let conn = rig.pool.get().unwrap();
        let _held = conn.hold();
        number
    };
    let sum: u64 = workers(4).install(|| (0..2_000_u64).into_par_iter().map(work).sum());
    assert_eq!((sum, rig.pool.state().counters.gets), (1_999_000, 2_000));
    assert!(rig.ledger.most_open() <= 4);
    rig.ledger.assert_in_order();
}

#[test]
fn a_parallel_iterator_that_borrows_for_each_piece_gets_an_error_or_an_overflow_connection() {
    for max_overflow in [0, 64] {
        let rig = rig(|pool| pool.max_overflow(max_overflow));
        let refused = AtomicUsize::new(0);
        let begin = || match rig.pool.get() {
            Ok(conn) => Some(conn),
            Err(GetError::AlreadyBorrowed) => {
                refused.fetch_add(1, SeqCst);
                None
            }
            Err(error) => panic!("{error}"),
        };
        let sum: u32 = workers(4).install(|| {
            let numbers = (0..2_000_u32).into_par_iter().with_max_len(1);
            let work = |conn: &mut Option<_>, number| {
                let conn: &Option<threadwise_persistent::PooledConnection<'_, common::Manager>> =
                    conn;
                let _held = conn.as_ref().map(|conn| conn.hold());
                // Threads that hold a connection steal the pieces of this inner iterator.
                (0..2_u32).into_par_iter().map(|_| number).sum::<u32>() / 2
            };
            numbers.map_init(begin, work).sum()
        });
        assert_eq!(sum, 1_999_000);
        assert!(max_overflow == 0 || refused.load(SeqCst) == 0);
        assert!(rig.ledger.most_open() <= 4 + max_overflow);
        rig.ledger.assert_in_order();
        assert_eq!(rig.pool.state().borrowed, 0);
    }
}
