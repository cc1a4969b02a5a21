//! The macros that make a `#[test]` of each promise.

/// Makes the tests of a manager, and those of each of the three pools with it.
///
/// Takes the type that implements [`ManagerUnderTest`](crate::ManagerUnderTest), and the
/// [parts](crate#parts) of the suite that it can do. The tests are in the modules `conformance::manager`,
/// `conformance::shared`, `conformance::persistent` and `conformance::queue`. Tests of a part that is not
/// named are ignored.
///
/// ```
/// # use std::convert::Infallible;
/// # use threadwise_conformance::{ManagerUnderTest, conformance};
/// # use threadwise_core::ManageConnection;
/// # struct Counter;
/// # impl ManageConnection for Counter {
/// #     type Connection = u64;
/// #     type Error = Infallible;
/// #     fn connect(&self) -> Result<u64, Infallible> { Ok(0) }
/// #     fn is_valid(&self, _: &mut u64) -> Result<(), Infallible> { Ok(()) }
/// #     fn has_broken(&self, _: &mut u64) -> bool { false }
/// # }
/// struct InMemory;
///
/// impl ManagerUnderTest for InMemory {
///     type Manager = Counter;
///
///     fn start() -> Self {
///         Self
///     }
///
///     fn manager(&self) -> Counter {
///         Counter
///     }
///
///     fn echo(&self, _: &mut u64, nonce: u64) -> Result<u64, Infallible> {
///         Ok(nonce)
///     }
/// }
///
/// conformance!(InMemory: );
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! conformance {
    ($subject:ty: $($part:ident),* $(,)?) => {
        mod conformance {
            #![allow(unused_imports)] // the type may have a path that is visible everywhere
            use super::*;

            mod manager {
                use super::*;
                $crate::manager_conformance!($subject: $($part),*);
            }
            mod shared {
                use super::*;
                $crate::pool_conformance!($subject, $crate::pools::Shared: $($part),*);
            }
            mod persistent {
                use super::*;
                $crate::pool_conformance!($subject, $crate::pools::Persistent: $($part),*);
            }
            mod queue {
                use super::*;
                $crate::pool_conformance!($subject, $crate::pools::Queue: $($part),*);
            }
        }
    };
}

/// Makes the tests of a manager alone. [`conformance!`](crate::conformance) says what it takes.
#[macro_export]
macro_rules! manager_conformance {
    ($subject:ty: $($part:ident),* $(,)?) => {
        $($crate::__promises!(@known $part);)*
        $crate::__promises! { @table [$($part)*] [$subject]
            always "" {
                validation_accepts_a_connection_that_works
                the_free_check_accepts_a_connection_that_works
                a_new_connection_is_in_no_transaction_and_may_stay
                connections_to_one_server_are_in_one_group
            }
            cut "not tried: the macro call does not name the part `cut`" {
                validation_finds_a_connection_that_the_server_closed
                an_error_of_a_use_can_be_printed
            }
            notice "not tried: the macro call does not name the part `notice`" {
                the_free_check_finds_a_connection_that_the_server_closed
            }
            quick_check "not tried: the macro call does not name the part `quick_check`" {
                the_quick_check_finds_a_connection_that_the_server_closed
            }
            silence "not tried: the macro call does not name the part `silence`" {
                a_connect_ends_at_its_limit
                a_validation_ends_at_its_limit
                a_reset_ends_at_its_limit
            }
            patience "not tried: the macro call does not name the part `patience`" {
                a_validation_whose_answer_is_late_can_be_continued
            }
            last_answer "not tried: the macro call does not name the part `last_answer`" {
                a_validation_moves_the_time_of_the_last_answer
            }
            outage "not tried: the macro call does not name the part `outage`" {
                an_outage_is_not_permanent
            }
            refusal "not tried: the macro call does not name the part `refusal`" {
                a_refusal_is_permanent
                a_refusal_can_be_printed_and_shows_no_password
            }
            lost "not tried: the macro call does not name the part `lost`" {
                an_error_of_a_lost_connection_is_lost
            }
            failure "not tried: the macro call does not name the part `failure`" {
                work_that_the_server_refuses_is_not_a_lost_connection
            }
            session "not tried: the macro call does not name the part `session`" {
                a_changed_session_is_known_and_a_reset_makes_it_new
            }
            changes "not tried: the macro call does not name the part `changes`" {
                a_session_without_a_use_has_not_changed
            }
            transaction "not tried: the macro call does not name the part `transaction`" {
                a_transaction_is_known_until_it_ends
                an_open_transaction_is_not_broken_on_return
            }
            shared_transaction "not tried: the macro call does not name the part `shared_transaction`" {
                threads_that_share_a_connection_know_its_transaction
            }
            commit "not tried: the macro call does not name the part `commit`" {
                an_error_of_a_commit_has_an_unknown_outcome
            }
            count "not tried: the macro call does not name the part `count`" {
                a_connect_opens_one_connection_and_a_close_ends_it
                a_connect_that_was_given_up_leaves_no_connection
            }
            labels "not tried: the macro call does not name the part `labels`" {
                labels_tell_connections_apart
            }
        }
    };
}

