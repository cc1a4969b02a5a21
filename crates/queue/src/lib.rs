//! [`QueuePool`]: a fixed number of connections in a queue. The simplest of the pools, and the first
//! one to read.
//!
//! **Choose it** if the number of connections is known and does not change: for a service with a fixed
//! set of workers, or for a tool that reads a database with eight threads. The pool starts no
//! background thread. `build()` opens all connections at the same time, and fails if one of them cannot
//! be opened. `get` borrows the connection that has been idle longest, so every connection is used
//! regularly. It costs little more than the channel that holds the queue.
//!
//! **Choose another pool** if the load varies (a shared pool opens and closes connections as needed, and
//! a slow dial holds up none of its other waiters), or if each thread should keep a connection of its
//! own (a per-thread pool). If several threads can use one connection of your driver at the same time,
//! see [`RoundRobin`] in this crate.
//!
//! **The mistakes it avoids**: a simple queue of connections lends dead connections, loses capacity
//! when a borrower panics or the server is away, never wakes its waiters when it is closed, and lets a
//! forked child write to its parent's connections. This pool queues *places* instead. A place always
//! comes back, with a connection or without one, and the borrower that receives an empty place opens
//! the missing connection.
//!
//! ```
//! use threadwise_core::ManageConnection;
//! use threadwise_queue::QueuePool;
//!
//! /// Makes numbers; yours opens sockets.
//! struct Numbers;
//!
//! impl ManageConnection for Numbers {
//!     type Connection = u32;
//!     type Error = std::io::Error;
//!     fn connect(&self) -> Result<u32, Self::Error> { Ok(41) }
//!     fn is_valid(&self, _: &mut u32) -> Result<(), Self::Error> { Ok(()) }
//!     fn has_broken(&self, _: &mut u32) -> bool { false }
//! }
//!
//! let pool = QueuePool::builder().name("answers").size(3).build(Numbers)?;
//! std::thread::scope(|threads| {
//!     for _ in 0..12 {
//!         threads.spawn(|| *pool.get().unwrap() += 1); // the guard returns the connection
//!     }
//! });
//! assert_eq!((pool.state().idle, pool.state().counters.gets), (3, 12));
//!
//! // A connection can leave the pool together with its place, and another one can come in.
//! let conn = pool.remove().unwrap();
//! assert_eq!(pool.state().max_size, Some(2));
//! pool.add(conn).unwrap();
//! assert!(pool.add(7).is_err(), "there is no place for a fourth");
//! # Ok::<(), threadwise_core::BuildError<std::io::Error>>(())
//! ```
//!
//! # The code
//!
//! `DESIGN.md` explains the protocol. The files, in reading order; the other two pools have files with
//! the same names:
//!
//! | file | holds |
//! |---|---|
//! | `builder`, `settings` | how a pool is set up |
//! | `pool` | [`QueuePool`], the handle, and what a program can do with it |
//! | `guard` | borrowed connections |
//! | `place` | what the queue contains |
//! | `core` | the data of a pool, and the state that it reports |
//! | `get` | a checkout, the fast path first |
//! | `search` | the rest of a `get` whose place has no connection that can be lent as it is |
//! | `put` | a return |
//! | `open` | how connections are opened |
//! | `close` | how connections are closed |
//! | `per_use` | hooks and events at each use |
//! | `external` | connections that leave the pool, or come in from outside |
//! | `after_fork` | the pool in a forked child |
//! | `flags` | the word that tells the fast path from the slow ones |
//! | `round_robin` | [`RoundRobin`] |

#![forbid(unsafe_code)]

mod after_fork;
mod builder;
mod close;
mod core;
mod external;
mod flags;
mod get;
mod guard;
mod open;
mod per_use;
mod place;
mod pool;
mod put;
mod round_robin;
mod search;
mod settings;

pub use builder::Builder;
pub use guard::{OwnedConnection, PooledConnection};
pub use pool::QueuePool;
pub use round_robin::{RoundRobin, RoundRobinConnection};
pub use threadwise_core::{
    BuildError, CloseReason, ConnectionInfo, Counters, Events, GetError, HookError,
    ManageConnection, Outcome, Pool, Report, Reset, State, Validation,
};
