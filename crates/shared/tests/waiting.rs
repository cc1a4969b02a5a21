//! The line: its order, its limit and its time.

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
fn a_line_that_is_full_is_said_to_be() {
    let pool = SharedPool::builder().max_size(1).max_waiters(1).build(manager()).unwrap();
    let conn = pool.get().unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| drop(pool.get().unwrap()));
        wait::until("the line to be full", || pool.state().waiting == 1);
        let Err(error) = pool.get_timeout(SECOND) else { panic!("there was none to have") };
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
            wait::until("the next in the line", || pool.state().waiting == number + 1);
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
        wait::until("somebody to wait", || rig.pool.state().waiting == 1);
        rig.turn_until(SECOND, || rig.pool.state().waiting == 0);
        let GetError::TimedOut(error) = waiter.join().unwrap() else { panic!("timed out") };
        // The clock may have been turned a little further before the thread looked at it.
        assert!((MINUTE..2 * MINUTE).contains(&error.waited), "{:?}", error.waited);
    });
}

#[test]
fn who_has_waited_for_less_than_fair_after_does_not_hold_up_who_runs() {
    let rig = common::rig(|pool| pool.max_size(1).fair_after(MINUTE));
    // The waiter that is told to look may be quicker, now and then.
    wait::until("the running thread to be quicker", || {
        let held = rig.get();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| rig.get());
            wait::until("somebody to wait", || rig.pool.state().waiting == 1);
            rig.clock.advance(MINUTE / 2);
            drop(held);
            let was_quicker = rig.pool.try_get().is_ok();
            drop(waiter.join().unwrap());
            was_quicker
        })
    });
}

#[test]
fn who_has_waited_for_fair_after_comes_before_who_runs() {
    let rig = common::rig(|pool| pool.max_size(1).fair_after(MINUTE));
    let held = rig.get();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.get());
        wait::until("somebody to wait", || rig.pool.state().waiting == 1);
        rig.clock.advance(MINUTE);
        drop(held);
        assert!(rig.pool.try_get().is_err());
        drop(waiter.join().unwrap());
    });
}
