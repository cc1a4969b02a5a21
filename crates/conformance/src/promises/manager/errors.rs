//! What a manager says about errors.

#![expect(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "each function is a test, and its name says what it asserts"
)]

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

use threadwise_core::{ManageConnection, Moment, Outcome, Reset};

use super::open;
use crate::rig::assert_answers;
use crate::subject::{ErrorOf, ManagerUnderTest};
use crate::wait;

/// The longest chain of sources that an error may have.
const LONGEST_CHAIN: usize = 100;

/// All texts of an error and of its sources.
///
/// # Panics
///
/// If the error cannot be printed.
fn texts_of(error: &(dyn Error + 'static)) -> String {
    let print = || {
        let mut texts = String::new();
        let mut next = Some(error);
        for _ in 0..LONGEST_CHAIN {
            let Some(error) = next else { return Some(texts) };
            texts += &format!("{error} {error:?} {error:#?} ");
            next = error.source();
        }
        None
    };
    match catch_unwind(AssertUnwindSafe(print)) {
        Ok(Some(texts)) => texts,
        Ok(None) => panic!(
            "the error has more than {LONGEST_CHAIN} sources: `source` must return the cause, and \
             never the error itself"
        ),
        Err(_) => panic!(
            "printing the error panics: `Display`, `Debug` and `source` of the error and of its \
             sources must work for every value"
        ),
    }
}

/// The error of a use of a connection that the server has closed.
fn lost<B: ManagerUnderTest>(
    subject: &B,
    manager: &B::Manager,
) -> (crate::ConnectionOf<B>, ErrorOf<B>) {
    let mut conn = open::<B>(manager);
    assert_answers(subject, &mut conn);
    subject.cut(&mut conn);
    match subject.echo(&mut conn, 1) {
        Err(error) => (conn, error),
        Ok(_) => panic!(
            "a use of a connection that the server has closed succeeds: fix `ManagerUnderTest::cut`, \
             or let `echo` ask the server"
        ),
    }
}

fn refusal<B: ManagerUnderTest>(manager: &B::Manager) -> ErrorOf<B> {
    match manager.connect() {
        Err(error) => error,
        Ok(_) => panic!(
            "`refused_manager` connected: give it a wrong password, or another lasting fault"
        ),
    }
}

pub fn an_error_of_a_use_can_be_printed<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    let (_, error) = lost(&subject, &manager);
    texts_of(&error);
    let mut conn = open::<B>(&manager);
    assert_answers(&subject, &mut conn);
    subject.cut(&mut conn);
    if let Err(error) = manager.is_valid(&mut conn) {
        texts_of(&error);
    }
}

pub fn a_refusal_can_be_printed_and_shows_no_password<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.refused_manager();
    let mut texts = texts_of(&refusal::<B>(&manager));
    texts.extend(manager.address());
    if let Some(password) = B::PASSWORD {
        assert!(
            !texts.contains(password),
            "the error of a refused connect, or `address`, shows the password: leave it out of \
             `Display`, `Debug` and the sources. The texts: {texts}"
        );
    }
}

pub fn a_refusal_is_permanent<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.refused_manager();
    let error = refusal::<B>(&manager);
    assert!(
        manager.is_permanent(&error),
        "the server refuses for a reason that stays, and `is_permanent` is false: then waiters learn of \
         a wrong password only at their deadlines. The error: {error:?}"
    );
    assert!(
        !manager.is_shortage(&error),
        "a refusal counts as a shortage of this process: {error:?}"
    );
}

pub fn an_outage_is_not_permanent<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    subject.stop_server();
    let Err(error) = manager.connect_within(wait::patience()) else {
        panic!("the server is stopped, and `connect_within` returns a connection");
    };
    assert!(
        !manager.is_permanent(&error),
        "a server that is away can come back, and `is_permanent` is true: then a pool gives up \
         during an outage. The error: {error:?}"
    );
    texts_of(&error);
    subject.start_server();
    drop(open::<B>(&manager));
}

pub fn an_error_of_a_lost_connection_is_lost<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    let (mut conn, error) = lost(&subject, &manager);
    let outcome = manager.on_error(&mut conn, &error);
    assert_eq!(
        outcome,
        Outcome::Lost,
        "the server has closed the connection, no transaction was open, and `on_error` does not say \
         `Lost`: then `steady` does not open a new connection. Let `is_lost` be true for the \
         driver's errors of a lost connection. The error: {error:?}"
    );
    let was_lost = manager.is_lost(&error);
    let cause = std::io::Error::other("no new connection");
    let error = manager.not_reconnected(error, &cause);
    assert_eq!(
        manager.is_lost(&error),
        was_lost,
        "`not_reconnected` returns an error that is no longer lost: {error:?}"
    );
}

pub fn work_that_the_server_refuses_is_not_a_lost_connection<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    let mut conn = open::<B>(&manager);
    let error = subject.fail(&mut conn);
    texts_of(&error);
    assert_eq!(
        manager.on_error(&mut conn, &error),
        Outcome::Failed,
        "the server refused the work, and `on_error` does not say `Failed`: then `steady` opens \
         another connection and does the work twice. Let `is_lost` be true only for errors that end the \
         connection. The error: {error:?}"
    );
    assert!(
        !manager.has_broken_at(&mut conn, Moment::Return { reset: Reset::WhenChanged }),
        "the server refused the work, and the connection counts as broken: then each wrong statement \
         costs a connect. Mark it only after an error that ends the connection"
    );
    assert_answers(&subject, &mut conn);
}

pub fn an_error_of_a_commit_has_an_unknown_outcome<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = subject.manager();
    let mut conn = open::<B>(&manager);
    subject.begin(&mut conn);
    subject.cut(&mut conn);
    let Err(error) = subject.commit(&mut conn) else {
        panic!("a commit on a connection that the server has closed succeeds");
    };
    assert_eq!(
        manager.on_error(&mut conn, &error),
        Outcome::Unknown,
        "the connection was lost during a commit, and `on_error` does not say `Unknown`: the server \
         may have committed, and `steady` would do the work twice. Note in the connection that a \
         commit is running. The error: {error:?}"
    );
}
