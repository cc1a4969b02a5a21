//! A thread uses its connection in several places at once, by shared reference.

mod common;

use std::panic::{self, AssertUnwindSafe};
use std::thread;

use threadwise_core::{CloseReason, GetError};

use common::rig;

#[test]
fn a_thread_that_shares_gets_the_same_connection_further_down() {
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
fn who_borrowed_a_connection_cannot_share_it_when_other_pools_were_used_in_between() {
    for max_overflow in [0, 1] {
        let rigs: Vec<_> = (0..12).map(|_| rig(|pool| pool.max_overflow(max_overflow))).collect();
        let _held: Vec<_> = rigs.iter().map(common::Rig::get).collect();
        for rig in &rigs {
            assert!(matches!(rig.pool.share(), Err(GetError::AlreadyBorrowed)));
        }
    }
}

#[test]
fn what_is_shared_cannot_be_borrowed_and_what_is_borrowed_cannot_be_shared() {
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
fn beside_what_is_shared_a_borrower_gets_a_connection_of_its_own_if_overflow_allows() {
    let rig = rig(|pool| pool.max_overflow(1));
    let shared = rig.pool.share().unwrap();
    let beside = rig.get();
    assert_eq!((shared.id(), beside.id()), (1, 2));
    assert_eq!(rig.pool.share().unwrap().id(), 1, "it can be shared all the same");
    drop(beside);
    assert_eq!(rig.closed(CloseReason::Surplus), 1);
}

#[test]
fn a_borrower_with_overflow_cannot_share_a_connection_beside_its_own() {
    let rig = rig(|pool| pool.max_overflow(1));
    let _held = rig.get();
    assert!(matches!(rig.pool.share(), Err(GetError::AlreadyBorrowed)));
    assert_eq!(rig.ledger.opened(), 1);
}

#[test]
fn the_last_to_end_gives_the_connection_back_in_whatever_order_they_end() {
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
            assert_eq!(rig.pool.state().idle, 0, "{ended} have ended");
            assert_eq!(rig.pool.state().counters.resets, resets);
            sharers[sharer] = None;
        }
        let state = rig.pool.state();
        assert_eq!((state.idle, state.counters.resets, state.counters.gets), (1, resets + 1, 2));
        assert_eq!(rig.id(), 1);
    }
}

#[test]
fn threads_do_not_share_with_each_other() {
    let rig = rig(|pool| pool);
    let shared = rig.pool.share().unwrap();
    let other =
        thread::scope(|scope| scope.spawn(|| rig.pool.share().unwrap().id()).join().unwrap());
    assert_ne!(shared.id(), other);
}

#[test]
fn a_panic_while_it_is_shared_closes_the_connection_once_the_last_has_ended() {
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
fn a_panic_of_one_that_shares_leaves_the_connection_to_those_who_go_on() {
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
fn a_connection_that_is_shared_when_the_pool_closes_is_closed_by_its_last_holder() {
    let rig = rig(|pool| pool);
    let sharers = [rig.pool.share().unwrap(), rig.pool.share().unwrap()];
    rig.pool.close();
    assert!(matches!(rig.pool.share(), Err(GetError::Closed)));
    let [first, last] = sharers;
    drop(first);
    assert_eq!(rig.ledger.open(), 1);
    assert_eq!(last.id(), 1, "it works until then");
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
