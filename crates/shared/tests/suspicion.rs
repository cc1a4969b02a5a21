//! After one connection was found dead, the pool checks the others of its generation. So the users
//! do not find one dead connection after another. Also: which connections are validated, when, and
//! for how long.

mod common;

use std::thread;
use std::time::Duration;

use threadwise_core::{CloseReason, GetError, Validation};
use threadwise_testkit::{Call, Gate, Step, wait};

use common::{MINUTE, SECOND, rig};

#[test]
fn after_an_outage_one_dead_connection_has_all_others_checked_before_their_next_use() {
    let rig = rig(|pool| pool.max_size(6).validation(Validation::OnCheckout));
    rig.fill(6);
    rig.script.always(Call::IsValid, Step::Fail); // the old ones are dead
    // The first `get` finds a dead one. A new connection serves it, without a validation.
    let first = rig.get();
    assert!(first.id() > 6);
    rig.await_closed(CloseReason::Invalid, 6);
    let asked = rig.script.made(Call::IsValid);
    assert_eq!(asked, 6, "each of the six was asked once");
    let others: Vec<_> = (0..5).map(|_| rig.get()).collect();
    assert!(others.iter().all(|conn| conn.id() > 6));
    assert_eq!(rig.script.made(Call::IsValid), asked, "no other user met a dead one");
}

#[test]
fn connections_that_work_survive_the_suspicion() {
    let rig = rig(|pool| pool.max_size(4));
    rig.fill(4);
    rig.script.next(Call::HasBroken, Step::Fail); // the server closed one
    drop(rig.get());
    wait::until("the others to be asked", || rig.script.made(Call::IsValid) == 3);
    wait::until("them to be idle", || rig.pool.state().idle >= 3);
    rig.await_closed(CloseReason::Broken, 1);
    assert_eq!(rig.closed(CloseReason::Invalid), 0);
}

#[test]
fn a_borrowed_suspected_connection_is_validated_before_its_next_use() {
    let rig = rig(|pool| pool.max_size(2));
    rig.fill(2);
    let borrowed = rig.get();
    let id = borrowed.id();
    rig.script.next(Call::HasBroken, Step::Fail);
    let other = rig.get();
    assert_eq!(rig.script.made(Call::IsValid), 0);
    drop(borrowed);
    assert_eq!(rig.get().id(), id);
    assert_eq!(rig.script.made(Call::IsValid), 1);
    assert_eq!(rig.get().id(), id);
    assert_eq!(rig.script.made(Call::IsValid), 1, "once is enough");
    drop(other);
}

#[test]
fn one_generation_is_suspected_once() {
    let rig = rig(|pool| pool.max_size(3));
    rig.fill(3);
    let generation = rig.pool.state().generation;
    rig.script.always(Call::IsValid, Step::Fail); // so that the others of its generation are found dead too
    rig.script.next(Call::HasBroken, Step::Fail);
    drop(rig.pool.try_get());
    rig.await_closed(CloseReason::Invalid, 2);
    assert_eq!(rig.pool.state().generation, generation + 1);
}

#[test]
fn a_connection_that_was_just_opened_is_not_validated() {
    let rig = rig(|pool| pool.max_size(1).validation(Validation::OnCheckout));
    drop(rig.get());
    assert_eq!(rig.script.made(Call::IsValid), 0);
    drop(rig.get());
    assert_eq!(rig.script.made(Call::IsValid), 1);
}

#[test]
fn a_connection_is_validated_when_its_last_answer_is_old_and_not_before() {
    let rig = rig(|pool| pool.max_size(1)); // by default, half a second is old
    for _ in 0..20 {
        drop(rig.get());
        rig.clock.advance(SECOND / 50);
    }
    assert_eq!(rig.script.made(Call::IsValid), 0);
    // The housekeeper sets the flag, at most a quarter late. It must do so between the clock's turn and the
    // next use; the pause after each look is for that.
    wait::until("the mark", || {
        drop(rig.get());
        let is_asked = rig.script.made(Call::IsValid) > 0;
        rig.clock.advance(SECOND);
        is_asked
    });
}

#[test]
fn validation_ends_with_validation_timeout() {
    let rig = rig(|pool| {
        let pool = pool.max_size(1).validation(Validation::OnCheckout);
        pool.validation_timeout(SECOND / 100)
    });
    rig.fill(1);
    let gate = rig.script.hang_next(Call::IsValid); // fails when its time is up
    let got = rig.pool.get_timeout(MINUTE);
    assert_eq!(rig.closed(CloseReason::Invalid), 1);
    drop((got, gate));
}

#[test]
fn each_return_is_validated_with_on_return() {
    let rig = rig(|pool| pool.max_size(1).validation(Validation::OnReturn));
    drop(rig.get());
    assert_eq!(rig.script.made(Call::IsValid), 1);
    rig.script.next(Call::IsValid, Step::Fail);
    drop(rig.get());
    rig.await_closed(CloseReason::Invalid, 1);
}

#[test]
fn a_reset_that_fails_replaces_the_connection_without_holding_capacity() {
    let rig = rig(|pool| pool.max_size(1));
    rig.script.next(Call::Reset, Step::Fail);
    thread::scope(|scope| {
        let held = rig.get();
        let waiter = scope.spawn(|| rig.get().id());
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        drop(held);
        assert_eq!(waiter.join().unwrap(), 2);
    });
    assert_eq!(rig.closed(CloseReason::ResetFailed), 1);
    assert!(rig.ledger.most_open() <= 1);
}

#[test]
fn a_silent_server_does_not_empty_the_pool_for_good() {
    let rig = rig(|pool| pool.max_size(3).validation_timeout(60 * MINUTE));
    rig.fill(3);
    let gates = [(); 2].map(|()| rig.script.hang_next(Call::IsValid));
    let _open_at_end = gates.each_ref().map(Gate::open_at_end);
    rig.script.next(Call::HasBroken, Step::Fail);
    let first = rig.get(); // a new one, in place of the broken one
    wait::until("both to be asked", || rig.script.made(Call::IsValid) == 2);
    assert!(matches!(rig.pool.get_timeout(Duration::ZERO), Err(GetError::Exhausted(_))));
    rig.turn_until(MINUTE, || rig.closed(CloseReason::CheckTimedOut) == 2);
    assert_eq!([rig.get(), rig.get()].len(), 2);
    drop(first);
}
