//! A connection of its own for each thread: opened on the thread's first `get`, the same one ever
//! after, closed when the thread ends.
//!
//! **Choose it** when the threads are stable and each uses the database often: a fixed set of
//! workers, rayon's threads, a server with a thread for each core. Nothing is shared, so nothing is
//! waited for, and what the connection has cached (statements, pages) is the thread's own.
//!
//! **Choose another** when there are more threads than connections to go round (a shared pool), or
//! when threads are short-lived: each would pay for a connection that it uses once.
//!
//! **The trap it avoids**: a connection kept in a thread-local table of a pool commonly outlives its
//! thread, for as long as nobody looks, and may then be found by a new thread that was given the
//! dead one's number. Here a thread's connection is closed by the thread's own exit, whoever
//! started it (the standard library, rayon, a web server), and its owner is recorded beside it.
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
//! A thread holds its connection once: a second `get` before the first guard is dropped is
//! [`GetError::AlreadyBorrowed`], not a deadlock. Three ways around that, for code that calls itself or
//! others: hand the guard on; [`share`](PersistentPool::share), which nests, for connections that are
//! used by shared reference; or [`max_overflow`](Builder::max_overflow), which opens another
//! connection for that one use, as work-stealing schedulers need it.
//!
//! # What it costs, and what it does not do
//!
//! `get` and drop write two words that no other thread writes, and look at one that hardly ever
//! changes: no lock, no atomic exchange, no system call, no clock. Hooks, events of each use, and limits
//! of age, idleness and use cost some 50 ns more, and only where they are set.
//!
//! A thread's connection is closed before a `join` on the thread returns. (The end of a
//! `std::thread::scope` does not wait that long: join its threads where it matters.)
//!
//! The pool has no threads. A limit is looked at when its thread comes for the connection, so a thread
//! that never comes back keeps its connection until it ends. `close` closes what is idle on the thread
//! that calls it, whoever's it is. (It has the system make every running thread of the process pass
//! a memory barrier, so that the threads' own way needs none.)
//!
//! In a forked child the pool is empty and opens connections of its own. The parent's are not touched:
//! a guard that the forking thread held gives nothing back there.
//!
//! The guard stays on its thread:
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
//! and so does what is shared, whether it is moved or looked at from elsewhere:
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

#![deny(unsafe_code)]

mod after_fork;
mod barrier;
mod builder;
mod cache_line;
mod closing;
mod core;
mod exit;
mod flags;
mod guard;
#[cfg(all(test, loom))]
#[expect(unsafe_code, reason = "a play knows whose slot it plays with")]
mod models;
mod opening;
mod place;
mod pool;
mod registry;
mod search;
mod settings;
mod share;
mod slot;
mod watch;

pub use builder::Builder;
pub use guard::PooledConnection;
pub use pool::PersistentPool;
pub use share::ThreadConnection;
pub use threadwise_core::{BuildError, GetError, ManageConnection, Pool, Reset, State, Validation};
