//! Checking a connection before a borrower gets it.

use std::cell::Cell;
use std::time::{Duration, Instant};

use threadwise_core::parts::{Deadline, Patience, Refusals, Refused, Unfit};
use threadwise_core::{Clock, CloseReason, HookError, Validation, VirtualClock};

use crate::script::{Answer, Call, Error, Rig, panic_as_planned};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
/// The default of `validation_timeout`.
const LIMIT: Duration = Duration::from_secs(5);

/// A deadline that no test reaches.
fn patient() -> Deadline {
    Deadline::after(Some(HOUR))
}

/// The idle time of a connection that has just come back.
fn not_idle() -> Duration {
    Duration::ZERO
}

/// Checks a new connection, of which the pool has no sign of life, for a borrower with this deadline.
fn check(rig: &Rig, deadline: Deadline) -> (Result<(), Unfit>, Option<Instant>) {
    let mut conn = rig.open();
    let mut alive = None;
    (rig.lifecycle.check_lend(&mut conn, &mut alive, not_idle, deadline), alive)
}

#[test]
fn without_validation_only_the_free_check_decides() {
    for validation in [Validation::Never, Validation::OnReturn] {
        let rig = Rig::new(validation);
        let mut conn = rig.open();
        assert_eq!(rig.lifecycle.check_lend(&mut conn, &mut None, not_idle, patient()), Ok(()));
        assert_eq!(rig.script.calls(), [Call::HasBroken]);
    }
}

#[test]
fn a_broken_connection_is_closed_without_a_question_to_the_server() {
    for validation in
        [Validation::Never, Validation::OnCheckout, Validation::IdleLongerThan(Duration::ZERO)]
    {
        let rig = Rig::new(validation);
        let mut conn = rig.open();
        rig.script.on(Call::HasBroken, Answer::Is(true));
        let checked = rig.lifecycle.check_lend(&mut conn, &mut None, not_idle, patient());
        assert_eq!(checked, Err(Unfit::Close(CloseReason::Broken)));
        assert_eq!(rig.script.calls(), [Call::HasBroken]);
    }
}

#[test]
fn on_checkout_asks_the_server_each_time_and_notes_the_answer() {
    let rig = Rig::new(Validation::OnCheckout);
    let (checked, alive) = check(&rig, patient());
    assert_eq!(checked, Ok(()));
    assert!(alive.is_some());
    assert_eq!(rig.script.calls(), [Call::HasBroken, Call::IsValidWithin]);
}

#[test]
fn idle_longer_than_asks_a_server_that_was_silent_for_longer() {
    let rig = Rig::new(Validation::IdleLongerThan(SECOND));
    let mut conn = rig.open();
    let long_ago = Instant::now().checked_sub(10 * SECOND).expect("a machine that runs for 10 s");
    let mut alive = Some(long_ago);
    assert_eq!(rig.lifecycle.check_lend(&mut conn, &mut alive, not_idle, patient()), Ok(()));
    assert!(alive > Some(long_ago), "the answer is noted");
    assert_eq!(rig.script.calls(), [Call::HasBroken, Call::LastAnswer, Call::IsValidWithin]);
}

#[test]
fn idle_longer_than_trusts_the_managers_last_answer_and_the_pools_own() {
    let rig = Rig::new(Validation::IdleLongerThan(HOUR));
    let mut conn = rig.open();
    let mut asks = |alive: Option<Instant>| {
        assert_eq!(
            rig.lifecycle.check_lend(&mut conn, &mut alive.clone(), not_idle, patient()),
            Ok(())
        );
        rig.script.calls().contains(&Call::IsValidWithin)
    };
    assert!(asks(None), "neither knows of an answer");
    assert!(!asks(Some(Instant::now())), "the pool knows of one");
    rig.script.on(Call::LastAnswer, Answer::At(Instant::now()));
    assert!(!asks(None), "the manager knows of one");
    rig.script.on(Call::LastAnswer, Answer::Panic);
    assert!(asks(None), "a manager that panics knows of none");
    assert!(!asks(Some(Instant::now())), "and the pool's own still counts");
}

#[test]
fn a_failed_validation_closes_the_connection_and_is_no_answer() {
    let rig = Rig::new(Validation::OnCheckout);
    rig.script.on(Call::IsValidWithin, Answer::Fail(Error::Ordinary));
    let (checked, alive) = check(&rig, patient());
    assert_eq!(checked, Err(Unfit::Close(CloseReason::Invalid)));
    assert_eq!(alive, None);
}

