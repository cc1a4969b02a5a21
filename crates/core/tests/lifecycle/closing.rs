//! Closing a connection, and what a life cycle counts and reports.

use std::time::Duration;

use threadwise_core::parts::Deadline;
use threadwise_core::{CloseReason, ConnectError, GetError, Validation, VirtualClock};

use crate::script::{Answer, Call, Error, Rig};

#[test]
fn a_closed_connection_is_counted_under_its_reason() {
    let rig = Rig::new(Validation::Never);
    rig.lifecycle.close(rig.open(), CloseReason::IdleTimeout);
    assert_eq!(rig.script.closed(), [1]);
    assert_eq!(rig.script.heard(), ["closed: idle_timeout"]);
    let counters = rig.lifecycle.cells().read();
    assert_eq!((counters.closed(CloseReason::IdleTimeout), counters.closed_total()), (1, 1));
}

#[test]
fn a_panic_in_close_is_caught_and_the_connection_counted() {
    let rig = Rig::new(Validation::Never);
    rig.script.on(Call::Close, Answer::Panic);
    rig.lifecycle.close(rig.open(), CloseReason::Discarded);
    assert_eq!(rig.lifecycle.cells().read().closed(CloseReason::Discarded), 1);
}

#[test]
fn counting_and_closing_can_be_done_apart() {
    let rig = Rig::new(Validation::Never);
    let conn = rig.open();
    rig.lifecycle.count_closed(&conn, CloseReason::Detached);
    assert_eq!(rig.script.heard(), ["closed: detached"]);
    assert!(rig.script.closed().is_empty());
    rig.lifecycle.close_uncounted(conn);
    assert_eq!(rig.script.closed(), [1]);
    assert_eq!(rig.lifecycle.cells().read().closed_total(), 1);
}

#[test]
fn a_parents_connection_is_forgotten_and_not_closed() {
    let rig = Rig::new(Validation::Never);
    rig.lifecycle.forget_in_child(rig.open());
    assert_eq!(rig.script.calls(), [Call::ForgetInChild]);
    rig.script.on(Call::ForgetInChild, Answer::Panic);
    rig.lifecycle.forget_in_child(rig.open());
    assert!(rig.script.closed().is_empty() && rig.script.heard().is_empty());
}

#[test]
fn a_timeout_says_how_long_the_get_waited_and_why_and_where_to() {
    let rig = Rig::new(Validation::Never);
    let clock = VirtualClock::new();
    let deadline = Deadline::after_by(clock.clock(), Some(Duration::from_secs(1)));
    clock.advance(Duration::from_secs(2));
    let cause = Some(ConnectError::failed(Error::Ordinary));
    let error =
        rig.lifecycle.timed_out(deadline, || rig.lifecycle.state(), cause, "raise `max_size`");
    let GetError::TimedOut(timed_out) = error else { panic!("{error}") };
    assert_eq!(timed_out.waited, Duration::from_secs(2));
    assert_eq!(timed_out.address.as_deref(), Some("db:3306"));
    assert_eq!(timed_out.advice, "raise `max_size`");
    assert!(timed_out.cause.is_some());
    assert_eq!(timed_out.state.counters.timeouts, 1, "the state counts this one too");
    assert_eq!(rig.script.heard(), ["timed out"]);
}

#[test]
fn a_manager_that_panics_about_its_address_has_none() {
    let rig = Rig::new(Validation::Never);
    assert_eq!(rig.lifecycle.address().as_deref(), Some("db:3306"));
    rig.script.on(Call::Address, Answer::Panic);
    assert_eq!(rig.lifecycle.address(), None);
}

#[test]
fn a_get_that_waits_is_counted() {
    let rig = Rig::new(Validation::Never);
    rig.lifecycle.about_to_wait();
    assert_eq!(rig.lifecycle.state().counters.waits, 1);
}
