//! Waiters against threads that return a connection, take one without waiting, check idle ones, or
//! give up.

use std::time::Duration;

use super::model_pool::{Got, ModelPool, spawn};
use super::{AT_ONCE, NEVER, explore, explore_both_ways};
use crate::flags::Seen;

// Lost wakeup.

/// Protects the order of `put` (exchange, fence, second look) and of `join` (count, fence, search), and
/// that a wakeup is sent before the waiter is woken.
#[test]
fn a_waiter_that_joins_while_the_only_connection_is_put_back_gets_it() {
    explore_both_ways(1, |pool| {
        let only = pool.open();
        let putter = spawn(&pool, move |pool| pool.put(only));
        pool.use_it(pool.get());
        putter.join().unwrap();
        pool.assert_balance(1);
    });
}

/// Protects that `put_with_waiters` tells a waiter of a connection that it makes idle.
#[test]
fn one_connection_serves_two_waiters_in_turn() {
    explore_both_ways(1, |pool| {
        let only = pool.open();
        let waiters = [(); 2].map(|()| spawn(&pool, |pool| pool.use_it(pool.get())));
        pool.put(only);
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        pool.assert_balance(1);
    });
}

/// Protects the lock that `hand_off_or_put_back` keeps until the connection is idle: there is no
/// second look.
#[test]
fn a_waiter_that_joins_while_a_connection_is_opened_gets_it() {
    explore_both_ways(1, |pool| {
        let dialer = spawn(&pool, |pool| pool.add(pool.open()));
        pool.use_it(pool.get());
        dialer.join().unwrap();
        pool.assert_balance(1);
    });
}

// Double handoff.

/// Protects the exchange in `take`, its Acquire, and the Release of the one in `put_back`.
#[test]
fn an_idle_connection_is_taken_by_one_thread_at_a_time() {
    explore(|| {
        let pool = ModelPool::new(1, NEVER);
        pool.open_idle();
        let other = spawn(&pool, ModelPool::try_use);
        pool.try_use();
        other.join().unwrap();
        pool.assert_balance(1);
    });
}

/// Protects that `hand_off` removes the waiter that it serves from the queue.
#[test]
fn two_connections_put_back_at_once_serve_one_waiter_once() {
    explore_both_ways(2, |pool| {
        let connections = [pool.open(), pool.open()];
        let waiting = pool.join_first();
        let putters = connections.map(|one| spawn(&pool, move |pool| pool.put(one)));
        pool.use_it(pool.wait(&waiting));
        putters.into_iter().for_each(|putter| putter.join().unwrap());
        pool.assert_balance(2);
    });
}

/// Protects the way of `put_with_waiters`: a connection that is handed off is never idle in between.
#[test]
fn a_connection_for_a_due_waiter_cannot_be_taken_by_a_newcomer() {
    explore(|| {
        let pool = ModelPool::new(1, AT_ONCE);
        let only = pool.open();
        let waiting = pool.join_first();
        let putter = spawn(&pool, move |pool| pool.put(only));
        assert!(pool.try_get().is_none(), "a newcomer took the waiter's connection");
        pool.use_it(pool.wait(&waiting));
        putter.join().unwrap();
        pool.assert_balance(1);
    });
}

// Timeout against handoff.

/// Protects the result of `cancel_wait`: a waiter that another thread has removed has a wakeup, and
/// takes it.
#[test]
fn a_connection_is_not_lost_with_a_waiter_that_gives_up() {
    explore_both_ways(1, |pool| {
        let only = pool.open();
        let waiting = pool.join_first();
        let putter = spawn(&pool, move |pool| pool.put(only));
        if let Got::Connection(owned) = pool.give_up(&waiting) {
            pool.use_it(Got::Connection(owned));
        }
        putter.join().unwrap();
        pool.assert_balance(1);
    });
}

/// Protects `forget_look` in `leave`, and `pass_look_on` in `cancel_wait`: the waiter that gives up may
/// be the one that was sent to look.
#[test]
fn a_waiter_that_gives_up_passes_its_look_to_the_next() {
    explore_both_ways(1, |pool| {
        let only = pool.open();
        let (first, second) = (pool.join_first(), pool.join_first());
        let putter = spawn(&pool, move |pool| pool.put(only));
        let quitter = spawn(&pool, move |pool| {
            if let Got::Connection(owned) = pool.give_up(&first) {
                pool.use_it(Got::Connection(owned));
            }
        });
        pool.use_it(pool.wait(&second));
        putter.join().unwrap();
        quitter.join().unwrap();
        pool.assert_balance(1);
    });
}

// Looking: while a connection is idle and a thread waits, a waiter is on its way to look.

/// Protects `forget_look` in `look`: a waiter that has found nothing can be sent again.
#[test]
fn a_waiter_that_found_nothing_is_sent_again() {
    explore_both_ways(1, |pool| {
        let only = pool.open();
        let waiting = pool.join_first();
        let putter = spawn(&pool, move |pool| pool.put(only));
        let passer_by = spawn(&pool, ModelPool::try_use);
        pool.use_it(pool.wait(&waiting));
        putter.join().unwrap();
        passer_by.join().unwrap();
        pool.assert_balance(1);
    });
}

