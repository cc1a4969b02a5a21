//! Hooks: functions of the program that a pool calls with each connection.

use std::error::Error;
use std::fmt;

/// Why a hook refuses a connection.
pub type HookError = Box<dyn Error + Send + Sync>;

type Hook<C> = Box<dyn Fn(&mut C) -> Result<(), HookError> + Send + Sync>;

/// Functions of the program, each called at one moment of a connection's life. An error or a panic
/// is a veto: the pool does not lend the connection. Set in the manager what belongs to every
/// session (`SET NAMES`, a pragma).
///
/// The pool never calls a hook under a lock, so a hook may run statements on the connection. The
/// builders of the pools have a method for each hook:
///
/// ```
/// use threadwise_queue::QueuePool;
/// use threadwise_sqlite::SqliteManager;
///
/// let pool = QueuePool::<SqliteManager>::builder()
///     .size(1)
///     .on_connect(|conn| Ok(conn.execute_batch("PRAGMA cache_size = -8000")?))
///     .build(SqliteManager::memory())?;
/// let size: i64 = pool.get()?.query_row("PRAGMA cache_size", [], |row| row.get(0))?;
/// assert_eq!(size, -8000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Hooks<C> {
    /// Runs after a connection was opened and after each reset, on the thread that did that. A veto
    /// after opening counts as a failed attempt to connect.
    pub on_connect: Option<Hook<C>>,
    /// Runs before a borrower gets a connection, on the borrower's thread, after validation. After a
    /// veto the borrower gets another connection, or asks again after a pause: see
    /// [`Refusals`](crate::parts::Refusals).
    pub on_acquire: Option<Hook<C>>,
    /// Runs when a connection comes back, on the thread that returns it, before the reset. It sees
    /// the session as the borrower left it.
    pub on_return: Option<Hook<C>>,
}

impl<C> Hooks<C> {
    /// Whether a hook runs at each use; for writers of pools.
    #[must_use]
    pub fn watch_uses(&self) -> bool {
        self.on_acquire.is_some() || self.on_return.is_some()
    }
}

impl<C> Default for Hooks<C> {
    fn default() -> Self {
        Self { on_connect: None, on_acquire: None, on_return: None }
    }
}

impl<C> fmt::Debug for Hooks<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("on_connect", &self.on_connect.is_some())
            .field("on_acquire", &self.on_acquire.is_some())
            .field("on_return", &self.on_return.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_on_acquire_and_on_return_watch_uses() {
        let hook = || -> Option<Hook<u32>> { Some(Box::new(|_| Ok(()))) };
        assert!(!Hooks::<u32>::default().watch_uses());
        assert!(!Hooks { on_connect: hook(), ..Hooks::default() }.watch_uses());
        assert!(Hooks { on_acquire: hook(), ..Hooks::default() }.watch_uses());
        assert!(Hooks { on_return: hook(), ..Hooks::default() }.watch_uses());
    }
}
