//! The benchmark harness of the threadwise pools: which pool suits your threads?
//!
//! Every contender does the same work on the same connections in the same process. Contenders take
//! short turns, so that other load on the machine affects all of them.
//!
//! | file | holds |
//! |---|---|
//! | [`workload`], [`workloads`] | what a workload is: threads, connections, pace; and all of them |
//! | [`operation`], [`queries`], [`hold`] | what a thread does with a connection |
//! | [`backend`] | the other end of connections: nothing, a SQLite file, a MariaDB or PostgreSQL server |
//! | [`contender`], [`contenders`] | what a contender is, and an adapter for each kind of pool |
//! | [`dial`], [`opened`] | opens connections without a manager; counts opened connections |
//! | [`runner`] | the threads that use a contender, round by round: the one loop that measures |
//! | [`assemble`] | puts workload, backend, contender and threads together; only this file knows all four |
//! | [`plan`], [`matchup`] | what to measure; one workload on one backend |
//! | [`experiment`], [`experiments`] | what an experiment is; workloads in turns, sweeps, breakdown, memory, scenarios |
//! | [`abroad`] | pools of other languages, in the same turns as ours |
//! | `rotation`, `summary` | the order of turns; the figures of a contender for the report |
//! | [`measure`], [`distribution`] | medians, percentiles and fairness, from counts and waits |
//! | [`usage`], [`heap`] | the processor time and the thread switches of a turn; an allocator that counts |
//! | [`claims`] | the limits that our pools promise to keep, and whether each holds |
//! | [`child`] | a child process that answers in lines, before a deadline |
//! | [`interrupt`] | ends a run early, with the figures so far |
//! | [`stamp`] | the machine, the source tree, the time and the command of a run |
//! | [`terminal`] | errors on one line |
//!
//! `threadwise-figures` has the names of contenders and backends, and the report. `threadwise-page`
//! shows a report as a page with plots, and as text.
//!
//! # How it is measured
//!
//! * All contenders of a workload are built first and stay alive until its end. They are measured
//!   one at a time, in rounds. Each round begins with the next contender and runs in the opposite
//!   direction, and contenders that a claim compares are side by side. The first round is the
//!   warmup, of which only the errors count. On MariaDB, workloads with claims have more and
//!   shorter rounds ([`Plan::turns`](plan::Plan::turns)). While a claim is undecided, its contenders
//!   get extra rounds.
//! * In a round, a contender's threads start together at a barrier and work until a fixed window is
//!   over. Each thread finishes its operation and is measured over its own time, so that a long
//!   operation is neither lost nor free. In `crowd-…` and `asleep-…` the time begins when the first
//!   thread has a connection and all others have asked for one. In `asleep-…` it ends with the
//!   window, because a thread that loses its turn must let thousands of others go first.
//! * An operation is: borrow a connection, use it, return it. The wait is the borrow: from just
//!   before it until the connection can be used. Reading the clock takes some tens of nanoseconds,
//!   more than some contenders take. So if an operation takes only nanoseconds (synthetic
//!   connections without holds and waits), one in 256 is timed and the others are only counted.
//!   Otherwise each is timed.
//! * The threads are not always the runner's: in `thread-per-task` each operation has its own
//!   thread, whose start and end count, and in `rayon-par-iter` they are rayon's.
//! * In `think-time` threads sleep before each operation. This counts for the throughput, and not
//!   as a wait.
//! * Synthetic connections are held as the workload says ([`Hold`](hold::Hold)): asleep in
//!   `starved`, `long-holds`, `long-tail`, `open-load`, `think-time` and `churn`, which leaves the
//!   processor to other threads, and computing in `short-holds`.
//! * Throughput and fairness are medians over the rounds. The waits of all threads and rounds go
//!   into one HDR histogram, from which the percentiles come. The [`claims`] compare within each
//!   round, and take the median of the ratios.
//! * Processor time and thread switches are those of the whole process, read before and after each
//!   measured turn. They do not include a server.
//! * Allocations are counted in separate turns after the measured ones.
//! * The loop that uses a contender is compiled for it. It has no dynamic dispatch.
//!
//! `docs/benchmarks.md` and `list` say what is unfair to which pool.

// For crates that others use; this one is not published.
#![allow(clippy::missing_panics_doc, clippy::must_use_candidate)]

pub mod abroad;
pub mod assemble;
pub mod backend;
pub mod child;
pub mod claims;
pub mod contender;
pub mod contenders;
pub mod dial;
pub mod distribution;
pub mod experiment;
pub mod experiments;
pub mod failure;
pub mod heap;
pub mod hold;
pub mod interrupt;
pub mod matchup;
pub mod measure;
pub mod opened;
pub mod operation;
pub mod plan;
pub mod queries;
pub mod runner;
pub mod stamp;
pub mod terminal;
pub mod usage;
pub mod workload;
pub mod workloads;

mod rotation;
mod summary;

pub use failure::{Failure, Result};
pub use fastrand::Rng;
pub use queries::Queries;
