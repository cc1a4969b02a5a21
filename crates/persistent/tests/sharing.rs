//! A thread uses its connection in several places at once, by shared reference.

mod common;

use std::panic::{self, AssertUnwindSafe};
use std::thread;

use threadwise_core::{CloseReason, GetError};

use common::rig;

#[test]
fn a_thread_that_shares_again_gets_the_same_connection() {
    let rig = rig(|pool| pool);
    let outer = rig.pool.share().unwrap();
    let inner = rig.pool.share().unwrap();
    let innermost = rig.pool.share().unwrap();
    assert_eq!([outer.id(), inner.id(), innermost.id()], [1; 3]);
    let state = rig.pool.state();
    assert_eq!((state.open, state.borrowed, state.counters.gets), (1, 1, 1));
}

#[test]
fn sharing_nests_when_other_pools_are_used_in_between() {
    for max_overflow in [0, 1] {
        let rigs: Vec<_> = (0..12).map(|_| rig(|pool| pool.max_overflow(max_overflow))).collect();
        let outer: Vec<_> = rigs.iter().map(|rig| rig.pool.share().unwrap()).collect();
        for (rig, outer) in rigs.iter().zip(&outer) {
            assert_eq!(rig.pool.share().unwrap().id(), outer.id());
            assert!(
                matches!(rig.pool.try_get(), Err(GetError::AlreadyBorrowed)) == (max_overflow == 0)
            );
        }
    }
}

#[test]
fn a_borrowed_connection_cannot_be_shared_when_other_pools_were_used_in_between() {
    for max_overflow in [0, 1] {
        let rigs: Vec<_> = (0..12).map(|_| rig(|pool| pool.max_overflow(max_overflow))).collect();
        let _held: Vec<_> = rigs.iter().map(common::Rig::get).collect();
        for rig in &rigs {
            assert!(matches!(rig.pool.share(), Err(GetError::AlreadyBorrowed)));
        }
    }
}

#[test]
fn a_shared_connection_cannot_be_borrowed_and_a_borrowed_one_cannot_be_shared() {
    let rig = rig(|pool| pool);
    let shared = rig.pool.share().unwrap();
    assert!(matches!(rig.pool.get(), Err(GetError::AlreadyBorrowed)));
    drop(shared);
    let borrowed = rig.get();
    assert!(matches!(rig.pool.share(), Err(GetError::AlreadyBorrowed)));
    drop(borrowed);
    assert!(rig.pool.share().is_ok());
}

#[test]
fn a_get_beside_a_shared_connection_gets_an_overflow_connection() {
    let rig = rig(|pool| pool.max_overflow(1));
    let shared = rig.pool.share().unwrap();
    let beside = rig.get();
    assert_eq!((shared.id(), beside.id()), (1, 2));
    assert_eq!(rig.pool.share().unwrap().id(), 1, "it can still be shared");
    drop(beside);
    assert_eq!(rig.closed(CloseReason::Surplus), 1);
}

#[test]
fn an_overflow_connection_cannot_be_shared() {
    let rig = rig(|pool| pool.max_overflow(1));
    let _held = rig.get();
    assert!(matches!(rig.pool.share(), Err(GetError::AlreadyBorrowed)));
    assert_eq!(rig.ledger.opened(), 1);
}

#[test]
fn the_last_share_to_end_gives_the_connection_back_in_any_order() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let rig = rig(|pool| pool);
        rig.get().mark = Some("in use");
        let resets = rig.pool.state().counters.resets;
        let mut sharers = [(); 3].map(|()| Some(rig.pool.share().unwrap()));
        sharers[0]
            .as_ref()
            .unwrap()
            .in_transaction
            .store(true, std::sync::atomic::Ordering::SeqCst);
        for (ended, sharer) in order.into_iter().enumerate() {
            assert_eq!(rig.pool.state().idle, 0, "{ended} shares have ended");
            assert_eq!(rig.pool.state().counters.resets, resets);
            sharers[sharer] = None;
        }
        let state = rig.pool.state();
        assert_eq!((state.idle, state.counters.resets, state.counters.gets), (1, resets + 1, 2));
        assert_eq!(rig.id(), 1);
    }
}

#[test]
fn two_threads_do_not_share_a_connection() {
    let rig = rig(|pool| pool);
    let shared = rig.pool.share().unwrap();
    let other =
        thread::scope(|scope| scope.spawn(|| rig.pool.share().unwrap().id()).join().unwrap());
    assert_ne!(shared.id(), other);
}

#[test]
fn a_panic_while_a_connection_is_shared_closes_it_after_the_last_share() {
    let rig = rig(|pool| pool);
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
        let _outer = rig.pool.share().unwrap();
        let _inner = rig.pool.share().unwrap();
        panic::resume_unwind(Box::new("as planned"));
    }));
    assert!(panicked.is_err());
    assert_eq!((rig.ledger.open(), rig.closed(CloseReason::Panicked)), (0, 1));
    assert_eq!(rig.pool.share().unwrap().id(), 2);
}

#[test]
fn a_panic_during_an_inner_share_keeps_the_connection_for_the_outer_one() {
    let rig = rig(|pool| pool);
    let outer = rig.pool.share().unwrap();
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
        let _inner = rig.pool.share().unwrap();
        panic::resume_unwind(Box::new("as planned"));
    }));
    assert!(panicked.is_err());
    assert_eq!(outer.id(), 1);
    assert!(rig.ledger.is_open(1));
}

#[test]
fn a_connection_that_is_shared_when_the_pool_closes_is_closed_by_its_last_share() {
    let rig = rig(|pool| pool);
    let sharers = [rig.pool.share().unwrap(), rig.pool.share().unwrap()];
    rig.pool.close();
    assert!(matches!(rig.pool.share(), Err(GetError::Closed)));
    let [first, last] = sharers;
    drop(first);
    assert_eq!(rig.ledger.open(), 1);
    assert_eq!(last.id(), 1, "the connection works until its last share ends");
    drop(last);
    assert_eq!((rig.ledger.open(), rig.pool.state().open), (0, 0));
    assert_eq!(rig.closed(CloseReason::PoolClosed), 1);
}

#[test]
fn a_lost_connection_is_replaced_before_it_is_shared() {
    let rig = rig(|pool| pool);
    drop(rig.pool.share().unwrap());
    rig.script.next(threadwise_testkit::Call::HasBroken, threadwise_testkit::Step::Fail);
    assert_eq!(rig.pool.share().unwrap().id(), 2);
    rig.ledger.assert_in_order();
}
