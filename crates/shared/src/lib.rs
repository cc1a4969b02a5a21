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
//! # Settings
//!
//! A method of [`Builder`] each. The defaults are for a program that nothing is known about; the
//! reasons are there to be weighed against what you know of yours.
//!
//! | setting | default | why that |
//! |---|---|---|
//! | [`max_size`](Builder::max_size) | 10 | a database does its work with a few connections for each processor and disk |
//! | [`min_idle`](Builder::min_idle) | 0 | a program that is not used holds nothing; a floor, once set, is kept |
//! | [`max_idle`](Builder::max_idle) | no other limit than `max_size` | `idle_timeout` closes what a burst has opened, once the burst is surely over |
//! | [`max_sharing`](Builder::max_sharing) | 0, off | only some drivers' connections can be shared |
//! | [`get_timeout`](Builder::get_timeout) | 30 s | longer than any healthy wait, shorter than a person's patience |
//! | [`max_waiters`](Builder::max_waiters) | no limit | how much work is taken on is decided where it comes in |
//! | [`fair_after`](Builder::fair_after) | 1 ms | order costs throughput only where connections are held for less |
//! | [`connect_concurrency`](Builder::connect_concurrency) | 4 | one would make all wait for the slowest, many would run down a server that has just come back |
//! | [`connect_backoff`](Builder::connect_backoff) | 10 ms to 5 s | finds a quick restart quickly, asks a dead server rarely; 200 ms at most while a thread waits |
//! | [`connect_patience`](Builder::connect_patience) | 3 s | a lost packet has been sent again by then; what still hangs holds nobody else up |
//! | [`max_lifetime`](Builder::max_lifetime) | 30 min | frees what a server keeps for a session, follows an address that has changed |
//! | [`lifetime_jitter`](Builder::lifetime_jitter) | 0.25 | connections that were opened together are not replaced together |
//! | [`idle_timeout`](Builder::idle_timeout) | 10 min | a burst's connections outlive its pauses |
//! | [`keepalive`](Builder::keepalive) | 2 min | firewalls forget connections that are silent for longer |
//! | [`max_uses`](Builder::max_uses) | no limit | for drivers and servers that leak at each use |
//! | [`validation`](Builder::validation) | when idle for over 500 ms | a connection in constant use is known to work; the free check is made always |
//! | [`validation_timeout`](Builder::validation_timeout) | 5 s | a server that is silent for so long will not answer a real question either |
//! | [`reset`](Builder::reset) | when changed | safe as far as the manager can tell, free when nothing was changed |
//! | [`on_connect`](Builder::on_connect), [`on_acquire`](Builder::on_acquire), [`on_return`](Builder::on_return) | none | what every session needs belongs to the manager |
//! | [`name`](Builder::name) | none | |
//! | [`events`](Builder::events) | none | nothing is paid for what nobody hears; warnings go to the `log` crate |
//! | [`leak_threshold`](Builder::leak_threshold) | off | a program's longest proper use is not known; a backtrace for each use costs microseconds |
//! | [`trace_holders`](Builder::trace_holders) | off | a lock at each use |
//! | [`nested_get`](Builder::nested_get) | off | the same; turn it on in tests |
//! | [`slow_get`](Builder::slow_get) | off | what is slow is not known; it costs nothing where nobody waits |
//! | [`clock`](Builder::clock) | the machine's | a [`VirtualClock`] is for tests |
//!
//! **What a use costs.** While a connection is free, `get` and drop are two atomic exchanges. The
//! settings that do something at each use (`max_idle`, `max_uses`, `on_acquire`, `on_return`,
//! `events` that watch uses, `leak_threshold`, `trace_holders`, `nested_get`) put a mark on every
//! slot, and each use takes a slower path then; the others cost a use nothing.
//!
//! # Threads
//!
//! | thread | does | lives |
//! |---|---|---|
//! | `…-keep` | looks after connections; marks, and does no I/O | as long as the pool |
//! | `…-dial`, up to `connect_concurrency` | opens connections | while some are wanted |
//! | `…-work`, up to 16 | closes and checks connections | a second longer than there is work |
//!
//! # After a fork
//!
//! A forked child finds the pool empty, with the same settings, and opens its own connections as it
//! needs them; the pool's threads exist there again when they are needed. It neither uses nor closes
//! what its parent has open, however it ends, and the parent's pool goes on as ever. What a guard from
//! before the fork holds is the parent's: in the child it is let go of without a word when the guard is
//! dropped, and should not be used there. `docs/reliability.md` says for pre-forking servers what to
//! look to.
//!
//! # How it works
//!
//! | file | holds |
//! |---|---|
//! | `pool`, `operations` | the verbs: borrow, give back; resize, evict, close |
//! | `exchange` | the protocol between connections and the threads that want them |
//! | `slot`, `slots` | a place for one connection and its state word; the only `unsafe` |
//! | `line`, `waiter` | who waits, in which order; where a waiter sleeps and is told |
//! | `hint` | which slot a thread used last |
//! | `share`, `sharing` | several threads on one connection |
//! | `dialer`, `housekeeper`, `workshop` | the threads that open connections, look after them, and close and check them |
//! | `watch`, `holders` | what is done at each use where the settings ask for it; who has what |
//! | `after_fork` | what becomes of a pool in a forked child |
//! | `guard`, `builder` | borrowed connections; the settings |

mod affinity;
mod after_fork;
mod background;
mod builder;
mod close;
mod dialer;
mod guard;
mod handoff;
mod holders;
mod housekeeper;
mod jitter;
mod per_use;
mod pool;
mod share;
mod slot;
mod slots;
mod state;
#[cfg(test)]
mod tests;
mod waiter;

pub use builder::Builder;
pub use guard::{OwnedConnection, PooledConnection};
pub use pool::SharedPool;
pub use share::{SharedConnection, SharedTransaction};
pub use threadwise_core::{
    BuildError, Clock, Events, GetError, Holder, HookError, ManageConnection, Pool, Report, Reset,
    State, Validation, VirtualClock,
};
pub use per_use::NestedGet;
