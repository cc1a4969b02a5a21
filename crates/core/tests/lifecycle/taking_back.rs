//! What happens to a connection when it comes back.

use std::time::Duration;

use threadwise_core::parts::{Patience, WasReset};
use threadwise_core::{CloseReason, HookError, Reset, Validation};

use crate::script::{Answer, Call, Conn, Error, Rig, panic_as_planned, while_panicking};

fn with_reset(reset: Reset) -> Rig {
    Rig::with(Validation::Never, |policies, _| policies.reset = reset)
}

#[test]
fn the_reset_policy_decides_whether_the_session_is_reset() {
    for (reset, asks, if_true, if_false) in [
        (Reset::Always, None, true, true),
        (Reset::WhenChanged, Some(Call::HasChanged), true, false),
        (Reset::InTransaction, Some(Call::InTransaction), true, false),
        (Reset::Never, None, false, false),
    ] {
        for (answer, is_due) in [(true, if_true), (false, if_false)] {
            let rig = with_reset(reset);
            let mut conn = rig.open();
            rig.script.on(Call::HasChanged, Answer::Is(answer));
            rig.script.on(Call::InTransaction, Answer::Is(answer));
            assert_eq!(rig.lifecycle.check_in(&mut conn), Ok(WasReset(is_due)), "{reset:?}");
            let mut expected = vec![Call::HasBroken, Call::ShouldRetire];
            expected.extend(asks);
            if is_due {
                expected.extend([Call::ResetWithin, Call::BeginSession]);
            }
            assert_eq!(rig.script.calls(), expected, "{reset:?}");
        }
    }
}

#[test]
fn a_reset_may_take_the_validation_timeout_or_else_30_seconds() {
    let five = Duration::from_secs(5);
    for (timeout, limit) in [(Some(five), five), (None, Patience::WORK)] {
        let rig = Rig::with(Validation::Never, |policies, _| policies.validation_timeout = timeout);
        rig.lifecycle.check_in(&mut rig.open()).unwrap();
        assert_eq!(rig.script.limits(), [limit]);
    }
}

#[test]
fn a_broken_connection_is_not_reset() {
    let rig = with_reset(Reset::Always);
    let mut conn = rig.open();
    rig.script.on(Call::HasBroken, Answer::Is(true));
    assert_eq!(rig.lifecycle.check_in(&mut conn), Err(CloseReason::Broken));
    assert_eq!(rig.script.calls(), [Call::HasBroken]);
}

#[test]
fn a_failed_reset_costs_the_connection() {
    let rig = with_reset(Reset::Always);
    let mut conn = rig.open();
    rig.script.on(Call::ResetWithin, Answer::Fail(Error::Ordinary));
    assert_eq!(rig.lifecycle.check_in(&mut conn), Err(CloseReason::ResetFailed));
    assert_eq!(rig.script.calls(), [Call::HasBroken, Call::ShouldRetire, Call::ResetWithin]);
}

#[test]
fn a_panic_of_the_manager_costs_the_connection_only() {
    for (reset, call) in [
        (Reset::Always, Call::HasBroken),
        (Reset::WhenChanged, Call::HasChanged),
        (Reset::InTransaction, Call::InTransaction),
        (Reset::Always, Call::ResetWithin),
        (Reset::Always, Call::BeginSession),
    ] {
        let rig = with_reset(reset);
        let mut conn = rig.open();
        rig.script.on(call, Answer::Panic);
        assert_eq!(rig.lifecycle.check_in(&mut conn), Err(CloseReason::Panicked), "{call:?}");
    }
}

#[test]
fn on_connect_runs_again_after_a_reset_and_only_then() {
    let rig = Rig::with(Validation::Never, |policies, script| {
        let script = script.clone();
        policies.hooks.on_connect = Some(Box::new(move |_: &mut Conn| {
            script.hear("on_connect");
            Ok(())
        }));
    });
    let mut conn = rig.open();
    assert_eq!(rig.lifecycle.check_in(&mut conn), Ok(WasReset(true)));
    assert_eq!(rig.script.heard(), ["on_connect"]);
    rig.script.on(Call::HasChanged, Answer::Is(false));
    assert_eq!(rig.lifecycle.check_in(&mut conn), Ok(WasReset(false)));
    assert!(rig.script.heard().is_empty());
}

#[test]
fn a_veto_of_on_connect_after_a_reset_costs_the_connection() {
    let rig = Rig::with(Validation::Never, |policies, script| {
        let script = script.clone();
        // The first call is that of opening.
        policies.hooks.on_connect = Some(Box::new(move |_: &mut Conn| {
            if script.calls().contains(&Call::ResetWithin) {
                return Err(HookError::from("not again"));
            }
            Ok(())
        }));
    });
    let mut conn = rig.open();
    assert_eq!(rig.lifecycle.check_in(&mut conn), Err(CloseReason::Vetoed));
}

