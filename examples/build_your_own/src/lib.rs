//! A connection pool from nothing, in seven steps.
//!
//! Each step is one file, which says at its head what is new and what is still wrong with it, and
//! ends in a small scene that shows both: `cargo run -p build-your-own --bin b1_mutex_vec`. What is
//! new against the step before is marked `NEW`; the rest is the same, so that a `diff` of two files
//! is the lesson.
//!
//! | step | adds | leaves |
//! |---|---|---|
//! | [`b1_mutex_vec`] | connections are kept and used again | nothing limits how many |
//! | [`b2_condvar`] | a limit, and waiting for one to come back | what is not given back is lost |
//! | [`b3_guards_and_panics`] | guards give back, also in a panic | waits for ever |
//! | [`b4_deadlines`] | one deadline for each `get` | lends dead connections |
//! | [`b5_broken_connections`] | dead ones are replaced | who runs overtakes who sleeps |
//! | [`b6_fifo_hand_off`] | strict order | every use costs a switch of threads, and a lock |
//! | [`b7_atomics_and_hints`] | no lock while one is free; order within a millisecond | what `SharedPool` has beyond it |
//!
//! `server` is what they connect to, `sync` the door to `std::sync` or to loom's, and `slots` the
//! `unsafe` of the last step.

#![allow(
    clippy::missing_panics_doc,
    reason = "a lock is poisoned by a panic under it, and nothing there panics"
)]

pub mod b1_mutex_vec;
pub mod b2_condvar;
pub mod b3_guards_and_panics;
pub mod b4_deadlines;
pub mod b5_broken_connections;
pub mod b6_fifo_hand_off;
pub mod b7_atomics_and_hints;
pub mod server;
mod slots;
pub mod sync;
