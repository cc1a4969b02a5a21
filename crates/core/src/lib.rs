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
//! | [`Outcome`], [`ConnectionInfo`] | what an error of a use means; what identifies a connection in events |
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
//! | `manager`, `moment`, `outcome`, `info` | the trait [`ManageConnection`]; [`Moment`], [`Outcome`] and [`ConnectionInfo`], which it speaks of |
//! | `error` | [`GetError`], [`BuildError`], [`ConnectError`] and what they carry |
//! | `report` | [`chain()`] |
//! | `state`, `counters` | [`State`]; [`Counters`], [`CloseReason`], and the cells that count |
//! | `policy` | [`Validation`] and [`Reset`] |
//! | `hooks`, `events`, `holder` | [`Hooks`]; [`Events`] and [`Report`]; [`Holder`] |
//! | `shortage` | [`is_shortage()`]: recognizes the errors of a process that lacks descriptors, threads or memory |
//! | `clock` | [`Clock`] and [`VirtualClock`] |
//! | `within` | [`within()`]: a bound for a driver's calls that have none |
//! | [`parts`] | what only writers of pools need |
//!
//! This crate starts no thread. [`parts::sync`] has the locks of the pools. [`parts::fork`] has a lock of
//! the process, and registers with the system for fork notification. `docs/unsafe.md` lists where
//! `unsafe` is.

#![deny(unsafe_code)]

mod clock;
mod counters;
mod error;
mod events;
mod guard;
mod holder;
mod hooks;
mod info;
mod manager;
mod moment;
mod outcome;
pub mod parts;
mod policy;
mod pool;
mod report;
mod shortage;
mod state;
mod within;

pub use clock::{Clock, VirtualClock};
pub use counters::{CloseReason, Counters};
pub use error::{BuildError, ConnectError, Exhausted, GetError, TimedOut};
pub use events::{Events, LogReports, Report};
pub use guard::Guard;
pub use holder::Holder;
pub use hooks::{HookError, Hooks};
pub use info::ConnectionInfo;
pub use manager::ManageConnection;
pub use moment::Moment;
pub use outcome::Outcome;
pub use policy::{Reset, Validation};
pub use pool::{GetResult, Pool};
pub use report::chain;
pub use shortage::is_shortage;
pub use state::State;
pub use within::within;
