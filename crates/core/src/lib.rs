//! The traits, errors and policies that the threadwise pools share.
//!
//! A program meets these types:
//!
//! | type | what it is |
//! |---|---|
//! | [`Pool`] | the trait of every pool: `get`, `try_get`, `get_timeout`, `manager`, `state`, `close` |
//! | [`Guard`] | a borrowed connection: `discard`, `detach`, `steady` |
//! | [`GetError`], [`BuildError`], [`ConnectError`] | why a `get` or a `build` failed; [`chain()`] prints an error with its causes |
//! | [`State`], [`Counters`], [`CloseReason`] | what a pool holds and has counted |
//! | [`Validation`], [`Reset`] | when a pool validates a connection and resets its session |
//! | [`Hooks`], [`Events`], [`Report`], [`Holder`] | what a program can do with each connection, and what a pool tells it |
//! | [`ManageConnection`] | opens, checks, resets and closes connections: write one for another driver |
//! | [`Clock`], [`VirtualClock`] | a pool's time, for tests |
//!
//! The pool crates and the facade `threadwise` re-export the types that their users need. This crate is
//! for code that is generic over pools, and for writers of managers and pools:
//!
//! ```
//! use threadwise_core::{GetError, ManageConnection, Pool};
//!
//! /// Runs on a shared pool, a per-thread pool or a queue: the caller decides.
//! fn answer<P>(pool: &P) -> Result<u32, GetError<<P::Manager as ManageConnection>::Error>>
//! where
//!     P: Pool,
//!     P::Manager: ManageConnection<Connection = u32>,
//! {
//!     let mut number = pool.get()?;
//!     *number += 1;
//!     Ok(*number)
//! }
//! ```
//!
//! # Files
//!
//! In reading order:
//!
//! | file | holds |
//! |---|---|
//! | `pool` | the trait [`Pool`], and what every pool promises |
//! | `guard` | the trait [`Guard`] |
//! | `manager` | the trait [`ManageConnection`] |
//! | `error` | [`GetError`], [`BuildError`], [`ConnectError`] and what they carry |
//! | `report` | [`chain()`] |
//! | `state`, `counters` | [`State`]; [`Counters`], [`CloseReason`], and the cells that count |
//! | `policy`, `policies` | [`Validation`] and [`Reset`]; [`Policies`], the settings that every pool has, and their setters |
//! | `hooks`, `events`, `holder` | [`Hooks`]; [`Events`] and [`Report`]; [`Holder`] |
//! | `lifecycle` | [`Lifecycle`]: what happens to a connection between two borrowers, the same in every pool |
//! | `churn` | notices that a pool closes most connections that come back |
//! | `runtime` | [`RuntimeCheck`]: notices a `get` that blocks an async runtime |
//! | `shortage` | recognizes the errors of a process that lacks descriptors, threads or memory |
//! | `clock`, `deadline`, `patience`, `backoff` | [`Clock`]; [`Deadline`], when a `get` gives up; [`Patience`], how long it waits for others; [`Backoff`], the pauses between attempts |
//! | [`foreign`] | calls of code that is not the pool's, with panics caught |
//! | [`fork`] | tells the pools that the process was forked |
//! | [`sync`] | the locks, atomics and threads of the pools, which loom replaces in models |
//! | `handle` | macros for the handles and guards of all pools |
//!
//! This crate starts no thread. [`sync`] has the locks of the pools. [`fork`] has a lock of the process,
//! and registers with the system for fork notification. `docs/unsafe.md` lists where `unsafe` is.

#![deny(unsafe_code)]

mod backoff;
mod churn;
mod clock;
mod contained;
mod counters;
mod deadline;
mod error;
mod events;
pub mod foreign;
pub mod fork;
mod guard;
mod handle;
mod holder;
mod hooks;
mod last_error;
mod lifecycle;
mod manager;
mod patience;
mod policies;
mod policy;
mod pool;
mod report;
mod runtime;
mod shortage;
mod state;
pub mod sync;

/// The largest limit of connections that a pool accepts; for writers of pools. No server has so many
/// sessions, and a pool's own tables still fit into memory.
pub const MOST_CONNECTIONS: usize = 1 << 20;

pub use backoff::Backoff;
pub use clock::{Clock, VirtualClock};
pub use counters::{CloseReason, CounterCells, Counters};
pub use deadline::Deadline;
pub use error::{BuildError, ConnectError, Exhausted, GetError, TimedOut};
pub use events::{Events, LogReports, Observer, Report};
pub use guard::Guard;
pub use holder::Holder;
pub use hooks::{HookError, Hooks};
pub use last_error::LastError;
pub use lifecycle::{Lifecycle, Refusals, Refused, Unchecked, Unfit, Veto, WasReset};
pub use manager::ManageConnection;
pub use patience::Patience;
pub use policies::Policies;
pub use policy::{Reset, Validation};
pub use pool::{GetResult, Pool};
pub use report::chain;
pub use runtime::RuntimeCheck;
pub use state::State;
