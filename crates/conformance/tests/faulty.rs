//! A faulty manager fails the test that is named for its fault, with a message that says what to do.

mod model;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use model::{Line, fault};
use threadwise_conformance::{ManagerUnderTest, pools, promises, wait};

/// How long a promise waits here: most of these tests wait for something that does not come.
const PATIENCE: Duration = Duration::from_secs(3);

/// Runs a promise that must fail. Asserts that its message contains the advice.
fn assert_caught(promise: fn(), advice: &str) {
    wait::set_patience(PATIENCE);
    let outcome = catch_unwind(AssertUnwindSafe(promise));
    let payload = outcome.expect_err("the promise holds, although the manager is faulty");
    let message = message_of(&*payload);
    assert!(message.contains(advice), "no {advice:?} in: {message}");
}

fn message_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref().copied()).expect("a message")
}

/// Makes a test for each fault of a manager: the promise that fails, and words of its message.
macro_rules! caught {
    ($($test:ident: $fault:ident fails $promise:ident with $advice:literal;)*) => {
        $(#[test]
        fn $test() {
            assert_caught(promises::$promise::<Line<{ fault::$fault }>>, $advice);
        })*
    };
}

/// The same for promises of the pools: on each of them.
macro_rules! caught_on_each_pool {
    ($($test:ident: $fault:ident fails $promise:ident with $advice:literal;)*) => {
        $(#[test]
        fn $test() {
            type Faulty = Line<{ fault::$fault }>;
            assert_caught(promises::$promise::<pools::Shared, Faulty>, $advice);
            assert_caught(promises::$promise::<pools::Persistent, Faulty>, $advice);
            assert_caught(promises::$promise::<pools::Queue, Faulty>, $advice);
        })*
    };
}

caught! {
    a_free_check_that_sees_no_hang_up: IS_NEVER_BROKEN
        fails the_free_check_finds_a_connection_that_the_server_closed
        with "`has_broken` does not see it";
    a_free_check_that_is_always_true: IS_ALWAYS_BROKEN
        fails the_free_check_accepts_a_connection_that_works
        with "every use costs a connect";
    a_free_check_that_counts_a_transaction_as_broken: COUNTS_A_TRANSACTION_AS_BROKEN
        fails an_open_transaction_is_not_broken_on_return
        with "Implement `has_broken_at`";
    a_quick_check_that_sees_no_hang_up: CHECKS_QUICKLY_IN_VAIN
        fails the_quick_check_finds_a_connection_that_the_server_closed
        with "`quick_check` returns `Ok`";
    a_quick_check_that_no_pool_calls: NEVER_CHECKS_QUICKLY
        fails the_quick_check_finds_a_connection_that_the_server_closed
        with "`quick_check_after` is `None`";
    a_validation_that_asks_no_server: VALIDATES_WITHOUT_ASKING
        fails validation_finds_a_connection_that_the_server_closed
        with "it must ask the server";
    a_validation_that_hangs: VALIDATES_WITHOUT_LIMIT
        fails a_validation_ends_at_its_limit
        with "set the driver's timeouts";
    a_validation_that_ends_at_the_drivers_own_timeout: VALIDATES_AT_ITS_OWN_TIMEOUT
        fails a_validation_ends_at_its_limit
        with "although its limit was 200ms";
    a_validation_that_gives_up_early: VALIDATES_IMPATIENTLY
        fails a_validation_whose_answer_is_late_can_be_continued
        with "leave the answer outstanding";
    a_validation_that_leaves_an_answer_unread: LEAVES_AN_ANSWER_UNREAD
        fails validation_accepts_a_connection_that_works
        with "left an answer unread";
    a_last_answer_that_never_moves: FORGETS_THE_LAST_ANSWER
        fails a_validation_moves_the_time_of_the_last_answer
        with "note the time when an answer has arrived";
    a_connect_that_hangs: CONNECTS_WITHOUT_LIMIT
        fails a_connect_ends_at_its_limit
        with "`connect_within` has not ended";
    a_connect_that_awaits_no_answer: CONNECTS_WITHOUT_AN_ANSWER
        fails a_connect_ends_at_its_limit
        with "must also answer";
    a_connect_that_leaks_a_connection: LEAKS_A_CONNECTION
        fails a_connect_opens_one_connection_and_a_close_ends_it
        with "after two connects, 4 connections are open";
    a_connect_that_leaks_when_it_fails: LEAKS_A_FAILED_CONNECT
        fails a_connect_that_was_given_up_leaves_no_connection
        with "keep no copy of the socket";
    a_close_that_closes_nothing: KEEPS_CLOSED_CONNECTIONS
        fails a_connect_opens_one_connection_and_a_close_ends_it
        with "`close` must end the connection";
    a_reset_that_hangs: RESETS_WITHOUT_LIMIT
        fails a_reset_ends_at_its_limit
        with "`reset_within` has not ended";
    a_reset_that_leaves_things: RESETS_IN_PART
        fails a_changed_session_is_known_and_a_reset_makes_it_new
        with "undo all of it";
    a_changed_session_that_counts_as_unchanged: HAS_NEVER_CHANGED
        fails a_changed_session_is_known_and_a_reset_makes_it_new
        with "`has_changed` is false";
    a_new_session_that_counts_as_changed: HAS_ALWAYS_CHANGED
        fails a_session_without_a_use_has_not_changed
        with "`has_changed` is true for a new session";
    a_transaction_that_is_denied: IS_NEVER_IN_A_TRANSACTION
        fails a_transaction_is_known_until_it_ends
        with "Note each begin and each end";
    a_transaction_that_is_invented: IS_ALWAYS_IN_A_TRANSACTION
        fails a_new_connection_is_in_no_transaction_and_may_stay
        with "only while a transaction is open";
    a_transaction_that_never_ends: IS_ALWAYS_IN_A_TRANSACTION
        fails a_transaction_is_known_until_it_ends
        with "`in_transaction` is true without a transaction";
    a_transaction_that_threads_do_not_see: HIDES_A_TRANSACTION_FROM_THREADS
        fails threads_that_share_a_connection_know_its_transaction
        with "the same answer as `in_transaction`";
    a_lost_connection_that_counts_as_failed_work: IS_NEVER_LOST
        fails an_error_of_a_lost_connection_is_lost
        with "Let `is_lost` be true";
    failed_work_that_counts_as_a_lost_connection: IS_ALWAYS_LOST
        fails work_that_the_server_refuses_is_not_a_lost_connection
        with "only for errors that end the connection";
    a_reconnect_that_forgets_the_loss: FINDS_A_LOST_CONNECTION_AGAIN
        fails an_error_of_a_lost_connection_is_lost
        with "an error that is no longer lost";
    a_commit_that_would_be_repeated: REPEATS_A_COMMIT
        fails an_error_of_a_commit_has_an_unknown_outcome
        with "the server may have committed";
    a_refusal_that_counts_as_passing: IS_NEVER_PERMANENT
        fails a_refusal_is_permanent
        with "only at their deadlines";
    an_outage_that_counts_as_permanent: IS_ALWAYS_PERMANENT
        fails an_outage_is_not_permanent
        with "a server that is away can come back";
    an_error_that_panics_in_display: PANICS_IN_DISPLAY
        fails a_refusal_can_be_printed_and_shows_no_password
        with "printing the error panics";
    an_error_of_a_use_that_panics_in_display: PANICS_IN_DISPLAY
        fails an_error_of_a_use_can_be_printed
        with "printing the error panics";
    an_error_that_shows_the_password: SHOWS_THE_PASSWORD
        fails a_refusal_can_be_printed_and_shows_no_password
        with "leave it out";
    a_group_for_each_connection: GROUPS_BY_CONNECTION
        fails connections_to_one_server_are_in_one_group
        with "must number the hosts";
    labels_that_are_all_alike: LABELS_ALL_ALIKE
        fails labels_tell_connections_apart
        with "the session's number at the server";
    a_new_connection_that_should_retire: ALWAYS_RETIRES
        fails a_new_connection_is_in_no_transaction_and_may_stay
        with "only if its host is about to stop";
}

