//! The pool lends its connections in turn, and its size does not change.

use std::sync::Arc;
use std::thread;

use threadwise_core::{BuildError, CloseReason, ConnectError};
use threadwise_queue::QueuePool;
use threadwise_testkit::{Call, FakeManager, Gate, Scripted, Step, wait};

#[test]
fn fifteen_uses_over_five_connections_are_three_each() {
    let pool = QueuePool::new(Scripted::new(FakeManager), 5).unwrap();
    let mut uses = [0; 5];
    for _ in 0..15 {
        uses[pool.get().unwrap().id() as usize - 1] += 1;
    }
    assert_eq!(uses, [3; 5]);
}

#[test]
fn build_opens_all_connections() {
    let manager = Scripted::new(FakeManager);
    let ledger = manager.ledger();
    let pool = QueuePool::new(manager, 40).unwrap();
    assert_eq!((ledger.open(), pool.state().idle), (40, 40));
}

#[test]
fn build_dials_all_connections_at_the_same_time() {
    let manager = Scripted::new(FakeManager);
    let script = manager.script();
    let gate = Arc::new(Gate::default());
    script.always(Call::Connect, Step::Hang(Arc::clone(&gate)));
    thread::scope(|scope| {
        let built = scope.spawn(|| QueuePool::new(manager, 8).unwrap().state().idle);
        let _opened_at_end = gate.open_at_end();
        gate.await_arrivals(8);
        gate.open();
        assert_eq!(built.join().unwrap(), 8);
    });
}

#[test]
fn a_build_that_fails_waits_for_the_dials_under_way_and_leaves_nothing_open() {
    for (step, text) in [(Step::Fail, "Connect fails"), (Step::Panic, "Connect panics")] {
        let manager = Scripted::new(FakeManager);
        let (script, ledger) = (manager.script(), manager.ledger());
        let gates = [(); 3].map(|()| script.hang_next(Call::Connect));
        script.next(Call::Connect, step);
        thread::scope(|scope| {
            let built = scope.spawn(|| QueuePool::new(manager, 4).err());
            wait::until("all attempts to begin", || {
                script.made(Call::Connect) == 4 && gates.iter().all(|gate| gate.has_arrivals())
            });
            let ends = gates.each_ref().map(Gate::open_at_end);
            assert!(!built.is_finished(), "other attempts are under way");
            drop(ends);
            match built.join().unwrap() {
                Some(BuildError::ConnectFailed(error)) => {
                    assert!(format!("{error:?}").contains(text), "{error:?}");
                }
                other => panic!("{other:?}"),
            }
        });
        assert_eq!((ledger.opened(), ledger.open()), (3, 0));
    }
}

#[test]
fn a_build_that_fails_half_way_begins_no_other_dial() {
    let manager = Scripted::new(FakeManager);
    let (script, ledger) = (manager.script(), manager.ledger());
    (0..5).for_each(|_| script.next(Call::Connect, Step::Pass));
    script.always(Call::Connect, Step::Fail);
    let error = QueuePool::new(manager, 200).err();
    assert!(matches!(error, Some(BuildError::ConnectFailed(ConnectError::Failed(_)))));
    assert_eq!((ledger.opened(), ledger.open()), (5, 0));
    assert!(script.made(Call::Connect) <= 5 + 16, "each opener stops at the first failure");
}

#[test]
fn the_borrower_that_receives_an_empty_place_opens_a_connection() {
    let manager = Scripted::new(FakeManager);
    let (script, ledger) = (manager.script(), manager.ledger());
    let pool = QueuePool::new(manager, 2).unwrap();
    pool.get().unwrap().discard();
    assert_eq!(pool.state().open, 1);
    drop(pool.get().unwrap()); // the other connection
    script.next(Call::Connect, Step::Fail);
    drop(pool.get().unwrap()); // receives the empty place, cannot open a connection, and gets the other one
    assert_eq!((ledger.open(), pool.state().counters.connect_failures), (1, 1));
    drop(pool.get().unwrap());
    assert_eq!(ledger.open(), 2);
    assert_eq!(pool.state().counters.closed(CloseReason::Discarded), 1);
}

#[test]
fn an_owned_guard_outlives_the_pool_and_its_connection_is_closed_then() {
    let manager = Scripted::new(FakeManager);
    let ledger = manager.ledger();
    let pool = QueuePool::new(manager, 2).unwrap();
    let conn = pool.get_owned().unwrap();
    drop(pool);
    assert_eq!(ledger.open(), 1);
    drop(thread::spawn(move || conn).join().unwrap());
    assert_eq!(ledger.open(), 0);
}
