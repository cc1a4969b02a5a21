//! The pool's threads close connections that are too old, idle for too long, used too often or too many,
//! and validate idle ones, on a clock that the test turns.

mod common;

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use threadwise_core::{CloseReason, GetError, Reset, Validation};
use threadwise_testkit::{Call, Heard, Step, wait};

use common::{MINUTE, SECOND, rig};

#[test]
fn an_idle_connection_is_closed_when_its_lifetime_is_over_and_not_before() {
    let rig = rig(|pool| pool.max_lifetime(10 * MINUTE).lifetime_jitter(0.0));
    rig.fill(1);
    rig.clock.advance(10 * MINUTE - SECOND);
    assert_eq!(rig.get().id(), 1);
    rig.clock.advance(SECOND);
    rig.await_closed(CloseReason::MaxLifetime, 1);
    assert_eq!(rig.get().id(), 2);
}

#[test]
fn a_borrowed_connection_is_closed_on_return_when_its_lifetime_is_over() {
    let rig = rig(|pool| pool.max_size(1).max_lifetime(MINUTE).lifetime_jitter(0.0));
    let conn = rig.get();
    rig.clock.advance(2 * MINUTE);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.get().id());
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        assert_eq!(rig.closed(CloseReason::MaxLifetime), 0, "it is in use");
        drop(conn);
        assert_eq!(waiter.join().unwrap(), 2, "a waiter does not get a connection that is too old");
    });
    rig.await_closed(CloseReason::MaxLifetime, 1);
    rig.ledger.assert_in_order();
}

#[test]
fn a_connection_that_expires_while_it_is_borrowed_does_not_become_idle() {
    let rig = rig(|pool| pool.max_size(2).max_lifetime(MINUTE).lifetime_jitter(0.0));
    let held = rig.get();
    // The housekeeper sees this one after the other, which stays this thread's last connection.
    thread::scope(|scope| drop(scope.spawn(|| drop(rig.get())).join()));
    rig.clock.advance(MINUTE);
    rig.await_closed(CloseReason::MaxLifetime, 1);
    let old = held.id();
    drop(held);
    // At once, on the fast path, which does not check ages.
    assert_ne!(rig.pool.try_get().map(|conn| conn.id()).ok(), Some(old));
}

#[test]
fn a_connection_in_a_transaction_is_not_closed_for_its_age_before_the_transaction_ends() {
    let rig =
        rig(|pool| pool.max_size(1).reset(Reset::Never).max_lifetime(MINUTE).lifetime_jitter(0.0));
    rig.get().in_transaction.store(true, Ordering::SeqCst);
    for _ in 0..5 {
        rig.clock.advance(MINUTE);
        assert_eq!(rig.get().id(), 1);
    }
    assert_eq!(rig.ledger.closed(), 0);
    rig.get().in_transaction.store(false, Ordering::SeqCst);
    rig.turn_until(SECOND, || rig.closed(CloseReason::MaxLifetime) == 1);
    assert_eq!(rig.get().id(), 2);
}

#[test]
fn lifetimes_are_spread_so_that_not_all_end_together() {
    let heard = Heard::default();
    let rig = rig(|pool| {
        let pool = pool.max_size(41).max_lifetime(100 * SECOND).lifetime_jitter(0.5);
        pool.leak_threshold(50 * SECOND - SECOND / 10).events(heard.clone())
    });
    let mut held: Vec<_> = (0..41).map(|_| rig.get()).collect();
    let kept = held.pop();
    drop(held);
    // The housekeeper reports a leak after it has looked at all ages. So it has looked by then.
    rig.clock.advance(50 * SECOND - SECOND / 10);
    wait::until("a look at the ages", || heard.has("has not come back"));
    assert_eq!(rig.pool.state().idle, 40, "none is shorter by more than half");
    drop(kept);
    let closed = || rig.closed(CloseReason::MaxLifetime);
    // The ends are spread over 50 s: each of these fails once in two million runs.
    rig.clock.advance(15 * SECOND);
    wait::until("some to be closed early", || closed() > 0);
    rig.clock.advance(20 * SECOND);
    assert!(closed() < 41, "all were closed early");
    rig.clock.advance(15 * SECOND + SECOND / 10);
    wait::until("all to be closed", || closed() == 41);
}

#[test]
fn connections_without_a_lifetime_are_never_too_old() {
    let rig = rig(|pool| pool);
    rig.fill(1);
    rig.clock.advance(1_000_000 * MINUTE);
    assert_eq!(rig.get().id(), 1);
}

#[test]
fn an_idle_connection_is_closed_after_idle_timeout_and_never_early() {
    let rig = rig(|pool| pool.idle_timeout(30 * MINUTE));
    rig.fill(1);
    let turned = rig.turn_until(SECOND, || rig.closed(CloseReason::IdleTimeout) == 1);
    assert!(turned >= 30 * MINUTE, "closed after {turned:?}");
}

#[test]
fn a_connection_that_is_used_is_not_idle() {
    let rig = rig(|pool| pool.idle_timeout(8 * MINUTE));
    for _ in 0..10 {
        assert_eq!(rig.get().id(), 1);
        rig.clock.advance(7 * MINUTE);
    }
    assert_eq!(rig.ledger.closed(), 0);
}