/// Makes the tests of one pool with a manager: `pool_conformance!(MyServer, Queue: cut, session)`. For
/// writers of pools; [`conformance!`](crate::conformance) says what the parts are.
#[macro_export]
macro_rules! pool_conformance {
    ($subject:ty, $pool:ty: $($part:ident),* $(,)?) => {
        $($crate::__promises!(@known $part);)*
        $crate::__promises! { @table [$($part)*] [$pool, $subject]
            always "" {
                // 1: the limit
                the_limit_is_exact_whatever_goes_wrong
                a_size_of_zero_is_refused
                // 2: capacity
                capacity_survives_a_failed_connect
                capacity_survives_a_panicking_connect
                capacity_survives_a_panicking_holder
                capacity_survives_a_panic_in_the_free_check
                capacity_survives_a_failed_validation
                capacity_survives_a_panicking_validation
                capacity_survives_a_failed_reset
                capacity_survives_a_panicking_reset
                capacity_survives_a_panicking_close
                capacity_survives_a_discard
                capacity_survives_a_detach
                a_forgotten_guard_is_reported_and_the_pool_still_closes
                a_discard_wakes_a_waiter
                a_detach_wakes_a_waiter
                a_panic_wakes_a_waiter
                a_broken_return_wakes_a_waiter
                a_return_wakes_a_waiter
                // 3: borrowed connections
                a_borrowed_connection_works
                a_broken_connection_is_not_lent_again
                a_connection_that_broke_while_idle_is_replaced
                a_connection_whose_holder_panicked_is_not_lent_again
                // 4: no lock around calls of the manager
                a_slow_manager_call_blocks_no_other_thread
                // 5: the deadline
                get_ends_at_its_deadline_when_all_are_in_use
                get_ends_at_its_deadline_when_connect_hangs
                get_ends_at_its_deadline_when_validation_hangs
                a_return_whose_reset_hangs_ends_at_the_validation_timeout
                a_timeout_of_zero_does_not_wait
                try_get_does_not_wait
                // 7: closing
                close_wakes_every_waiter
                close_closes_idle_connections_at_once
                close_closes_borrowed_connections_on_return
                close_is_final
                a_connection_that_is_opened_while_the_pool_closes_is_closed
                dropping_the_pool_closes_its_connections
                // 9: errors
                build_fails_with_the_managers_own_error
                a_failing_connect_reaches_the_borrower_with_its_cause
                state_counts_what_happened
            }
            cut "not tried: the macro call does not name the part `cut`" {
                a_connection_that_broke_in_use_is_not_lent_again
                a_validation_keeps_a_closed_connection_from_being_lent
            }
            notice "not tried: the macro call does not name the part `notice`" {
                a_connection_that_the_server_closed_is_replaced_before_its_use
            }
            lost "not tried: the macro call does not name the part `lost`" {
                steady_goes_on_after_the_server_closed_the_connection
            }
            outage "not tried: the macro call does not name the part `outage`" {
                a_pool_comes_back_after_an_outage
            }
            refusal "not tried: the macro call does not name the part `refusal`" {
                build_fails_if_the_server_refuses
                no_error_shows_a_password
            }
            // 6: sessions
            session "not tried: the macro call does not name the part `session`" {
                the_next_user_finds_a_fresh_session
                the_user_after_a_panic_finds_a_fresh_session
            }
            changes "not tried: the macro call does not name the part `changes`" {
                an_unchanged_session_is_not_reset
            }
            transaction "not tried: the macro call does not name the part `transaction`" {
                the_next_borrower_is_in_no_transaction
            }
            retire "not tried: the macro call does not name the part `retire`" {
                a_connection_that_should_retire_is_closed_on_return
            }
            threads "not tried: the macro call does not name the part `threads`" {
                a_closed_pool_ends_the_threads_of_its_manager
            }
            // 8: forked children
            fork "not tried: the macro call does not name the part `fork`" {
                a_forked_child_opens_its_own_connection
            }
        }
    };
}

