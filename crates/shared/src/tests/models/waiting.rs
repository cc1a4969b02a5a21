//! Waiters against those who put back, pass by, look after idle connections, or give up.

use std::time::Duration;

use super::model_pool::{Got, Play, spawn};
use super::{AT_ONCE, NEVER, explore, explore_both_ways};

// Lost wake-up.

/// Protects the order of `put` (exchange, fence, second look) and of `join` (announcement, fence,
/// scan), and that a message is posted before its reader is woken.
#[test]
fn a_waiter_that_joins_while_the_only_connection_is_put_back_gets_it() {
    explore_both_ways(1, |play| {
        let only = play.open();
        let putter = spawn(&play, move |play| play.put(only));
        play.use_it(play.get());
        putter.join().unwrap();
        play.assert_balance(1);
    });
}

/// Protects that `put_with_waiters` tells somebody of what it makes idle.
#[test]
fn one_connection_serves_two_waiters_after_each_other() {
    explore_both_ways(1, |play| {
        let only = play.open();
        let waiters = [(); 2].map(|()| spawn(&play, |play| play.use_it(play.get())));
        play.put(only);
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
        play.assert_balance(1);
    });
}

/// Protects the lock that `hand_or_put_back` keeps until the connection is idle: there is no
/// second look.
#[test]
fn a_waiter_that_joins_while_a_connection_is_opened_gets_it() {
    explore_both_ways(1, |play| {
        let dialler = spawn(&play, |play| play.add(play.open()));
        play.use_it(play.get());
        dialler.join().unwrap();
        play.assert_balance(1);
    });
}

// Double hand-off.

/// Protects the exchange in `take`, its Acquire, and the Release of the one in `put_back`.
#[test]
fn an_idle_connection_is_taken_by_one_thread_at_a_time() {
    explore(|| {
        let play = Play::new(1, NEVER);
        play.open_idle();
        let other = spawn(&play, Play::try_use);
        play.try_use();
        other.join().unwrap();
        play.assert_balance(1);
    });
}

/// Protects that `hand` takes the waiter it serves out of the line.
#[test]
fn two_connections_put_back_at_once_reach_one_waiter_once() {
    explore_both_ways(2, |play| {
        let connections = [play.open(), play.open()];
        let waiting = play.join_first();
        let putters = connections.map(|one| spawn(&play, move |play| play.put(one)));
        play.use_it(play.wait(&waiting));
        putters.into_iter().for_each(|putter| putter.join().unwrap());
        play.assert_balance(2);
    });
}

/// Protects the way of `put_with_waiters`: what is handed over is never idle in between.
#[test]
fn what_a_waiter_is_due_cannot_be_taken_by_who_comes_by() {
    explore(|| {
        let play = Play::new(1, AT_ONCE);
        let only = play.open();
        let waiting = play.join_first();
        let putter = spawn(&play, move |play| play.put(only));
        assert!(play.try_get().is_none(), "taken from under the waiter");
        play.use_it(play.wait(&waiting));
        putter.join().unwrap();
        play.assert_balance(1);
    });
}

// Time-out against hand-off.

/// Protects the answer of `give_up`: who was taken out of the line has a message, and waits for it.
#[test]
fn a_connection_is_not_lost_with_a_waiter_that_gives_up() {
    explore_both_ways(1, |play| {
        let only = play.open();
        let waiting = play.join_first();
        let putter = spawn(&play, move |play| play.put(only));
        if let Got::Connection(owned) = play.give_up(&waiting) {
            play.use_it(Got::Connection(owned));
        }
        putter.join().unwrap();
        play.assert_balance(1);
    });
}

/// Protects `forget_look` in `leave`, and `pass_look_on` in `give_up`: the waiter that gives up
/// may be the one that was told to look.
#[test]
fn what_a_waiter_gives_up_on_goes_to_the_next() {
    explore_both_ways(1, |play| {
        let only = play.open();
        let (first, second) = (play.join_first(), play.join_first());
        let putter = spawn(&play, move |play| play.put(only));
        let quitter = spawn(&play, move |play| {
            if let Got::Connection(owned) = play.give_up(&first) {
                play.use_it(Got::Connection(owned));
            }
        });
        play.use_it(play.wait(&second));
        putter.join().unwrap();
        quitter.join().unwrap();
        play.assert_balance(1);
    });
}

// Looking: while something is idle and somebody waits, somebody is on the way to look.

