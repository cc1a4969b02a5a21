//! Random operations on threads that come and go, while the pool is closed at a random moment: no
//! connection is used by two, none is lost, and none is left open.
//!
//! `THREADWISE_STRESS_SECONDS` says for how long (2 by default), `THREADWISE_STRESS_SEED` with which
//! choices. Threads are not choices: a seed that failed fails often rather than always.

mod closing;
mod round;

use std::ops::AddAssign;

use threadwise_testkit::{panics, stress};

#[test]
fn random_operations_on_threads_that_come_and_go_keep_the_books_in_balance() {
    panics::mute_planned_ones();
    let (rounds, done) = rounds(round::play);
    println!("{rounds} rounds: {done:?}");
    done.assert_all_happened(rounds);
}

#[test]
fn a_pool_that_is_closed_while_threads_borrow_leaves_nothing_open_and_nothing_in_two_hands() {
    let (rounds, gets) = rounds(closing::play);
    println!("{rounds} rounds, {gets} connections lent");
}

/// Plays rounds for half of the time.
fn rounds<T: Default + AddAssign>(play: impl Fn(u64) -> T) -> (u32, T) {
    stress::rounds(stress::time_or(2) / 2, play)
}