#[test]
fn on_return_validates_after_the_reset() {
    let rig = Rig::new(Validation::OnReturn);
    let mut conn = rig.open();
    assert_eq!(rig.lifecycle.check_in(&mut conn), Ok(WasReset(true)));
    let calls = rig.script.calls();
    assert_eq!(calls.last(), Some(&Call::IsValidWithin), "{calls:?}");
    for answer in [Answer::Fail(Error::Ordinary), Answer::Panic] {
        rig.script.on(Call::IsValidWithin, answer);
        assert_eq!(rig.lifecycle.check_in(&mut conn), Err(CloseReason::Invalid));
    }
}

#[test]
fn a_connection_whose_holder_panics_is_closed_without_a_call_of_the_manager() {
    let rig = Rig::new(Validation::OnReturn);
    let mut conn = rig.open();
    let checked = while_panicking(|| rig.lifecycle.check_in(&mut conn));
    assert_eq!(checked, Err(CloseReason::Panicked));
    assert_eq!(rig.script.calls(), []);
}

#[test]
fn on_return_may_refuse_by_an_error_or_a_panic() {
    let none = Rig::new(Validation::Never);
    assert_eq!(none.lifecycle.returned(&mut none.open()), Ok(()));
    let refuses = Rig::with(Validation::Never, |policies, _| {
        policies.hooks.on_return = Some(Box::new(|_| Err(HookError::from("left a lock behind"))));
    });
    assert_eq!(refuses.lifecycle.returned(&mut refuses.open()), Err(CloseReason::Vetoed));
    let panics = Rig::with(Validation::Never, |policies, _| {
        policies.hooks.on_return = Some(Box::new(|_| panic_as_planned()));
    });
    assert_eq!(panics.lifecycle.returned(&mut panics.open()), Err(CloseReason::Vetoed));
}

#[test]
fn on_return_does_not_run_while_the_holder_panics() {
    let rig = Rig::with(Validation::Never, |policies, script| {
        let script = script.clone();
        policies.hooks.on_return = Some(Box::new(move |_: &mut Conn| {
            script.hear("on_return");
            Ok(())
        }));
    });
    let mut conn = rig.open();
    assert_eq!(while_panicking(|| rig.lifecycle.returned(&mut conn)), Ok(()));
    assert!(rig.script.heard().is_empty());
}

/// How often the churn report needs a connection to be refused.
const MANY: usize = 10;

#[test]
fn a_pool_that_closes_connection_after_connection_reports_it_once_with_the_cause() {
    for (call, answer, words) in [
        (Call::HasBroken, Answer::Is(true), &["because it was broken"][..]),
        (Call::HasBroken, Answer::Panic, &["panicked", ": it panicked: as planned"]),
        (
            Call::ResetWithin,
            Answer::Fail(Error::Ordinary),
            &["its session could not be reset", ": Ordinary of the driver"],
        ),
        (Call::IsValidWithin, Answer::Fail(Error::Ordinary), &["it failed validation"]),
    ] {
        let rig =
            Rig::with(Validation::OnReturn, |policies, _| policies.name = Some("orders".into()));
        let mut conn = rig.open();
        rig.script.on(call, answer);
        for _ in 0..2 * MANY {
            assert!(rig.lifecycle.check_in(&mut conn).is_err());
        }
        let heard = rig.script.heard();
        assert_eq!(heard.len(), 1, "{heard:?}");
        for word in [&["pool orders: ", "10 connections"][..], words].concat() {
            assert!(heard[0].contains(word), "{word}: {heard:?}");
        }
    }
}

#[test]
fn vetoes_of_on_return_are_reported_with_the_hooks_reason() {
    let rig = Rig::with(Validation::Never, |policies, _| {
        policies.hooks.on_return = Some(Box::new(|_| Err(HookError::from("left a lock behind"))));
    });
    let mut conn = rig.open();
    for _ in 0..MANY {
        assert_eq!(rig.lifecycle.returned(&mut conn), Err(CloseReason::Vetoed));
    }
    let heard = rig.script.heard();
    assert!(
        matches!(&heard[..], [report] if report.ends_with(": left a lock behind")),
        "{heard:?}"
    );
    assert!(heard[0].starts_with("pool (unnamed): "), "{heard:?}");
}

#[test]
fn a_few_connections_that_are_closed_are_not_reported() {
    let rig = Rig::new(Validation::Never);
    let mut conn = rig.open();
    rig.script.on(Call::HasBroken, Answer::Is(true));
    for _ in 1..MANY {
        assert!(rig.lifecycle.check_in(&mut conn).is_err());
    }
    assert!(rig.script.heard().is_empty());
}

#[test]
fn a_connection_that_should_retire_is_closed_unless_a_transaction_is_open() {
    let rig = Rig::new(Validation::Never);
    let mut conn = rig.open();
    rig.script.on(Call::ShouldRetire, Answer::Is(true));
    rig.script.on(Call::InTransaction, Answer::Is(true));
    assert!(rig.lifecycle.check_in(&mut conn).is_ok());
    assert!(rig.lifecycle.check_idle(&mut conn).is_ok());
    rig.script.on(Call::InTransaction, Answer::Is(false));
    assert_eq!(rig.lifecycle.check_in(&mut conn), Err(CloseReason::Retired));
    assert_eq!(rig.lifecycle.check_idle(&mut conn), Err(CloseReason::Retired));
    assert_eq!(rig.script.heard(), [] as [&str; 0], "that is not worth a report");
}
