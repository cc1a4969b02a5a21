//! Close, resize and evict against threads that borrow and return.

use super::model_pool::{Got, ModelPool, spawn};
use super::{NEVER, explore, explore_both_ways};
use crate::flags::Seen;
use crate::slot::Owned;

// Close against get.

/// Protects the flag on borrowed connections, that `put_back` respects it, and the order of `close`:
/// first the state, then the slots.
#[test]
fn a_closed_pool_has_nothing_idle_while_a_thread_borrows() {
    explore_both_ways(1, |pool| {
        pool.open_idle();
        let borrower = spawn(&pool, |pool| match pool.get() {
            Got::Connection(owned) => pool.put(owned.hand_over()),
            Got::GaveUp => unreachable!(),
            Got::Closed => {}
        });
        pool.close_pool();
        borrower.join().unwrap();
        pool.assert_balance(0);
    });
}

/// Protects `closed` in `join`, and `end_all_waits`: each waiter is told, and no thread joins the queue
/// any more.
#[test]
fn no_thread_sleeps_in_a_closed_pool_while_a_connection_is_returned() {
    explore_both_ways(1, |pool| {
        let only = pool.open();
        let holder = spawn(&pool, move |pool| pool.put(only));
        let waiter = spawn(&pool, |pool| match pool.get() {
            Got::Connection(owned) => pool.put(owned.hand_over()),
            Got::GaveUp => unreachable!(),
            Got::Closed => {}
        });
        pool.close_pool();
        holder.join().unwrap();
        waiter.join().unwrap();
        pool.assert_balance(0);
    });
}

/// Protects the order of `close`: a dialer that does not see `closed` has finished before `close` goes
/// through the slots.
#[test]
fn a_connection_that_is_opened_while_the_pool_closes_is_closed() {
    explore_both_ways(1, |pool| {
        let dialer = spawn(&pool, |pool| pool.add(pool.open()));
        pool.close_pool();
        dialer.join().unwrap();
        pool.assert_balance(0);
    });
}

// Close, evict and resize against replace.

/// Protects that the pool decides about a replacement as about a new connection, and clears the
/// flags of the lost one only with that decision.
#[test]
fn a_connection_that_is_replaced_while_the_pool_closes_is_closed() {
    explore_both_ways(1, |pool| {
        let only = pool.open();
        let holder = spawn(&pool, move |pool| pool.replace_and_put(only));
        pool.close_pool();
        holder.join().unwrap();
        pool.assert_balance(0);
    });
}

#[test]
fn a_connection_that_is_replaced_during_an_eviction_is_closed_or_of_a_later_generation() {
    explore_both_ways(1, |pool| {
        let only = pool.open();
        let holder = spawn(&pool, move |pool| pool.replace_and_put(only));
        pool.evict();
        holder.join().unwrap();
        let evicted = pool.handoff.state.lock().evicted;
        let slot = pool.first_slot();
        let is_kept = slot.seen() != Seen::Empty;
        assert!(!is_kept || slot.origin().generation > evicted, "an evicted connection is kept");
    });
}

#[test]
fn a_connection_that_is_replaced_while_the_pool_shrinks_counts_as_surplus() {
    explore_both_ways(2, |pool| {
        let (one, other) = (pool.open(), pool.open());
        let holder = spawn(&pool, move |pool| pool.replace_and_put(one));
        pool.shrink_by(1);
        pool.put(other);
        holder.join().unwrap();
        pool.assert_balance(1);
    });
}

// Resize against return.

/// Protects the second pass of `retire_surplus`, because a connection that was borrowed during the
/// first may be idle by then; and that a returning thread asks whether there are still too many.
#[test]
fn a_smaller_pool_closes_one_connection_while_a_thread_returns_one() {
    explore_both_ways(2, |pool| {
        let connections = [pool.open(), pool.open()];
        let holders = connections.map(|one| spawn(&pool, move |pool| pool.put(one)));
        pool.shrink_by(1);
        holders.into_iter().for_each(|holder| holder.join().unwrap());
        pool.assert_balance(1);
    });
}

/// Protects that `retire_surplus` takes idle connections, whatever a borrower has seen.
#[test]
fn a_smaller_pool_closes_the_right_number_while_a_thread_borrows() {
    explore_both_ways(2, |pool| {
        let (first, second) = (pool.open(), pool.open());
        pool.put(first);
        let borrower = spawn(&pool, move |pool| {
            let first = pool.try_get().map(Owned::hand_over);
            pool.put(second);
            if let Some(first) = first {
                pool.put(first);
            }
        });
        pool.shrink_by(2);
        borrower.join().unwrap();
        pool.assert_balance(0);
    });
}

/// Protects the order in `decide` and `shrink`, which is the order of the lock: a decision after both
/// has seen both.
#[test]
fn two_concurrent_resizes_close_two_connections_while_a_thread_returns_one() {
    explore_both_ways(3, |pool| {
        let held = pool.open();
        pool.open_idle();
        let other = spawn(&pool, |pool| pool.shrink_by(1));
        let holder = spawn(&pool, move |pool| pool.put(held));
        pool.shrink_by(1);
        other.join().unwrap();
        holder.join().unwrap();
        pool.assert_balance(1);
    });
}

// Evict against get.

/// Protects `reserve` and the flag: one of two evicting threads closes the connection; a thread that
/// borrows it meanwhile closes it instead.
#[test]
fn an_evicted_connection_is_closed_once_while_a_thread_borrows_it() {
    explore(|| {
        let pool = ModelPool::new(1, NEVER);
        pool.open_idle();
        let borrower = spawn(&pool, ModelPool::try_use);
        let other = spawn(&pool, ModelPool::evict);
        pool.evict();
        borrower.join().unwrap();
        other.join().unwrap();
        pool.assert_balance(0);
    });
}

/// Protects `is_marked_to_close` in `put_with_waiters`: a waiter does not get the connection that is to
/// be closed, but the one that is opened instead.
#[test]
fn an_evicted_connection_is_not_handed_off() {
    explore_both_ways(1, |pool| {
        let old = pool.open();
        let waiting = pool.join_first();
        pool.evict();
        let holder = spawn(&pool, move |pool| {
            pool.put(old);
            if let Some(new) = pool.try_open() {
                pool.add(new); // there is no room if the old one lives on
            }
        });
        let got = pool.wait(&waiting).connection();
        assert_eq!(got.content().as_ref().unwrap().uses, 0, "used before: the evicted one");
        pool.use_it(Got::Connection(got));
        holder.join().unwrap();
        pool.assert_balance(1);
    });
}

/// Protects the Release of `leave_empty` and the Acquire of `begin_dial`.
#[test]
fn a_slot_is_empty_before_the_next_connection_is_opened_in_it() {
    explore(|| {
        let pool = ModelPool::new(1, NEVER);
        pool.open_idle();
        let dialer = spawn(&pool, |pool| pool.try_open().map(|new| pool.add(new)).is_some());
        pool.evict();
        let opened = dialer.join().unwrap();
        pool.assert_balance(usize::from(opened));
    });
}
