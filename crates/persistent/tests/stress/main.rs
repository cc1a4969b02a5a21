//! Random operations on threads that start and end, while another thread closes the pool at a random
//! moment. No connection has two users, none is lost, and none stays open.
//!
//! `THREADWISE_STRESS_SECONDS` sets the duration (2 by default), and `THREADWISE_STRESS_SEED` the random
//! choices. A seed does not determine how threads interleave, so a seed that failed once fails often, but
//! not always.

mod closing;
mod round;

use std::ops::AddAssign;

use threadwise_testkit::{panics, stress};

#[test]
fn random_operations_on_threads_that_come_and_go_lose_no_connection() {
    panics::mute_planned_ones();
    let (rounds, done) = rounds(round::run);
    println!("{rounds} rounds: {done:?}");
    done.assert_all_happened(rounds);
}

#[test]
fn a_pool_that_is_closed_while_threads_borrow_leaves_nothing_open_and_lends_no_connection_twice() {
    let (rounds, gets) = rounds(closing::run);
    println!("{rounds} rounds, {gets} gets");
}

/// Runs rounds for half of the duration.
fn rounds<T: Default + AddAssign>(run: impl Fn(u64) -> T) -> (u32, T) {
    stress::rounds(stress::time_or(2) / 2, run)
}
