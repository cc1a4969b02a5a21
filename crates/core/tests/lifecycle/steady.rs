//! Steady work: what runs again after a lost connection, and what does not.

use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use threadwise_core::parts::Patience;
use threadwise_core::{ConnectError, Guard, HookError, Outcome, Validation};

use crate::script::{Answer, Call, Conn, Error, Rig, panic_as_planned};

/// A guard without a pool.
struct Held(Conn);

impl Deref for Held {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.0
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.0
    }
}

impl Guard for Held {
    type Error = Error;

    fn discard(self) {}

    fn detach(self) -> Conn {
        self.0
    }

    fn steady<T>(&mut self, _: impl FnMut(&mut Conn) -> Result<T, Error>) -> Result<T, Error> {
        unreachable!("the tests call `run_steady`")
    }

    fn outcome(&mut self, _: &Error) -> Outcome {
        unreachable!("the tests call `run_steady`")
    }
}

/// Runs work that returns these results one after the other. Returns the last result, the numbers of
/// the connections that the work ran on, and the number of the one that is held in the end.
fn steady(rig: &Rig, results: &[Result<&'static str, Error>]) -> Done {
    let mut held = Held(rig.open());
    let replace = |held: &mut Held| {
        held.0 = rig.lifecycle.reopen(Patience::NONE)?;
        Ok(())
    };
    let (mut ran_on, mut results) = (Vec::new(), results.iter());
    let result = rig.lifecycle.run_steady(&mut held, replace, |conn| {
        ran_on.push(conn.0);
        *results.next().expect("the work runs too often")
    });
    Done { result, ran_on, held: held.0.0 }
}

#[derive(Debug, PartialEq)]
struct Done {
    result: Result<&'static str, Error>,
    ran_on: Vec<u32>,
    held: u32,
}

#[test]
fn work_that_succeeds_runs_once() {
    let outcome = steady(&Rig::new(Validation::Never), &[Ok("done")]);
    assert_eq!(outcome, Done { result: Ok("done"), ran_on: vec![1], held: 1 });
}

#[test]
fn an_error_of_a_connection_that_is_not_lost_is_returned() {
    let outcome = steady(&Rig::new(Validation::Never), &[Err(Error::Ordinary)]);
    assert_eq!(outcome, Done { result: Err(Error::Ordinary), ran_on: vec![1], held: 1 });
}

#[test]
fn work_on_a_lost_connection_runs_again_on_a_new_one() {
    let outcome = steady(&Rig::new(Validation::Never), &[Err(Error::Lost), Ok("done")]);
    assert_eq!(outcome, Done { result: Ok("done"), ran_on: vec![1, 2], held: 2 });
}

#[test]
fn work_runs_twice_at_most_and_leaves_a_new_connection() {
    let outcome = steady(&Rig::new(Validation::Never), &[Err(Error::Lost), Err(Error::Lost)]);
    assert_eq!(outcome, Done { result: Err(Error::Lost), ran_on: vec![1, 2], held: 3 });
}

#[test]
fn work_in_a_transaction_that_was_open_before_does_not_run_again() {
    for answer in [Answer::Is(true), Answer::Panic] {
        let rig = Rig::new(Validation::Never);
        rig.script.on(Call::InTransaction, answer);
        let outcome = steady(&rig, &[Err(Error::Lost)]);
        let expected = Done { result: Err(Error::Lost), ran_on: vec![1], held: 2 };
        assert_eq!(outcome, expected, "the connection is replaced for the next use");
    }
}

#[test]
fn a_transaction_that_the_work_begins_does_not_forbid_a_second_run() {
    let rig = Rig::new(Validation::Never);
    let mut held = Held(rig.open());
    let replace = |held: &mut Held| {
        held.0 = rig.lifecycle.reopen(Patience::NONE)?;
        Ok(())
    };
    let result = rig.lifecycle.run_steady(&mut held, replace, |conn| {
        rig.script.on(Call::InTransaction, Answer::Is(true)); // the work begins one
        if conn.0 == 1 { Err(Error::Lost) } else { Ok(conn.0) }
    });
    assert_eq!(result, Ok(2));
}

#[test]
fn work_that_may_have_been_done_does_not_run_again() {
    for answer in [Answer::Means(Outcome::Unknown), Answer::Panic] {
        let rig = Rig::new(Validation::Never);
        rig.script.on(Call::OnError, answer);
        let outcome = steady(&rig, &[Err(Error::Lost)]);
        assert_eq!(outcome, Done { result: Err(Error::Lost), ran_on: vec![1], held: 1 });
    }
}

#[test]
fn a_lost_connection_that_cannot_be_replaced_stays_and_the_manager_adds_the_cause() {
    let rig = Rig::new(Validation::Never);
    rig.script.on(Call::ConnectWithin, Answer::Fail(Error::Ordinary));
    let outcome = steady(&rig, &[Err(Error::Lost)]);
    assert_eq!(outcome, Done { result: Err(Error::NotReconnected), ran_on: vec![1], held: 1 });
    let heard = rig.script.heard();
    let failed = "connect failed: Ordinary of the driver";
    assert_eq!(heard, [failed, "not reconnected: Ordinary of the driver"]);
}

#[test]
fn the_observer_hears_why_a_lost_connection_is_not_replaced_without_an_attempt() {
    let rig = Rig::new(Validation::Never);
    let mut held = Held(rig.open());
    let closed = |_: &mut Held| Err(ConnectError::Unavailable("the pool is closed"));
    let result: Result<(), _> = rig.lifecycle.run_steady(&mut held, closed, |_| Err(Error::Lost));
    assert_eq!(result, Err(Error::NotReconnected));
    assert!(rig.script.heard()[0].starts_with("connect failed: "), "{:?}", rig.script.heard());
}

#[test]
fn a_panic_of_the_work_goes_through_to_the_caller() {
    let rig = Rig::new(Validation::Never);
    let mut held = Held(rig.open());
    let run = || {
        rig.lifecycle.run_steady(
            &mut held,
            |_| Ok(()),
            |_| -> Result<(), Error> { panic_as_planned() },
        )
    };
    let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"as planned"));
}

#[test]
fn reopen_opens_within_the_holders_patience() {
    let rig = Rig::new(Validation::Never);
    let second = Duration::from_secs(1);
    rig.lifecycle.reopen(Patience::new(Some(second))).unwrap();
    rig.lifecycle.reopen(Patience::NONE).unwrap();
    assert_eq!(rig.script.limits(), [second, Patience::WORK]);
    rig.script.calls();
    rig.lifecycle.reopen(Patience::new(None)).unwrap();
    assert_eq!(rig.script.calls()[0], Call::Connect, "without a limit");
}

#[test]
fn a_veto_of_on_acquire_closes_the_reopened_connection() {
    let rig = Rig::with(Validation::Never, |policies, _| {
        policies.hooks.on_acquire = Some(Box::new(|_| Err(HookError::from("maintenance"))));
    });
    let error = rig.lifecycle.reopen(Patience::NONE).unwrap_err();
    assert!(
        matches!(&error, ConnectError::AcquireVetoed(veto) if veto.to_string() == "maintenance")
    );
    assert_eq!(rig.script.closed(), [1]);
    assert_eq!(rig.script.heard(), ["opened", "closed: vetoed"]);
}
