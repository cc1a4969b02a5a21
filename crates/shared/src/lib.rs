//! Many threads share a few connections.
//!
//! **Choose it** when there are more threads than connections should be open: a server with a
//! thread for each client, a pool of workers that use the database now and then. It is the pool
//! for most programs, and the one to begin with.
//!
//! **Choose another** when each of a stable set of threads uses the database nearly all the time
//! (a per-thread pool: nothing is shared, nothing is waited for), or when a fixed number of
//! connections without any background thread is all that is wanted (a queue).
//!
//! **The trap it avoids**: a pool whose borrowers open connections themselves lets them hang in a
//! dial while connections come back that could serve them; and one that wakes a waiter and lets it
//! compete with newcomers lets it starve. Here borrowers only ever wait for the pool: its own
//! threads open connections, and whatever comes first, a connection that is opened or one that is
//! given back, goes straight to the thread that has waited longest.
//!
//! ```
//! use threadwise_core::ManageConnection;
//! use threadwise_shared::SharedPool;
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
//! let pool = SharedPool::builder().max_size(3).build(Numbers)?;
//! std::thread::scope(|threads| {
//!     for _ in 0..12 {
//!         threads.spawn(|| *pool.get().unwrap() += 1); // the guard gives the connection back
//!     }
//! });
//! assert!(pool.state().open <= 3);
//! # Ok::<(), threadwise_core::BuildError<std::io::Error>>(())
//! ```
//!
//! # How it works
//!
//! | file | holds |
//! |---|---|
//! | `pool` | the verbs: borrow, give back, close, resize, evict |
//! | `exchange` | the protocol between connections and the threads that want them |
//! | `slot`, `slots` | a place for one connection and its state word; the only `unsafe` |
//! | `line`, `waiter` | who waits, in which order; where a waiter sleeps and is told |
//! | `hint` | which slot a thread used last |
//! | `share`, `sharing` | several threads on one connection |
//! | `dialer`, `housekeeper`, `workshop` | the threads that open connections, look after them, and close and check them |
//! | `watch`, `holders` | what is done at each use where the settings ask for it; who has what |
//! | `guard`, `builder` | borrowed connections; the settings |

mod builder;
mod chance;
mod dialer;
mod exchange;
mod guard;
mod hint;
mod holders;
mod housekeeper;
mod line;
#[cfg(all(test, loom))]
mod models;
mod pool;
#[cfg(all(test, not(loom)))]
mod properties;
mod share;
mod sharing;
mod slot;
mod slots;
mod waiter;
mod watch;
mod workshop;

pub use builder::Builder;
pub use guard::{OwnedConnection, PooledConnection};
pub use pool::SharedPool;
pub use share::{SharedConnection, SharedTransaction};
pub use threadwise_core::{
    BuildError, Clock, Events, GetError, Holder, HookError, ManageConnection, Pool, Report, Reset,
    State, Validation, VirtualClock,
};
pub use watch::NestedGet;
