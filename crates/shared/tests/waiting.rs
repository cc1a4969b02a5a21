//! The wait queue: its order, its limit and its timeout.

mod common;

use std::thread;

use common::{MINUTE, SECOND};
use threadwise_core::GetError;
use threadwise_shared::SharedPool;
use threadwise_testkit::{FakeManager, Scripted, wait};

type Manager = Scripted<FakeManager>;

fn manager() -> Manager {
    Scripted::new(FakeManager)
}

#[test]
fn a_full_queue_is_an_error_that_names_the_limit() {
    let pool = SharedPool::builder().max_size(1).max_waiters(1).build(manager()).unwrap();
    let conn = pool.get().unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| drop(pool.get().unwrap()));
        wait::until("the queue to be full", || pool.state().waiting == 1);
        let Err(error) = pool.get_timeout(SECOND) else { panic!("the only connection is held") };
        assert!(matches!(error, GetError::QueueFull { max_waiters: 1 }), "{error}");
        drop(conn);
        waiter.join().unwrap();
    });
}

#[test]
fn waiters_are_served_in_the_order_in_which_they_came() {
    let pool = SharedPool::builder().max_size(1).build(manager()).unwrap();
    let order = std::sync::Mutex::new(Vec::new());
    let conn = pool.get().unwrap();
    thread::scope(|scope| {
        for number in 0..8 {
            let (pool, order) = (&pool, &order);
            scope.spawn(move || {
                let _conn = pool.get().unwrap();
                order.lock().unwrap().push(number);
            });
            wait::until("the next waiter", || pool.state().waiting == number + 1);
        }
        drop(conn);
    });
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_get_gives_up_after_get_timeout_and_not_before() {
    let rig = common::rig(|pool| pool.max_size(1).get_timeout(MINUTE));
    let _held = rig.get();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.pool.get().err().unwrap());
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        rig.clock.advance(MINUTE - SECOND);
        // A waiter looks at a virtual clock every millisecond: this one has looked many times then.
        thread::sleep(SECOND / 20);
        assert_eq!(rig.pool.state().waiting, 1, "gave up before its deadline");
        rig.clock.advance(SECOND);
        let GetError::TimedOut(error) = waiter.join().unwrap() else { panic!("timed out") };
        assert_eq!(error.waited, MINUTE);
    });
}

#[test]
fn a_waiter_younger_than_fair_after_does_not_hold_up_a_running_thread() {
    let rig = common::rig(|pool| pool.max_size(1).fair_after(MINUTE));
    // The waiter that is sent to look may sometimes be faster.
    wait::until("the running thread to be faster", || {
        let held = rig.get();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| rig.get());
            wait::until("a waiter", || rig.pool.state().waiting == 1);
            rig.clock.advance(MINUTE / 2);
            drop(held);
            let was_faster = rig.pool.try_get().is_ok();
            drop(waiter.join().unwrap());
            was_faster
        })
    });
}

#[test]
fn a_waiter_older_than_fair_after_comes_before_a_running_thread() {
    let rig = common::rig(|pool| pool.max_size(1).fair_after(MINUTE));
    let held = rig.get();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.get());
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        rig.clock.advance(MINUTE);
        drop(held);
        assert!(rig.pool.try_get().is_err());
        drop(waiter.join().unwrap());
    });
}
