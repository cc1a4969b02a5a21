//! The exchange against a plain model of a pool: thousands of random sequences of everything that
//! can happen to it, on a clock that the test turns, compared after each step.
//!
//! | file | holds |
//! |---|---|
//! | `step` | what can happen, and how often |
//! | `model` | the pool as one would explain it |
//! | `play`, `compare` | the steps on both, and whether both are the same afterwards |
//!
//! One thread plays all parts, so each step is over before the next begins, but for giving back: a
//! waiter may come, go or be dismissed between its first look at the line and its lock. The other
//! interleavings are the loom models' part, and so is whether a waiter that sleeps is woken: here
//! nobody sleeps, and mail is compared instead.
//!
//! The comparison was seen to fail for each of these changes:
//!
//! - in the exchange: a marked connection is handed on; a waiter is due only after `fair_after`, or
//!   at once; a due waiter is passed over; nobody is told to look; a look is not passed on by who
//!   is served, or by who gives up; who looked in vain still counts as looking; who was served
//!   already takes another; who joins is not announced, or does not look again; a new connection
//!   becomes idle though somebody waits; those who are dismissed are not told; what the pool had
//!   reserved stays reserved in a waiter's hands;
//! - in the line: last in is first out; the front is not; two look at once; who is served still
//!   counts as looking; who gave up stays, or is not told that it is too late; a ticket is good for
//!   the next user of its node; one too many may wait, or be open; dials under way are not counted;
//! - in the slots: a marked connection becomes idle; a mark is lost; a borrowed one is marked as
//!   stale; stale ones are never lent; uses are not counted; a lower limit spares those in use; too
//!   few slots are added.

mod compare;
mod model;
mod runner;
mod step;

use std::cell::RefCell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use runner::{EVENTS, play};
use step::{settings, steps};

/// In one sequence, at most.
const STEPS: usize = 60;

proptest! {
    // `PROPTEST_CASES` can ask for more.
    #![proptest_config(Config { cases: Config::default().cases.max(4_000), ..Config::default() })]

    #[test]
    fn the_exchange_does_what_the_model_does(settings in settings(), steps in steps(STEPS)) {
        play(settings, steps)?;
    }
}

#[test]
fn the_sequences_reach_every_event() {
    let happened = RefCell::new(BTreeSet::new());
    let config = Config { cases: 2_000, failure_persistence: None, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let sequences = (settings(), steps(STEPS));
    let result = TestRunner::new_with_rng(config, rng).run(&sequences, |(settings, steps)| {
        happened.borrow_mut().extend(play(settings, steps)?);
        Ok(())
    });
    result.unwrap();
    let never: Vec<_> = EVENTS.iter().filter(|event| !happened.borrow().contains(*event)).collect();
    assert!(never.is_empty(), "never happened: {never:?}");
}