#[test]
fn idle_timeout_leaves_min_idle_connections() {
    let rig = rig(|pool| pool.max_size(6).min_idle(2).idle_timeout(MINUTE));
    wait::until("min_idle connections", || rig.pool.state().idle == 2);
    rig.fill(6);
    rig.turn_until(SECOND, || rig.closed(CloseReason::IdleTimeout) == 4);
    for _ in 0..100 {
        rig.clock.advance(SECOND);
        assert!(rig.pool.state().open >= 2);
    }
    assert_eq!(rig.closed(CloseReason::IdleTimeout), 4);
    assert_eq!(rig.pool.state().idle, 2);
}

#[test]
fn min_idle_is_kept_when_connections_break_or_are_evicted() {
    let rig = rig(|pool| pool.max_size(4).min_idle(2));
    wait::until("min_idle connections", || rig.pool.state().idle == 2);
    rig.pool.evict();
    rig.turn_until(SECOND / 10, || rig.pool.state().idle == 2 && rig.ledger.closed() == 2);
    rig.get().discard();
    rig.turn_until(SECOND / 10, || rig.pool.state().idle == 2 && rig.ledger.closed() == 3);
    let held = [rig.get(), rig.get()];
    rig.turn_until(SECOND / 10, || rig.pool.state().idle == 2);
    assert_eq!(rig.pool.state().open, 4);
    drop(held);
}

#[test]
fn min_idle_pauses_longer_and_longer_after_permanent_errors() {
    let rig = rig(|pool| pool.max_size(4).min_idle(1).connect_backoff(SECOND, 8 * SECOND));
    wait::until("min_idle connections", || rig.pool.state().idle == 1);
    rig.script.always(Call::Connect, Step::FailForGood);
    rig.pool.evict();
    let attempts = || rig.script.made(Call::Connect) - 1;
    // In small steps: a housekeeper that is late begins a pause at the time when its round began.
    rig.turn_until(SECOND / 100, || attempts() >= 2);
    let turned = rig.turn_until(SECOND / 100, || attempts() >= 4);
    assert!(turned >= 2 * SECOND, "two more attempts within {turned:?}");
    rig.script.always(Call::Connect, Step::Pass);
    rig.turn_until(SECOND / 10, || rig.pool.state().idle == 1);
}

#[test]
fn an_idle_connection_is_validated_at_each_keepalive() {
    let rig = rig(|pool| {
        let pool = pool.keepalive(5 * MINUTE).idle_timeout(60 * MINUTE);
        pool.validation_timeout(60 * MINUTE) // no check is overdue when the clock turns meanwhile
    });
    rig.fill(1);
    let asked = || rig.script.made(Call::IsValid);
    // The time counts from the moment at which the check was due. So the clock stops when the
    // housekeeper has taken the connection for a check, however late the worker is.
    let turn_until_asked = |times| {
        let is_taken = || rig.pool.state().idle == 0 || asked() == times;
        let turned = rig.turn_until(SECOND / 10, is_taken);
        wait::until("the check", || asked() == times && rig.pool.state().idle == 1);
        turned
    };
    let turned = turn_until_asked(1);
    assert!(turned >= 5 * MINUTE, "checked after {turned:?}");
    let turned = turn_until_asked(2);
    assert!(turned + MINUTE >= 5 * MINUTE, "checked again after {turned:?}");
    // A check is not a use: the idle time goes on.
    rig.turn_until(5 * SECOND, || rig.closed(CloseReason::IdleTimeout) == 1);
}

#[test]
fn a_connection_cannot_be_borrowed_during_its_keepalive() {
    let rig = rig(|pool| pool.max_size(1).keepalive(MINUTE).validation_timeout(60 * MINUTE));
    rig.fill(1);
    let gate = rig.script.hang_next(Call::IsValid);
    let _open_at_end = gate.open_at_end();
    rig.turn_until(SECOND, || rig.script.made(Call::IsValid) == 1);
    assert!(matches!(rig.pool.try_get(), Err(GetError::Exhausted(_))));
    gate.open();
    assert_eq!(rig.get().id(), 1);
    rig.ledger.assert_in_order();
}

#[test]
fn a_connection_that_does_not_answer_is_replaced() {
    let rig =
        rig(|pool| pool.max_size(1).min_idle(1).keepalive(MINUTE).validation_timeout(60 * MINUTE));
    wait::until("min_idle connections", || rig.pool.state().idle == 1);
    rig.script.next(Call::IsValid, Step::Fail);
    rig.turn_until(SECOND, || rig.closed(CloseReason::Invalid) == 1);
    rig.turn_until(SECOND / 10, || rig.pool.state().idle == 1);
    assert_eq!(rig.get().id(), 2);
}

