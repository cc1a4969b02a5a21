//! Errors keep their cause and show no secrets, and the state shows what happened.

#![expect(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "each function is a test, and its name says what it asserts"
)]

use std::error::Error;

use threadwise_core::{BuildError, CloseReason, Guard as _, Pool};

use crate::pools::{PoolUnderTest, Settings};
use crate::rig::{Failure, Rig};
use crate::{Call, ManagerUnderTest, Scripted, ScriptedError, Step, wait};

fn is_from_the_manager<B: ManagerUnderTest>(error: &(dyn Error + 'static)) -> bool {
    error.source().and_then(|source| source.downcast_ref::<Failure<B>>()).is_some()
}

/// The error of `build` if each `connect` does this.
fn build_error<K: PoolUnderTest, B: ManagerUnderTest>(step: Step) -> BuildError<Failure<B>> {
    let subject = B::start();
    let manager = Scripted::new(subject.manager());
    let ledger = manager.ledger();
    manager.script().always(Call::Connect, step);
    let Err(error) = K::build(manager, Settings::size(2)) else {
        panic!("a pool without a connection")
    };
    assert_eq!(ledger.open(), 0);
    error
}

pub fn build_fails_with_the_managers_own_error<K: PoolUnderTest, B: ManagerUnderTest>() {
    for step in [Step::Fail, Step::FailForGood] {
        let error = build_error::<K, B>(step);
        assert!(matches!(error, BuildError::ConnectFailed(_)), "{error}");
        assert!(is_from_the_manager::<B>(&error));
    }
    let error = build_error::<K, B>(Step::Panic).to_string();
    assert!(error.contains("panics, as its script says"), "{error}");
}

pub fn build_fails_if_the_server_refuses<K: PoolUnderTest, B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = Scripted::new(subject.refused_manager());
    let Err(error) = K::build(manager, Settings::size(1)) else {
        panic!("`refused_manager` connected: give it a wrong password, or another lasting fault")
    };
    let BuildError::ConnectFailed(error) = error else { panic!("{error}") };
    assert!(matches!(error.error(), Some(ScriptedError::Behind(_))), "{error}");
}

pub fn a_failing_connect_reaches_the_borrower_with_its_cause<
    K: PoolUnderTest,
    B: ManagerUnderTest,
>() {
    for step in [Step::Fail, Step::FailForGood] {
        let rig = Rig::<K, B>::new(Settings::size(1));
        let conn = rig.get();
        rig.script.always(Call::Connect, step);
        conn.discard();
        let short = std::time::Duration::from_millis(50);
        // A pool that connects on a thread of its own may not have tried within a time that is
        // short enough for a test.
        wait::until("the manager's error to be known", || {
            let Err(error) = rig.pool.get_timeout(short) else {
                panic!("a connection, although each connect fails")
            };
            is_from_the_manager::<B>(&error)
        });
        rig.script.always(Call::Connect, Step::Pass);
        // A dial that began before that still fails, and would tell the next waiter.
        wait::until("the last dial to end", || rig.pool.state().connecting == 0);
        rig.assert_whole(1);
    }
}

pub fn no_error_shows_a_password<K: PoolUnderTest, B: ManagerUnderTest>() {
    let subject = B::start();
    let Err(error) = K::build(subject.refused_manager(), Settings::size(1)) else {
        panic!("`refused_manager` connected: give it a wrong password, or another lasting fault")
    };
    let mut shown = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(error) = source {
        shown += &format!("{error} {error:?}");
        source = error.source();
    }
    if let Some(password) = B::PASSWORD {
        assert!(
            !shown.contains(password),
            "the error of a refused connect shows the password: leave it out of `Display`, `Debug` \
             and the sources. The texts: {shown}"
        );
    }
}

pub fn state_counts_what_happened<K: PoolUnderTest, B: ManagerUnderTest>() {
    let rig = Rig::<K, B>::new(Settings::size(1));
    let conn = rig.get();
    let state = rig.pool.state();
    assert_eq!((state.open, state.borrowed, state.idle, state.waiting), (1, 1, 0, 0), "{state}");
    assert_eq!(state.max_size, Some(1));
    assert!(!state.closed);
    drop(conn);
    let state = rig.pool.state();
    assert_eq!((state.open, state.borrowed, state.idle), (1, 0, 1), "{state}");
    rig.get().discard();
    drop(rig.get().detach());
    let state = rig.pool.state();
    assert_eq!((state.open, state.borrowed, state.idle), (0, 0, 0), "{state}");
    assert_eq!(state.counters.closed(CloseReason::Discarded), 1);
    assert_eq!(state.counters.closed(CloseReason::Detached), 1);
    assert_eq!(state.counters.opened, rig.ledger.opened());
    assert_eq!(state.counters.closed_total(), rig.ledger.closed());
}