/// Protects `forget_look` in `look`: who has found nothing can be sent again.
#[test]
fn a_waiter_that_looked_in_vain_is_sent_again() {
    explore_both_ways(1, |play| {
        let only = play.open();
        let waiting = play.join_first();
        let putter = spawn(&play, move |play| play.put(only));
        let passer_by = spawn(&play, Play::try_use);
        play.use_it(play.wait(&waiting));
        putter.join().unwrap();
        passer_by.join().unwrap();
        play.assert_balance(1);
    });
}

/// Protects `pass_look_on` in `look`: nobody was told of the second while the first was on the
/// way.
#[test]
fn two_idle_connections_reach_two_waiters() {
    explore_both_ways(2, |play| {
        let connections = [play.open(), play.open()];
        let (first, second) = (play.join_first(), play.join_first());
        let putter = spawn(&play, move |play| connections.map(|one| play.put(one)));
        let other = spawn(&play, move |play| play.wait(&first).connection().hand_over());
        let second = play.wait(&second).connection().hand_over(); // while the other has the first
        putter.join().unwrap();
        play.put(other.join().unwrap());
        play.put(second);
        play.assert_balance(2);
    });
}

/// Protects `forget_look` in `pop`, and `pass_look_on` in `hand`: the waiter that is served may be
/// the one that was told to look at another.
#[test]
fn what_a_waiter_need_not_look_at_any_more_goes_to_the_next() {
    explore(|| {
        let play = Play::new(2, Duration::from_millis(1));
        let [young, due] = [play.open(), play.open()];
        let (first, second) = (play.join_first(), play.join_first());
        let putter = spawn(&play, move |play| {
            play.put(young); // becomes idle: the first is told to look
            play.put_after(Duration::from_secs(1), due); // goes to the first, if it has not looked
        });
        let other = spawn(&play, move |play| play.wait(&first).connection().hand_over());
        let second = play.wait(&second).connection().hand_over();
        putter.join().unwrap();
        play.put(other.join().unwrap());
        play.put(second);
        play.assert_balance(2);
    });
}

// Reserve against get.

/// Protects `put` for what the pool itself had: it looks for waiters, too.
#[test]
fn a_waiter_that_joins_while_the_only_connection_is_reserved_gets_it() {
    explore_both_ways(1, |play| {
        play.open_idle();
        let lifecycle = spawn(&play, Play::keep_alive);
        play.use_it(play.get());
        lifecycle.join().unwrap();
        play.assert_balance(1);
    });
}

/// Protects the exchange in `reserve`: what a borrower has is not reserved.
#[test]
fn a_connection_is_reserved_or_borrowed_but_not_both() {
    explore(|| {
        let play = Play::new(1, NEVER);
        play.open_idle();
        let lifecycle = spawn(&play, Play::keep_alive);
        play.try_use();
        lifecycle.join().unwrap();
        play.assert_balance(1);
    });
}

/// Protects the mark on what is reserved, and `put_back`'s heed of it.
#[test]
fn a_connection_that_is_evicted_while_reserved_is_closed() {
    explore(|| {
        let play = Play::new(1, NEVER);
        play.open_idle();
        let lifecycle = spawn(&play, Play::keep_alive);
        play.evict();
        lifecycle.join().unwrap();
        play.assert_balance(0);
    });
}

// Stale mark against get.

/// Protects the second pass of `take_any`, and the second exchange of `take_stale`: one that is
/// idle all the while is found, marked or not. Nobody puts anything back here, so that nobody
/// would wake who overlooked it.
#[test]
fn an_idle_connection_is_not_overlooked_while_it_is_marked_stale() {
    explore(|| {
        let play = Play::new(1, NEVER);
        play.open_idle();
        let marker = spawn(&play, Play::mark_stale);
        play.use_it(play.get());
        marker.join().unwrap();
        play.assert_balance(1);
    });
}

/// Protects that the mark is set by an exchange: what has been borrowed meanwhile stays borrowed.
#[test]
fn a_connection_is_marked_stale_while_it_is_idle_only() {
    explore(|| {
        let play = Play::new(1, NEVER);
        play.open_idle();
        let marker = spawn(&play, Play::mark_stale);
        let other = spawn(&play, |play| play.use_it(play.get()));
        play.use_it(play.get());
        marker.join().unwrap();
        other.join().unwrap();
        play.assert_balance(1);
    });
}
