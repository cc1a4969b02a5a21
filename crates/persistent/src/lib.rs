//! [`PersistentPool`]: gives each thread its own connection. The first `get` opens it, later calls
//! return the same one, and it closes when the thread exits.
//!
//! **Choose it** if your threads are stable and each uses the database often: a fixed set of workers,
//! rayon's threads, a server with one thread for each core. The threads share nothing, so none waits for
//! another, and what the connection has cached (statements, pages) stays with its thread.
//!
//! **Choose another pool** if there are more threads than connections (a shared pool), or if threads are
//! short-lived: each would open a connection and use it once.
//!
//! **The mistake it avoids**: a pool that keeps connections in a thread-local table commonly keeps a
//! thread's connection open after the thread has ended, and may give it to a new thread that got the
//! same thread number. Here, a thread's exit closes its connection, no matter what started the thread (the
//! standard library, rayon, a web server), and the pool records the owner beside each connection.
//!
//! ```
//! use threadwise_core::ManageConnection;
//! use threadwise_persistent::PersistentPool;
//!
//! /// Makes numbers; yours opens sockets.
//! struct Numbers;
//!
//! impl ManageConnection for Numbers {
//!     type Connection = u32;
//!     type Error = std::io::Error;
//!     fn connect(&self) -> Result<u32, Self::Error> { Ok(0) }
//!     fn is_valid(&self, _: &mut u32) -> Result<(), Self::Error> { Ok(()) }
//!     fn has_broken(&self, _: &mut u32) -> bool { false }
//! }
//!
//! let pool = PersistentPool::builder().build(Numbers)?;
//! *pool.get()? += 1;
//! *pool.get()? += 1; // the same connection
//! assert_eq!(*pool.get()?, 2);
//!
//! std::thread::scope(|threads| {
//!     let other = threads.spawn(|| *pool.get().unwrap()); // another thread, another connection
//!     assert_eq!(other.join().unwrap(), 0);
//! });
//! assert_eq!(pool.state().open, 1); // that thread has ended
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A thread borrows its connection once at a time: a second `get` while the first guard lives returns
//! [`GetError::AlreadyBorrowed`]. Code that calls other code which borrows has three ways out:
//!
//! * pass the guard on;
//! * [`share`](PersistentPool::share), which nests, for connections that are used by shared reference;
//! * [`max_overflow`](Builder::max_overflow), which opens another connection for that one use. Programs
//!   with work stealing need this.
//!
//! # What it costs, and what it does not do
//!
//! `get` and drop write two words that no other thread writes, and read one that hardly ever changes.
//! They take no lock, no atomic exchange, no system call and no clock. Hooks, events of each use, and
//! limits of age, idle time and uses cost about 50 ns more, and only if they are configured.
//!
//! A thread's connection is closed before a `join` on the thread returns. The end of a
//! `std::thread::scope` does not wait for that: join its threads if it matters.
//!
//! The pool has no threads. It checks a limit when the thread borrows its connection again, so a thread
//! that never does keeps its connection until it ends. `close` closes idle connections on the thread
//! that calls it, whichever thread owns them. (The system then makes every running thread of the process
//! pass a memory barrier, so that `get` needs none.)
//!
//! In a forked child the pool is empty and opens its own connections. The parent's connections are not
//! touched: a guard from before the fork returns nothing in the child.
//!
//! The guard cannot leave its thread:
//!
//! ```compile_fail,E0277
//! # use threadwise_core::ManageConnection;
//! # use threadwise_persistent::PersistentPool;
//! fn moved<M: ManageConnection>(pool: &PersistentPool<M>) {
//!     let guard = pool.get().unwrap();
//!     std::thread::scope(|threads| { threads.spawn(move || drop(guard)); });
//! }
//! ```
//!
//! Neither can a shared connection, whether it is moved or used by reference:
//!
//! ```compile_fail,E0277
//! # use threadwise_core::ManageConnection;
//! # use threadwise_persistent::PersistentPool;
//! fn moved<M: ManageConnection>(pool: &PersistentPool<M>) {
//!     let shared = pool.share().unwrap();
//!     std::thread::scope(|threads| { threads.spawn(move || drop(shared)); });
//! }
//! ```
//!
//! ```compile_fail,E0277
//! # use threadwise_persistent::{PooledConnection, ThreadConnection};
//! # struct Manager;
//! # impl threadwise_core::ManageConnection for Manager {
//! #     type Connection = u32;
//! #     type Error = std::io::Error;
//! #     fn connect(&self) -> Result<u32, Self::Error> { Ok(0) }
//! #     fn is_valid(&self, _: &mut u32) -> Result<(), Self::Error> { Ok(()) }
//! #     fn has_broken(&self, _: &mut u32) -> bool { false }
//! # }
//! fn is_sync<T: Sync>() {}
//! is_sync::<ThreadConnection<'static, Manager>>();
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
//! | `pool` | [`PersistentPool`], the handle, and what a program can do with it |
//! | `guard` | a borrowed connection |
//! | `share` | a connection that its thread uses in several places |
//! | `core` | the data of a pool, and the state that it reports |
//! | `get` | a checkout, the fast path first |
//! | `this_thread` | how a thread finds its slot |
//! | `slot`, `thread_slot` | where a thread's connection is, and whether the thread uses it |
//! | `search` | the rest of a `get` that cannot lend the connection as it is |
//! | `put` | a return |
//! | `open` | how connections are opened |
//! | `registry` | which threads have a connection, and which wait for one |
//! | `close` | how connections are closed |
//! | `exit` | the end of a thread |
//! | `per_use` | hooks, events and limits at each use |
//! | `after_fork` | the pool in a forked child |
//! | `flags`, `barrier` | the word that tells the fast path from the slow ones, and its memory ordering |
//! | `cache_line` | keeps apart what different threads write |

#![deny(unsafe_code)]

mod after_fork;
mod barrier;
mod builder;
mod cache_line;
mod close;
mod core;
mod exit;
mod flags;
mod get;
mod guard;
mod open;
mod per_use;
mod pool;
mod put;
mod registry;
mod search;
mod settings;
mod share;
mod slot;
#[cfg(test)]
mod tests;
mod this_thread;
mod thread_slot;

pub use builder::Builder;
pub use guard::PooledConnection;
pub use pool::PersistentPool;
pub use share::ThreadConnection;
pub use threadwise_core::{
    BuildError, GetError, ManageConnection, Outcome, Pool, Reset, State, Validation,
};
