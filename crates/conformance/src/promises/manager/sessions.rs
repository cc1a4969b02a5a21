//! What a manager knows about a session, and that a reset makes it new.

#![expect(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "each function is a test, and its name says what it asserts"
)]

use threadwise_core::{ManageConnection, Moment, Reset};

use super::open;
use crate::rig::assert_answers;
use crate::subject::ManagerUnderTest;
use crate::wait;

pub fn a_changed_session_is_known_and_a_reset_makes_it_new<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    let mut conn = open::<B>(&manager);
    assert!(
        subject.is_fresh(&mut conn),
        "`is_fresh` is false for a new session: fix `ManagerUnderTest::is_fresh`, or what `start` \
         prepares"
    );
    subject.soil(&mut conn);
    assert!(
        manager.has_changed(&mut conn),
        "`has_changed` is false after a use that changed the session: then a pool does not reset it. \
         Return true whenever the session might differ from a new one; the default always does"
    );
    assert!(
        !subject.is_fresh(&mut conn),
        "`is_fresh` does not see what `soil` has done, so this test could not fail"
    );
    if let Err(error) = manager.reset_within(&mut conn, wait::patience()) {
        panic!(
            "`reset_within` fails on a session that `soil` has changed: then each use costs a connect. \
             The error: {error:?}"
        );
    }
    manager.begin_session(&mut conn);
    assert!(
        subject.is_fresh(&mut conn),
        "`reset_within` returned `Ok`, and the session still has what `soil` has done: undo all of \
         it, or return an error, which makes the pool close the connection. The default does nothing"
    );
}

pub fn a_session_without_a_use_has_not_changed<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    let mut conn = open::<B>(&manager);
    let advice = "what the manager itself does while it connects or resets is no change: forget it in \
                  `begin_session`. Without that, take the part `changes` out of the macro call";
    assert!(!manager.has_changed(&mut conn), "`has_changed` is true for a new session: {advice}");
    manager.reset_within(&mut conn, wait::patience()).expect("a reset of a new session");
    manager.begin_session(&mut conn);
    assert!(!manager.has_changed(&mut conn), "`has_changed` is true after a reset: {advice}");
}

pub fn a_transaction_is_known_until_it_ends<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    let mut conn = open::<B>(&manager);
    for _ in 0..2 {
        assert!(
            !manager.in_transaction(&mut conn),
            "`in_transaction` is true without a transaction: `steady` then repeats nothing, and a \
             pool keeps the connection for ever"
        );
        subject.begin(&mut conn);
        assert!(
            manager.in_transaction(&mut conn),
            "a transaction is open, and `in_transaction` is false: `steady` would repeat a part of a \
             transaction on another connection. Note each begin and each end, or read the server's status"
        );
        assert!(
            manager.has_changed(&mut conn),
            "a transaction is open, and `has_changed` is false: then a pool does not roll it back"
        );
        assert_answers(&subject, &mut conn);
        assert!(manager.in_transaction(&mut conn), "a use in a transaction does not end it");
        if let Err(error) = manager.reset_within(&mut conn, wait::patience()) {
            panic!("`reset_within` cannot roll an open transaction back: {error:?}");
        }
        manager.begin_session(&mut conn);
    }
}

pub fn an_open_transaction_is_not_broken_on_return<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    let mut conn = open::<B>(&manager);
    subject.begin(&mut conn);
    assert!(
        !manager.has_broken_at(&mut conn, Moment::Return { reset: Reset::WhenChanged }),
        "the free check counts an open transaction as broken on return: the pool closes the connection, \
         although the reset would roll the transaction back. Implement `has_broken_at`, and leave \
         transactions out of the answer for `Moment::Return`"
    );
}

pub fn threads_that_share_a_connection_know_its_transaction<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    let mut conn = open::<B>(&manager);
    assert!(!manager.in_transaction_shared(&conn), "true without a transaction");
    subject.begin(&mut conn);
    assert!(
        manager.in_transaction_shared(&conn),
        "a transaction is open, and `in_transaction_shared` is false: another thread would join it. \
         Give it the same answer as `in_transaction`; its default is always false"
    );
    manager.reset_within(&mut conn, wait::patience()).expect("a reset that rolls back");
    assert!(!manager.in_transaction_shared(&conn), "true after the transaction was rolled back");
}