#[test]
fn a_validation_that_fails_for_a_shortage_of_this_process_costs_no_connection() {
    let rig = Rig::new(Validation::OnCheckout);
    rig.script.on(Call::IsValidWithin, Answer::Fail(Error::Shortage));
    assert_eq!(check(&rig, patient()).0, Ok(()));
    let calls = rig.script.calls();
    assert_eq!(calls, [Call::HasBroken, Call::IsValidWithin, Call::IsShortage, Call::HasBroken]);
}

#[test]
fn a_shortage_does_not_save_a_connection_that_the_validation_broke() {
    let rig = Rig::new(Validation::OnCheckout);
    let mut conn = rig.open();
    let unchecked = rig.lifecycle.free_check_out(&mut conn).unwrap_err();
    rig.script.on(Call::IsValidWithin, Answer::Fail(Error::Shortage));
    rig.script.on(Call::HasBroken, Answer::Is(true));
    let settled = rig.lifecycle.settle(unchecked, &mut conn, &mut None, patient());
    assert_eq!(settled, Err(Unfit::Close(CloseReason::Invalid)));
}

#[test]
fn a_panic_of_the_manager_costs_the_connection_only() {
    for call in [Call::HasBroken, Call::IsValidWithin, Call::IsShortage] {
        let rig = Rig::new(Validation::OnCheckout);
        let mut conn = rig.open();
        rig.script.on(Call::IsValidWithin, Answer::Fail(Error::Ordinary));
        rig.script.on(call, Answer::Panic);
        let checked = rig.lifecycle.check_lend(&mut conn, &mut None, not_idle, patient());
        assert_eq!(checked, Err(Unfit::Close(CloseReason::Panicked)), "{call:?}");
    }
}

#[test]
fn settle_closes_what_the_free_check_found_broken_and_validates_the_rest() {
    let rig = Rig::new(Validation::OnCheckout);
    let mut conn = rig.open();
    let unchecked = rig.lifecycle.free_check_out(&mut conn).unwrap_err();
    assert_eq!(unchecked.reason(), None);
    let mut alive = None;
    assert_eq!(rig.lifecycle.settle(unchecked, &mut conn, &mut alive, patient()), Ok(()));
    assert!(alive.is_some());

    rig.script.on(Call::HasBroken, Answer::Is(true));
    let unchecked = rig.lifecycle.free_check_out(&mut conn).unwrap_err();
    assert_eq!(unchecked.reason(), Some(CloseReason::Broken));
    rig.script.calls();
    let settled = rig.lifecycle.settle(unchecked, &mut conn, &mut None, patient());
    assert_eq!(settled, Err(Unfit::Close(CloseReason::Broken)));
    assert_eq!(rig.script.calls(), []);
}

#[test]
fn a_borrower_in_a_hurry_asks_with_its_own_patience_and_the_pools_limit() {
    let rig = Rig::new(Validation::OnCheckout);
    let clock = VirtualClock::new().clock();
    assert_eq!(check(&rig, Deadline::after_by(clock, Some(SECOND))).0, Ok(()));
    assert_eq!(rig.script.calls(), [Call::HasBroken, Call::IsValidPatient]);
    assert_eq!(rig.script.limits(), [SECOND, LIMIT]);
}

#[test]
fn a_borrower_whose_time_is_up_before_the_answer_leaves_the_connection_in_the_pool() {
    let rig = Rig::new(Validation::OnCheckout);
    rig.script.on(Call::IsValidPatient, Answer::Undecided);
    let (checked, alive) = check(&rig, Deadline::after(Some(Duration::ZERO)));
    assert_eq!(checked, Err(Unfit::Undecided));
    assert_eq!(alive, None, "no answer came");
}

#[test]
fn an_answer_after_the_deadline_serves_the_next_borrower() {
    thread_local! {
        static CLOCK: Cell<Option<VirtualClock>> = const { Cell::new(None) };
    }
    let clock = VirtualClock::new();
    CLOCK.set(Some(clock));
    let rig = Rig::new(Validation::OnCheckout);
    rig.script.on(
        Call::IsValidPatient,
        Answer::After(|| CLOCK.get().expect("a clock").advance(2 * SECOND)),
    );
    let (checked, alive) = check(&rig, Deadline::after_by(clock.clock(), Some(SECOND)));
    assert_eq!(checked, Err(Unfit::Undecided));
    assert!(alive.is_some(), "the answer is noted");
}

#[test]
fn a_borrower_in_a_hurry_learns_of_a_failed_validation() {
    let rig = Rig::new(Validation::OnCheckout);
    rig.script.on(Call::IsValidPatient, Answer::Fail(Error::Ordinary));
    let (checked, _) = check(&rig, Deadline::after(Some(Duration::ZERO)));
    assert_eq!(checked, Err(Unfit::Close(CloseReason::Invalid)));
}

