//! A connection pool from nothing, in seven steps.
//!
//! Each step is one file. Its head says what is new and what is still wrong with it, and its `main`
//! shows both: `cargo run -p build-your-own --bin b1_mutex_vec`. Changes from the step before are
//! marked `NEW`. The rest is the same, so a `diff` of two files is the lesson.
//!
//! | step | adds | its flaw |
//! |---|---|---|
//! | [`b1_mutex_vec`] | connections are kept and used again | there is no limit |
//! | [`b2_condvar`] | a limit, and waiting | a connection that is not returned is lost |
//! | [`b3_guards_and_panics`] | guards return connections, also in a panic | `get` may wait forever |
//! | [`b4_deadlines`] | one deadline for each `get` | it lends dead connections |
//! | [`b5_broken_connections`] | dead connections are replaced | a running thread overtakes a sleeping one |
//! | [`b6_fifo_hand_off`] | strict order | every use costs a thread switch and a lock |
//! | [`b7_atomics_and_hints`] | no lock while a connection is free; order within a millisecond | `SharedPool` does more |
//!
//! `server` is what they connect to. `sync` re-exports `std::sync`, or loom's version of it.
//! `slots` has the `unsafe` code of the last step.

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
