//! Opening a connection.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use threadwise_core::{CloseReason, ConnectError, HookError, Moment, Validation};

use crate::script::{Answer, Call, Conn, Error, Rig, panic_as_planned};

#[test]
fn the_manager_learns_the_pools_name_before_anything_else() {
    let rig = Rig::with(Validation::Never, |policies, _| policies.name = Some("orders".into()));
    assert_eq!(rig.script.calls(), [Call::SetPoolName]);
    assert_eq!(rig.script.heard(), ["orders"]);
    assert_eq!(rig.lifecycle.state().name.as_deref(), Some("orders"));
}

#[test]
fn the_manager_of_a_pool_without_a_name_is_not_called() {
    assert_eq!(Rig::new(Validation::Never).script.calls(), []);
}

#[test]
fn a_new_connection_gets_the_hook_then_a_session_then_the_free_check() {
    let rig = Rig::with(Validation::OnCheckout, |policies, script| {
        let script = script.clone();
        policies.hooks.on_connect = Some(Box::new(move |conn: &mut Conn| {
            assert_eq!(script.calls(), [Call::Connect]);
            script.hear(format!("on_connect {}", conn.0));
            Ok(())
        }));
    });
    assert_eq!(rig.lifecycle.open(None).unwrap(), Conn(1));
    assert_eq!(rig.script.calls(), [Call::BeginSession, Call::HasBroken]);
    assert_eq!(rig.script.heard(), ["on_connect 1", "opened"]);
    assert_eq!(rig.lifecycle.cells().read().opened, 1);
}

#[test]
fn a_limit_goes_to_the_manager() {
    let rig = Rig::new(Validation::Never);
    let limit = Duration::from_secs(3);
    rig.lifecycle.open(Some(limit)).unwrap();
    assert_eq!(rig.script.calls(), [Call::ConnectWithin, Call::BeginSession, Call::HasBroken]);
    assert_eq!(rig.script.limits(), [limit]);
}

#[test]
fn a_failed_connect_keeps_the_managers_error() {
    let rig = Rig::new(Validation::Never);
    rig.script.on(Call::Connect, Answer::Fail(Error::Ordinary));
    let error = rig.lifecycle.open(None).unwrap_err();
    assert_eq!(error.error(), Some(&Error::Ordinary));
    assert_eq!(rig.script.heard(), ["connect failed: Ordinary of the driver"]);
    let counters = rig.lifecycle.cells().read();
    assert_eq!((counters.opened, counters.connect_failures), (0, 1));
}

#[test]
fn a_panic_in_connect_is_a_failed_attempt_with_the_panics_message() {
    let rig = Rig::new(Validation::Never);
    rig.script.on(Call::Connect, Answer::Panic);
    let error = rig.lifecycle.open(None).unwrap_err();
    assert!(matches!(&error, ConnectError::Panicked(message) if &**message == "as planned"));
    assert_eq!(rig.lifecycle.cells().read().connect_failures, 1);
}

/// Opens a connection that is refused, and checks that it is closed and counted as a failed attempt.
#[track_caller]
fn refused(rig: &Rig) -> ConnectError<Error> {
    let error = rig.lifecycle.open(None).unwrap_err();
    assert_eq!(rig.script.closed(), [1], "the manager closes the connection");
    let counters = rig.lifecycle.cells().read();
    assert_eq!((counters.opened, counters.connect_failures), (0, 1));
    assert_eq!(counters.closed_total(), 0, "it was never in the pool");
    error
}

#[test]
fn a_veto_of_on_connect_is_a_failed_attempt() {
    let rig = Rig::with(Validation::Never, |policies, _| {
        policies.hooks.on_connect = Some(Box::new(|_| Err(HookError::from("read only"))));
    });
    let error = refused(&rig);
    assert!(matches!(&error, ConnectError::Vetoed(veto) if veto.to_string() == "read only"));
}

#[test]
fn a_panic_in_on_connect_is_a_failed_attempt() {
    let rig = Rig::with(Validation::Never, |policies, _| {
        policies.hooks.on_connect = Some(Box::new(|_| panic_as_planned()));
    });
    let ConnectError::Vetoed(veto) = refused(&rig) else { panic!("not a veto") };
    assert_eq!(veto.to_string(), "it panicked: as planned");
}