#[test]
fn without_a_validation_timeout_the_borrowers_patience_counts_or_nothing() {
    let rig = Rig::with(Validation::OnCheckout, |policies, _| policies.validation_timeout = None);
    let clock = VirtualClock::new().clock();
    assert_eq!(check(&rig, Deadline::after_by(clock, Some(HOUR))).0, Ok(()));
    assert_eq!(rig.script.calls(), [Call::HasBroken, Call::IsValidPatient]);
    assert_eq!(rig.script.limits(), [HOUR, HOUR], "at least as long as the borrower waits");
    assert_eq!(check(&rig, Deadline::after(None)).0, Ok(()));
    assert_eq!(rig.script.calls(), [Call::HasBroken, Call::IsValid]);
}

#[test]
fn an_idle_connection_gets_the_free_check_and_a_validation() {
    let rig = Rig::new(Validation::Never);
    let mut conn = rig.open();
    assert_eq!(rig.lifecycle.check_idle(&mut conn), Ok(()));
    assert_eq!(rig.script.calls(), [Call::HasBroken, Call::ShouldRetire, Call::IsValidWithin]);
    assert_eq!(rig.script.limits(), [LIMIT]);
    rig.script.on(Call::IsValidWithin, Answer::Fail(Error::Ordinary));
    assert_eq!(rig.lifecycle.check_idle(&mut conn), Err(CloseReason::Invalid));
    rig.script.on(Call::HasBroken, Answer::Is(true));
    assert_eq!(rig.lifecycle.check_idle(&mut conn), Err(CloseReason::Broken));
}

#[test]
fn on_acquire_may_refuse_by_an_error_or_a_panic() {
    let none = Rig::new(Validation::Never);
    assert!(none.lifecycle.on_acquire(&mut none.open()).is_ok());

    let refuses = Rig::with(Validation::Never, |policies, _| {
        policies.hooks.on_acquire = Some(Box::new(|_| Err(HookError::from("maintenance"))));
    });
    let veto = refuses.lifecycle.on_acquire(&mut refuses.open()).unwrap_err();
    assert_eq!(veto.to_string(), "maintenance");

    let panics = Rig::with(Validation::Never, |policies, _| {
        policies.hooks.on_acquire = Some(Box::new(|_| panic_as_planned()));
    });
    let veto = panics.lifecycle.on_acquire(&mut panics.open()).unwrap_err();
    assert_eq!(veto.to_string(), "it panicked: as planned");
}

#[test]
fn a_borrower_that_is_refused_again_pauses_and_keeps_the_last_reason() {
    let Rig { lifecycle, .. } = Rig::new(Validation::OnCheckout);
    let mut refusals = Refusals::default();
    assert!(refusals.cause::<Error>().is_none());
    let mut refuse = |why| lifecycle.refuse(&mut refusals, HookError::from(why).into());
    assert_eq!(refuse("first"), Refused::Close(Duration::ZERO));
    assert_eq!(refuse("second"), Refused::Keep(Duration::from_millis(10)));
    let cause = refusals.cause::<Error>().expect("a cause");
    assert_eq!(threadwise_core::chain(&cause).to_string(), {
        "the `on_acquire` hook refused it: second"
    });
}

#[test]
fn a_zero_timeout_still_leaves_time_to_validate() {
    let rig = Rig::new(Validation::OnCheckout);
    let deadline = Patience::NONE.work_deadline(Clock::SYSTEM);
    assert_eq!(check(&rig, deadline).0, Ok(()));
    assert_eq!(rig.script.calls(), [Call::HasBroken, Call::IsValidWithin]);
}

#[test]
fn a_connection_that_was_idle_for_long_gets_a_quick_check() {
    let rig = Rig::new(Validation::Never);
    let mut conn = rig.open();
    let mut check = |idle: Duration| {
        let checked = rig.lifecycle.check_lend(&mut conn, &mut None, || idle, patient());
        (checked, rig.script.calls())
    };
    assert_eq!(check(SECOND), (Ok(()), vec![Call::HasBroken]));
    assert_eq!(check(2 * SECOND), (Ok(()), vec![Call::HasBroken, Call::QuickCheck]));
    rig.script.on(Call::QuickCheck, Answer::Fail(Error::Lost));
    assert_eq!(check(2 * SECOND).0, Err(Unfit::Close(CloseReason::Broken)));
    rig.script.on(Call::QuickCheck, Answer::Panic);
    assert_eq!(check(2 * SECOND).0, Err(Unfit::Close(CloseReason::Panicked)));
    rig.script.on(Call::QuickCheck, Answer::Fail(Error::Shortage));
    assert_eq!(check(2 * SECOND).0, Ok(()), "the process lacks something, and not the connection");
}