/// Compares the parts of a table with those of a macro call, which a macro can only do by rules with
/// their names.
#[doc(hidden)]
#[macro_export]
macro_rules! __promises {
    // A table: `part "reason to ignore it" { tests }`.
    (@table $given:tt $types:tt $($part:ident $why:literal { $($promise:ident)* })*) => {
        $($crate::__promises!(@part $part $given $why $types $($promise)*);)*
    };

    // The tests of one part: run if the part is always tried, or the first of those that were given.
    (@part always $given:tt $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part cut [cut $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part notice [notice $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part quick_check [quick_check $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part silence [silence $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part patience [patience $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part last_answer [last_answer $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part outage [outage $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part refusal [refusal $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part lost [lost $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part failure [failure $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part session [session $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part changes [changes $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part transaction [transaction $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part shared_transaction [shared_transaction $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part commit [commit $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part count [count $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part labels [labels $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part retire [retire $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part threads [threads $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    (@part fork [fork $($rest:ident)*] $why:literal $types:tt $($promise:ident)*) => {
        $crate::__promises!(@run $types $($promise)*);
    };
    // Otherwise look at the next of those that were given.
    (@part $part:ident [$other:ident $($rest:ident)*] $($more:tt)*) => {
        $crate::__promises!(@part $part [$($rest)*] $($more)*);
    };
    (@part $part:ident [] $why:literal $types:tt $($promise:ident)*) => {
        $($crate::__promises!(@ignored $why $types $promise);)*
    };

    (@run $types:tt $($promise:ident)*) => {
        $($crate::__promises!(@test $types $promise);)*
    };
    (@test [$($type:ty),*] $promise:ident) => {
        #[test]
        fn $promise() {
            $crate::promises::$promise::<$($type),*>();
        }
    };
    (@ignored $why:literal [$($type:ty),*] $promise:ident) => {
        #[test]
        #[ignore = $why]
        fn $promise() {
            $crate::promises::$promise::<$($type),*>();
        }
    };

    // The names of the parts, so that a wrong one does not compile.
    (@known cut) => {};
    (@known notice) => {};
    (@known quick_check) => {};
    (@known silence) => {};
    (@known patience) => {};
    (@known last_answer) => {};
    (@known outage) => {};
    (@known refusal) => {};
    (@known lost) => {};
    (@known failure) => {};
    (@known session) => {};
    (@known changes) => {};
    (@known transaction) => {};
    (@known shared_transaction) => {};
    (@known commit) => {};
    (@known count) => {};
    (@known labels) => {};
    (@known retire) => {};
    (@known threads) => {};
    (@known fork) => {};
    (@known $other:ident) => {
        compile_error!(concat!(
            "the conformance suite has no part `",
            stringify!($other),
            "`; the parts are cut, notice, quick_check, silence, patience, last_answer, outage, refusal, lost, failure, session, changes, transaction, shared_transaction, commit, count, labels, retire, threads, fork"
        ));
    };
}