#[test]
fn a_panic_in_begin_session_is_a_failed_attempt() {
    let rig = Rig::new(Validation::Never);
    rig.script.on(Call::BeginSession, Answer::Panic);
    assert!(matches!(refused(&rig), ConnectError::Vetoed(_)));
}

#[test]
fn a_connection_that_is_broken_as_soon_as_it_is_open_is_a_failed_attempt() {
    for answer in [Answer::Is(true), Answer::Panic] {
        let rig = Rig::new(Validation::Never);
        rig.script.on(Call::HasBroken, answer);
        assert!(matches!(refused(&rig), ConnectError::Broken));
    }
}

#[test]
fn a_panic_while_a_refused_connection_is_closed_is_caught() {
    let rig = Rig::new(Validation::Never);
    rig.script.on(Call::HasBroken, Answer::Is(true));
    rig.script.on(Call::Close, Answer::Panic);
    assert!(matches!(refused(&rig), ConnectError::Broken));
}

#[test]
fn a_free_check_is_no_validation() {
    let rig = Rig::new(Validation::OnCheckout);
    let mut conn = rig.open();
    assert_eq!(rig.lifecycle.free_check(&mut conn, Moment::Checkout), Ok(()));
    assert_eq!(rig.script.calls(), [Call::HasBroken]);
    rig.script.on(Call::HasBroken, Answer::Is(true));
    assert_eq!(rig.lifecycle.free_check(&mut conn, Moment::Checkout), Err(CloseReason::Broken));
    rig.script.on(Call::HasBroken, Answer::Panic);
    assert_eq!(rig.lifecycle.free_check(&mut conn, Moment::Checkout), Err(CloseReason::Panicked));
}

#[test]
fn a_shortage_of_this_process_is_never_permanent() {
    let rig = Rig::new(Validation::Never);
    let short = ConnectError::failed(Error::Shortage);
    rig.script.on(Call::IsPermanent, Answer::Is(true));
    assert!(rig.lifecycle.is_shortage(&short) && !rig.lifecycle.is_permanent(&short));
    let thread = ConnectError::Thread(Arc::new(io::ErrorKind::WouldBlock.into()));
    assert!(rig.lifecycle.is_shortage(&thread) && !rig.lifecycle.is_permanent(&thread));
}

#[test]
fn only_an_error_of_the_manager_can_be_permanent() {
    let rig = Rig::new(Validation::Never);
    assert!(rig.lifecycle.is_permanent(&ConnectError::failed(Error::Permanent)));
    assert!(!rig.lifecycle.is_permanent(&ConnectError::failed(Error::Ordinary)));
    assert!(!rig.lifecycle.is_permanent(&ConnectError::Broken));
    assert!(!rig.lifecycle.is_shortage(&ConnectError::Broken));
}

#[test]
fn a_manager_that_panics_about_an_error_leaves_it_an_ordinary_one() {
    let rig = Rig::new(Validation::Never);
    rig.script.on(Call::IsPermanent, Answer::Panic);
    assert!(!rig.lifecycle.is_permanent(&ConnectError::failed(Error::Permanent)));
    rig.script.on(Call::IsShortage, Answer::Panic);
    assert!(!rig.lifecycle.is_shortage(&ConnectError::failed(Error::Shortage)));
}

#[test]
fn a_child_pool_uses_the_same_manager_and_counts_from_zero() {
    let rig = Rig::with(Validation::OnReturn, |policies, _| policies.name = Some("orders".into()));
    let _parents = rig.open();
    let child = rig.lifecycle.child_pool();
    assert_eq!(child.cells().read().opened, 0);
    assert_eq!(child.open(None).unwrap(), Conn(2));
    assert_eq!(child.validation(), Validation::OnReturn);
    assert_eq!(child.name().map(|name| &**name), Some("orders"));
    assert_eq!(rig.lifecycle.cells().read().opened, 1);
}
