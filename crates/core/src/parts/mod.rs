//! The parts of a pool; for writers of pools. Users of pools and writers of managers need none of
//! them. They change more often than the rest of this crate.
//!
//! | part | what it is |
//! |---|---|
//! | [`Lifecycle`] | what happens to a connection between two borrowers, the same in every pool |
//! | [`Policies`], [`policy_setters!`](crate::policy_setters) | the settings that every pool has, and their setters |
//! | [`Setting`] | the value of a setting as a text |
//! | [`Refusals`], [`Refused`], [`Veto`], [`Unfit`], [`Unchecked`], [`WasReset`] | what a lifecycle returns |
//! | [`Deadline`], [`Patience`], [`Backoff`] | when a `get` gives up; how long it waits for others; the pauses between attempts |
//! | [`CounterCells`], [`LastError`], [`Observer`], [`RuntimeCheck`] | what a pool counts, remembers and tells |
//! | [`pool_handle!`](crate::pool_handle), [`pool_guard!`](crate::pool_guard) | macros for the handles and guards of all pools |
//! | [`Supplier`] | a function of the program that managers ask at each connect |
//! | [`foreign`] | calls the code of managers, hooks and events, and catches its panics |
//! | [`fork`] | tells the pools that the process was forked |
//! | [`sync`] | the locks, atomics and threads of the pools, which loom replaces in models |

mod backoff;
mod churn;
mod contained;
mod deadline;
pub mod foreign;
pub mod fork;
mod handle;
mod last_error;
mod lifecycle;
mod patience;
mod policies;
mod runtime;
mod setting;
mod supplier;
pub mod sync;

pub use backoff::Backoff;
pub use deadline::Deadline;
pub use last_error::LastError;
pub use lifecycle::{Lifecycle, Refusals, Refused, Unchecked, Unfit, Veto, WasReset};
pub use patience::Patience;
pub use policies::Policies;
pub use runtime::RuntimeCheck;
pub use setting::Setting;
pub use supplier::Supplier;

pub use crate::counters::CounterCells;
pub use crate::events::Observer;

/// The largest limit of connections that a pool accepts. No server has so many sessions, and a pool's
/// own tables still fit into memory.
pub const MOST_CONNECTIONS: usize = 1 << 20;
