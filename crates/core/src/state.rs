//! What a pool holds at one moment.

use std::fmt;
use std::sync::Arc;

use crate::Counters;

/// A pool at one moment: what [`Pool::state`](crate::Pool::state) returns.
///
/// The pool reads the numbers one after the other while other threads work, so their sums may be off
/// by a few connections. Each number is exact while no thread uses the pool.
///
/// Its text fits a log line:
///
/// ```
/// use threadwise_queue::QueuePool;
/// use threadwise_sqlite::SqliteManager;
///
/// let pool = QueuePool::builder().name("orders").size(2).build(SqliteManager::memory())?;
/// let _borrowed = pool.get()?;
/// assert_eq!(
///     pool.state().to_string(),
///     "pool orders: 2 open of 2 (1 borrowed, 1 idle), 0 connecting, 0 waiting"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The pool's name, if it has one.
    pub name: Option<Arc<str>>,
    /// The limit of open connections; `None` is no limit.
    pub max_size: Option<usize>,
    /// Open connections: idle, borrowed, or on their way from one to the other.
    pub open: usize,
    /// Connections that the pool is opening. They count against `max_size` too.
    pub connecting: usize,
    /// Open connections that no thread holds.
    pub idle: usize,
    /// Connections that threads hold.
    pub borrowed: usize,
    /// Threads that wait for a connection.
    pub waiting: usize,
    /// Whether the pool is suspended.
    pub suspended: bool,
    /// Whether the pool is closed.
    pub closed: bool,
    /// The generation that new connections belong to. An eviction or a failed validation begins a
    /// new one.
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
