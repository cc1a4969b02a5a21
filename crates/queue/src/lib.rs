//! A fixed number of connections behind a queue, and nothing else: the first pool to read.
//!
//! **Choose it** when the number of connections is known and stays as it is: a service with a
//! fixed set of workers, a tool that reads a database with eight threads, a place where no
//! background thread is wanted. All connections are opened by `build()`, at the same time; it fails
//! if one cannot be opened. `get` takes the one that has been idle longest, so that all of them stay
//! warm, and costs little more than the channel that the queue is.
//!
//! **Choose another** when load varies (a shared pool opens and closes connections as needed, and
//! its waiters never stand behind somebody else's slow dial), or when each thread is to have a
//! connection of its own (a per-thread pool). If your driver's connections may be used by several
//! threads at the same time, see [`RoundRobin`], beside it.
//!
//! **The trap it avoids**: a queue of connections in a few dozen lines hands out dead connections,
//! loses a place in the queue whenever a user panics or a server is away, leaves its waiters asleep
//! when it is closed, and lets a forked child talk on its parent's connections. Here a place is
//! always given back, with a connection in it or without, and whoever draws an empty place opens the
//! connection that belongs there.
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
//!         threads.spawn(|| *pool.get().unwrap() += 1); // the guard gives the connection back
//!     }
//! });
//! assert_eq!((pool.state().idle, pool.state().counters.gets), (3, 12));
//!
//! // A connection may leave, together with its place, and come in from outside.
//! let conn = pool.take().unwrap();
//! assert_eq!(pool.state().max_size, Some(2));
//! pool.put(conn).unwrap();
//! assert!(pool.put(7).is_err(), "there is no place for a fourth");
//! # Ok::<(), threadwise_core::BuildError<std::io::Error>>(())
//! ```
//!
//! # The code
//!
//! `pool`, `place` and `guard` are the pool: how a connection is lent and comes back, in under 300
//! lines of code. The other files can be read when they are asked about.
//!
//! | file | holds |
//! |---|---|
//! | `pool` | what a handle can do; the way from the queue to a guard |
//! | `place` | what lies in the queue; the way back, and the end |
//! | `guard` | borrowed connections |
//! | `search` | what a `get` does when a place has no connection that can be lent as it is |
//! | `open` | how connections are opened, at first and in a lost one's place |
//! | `builder` | the settings |
//! | `outside` | `take`, `put` and `drain` |
//! | `watch` | hooks and events at each use |
//! | `report` | counters, `state`, and the errors that show it |
//! | `fork` | what becomes of a pool in a forked child |
//! | `round_robin` | [`RoundRobin`] |

#![forbid(unsafe_code)]

mod after_fork;
mod builder;
mod guard;
mod open;
mod outside;
mod place;
mod pool;
mod report;
mod round_robin;
mod search;
mod watch;

pub use builder::Builder;
pub use guard::{OwnedConnection, PooledConnection};
pub use pool::QueuePool;
pub use round_robin::{RoundRobin, RoundRobinConnection};
pub use threadwise_core::{
    BuildError, CloseReason, Counters, Events, GetError, HookError, ManageConnection, Pool, Report,
    Reset, State, Validation,
};
