//! What a manager does while the server does not answer.

#![expect(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "each function is a test, and its name says what it asserts"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use threadwise_core::ManageConnection;

use super::open;
use crate::rig::assert_answers;
use crate::subject::{ConnectionOf, ManagerUnderTest};
use crate::wait;

/// The limit that a call of the manager gets.
const LIMIT: Duration = Duration::from_millis(200);

/// A call that takes no longer than this has ended at its limit.
const IN_TIME: Duration = Duration::from_secs(1);

/// Runs a call whose limit is [`LIMIT`] while the server is silent, and returns its result.
///
/// # Panics
///
/// If the call has not ended after half of the test's patience. It goes on, on a thread of its own.
fn ends<T: Send + 'static>(method: &str, call: impl FnOnce() -> T + Send + 'static) -> T {
    let longest = wait::patience() / 2;
    threadwise_core::within(longest, call)
        .unwrap_or_else(|_| is_late(method, &format!("has not ended after {longest:?}")))
}

/// Runs a call whose limit is [`LIMIT`] on a connection whose server is silent, and returns its result. A
/// call that ends late, perhaps because the machine is busy, is tried again.
///
/// # Panics
///
/// If the call still ends late after a third of the test's patience.
fn ends_at_its_limit<B: ManagerUnderTest, T: Send + 'static>(
    method: &str,
    call: fn(&B::Manager, &mut ConnectionOf<B>) -> T,
) -> T {
    let begun = Instant::now();
    loop {
        let (subject, manager, mut conn) = silent::<B>();
        let (result, took, conn) = ends(method, move || {
            let called = Instant::now();
            let result = call(&manager, &mut conn);
            (result, called.elapsed(), conn)
        });
        subject.thaw();
        drop(conn); // which may say goodbye to the server
        if took <= IN_TIME {
            return result;
        }
        if begun.elapsed() >= wait::patience() / 3 {
            is_late(method, &format!("took {took:.1?}"));
        }
    }
}

fn is_late(method: &str, how: &str) -> ! {
    panic!(
        "the server does not answer, and `{method}` {how}, although its limit was {LIMIT:?}: set the \
         driver's timeouts to the limit that the method gets. Its default ignores the limit. For a driver \
         without timeouts, use `threadwise_core::within`"
    )
}

/// A subject whose server does not answer, and a connection that was opened before.
fn silent<B: ManagerUnderTest>() -> (B, Arc<B::Manager>, ConnectionOf<B>) {
    let subject = B::start();
    let manager = Arc::new(subject.manager());
    let mut conn = open::<B>(&manager);
    assert_answers(&subject, &mut conn);
    subject.freeze();
    (subject, manager, conn)
}

pub fn a_validation_ends_at_its_limit<B: ManagerUnderTest>() {
    let is_valid = ends_at_its_limit::<B, _>("is_valid_within", |manager, conn| {
        manager.is_valid_within(conn, LIMIT).is_ok()
    });
    assert!(!is_valid, "`is_valid_within` accepts a connection whose server does not answer");
}

pub fn a_connect_ends_at_its_limit<B: ManagerUnderTest>() {
    let is_open = ends_at_its_limit::<B, _>("connect_within", |manager, _| {
        manager.connect_within(LIMIT).is_ok()
    });
    assert!(
        !is_open,
        "`connect_within` returns a connection although the server did not answer: what listens at \
         the address must also answer before the connection is lent"
    );
}

/// The reset need not fail: some have nothing to ask the server.
pub fn a_reset_ends_at_its_limit<B: ManagerUnderTest>() {
    ends_at_its_limit::<B, _>("reset_within", |manager, conn| {
        drop(manager.reset_within(conn, LIMIT));
    });
}

pub fn a_validation_whose_answer_is_late_can_be_continued<B: ManagerUnderTest>() {
    let (subject, manager, mut conn) = silent::<B>();
    let asking = Arc::clone(&manager);
    let (answer, mut conn) = ends("is_valid_patient", move || {
        let answer = asking.is_valid_patient(&mut conn, LIMIT, Duration::from_secs(3600));
        (answer.map(|answer| answer.is_ok()), conn)
    });
    assert!(
        answer.is_none(),
        "the server has not answered yet, and `is_valid_patient` does not return `None`: leave the \
         answer outstanding, or take the part `patience` out of the macro call. The default waits"
    );
    subject.thaw();
    if let Err(error) = manager.is_valid_within(&mut conn, wait::patience()) {
        panic!("the late answer has come, and the next validation fails: {error:?}");
    }
    assert_answers(&subject, &mut conn);
}

pub fn a_connect_that_was_given_up_leaves_no_connection<B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = Arc::new(subject.manager());
    subject.freeze();
    let asking = Arc::clone(&manager);
    let is_open = ends("connect_within", move || asking.connect_within(LIMIT).is_ok());
    assert!(!is_open, "`connect_within` returns a connection although the server did not answer");
    subject.thaw();
    assert!(
        wait::has_come(|| subject.open_connections() == 0),
        "after a connect that failed, {} connections are open at the server: close what was opened \
         before the error, and keep no copy of the socket",
        subject.open_connections()
    );
}
