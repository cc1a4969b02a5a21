//! r2d2's own names on a [`SharedPool`](threadwise_shared::SharedPool): a program moves by one line.
//!
//! ```
//! use threadwise_r2d2::compat as r2d2; // was: the crate r2d2
//! # use std::io;
//! # struct Numbers;
//! # impl r2d2::ManageConnection for Numbers {
//! #     type Connection = u32;
//! #     type Error = io::Error;
//! #     fn connect(&self) -> io::Result<u32> { Ok(0) }
//! #     fn is_valid(&self, _: &mut u32) -> io::Result<()> { Ok(()) }
//! #     fn has_broken(&self, _: &mut u32) -> bool { false }
//! # }
//!
//! let pool = r2d2::Pool::builder().max_size(4).build(Numbers)?;
//! let conn: r2d2::PooledConnection<Numbers> = pool.get()?;
//! std::thread::spawn(move || drop(conn)).join().unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The settings have r2d2's names and defaults. What differs:
//!
//! | r2d2 | here |
//! |---|---|
//! | `idle_timeout` closes connections that the pool then opens again, to have `min_idle` | it closes only connections beyond `min_idle`; without a `min_idle` there are none |
//! | `max_lifetime` closes idle connections only, up to 30 s late | also a connection that was in use, when it comes back; each lifetime is shortened by up to a quarter, at random |
//! | a thread that comes later may be served first | threads that have waited for a millisecond are served in order |
//! | the first of several waiters gets the server's error | all of them get it |
//! | the thread that returns a broken connection drops it | a thread of the pool drops it |
//! | a holder that panics returns its connection | the pool closes it |
//! | a panic in `connect` or `on_acquire` costs capacity for good | it counts as a failed attempt |
//! | after a failure, pauses grow from 400 ms to half of `connection_timeout` | they grow from 10 ms, to 200 ms at most while a thread waits |
//! | `Builder::thread_pool` | there is none: the pool starts threads when it needs them |
//! | `max_size` up to `u32::MAX` | up to 1 048 576; more has the same effect |
//! | an `event` has no public constructor | [`event`] has types of its own, with the same methods |
//! | `try_get` causes no checkout event, although the return causes a checkin | it causes one |
//! | `on_release` is not called for connections that are idle when the pool is dropped | it is |
//! | diesel implements `Connection` for the guard | it does not for this one: write `&mut *conn` instead of `&mut conn` |
//! | no reset of sessions | none, unless [`Builder::build_adapted`] gets a manager that resets |
//!
//! [`Pool::shared`] leads to everything that r2d2 has not: `close`, `resize`, `evict`, `suspend`, counters.

mod adapter;
mod builder;
mod error;
pub mod event;
mod guard;
mod pool;

pub use self::adapter::{Adapter, Entry};
pub use self::builder::Builder;
pub use self::error::Error;
pub use self::event::{HandleEvent, NopEventHandler};
pub use self::guard::PooledConnection;
pub use self::pool::{Pool, State};
pub use r2d2::{
    CustomizeConnection, Extensions, HandleError, LoggingErrorHandler, ManageConnection,
    NopConnectionCustomizer, NopErrorHandler,
};
