//! What the threadwise pools share: the traits, the errors, the policies.
//!
//! | file | holds |
//! |---|---|
//! | [`manager`](ManageConnection) | how connections are opened, checked, put right and closed |
//! | [`pool`](Pool) | what a pool does, so that code can be written for any of them |
//! | [`error`](GetError) | why a `get` or a `build` failed, as variants a program can match on |
//! | [`report`](chain()) | an error and its causes as one text |
//! | [`state`](State) | what a pool holds right now, and what it counted so far |
//! | [`policy`](Validation) | when a connection is checked and when its session is reset |
//! | [`policies`](Policies) | these and the other settings that every pool has |
//! | [`clock`](Clock) | where a pool takes its time from |
//! | [`deadline`](Deadline) | the one moment until which a `get` may wait |
//! | [`hooks`](Hooks) | what a program does with each connection at certain moments |
//! | [`events`](Events), [`holder`](Holder) | what a program can be told of, and about whom |
//! | [`patience`](Patience) | how long a caller waits for others, and what time it has for its own work |
//! | [`runtime`](RuntimeCheck) | notices a `get` that blocks an async runtime |
//! | [`foreign`] | the one way in which a pool calls code that is not its own |
//! | [`lifecycle`](Lifecycle) | what happens to a connection between two users, the same on every pool |
//!
//! Users of a pool rarely name this crate: the pool crates and the facade `threadwise` re-export
//! what is needed. It is for those who write a connection manager, a pool, or code that is generic
//! over pools:
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
//! There is no thread here, no lock but the one in [`sync`], which the pools use, and no `unsafe` but in
//! [`fork`], which asks the system to be told of forks.

#![deny(unsafe_code)]

mod backoff;
mod churn;
mod clock;
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

/// The largest limit of connections that a pool takes; for writers of pools. No server has so many
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
pub use lifecycle::{Lifecycle, Refusals, Refused, Unchecked, Unfit, Veto, WasReset};
pub use manager::ManageConnection;
pub use patience::Patience;
pub use policies::Policies;
pub use policy::{Reset, Validation};
pub use pool::{GetResult, Pool};
pub use report::chain;
pub use runtime::RuntimeCheck;
pub use state::State;