caught_on_each_pool! {
    a_broken_connection_that_is_lent_again: IS_NEVER_BROKEN
        fails a_connection_that_broke_in_use_is_not_lent_again
        with "Set a flag where the driver returns the error";
    a_session_that_the_next_user_finds_changed: RESETS_IN_PART
        fails the_next_user_finds_a_fresh_session
        with "the next user finds what the last one left";
    a_session_that_no_reset_reaches: HAS_NEVER_CHANGED
        fails the_next_user_finds_a_fresh_session
        with "only if `has_changed` returns true";
    a_session_that_is_reset_after_each_use: HAS_ALWAYS_CHANGED
        fails an_unchanged_session_is_not_reset
        with "`has_changed` must return false";
    steady_that_cannot_go_on: IS_NEVER_LOST
        fails steady_goes_on_after_the_server_closed_the_connection
        with "`on_error` must return `Lost`";
    a_password_in_an_error_of_the_pool: SHOWS_THE_PASSWORD
        fails no_error_shows_a_password
        with "leave it out";
    a_connection_that_should_leave_and_stays: NEVER_RETIRES
        fails a_connection_that_should_retire_is_closed_on_return
        with "`should_retire` is false";
    a_thread_that_outlives_the_pool: KEEPS_ITS_THREAD
        fails a_closed_pool_ends_the_threads_of_its_manager
        with "end them in `pool_closed`";
}

#[cfg(unix)]
#[test]
fn a_child_that_closes_its_parents_connection() {
    type Faulty = Line<{ fault::CLOSES_IN_A_CHILD }>;
    const ADVICE: &str = "`forget_in_child` must send nothing";
    threadwise_conformance::forked::alone(|| {
        use promises::a_forked_child_opens_its_own_connection as promise;
        assert_caught(promise::<pools::Shared, Faulty>, ADVICE);
        assert_caught(promise::<pools::Persistent, Faulty>, ADVICE);
        assert_caught(promise::<pools::Queue, Faulty>, ADVICE);
    });
}

#[test]
fn a_part_without_its_method_says_that_it_was_not_tried() {
    let promise = promises::a_changed_session_is_known_and_a_reset_makes_it_new::<Bare>;
    assert_caught(promise, "not tried: the macro call names a part of the suite that needs");
    let promise = promises::an_outage_is_not_permanent::<Bare>;
    assert_caught(promise, "or, if the server is on TCP, `ManagerUnderTest::proxy`");
}

/// A subject with only what is required.
struct Bare(Line<{ fault::NONE }>);

impl ManagerUnderTest for Bare {
    type Manager = model::Manager<{ fault::NONE }>;

    fn start() -> Self {
        Self(Line::start())
    }

    fn manager(&self) -> Self::Manager {
        self.0.manager()
    }

    fn echo(&self, conn: &mut model::Session, nonce: u64) -> Result<u64, model::Failure> {
        self.0.echo(conn, nonce)
    }
}