#[test]
fn a_hanging_check_holds_capacity_no_longer_than_validation_timeout() {
    let rig = rig(|pool| pool.max_size(1).keepalive(MINUTE).validation_timeout(60 * MINUTE));
    rig.fill(1);
    let gate = rig.script.hang_next(Call::IsValid);
    let _open_at_end = gate.open_at_end();
    rig.turn_until(SECOND, || rig.script.made(Call::IsValid) == 1);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.get().id());
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        let turned = rig.turn_until(MINUTE, || rig.closed(CloseReason::CheckTimedOut) == 1);
        assert!(turned >= 58 * MINUTE, "released after {turned:?}");
        assert_eq!(waiter.join().unwrap(), 2, "another connection serves the waiter");
    });
    gate.open();
    wait::until("the late connection to be closed", || !rig.ledger.is_open(1));
    let state = rig.pool.state();
    assert_eq!((state.open, state.counters.closed_total()), (1, 1), "counted once: {state}");
}

#[test]
fn a_hanging_close_holds_only_its_own_capacity_and_only_until_validation_timeout() {
    let rig = rig(|pool| pool.max_size(2).validation_timeout(MINUTE));
    rig.fill(2);
    let gate = rig.script.hang_next(Call::Close);
    let _open_at_end = gate.open_at_end();
    rig.get().discard(); // returns although the gate is shut
    gate.await_arrivals(1);
    assert_eq!(rig.pool.state().open, 2, "it is still open for the server");
    rig.get().discard();
    wait::until("the other to be closed", || rig.ledger.closed() == 1);
    thread::scope(|scope| {
        let held = rig.get();
        let waiter = scope.spawn(|| rig.get().id());
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        rig.turn_until(SECOND, || rig.pool.state().waiting == 0);
        assert_ne!(waiter.join().unwrap(), held.id());
    });
}

#[test]
fn a_connection_is_closed_after_max_uses() {
    let rig = rig(|pool| pool.max_size(1).max_uses(3));
    let ids: Vec<_> = (0..7).map(|_| rig.get().id()).collect();
    assert_eq!(ids, [1, 1, 1, 2, 2, 2, 3]);
    rig.await_closed(CloseReason::MaxUses, 2);
}

#[test]
fn max_uses_does_not_count_a_check_before_the_borrow() {
    let rig = rig(|pool| {
        let pool = pool.max_size(1).max_uses(4).validation(Validation::OnCheckout);
        pool.validation_timeout(MINUTE) // longer than the callers wait, so the pool's thread asks
    });
    let ids: Vec<_> = (0..9).map(|_| rig.pool.get_timeout(SECOND).unwrap().id()).collect();
    assert_eq!(ids, [1, 1, 1, 1, 2, 2, 2, 2, 3]);
}

#[test]
fn max_uses_waits_for_the_end_of_a_transaction() {
    let rig = rig(|pool| pool.max_size(1).reset(Reset::Never).max_uses(2));
    rig.get().in_transaction.store(true, Ordering::SeqCst);
    for _ in 0..4 {
        assert_eq!(rig.get().id(), 1);
    }
    rig.get().in_transaction.store(false, Ordering::SeqCst);
    assert_eq!(rig.get().id(), 2);
}

#[test]
fn max_uses_counts_connections_that_were_handed_off_to_waiters() {
    let rig = rig(|pool| pool.max_size(1).max_uses(2).fair_after(Duration::ZERO));
    thread::scope(|scope| {
        let first = rig.get();
        let waiters: Vec<_> = (0..3).map(|_| scope.spawn(|| rig.get().id())).collect();
        wait::until("all to wait", || rig.pool.state().waiting == 3);
        drop(first);
        let mut ids: Vec<_> = waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect();
        ids.sort_unstable();
        assert_eq!(ids, [1, 2, 2]);
    });
}

#[test]
fn a_connection_that_comes_back_beyond_max_idle_is_closed() {
    let rig = rig(|pool| pool.max_size(5).max_idle(2));
    rig.fill(5);
    rig.await_closed(CloseReason::Surplus, 3);
    assert_eq!((rig.pool.state().idle, rig.pool.state().open), (2, 2));
}

#[test]
fn a_returned_connection_goes_to_a_waiter_whatever_max_idle_is() {
    let rig = rig(|pool| pool.max_size(1).max_idle(0));
    thread::scope(|scope| {
        let held = rig.get();
        let waiter = scope.spawn(|| rig.get().id());
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        drop(held);
        assert_eq!(waiter.join().unwrap(), 1);
    });
    rig.await_closed(CloseReason::Surplus, 1);
}

#[test]
fn a_pool_works_after_the_machine_was_paused_for_a_day() {
    let rig = rig(|pool| {
        pool.max_size(4)
            .min_idle(2)
            .max_lifetime(30 * MINUTE)
            .idle_timeout(10 * MINUTE)
            .keepalive(2 * MINUTE)
    });
    rig.fill(4);
    for _ in 0..3 {
        rig.clock.advance(24 * 60 * MINUTE);
        let all: Vec<_> = (0..4).map(|_| rig.get()).collect();
        let _held: Vec<_> = all.iter().map(|conn| conn.hold()).collect();
    }
    wait::until("min_idle connections", || rig.pool.state().idle >= 2);
    assert!(rig.ledger.most_open() <= 4);
    rig.ledger.assert_in_order();
}