/// Protects `pass_look_on` in `look`: no waiter was told of the second connection while the first
/// waiter was on its way.
#[test]
fn two_idle_connections_reach_two_waiters() {
    explore_both_ways(2, |pool| {
        let connections = [pool.open(), pool.open()];
        let (first, second) = (pool.join_first(), pool.join_first());
        let putter = spawn(&pool, move |pool| connections.map(|one| pool.put(one)));
        let other = spawn(&pool, move |pool| pool.wait(&first).connection().hand_over());
        let second = pool.wait(&second).connection().hand_over(); // while the other thread has the first
        putter.join().unwrap();
        pool.put(other.join().unwrap());
        pool.put(second);
        pool.assert_balance(2);
    });
}

/// Protects `forget_look` in `pop`, and `pass_look_on` in `hand_off`: the waiter that is served may be
/// the one that was sent to look at another connection.
#[test]
fn a_waiter_that_is_served_passes_its_look_to_the_next() {
    explore(|| {
        let pool = ModelPool::new(2, Duration::from_millis(1));
        let [young, due] = [pool.open(), pool.open()];
        let (first, second) = (pool.join_first(), pool.join_first());
        let putter = spawn(&pool, move |pool| {
            pool.put(young); // becomes idle: the first is sent to look
            pool.put_after(Duration::from_secs(1), due); // goes to the first, if that has not looked
        });
        let other = spawn(&pool, move |pool| pool.wait(&first).connection().hand_over());
        let second = pool.wait(&second).connection().hand_over();
        putter.join().unwrap();
        pool.put(other.join().unwrap());
        pool.put(second);
        pool.assert_balance(2);
    });
}

// Reserve against get.

/// Protects that `put` looks for waiters after the pool itself had the connection, too.
#[test]
fn a_waiter_that_joins_while_the_only_connection_is_reserved_gets_it() {
    explore_both_ways(1, |pool| {
        pool.open_idle();
        let keeper = spawn(&pool, ModelPool::keep_alive);
        pool.use_it(pool.get());
        keeper.join().unwrap();
        pool.assert_balance(1);
    });
}

/// Protects the exchange in `reserve`: a borrowed connection is not reserved.
#[test]
fn a_connection_is_reserved_or_borrowed_but_not_both() {
    explore(|| {
        let pool = ModelPool::new(1, NEVER);
        pool.open_idle();
        let keeper = spawn(&pool, ModelPool::keep_alive);
        pool.try_use();
        keeper.join().unwrap();
        pool.assert_balance(1);
    });
}

/// Protects the flag on a reserved connection, and that `put_back` respects it.
#[test]
fn a_connection_that_is_evicted_while_reserved_is_closed() {
    explore(|| {
        let pool = ModelPool::new(1, NEVER);
        pool.open_idle();
        let keeper = spawn(&pool, ModelPool::keep_alive);
        pool.evict();
        keeper.join().unwrap();
        pool.assert_balance(0);
    });
}

// Stale flag against get.

/// Protects the second pass of `take_any`, and that the exchange of `take_stale` tries again: a
/// connection that stays idle is found, stale or not. No thread puts a connection back here, so no
/// thread would wake a waiter that missed it.
#[test]
fn an_idle_connection_is_found_while_it_is_marked_stale() {
    explore(|| {
        let pool = ModelPool::new(1, NEVER);
        pool.open_idle();
        let marker = spawn(&pool, ModelPool::mark_stale);
        pool.use_it(pool.get());
        marker.join().unwrap();
        pool.assert_balance(1);
    });
}

/// Protects that a waiter publishes itself before it asks whether its validation is pending: the
/// connection that the pool validated for it is stale again before the waiter looks at it.
#[test]
fn a_waiter_whose_validated_connection_is_stale_again_gets_it() {
    explore(|| {
        let pool = ModelPool::new(1, NEVER);
        let only = pool.reserve_for_check();
        let checker = spawn(&pool, move |pool| {
            pool.put(only);
            pool.mark_stale();
        });
        match pool.join_with_check() {
            Ok(waiting) => pool.use_it(pool.wait(&waiting)),
            Err(got) => pool.use_it(got),
        }
        checker.join().unwrap();
        pool.assert_balance(1);
    });
}

/// Protects that a connection is reserved, without the flag, while the pool validates it: the
/// housekeeper, which sees its old answer, does not mark it.
#[test]
fn a_connection_that_was_just_validated_is_not_stale() {
    explore(|| {
        let pool = ModelPool::new(1, NEVER);
        let only = pool.handoff.slots.accept(pool.open());
        let marker = spawn(&pool, |pool| pool.first_slot().mark_stale_in_use());
        only.reserve_for_check();
        pool.put(only.hand_over());
        marker.join().unwrap();
        assert_eq!(pool.first_slot().seen(), Seen::Idle { stale: false }, "validated twice");
    });
}

/// Protects that an exchange sets the flag: a connection that was borrowed meanwhile stays borrowed.
#[test]
fn a_connection_is_marked_stale_only_while_it_is_idle() {
    explore(|| {
        let pool = ModelPool::new(1, NEVER);
        pool.open_idle();
        let marker = spawn(&pool, ModelPool::mark_stale);
        let other = spawn(&pool, |pool| pool.use_it(pool.get()));
        pool.use_it(pool.get());
        marker.join().unwrap();
        other.join().unwrap();
        pool.assert_balance(1);
    });
}
