//! `close`, while other threads do different things with the pool.

mod common;

use std::sync::Barrier;
use std::thread;

use threadwise_core::{CloseReason, GetError};
use threadwise_testkit::{Call, Step, wait};

use common::rig;

#[test]
fn close_closes_idle_connections_at_once() {
    let rig = rig(|pool| pool);
    let [used, closed] = [(); 2].map(|()| Barrier::new(5));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                drop(rig.get());
                used.wait();
                closed.wait();
                assert!(matches!(rig.pool.get(), Err(GetError::Closed)));
                assert!(matches!(rig.pool.share(), Err(GetError::Closed)));
            });
        }
        used.wait();
        let (before, open_before) = (rig.pool.state(), rig.ledger.open());
        rig.pool.close();
        let (state, open) = (rig.pool.state(), rig.ledger.open());
        closed.wait(); // before an assertion can fail, since the other threads wait
        assert_eq!((before.idle, open_before), (4, 4), "{before}");
        assert_eq!((open, state.open, state.closed), (0, 0, true), "{state}");
    });
    assert_eq!(rig.closed(CloseReason::PoolClosed), 4);
    rig.ledger.assert_in_order();
}

#[test]
fn a_borrowed_connection_is_closed_when_it_is_given_back() {
    let rig = rig(|pool| pool);
    let [borrowed, closed] = [(); 2].map(|()| Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            let conn = rig.get();
            borrowed.wait();
            closed.wait();
            assert!(rig.ledger.is_open(conn.id()));
            assert!(matches!(rig.pool.get(), Err(GetError::Closed)), "not `AlreadyBorrowed`");
            drop(conn);
            assert_eq!((rig.ledger.open(), rig.pool.state().open), (0, 0));
        });
        borrowed.wait();
        rig.pool.close();
        let left = (rig.ledger.open(), rig.pool.state().borrowed);
        closed.wait();
        assert_eq!(left, (1, 1));
    });
    assert_eq!(rig.closed(CloseReason::PoolClosed), 1);
}

#[test]
fn a_connection_that_is_being_opened_is_closed_once_it_is_open() {
    let rig = rig(|pool| pool);
    let gate = rig.script.hang_next(Call::Connect);
    let _open_at_end = gate.open_at_end();
    thread::scope(|scope| {
        let borrower = scope.spawn(|| matches!(rig.pool.get(), Err(GetError::Closed)));
        gate.await_arrivals(1);
        assert_eq!(rig.pool.state().connecting, 1);
        rig.pool.close();
        gate.open();
        assert!(borrower.join().unwrap());
    });
    assert_eq!((rig.ledger.opened(), rig.ledger.open(), rig.pool.state().open), (1, 0, 0));
}

#[test]
fn an_attempt_that_fails_after_the_pool_was_closed_leaves_no_entry() {
    let rig = rig(|pool| pool);
    let gate = rig.script.hang_next(Call::Connect);
    let _open_at_end = gate.open_at_end();
    thread::scope(|scope| {
        let borrower = scope.spawn(|| rig.pool.get_timeout(common::SECOND / 2).is_err());
        gate.await_arrivals(1);
        rig.pool.close();
        assert!(borrower.join().unwrap(), "the deadline has passed");
    });
    assert_eq!((rig.ledger.opened(), rig.pool.state().open), (0, 0));
}

#[test]
fn close_wakes_all_waiters() {
    let rig = rig(|pool| pool.max_threads(1));
    let conn = rig.get();
    thread::scope(|scope| {
        let waiters =
            [(); 3].map(|()| scope.spawn(|| matches!(rig.pool.get(), Err(GetError::Closed))));
        wait::until("all threads to wait", || rig.pool.state().waiting == 3);
        rig.pool.close();
        waiters.into_iter().for_each(|waiter| assert!(waiter.join().unwrap()));
    });
    assert_eq!(rig.pool.state().waiting, 0);
    drop(conn);
    assert_eq!((rig.ledger.opened(), rig.ledger.open()), (1, 0));
}

#[test]
fn a_close_that_hangs_or_panics_holds_up_no_other_thread() {
    let rig = rig(|pool| pool);
    let [used, closed] = [(); 2].map(|()| Barrier::new(2));
    drop(rig.get());
    let gate = rig.script.hang_next(Call::Close);
    let _open_at_end = gate.open_at_end();
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let conn = rig.get();
            used.wait();
            closed.wait();
            rig.script.next(Call::Close, Step::Panic);
            drop(conn);
            assert_eq!(rig.ledger.open(), 1, "the connection whose close hangs");
        });
        used.wait();
        scope.spawn(|| rig.pool.close());
        gate.await_arrivals(1);
        assert!(matches!(rig.pool.get(), Err(GetError::Closed)));
        closed.wait();
        other.join().unwrap();
        gate.open();
    });
    assert_eq!((rig.ledger.open(), rig.pool.state().open), (0, 0));
    rig.ledger.assert_in_order();
}

#[test]
fn several_threads_may_close_the_pool_and_close_it_again() {
    for _ in 0..50 {
        let rig = rig(|pool| pool);
        drop(rig.get());
        let together = Barrier::new(3);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    together.wait();
                    rig.pool.close();
                });
            }
        });
        rig.pool.close();
        assert_eq!((rig.ledger.open(), rig.closed(CloseReason::PoolClosed)), (0, 1));
        rig.ledger.assert_in_order();
    }
}

#[test]
fn a_detached_connection_outlives_the_pool() {
    let rig = rig(|pool| pool);
    let conn = rig.get().detach();
    rig.pool.close();
    assert!(rig.ledger.is_open(conn.id()));
    drop(conn);
    assert_eq!(rig.closed(CloseReason::Detached), 1);
}

#[test]
fn one_thread_can_use_many_pools_in_turns() {
    let rigs: Vec<_> = (0..13).map(|_| rig(|pool| pool)).collect();
    for _ in 0..5 {
        assert!(
            rigs.iter().all(|rig| rig.id() == 1),
            "each pool has one connection of this thread"
        );
    }
    let all: Vec<_> = rigs.iter().map(common::Rig::get).collect();
    let held: Vec<_> = all.iter().map(|conn| conn.hold()).collect();
    assert!(rigs.iter().all(|rig| matches!(rig.pool.get(), Err(GetError::AlreadyBorrowed))));
    drop(held);
    rigs.iter().step_by(2).for_each(|rig| rig.pool.close());
    drop(all);
    for (number, rig) in rigs.iter().enumerate() {
        let is_closed = number % 2 == 0;
        assert_eq!(rig.ledger.open(), usize::from(!is_closed));
        assert_eq!(matches!(rig.pool.get(), Err(GetError::Closed)), is_closed);
    }
}

#[test]
fn a_thread_forgets_pools_that_do_not_exist_any_more() {
    let kept = rig(|pool| pool);
    for _ in 0..200 {
        let brief = rig(|pool| pool);
        assert_eq!((kept.id(), brief.id()), (1, 1));
        drop(brief.pool);
        assert_eq!(brief.ledger.open(), 0);
    }
    assert_eq!(kept.id(), 1);
}
