//! Many threads share a few connections.
//!
//! **Choose it** when a program has more threads than it should have connections: a server with a
//! thread for each client, or a pool of workers that use the database now and then. It suits most
//! programs; begin with it.
//!
//! **Choose another** when each of a stable set of threads uses the database nearly all the time (a
//! per-thread pool shares nothing and waits for nothing), or when you want a fixed number of
//! connections without any background thread (a queue).
//!
//! **The trap it avoids**: in a pool whose borrowers open connections themselves, a borrower hangs in a
//! dial while connections come back that could serve it. In a pool that wakes a waiter and lets it
//! compete with newcomers, the waiter starves. Here borrowers only wait for the pool: the pool's own
//! threads open connections, and the first connection that is opened or returned goes straight to the
//! thread that has waited longest.
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
//!         threads.spawn(|| *pool.get().unwrap() += 1); // dropping the guard returns the connection
//!     }
//! });
//! assert!(pool.state().open <= 3);
//! # Ok::<(), threadwise_core::BuildError<std::io::Error>>(())
//! ```
//!
//! # Settings
//!
//! Each is a method of [`Builder`]. The defaults suit most programs. Compare each reason with what
//! you know about yours.
//!
//! | setting | default | reason for the default |
//! |---|---|---|
//! | [`max_size`](Builder::max_size) | 10 | a database does its work with a few connections for each processor and disk |
//! | [`min_idle`](Builder::min_idle) | 0 | a program that does not use its pool holds no connection |
//! | [`max_idle`](Builder::max_idle) | no limit but `max_size` | `idle_timeout` closes what a burst has opened, when the burst is certainly over |
//! | [`max_sharing`](Builder::max_sharing) | 0, off | only some drivers' connections can be shared |
//! | [`get_timeout`](Builder::get_timeout) | 30 s | longer than any healthy wait, shorter than a person's patience |
//! | [`max_waiters`](Builder::max_waiters) | no limit | a server decides at its entrance how much work it takes on |
//! | [`fair_after`](Builder::fair_after) | 1 ms | strict order costs throughput only where threads hold connections for a shorter time |
//! | [`connect_concurrency`](Builder::connect_concurrency) | 4 | with one, all wait for the slowest dial; many would overload a server that has just come back |
//! | [`connect_backoff`](Builder::connect_backoff) | 10 ms to 5 s | finds a quick restart quickly, asks a dead server rarely; at most 200 ms while a thread waits |
//! | [`connect_patience`](Builder::connect_patience) | 3 s | by then the system has sent a lost packet again; a dial that still hangs keeps no other from beginning |
//! | [`max_lifetime`](Builder::max_lifetime) | 30 min | frees what a server keeps for a session, follows an address that has changed |
//! | [`lifetime_jitter`](Builder::lifetime_jitter) | 0.25 | connections that were opened together are not replaced together |
//! | [`idle_timeout`](Builder::idle_timeout) | 10 min | connections survive the pauses within a burst |
//! | [`keepalive`](Builder::keepalive) | 2 min | firewalls forget connections that are silent for longer |
//! | [`max_uses`](Builder::max_uses) | no limit | for drivers and servers that leak at each use |
//! | [`validation`](Builder::validation) | when the last answer is over 500 ms old | a connection in constant use is known to work; the free check always runs |
//! | [`validation_timeout`](Builder::validation_timeout) | 5 s | a server that is silent for so long will not answer a real question either |
//! | [`reset`](Builder::reset) | when changed | safe as far as the manager can tell, free when nothing was changed |
//! | [`on_connect`](Builder::on_connect), [`on_acquire`](Builder::on_acquire), [`on_return`](Builder::on_return) | none | what every session needs belongs to the manager |
//! | [`name`](Builder::name) | none | the pool's threads are called `threadwise-…` then; a name must not contain NUL |
//! | [`events`](Builder::events) | none | a pool without events pays nothing for them; warnings go to the `log` crate |
//! | [`leak_threshold`](Builder::leak_threshold) | off | only the program knows how long a use may take; a backtrace for each use costs microseconds |
//! | [`trace_holders`](Builder::trace_holders) | off | it takes a lock at each use |
//! | [`nested_get`](Builder::nested_get) | off | the same; turn it on in tests |
//! | [`slow_get`](Builder::slow_get) | off | only the program knows which wait is slow; it costs nothing on the fast path |
//! | [`clock`](Builder::clock) | the machine's | a [`VirtualClock`] is for tests |
//!
//! **What a use costs.** While a connection is idle, `get` and drop are two atomic exchanges. The
//! settings that do something at each use (`max_idle`, `max_uses`, `on_acquire`, `on_return`, `events`
//! that watch uses, `leak_threshold`, `trace_holders`, `nested_get`) set a flag on every slot, and each
//! use then takes a slower path. The others cost a use nothing.
//!
//! # Threads
//!
//! | thread | work | lives |
//! |---|---|---|
//! | `…-keep`, the housekeeper | looks after connections; marks, and does no I/O | as long as the pool |
//! | `…-dial`, up to `connect_concurrency` | opens connections | while threads wait for connections, or fewer than `min_idle` are idle |
//! | `…-work`, up to 16 | closes and checks connections | a second longer than there is work |
//!
//! The pool's name is in the place of `…`; the system shows the first 15 bytes.
//!
//! # After a fork
//!
//! A forked child finds the pool empty, with the same settings, and opens its own connections when
//! it needs them; the pool's threads start there when they are needed. The child neither uses nor
//! closes what its parent has open, however it ends, and the parent's pool goes on as before. A
//! guard from before the fork holds the parent's connection: do not use it in the child. Dropping
//! it there sends nothing to the server. `docs/reliability.md` says what a server that forks its
//! workers must do.
//!
//! # How it works
//!
//! `DESIGN.md` has the protocol and its proof sketch. The files, in reading order:
//!
//! | file | holds |
//! |---|---|
//! | `builder`, `settings` | the builder; the settings as plain values, and their check |
//! | `pool`, `guard` | the handle and the borrowed connections |
//! | `core` | what handles, guards and threads share |
//! | `get`, `put` | borrowing and returning, the fast path first |
//! | `open`, `close`, `evict`, `resize` | replacing a lost connection; the other operations |
//! | `per_use`, `holders` | hooks, events, limits and records at each use; which thread holds what |
//! | `after_fork` | the pool in a forked child |
//! | `flags`, `slot`, `slots` | the bits of a slot's word; the slot of one connection, the only `unsafe`; all slots |
//! | `handoff` | the protocol between connections and the threads that want them |
//! | `state`, `wait_queue`, `waiter` | what the pool's lock protects; the queue of waiters; where a waiter sleeps |
//! | `affinity`, `jitter` | which slot a thread used last; random fractions |
//! | `dialer`, `housekeeper`, `background` | the threads that open connections, look after them, and close and check them |
//! | `share` | several threads on one connection |
//! | `tests` | models of the protocol, and its properties |

mod affinity;
mod after_fork;
mod background;
mod builder;
mod close;
mod core;
mod dialer;
mod evict;
mod flags;
mod get;
mod guard;
mod handoff;
mod holders;
mod housekeeper;
mod jitter;
mod open;
mod origin;
mod per_use;
mod pool;
mod put;
mod resize;
mod settings;
mod share;
mod slot;
mod slots;
mod state;
#[cfg(test)]
mod tests;
mod wait_queue;
mod waiter;

pub use builder::Builder;
pub use guard::{OwnedConnection, PooledConnection};
pub use pool::SharedPool;
pub use settings::NestedGet;
pub use share::{SharedConnection, SharedTransaction};
pub use threadwise_core::{
    BuildError, Clock, ConnectionInfo, Events, GetError, Holder, HookError, ManageConnection,
    Outcome, Pool, Report, Reset, State, Validation, VirtualClock,
};
