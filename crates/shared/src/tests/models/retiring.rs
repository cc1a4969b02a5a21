//! Close, resize and evict against those who borrow and return.

use super::model_pool::{Got, Play, spawn};
use super::{NEVER, explore, explore_both_ways};
use crate::slot::Owned;

// Close against get.

/// Protects the mark on what is borrowed, `put_back`'s heed of it, and the order of `close`: first
/// the line, then the slots.
#[test]
fn a_closed_pool_has_nothing_idle_whoever_borrows_meanwhile() {
    explore_both_ways(1, |play| {
        play.open_idle();
        let borrower = spawn(&play, |play| match play.get() {
            Got::Connection(owned) => play.put(owned.hand_over()),
            Got::GaveUp => unreachable!(),
            Got::Closed => {}
        });
        play.close_pool();
        borrower.join().unwrap();
        play.assert_balance(0);
    });
}

/// Protects `closed` in `join`, and `dismiss_all`: who is in the line is told, and nobody joins
/// it any more.
#[test]
fn nobody_sleeps_in_a_closed_pool_whatever_comes_back_meanwhile() {
    explore_both_ways(1, |play| {
        let only = play.open();
        let holder = spawn(&play, move |play| play.put(only));
        let waiter = spawn(&play, |play| match play.get() {
            Got::Connection(owned) => play.put(owned.hand_over()),
            Got::GaveUp => unreachable!(),
            Got::Closed => {}
        });
        play.close_pool();
        holder.join().unwrap();
        waiter.join().unwrap();
        play.assert_balance(0);
    });
}

/// Protects the order of `close`: a dialler that does not see `closed` is done before the slots
/// are swept.
#[test]
fn a_connection_that_is_opened_while_the_pool_closes_is_closed() {
    explore_both_ways(1, |play| {
        let dialler = spawn(&play, |play| play.add(play.open()));
        play.close_pool();
        dialler.join().unwrap();
        play.assert_balance(0);
    });
}

// Close, evict and resize against replace.

/// Protects that a connection which takes another's place is judged as one that was opened, and that
/// the marks of the other one are not taken away without that.
#[test]
fn a_connection_that_is_replaced_while_the_pool_closes_is_closed() {
    explore_both_ways(1, |play| {
        let only = play.open();
        let holder = spawn(&play, move |play| play.replace_and_put(only));
        play.close_pool();
        holder.join().unwrap();
        play.assert_balance(0);
    });
}

#[test]
fn a_connection_that_is_replaced_while_the_pool_is_evicted_is_of_a_later_generation_or_closed() {
    explore_both_ways(1, |play| {
        let only = play.open();
        let holder = spawn(&play, move |play| play.replace_and_put(only));
        play.evict();
        holder.join().unwrap();
        let evicted = play.exchange.line.lock().evicted;
        let slot = play.exchange.slots.get(0).expect("a slot");
        let is_kept = slot.seen() != crate::slot::Seen::Empty;
        assert!(!is_kept || slot.generation() > evicted, "an evicted connection is kept");
    });
}

#[test]
fn a_connection_that_is_replaced_while_the_pool_shrinks_is_one_of_those_too_many() {
    explore_both_ways(2, |play| {
        let (one, other) = (play.open(), play.open());
        let holder = spawn(&play, move |play| play.replace_and_put(one));
        play.shrink_by(1);
        play.put(other);
        holder.join().unwrap();
        play.assert_balance(1);
    });
}

// Resize against return.

/// Protects the second pass of `retire_surplus`, since one that was borrowed in the first may be
/// idle by then; and that who comes back asks whether there are still too many.
#[test]
fn a_smaller_pool_loses_one_connection_whoever_returns_one_meanwhile() {
    explore_both_ways(2, |play| {
        let connections = [play.open(), play.open()];
        let holders = connections.map(|one| spawn(&play, move |play| play.put(one)));
        play.shrink_by(1);
        holders.into_iter().for_each(|holder| holder.join().unwrap());
        play.assert_balance(1);
    });
}

/// Protects that `retire_surplus` takes what is idle, whatever somebody who borrows has seen.
#[test]
fn a_smaller_pool_loses_as_many_as_it_should_whoever_borrows_meanwhile() {
    explore_both_ways(2, |play| {
        let (first, second) = (play.open(), play.open());
        play.put(first);
        let borrower = spawn(&play, move |play| {
            let first = play.try_get().map(Owned::hand_over);
            play.put(second);
            if let Some(first) = first {
                play.put(first);
            }
        });
        play.shrink_by(2);
        borrower.join().unwrap();
        play.assert_balance(0);
    });
}

/// Protects the order in `judge` and `shrink`, which is that of the lock: who is asked after both has
/// seen both.
#[test]
fn a_pool_that_is_shrunk_twice_at_once_loses_two_whoever_returns_one_meanwhile() {
    explore_both_ways(3, |play| {
        let held = play.open();
        play.open_idle();
        let other = spawn(&play, |play| play.shrink_by(1));
        let holder = spawn(&play, move |play| play.put(held));
        play.shrink_by(1);
        other.join().unwrap();
        holder.join().unwrap();
        play.assert_balance(1);
    });
}

// Evict against get.

/// Protects `reserve` and the mark: of two that evict, one closes it; who borrows it
/// meanwhile closes it instead.
#[test]
fn an_evicted_connection_is_closed_once_whoever_borrows_it_meanwhile() {
    explore(|| {
        let play = Play::new(1, NEVER);
        play.open_idle();
        let borrower = spawn(&play, Play::try_use);
        let other = spawn(&play, Play::evict);
        play.evict();
        borrower.join().unwrap();
        other.join().unwrap();
        play.assert_balance(0);
    });
}

/// Protects `is_retired` in `put_with_waiters`: a waiter does not get what was to be closed, but
/// the one that is opened instead.
#[test]
fn an_evicted_connection_is_not_handed_on() {
    explore_both_ways(1, |play| {
        let old = play.open();
        let waiting = play.join_first();
        play.evict();
        let holder = spawn(&play, move |play| {
            play.put(old);
            if let Some(new) = play.try_open() {
                play.add(new); // there is no room if the old one lives on
            }
        });
        let got = play.wait(&waiting).connection();
        assert_eq!(got.content().as_ref().unwrap().uses, 0, "used before: the evicted one");
        play.use_it(Got::Connection(got));
        holder.join().unwrap();
        play.assert_balance(1);
    });
}

/// Protects the Release of `leave_empty` and the Acquire of `begin_dial`.
#[test]
fn a_slot_is_empty_before_the_next_connection_is_opened_in_it() {
    explore(|| {
        let play = Play::new(1, NEVER);
        play.open_idle();
        let dialler = spawn(&play, |play| play.try_open().map(|new| play.add(new)).is_some());
        play.evict();
        let opened = dialler.join().unwrap();
        play.assert_balance(usize::from(opened));
    });
}
