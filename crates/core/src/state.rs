//! What a pool holds right now.

use std::fmt;
use std::sync::Arc;

use crate::Counters;

/// A pool at one moment, as [`Pool::state`](crate::Pool::state) saw it.
///
/// The numbers are read one after the other while other threads work on, so they need not add up
/// to the last connection; each is exact once the pool is quiet.
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The pool's name, if it was given one.
    pub name: Option<Arc<str>>,
    /// The most connections that may be open; `None` where there is no limit.
    pub max_size: Option<usize>,
    /// Connections that exist: idle, borrowed, or on their way from one to the other.
    pub open: usize,
    /// Connections that are being opened. They count against `max_size` too.
    pub connecting: usize,
    /// Connections that wait for a user.
    pub idle: usize,
    /// Connections that are in use.
    pub borrowed: usize,
    /// Threads that wait for a connection.
    pub waiting: usize,
    /// Whether the pool was suspended.
    pub suspended: bool,
    /// Whether the pool was closed.
    pub closed: bool,
    /// Which generation of connections is being opened; eviction and failed validations begin a new
    /// one.
    pub generation: u64,
    /// What happened since the pool was built.
    pub counters: Counters,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "pool {name}: ")?;
        }
        write!(f, "{} open", self.open)?;
        if let Some(max) = self.max_size {
            write!(f, " of {max}")?;
        }
        write!(f, " ({} borrowed, {} idle), ", self.borrowed, self.idle)?;
        write!(f, "{} connecting, {} waiting", self.connecting, self.waiting)?;
        f.write_str(if self.suspended { ", suspended" } else { "" })?;
        f.write_str(if self.closed { ", closed" } else { "" })
    }
}
