//! What a program does with each connection at certain moments.

use std::error::Error;
use std::fmt;

/// Why a hook refuses a connection.
pub type HookError = Box<dyn Error + Send + Sync>;

type Hook<C> = Box<dyn Fn(&mut C) -> Result<(), HookError> + Send + Sync>;

/// A program's own functions, each called with a connection at one moment of its life. An error or a
/// panic is a veto: the connection is closed, and nobody gets it. What belongs to every session
/// (`SET NAMES`, a pragma) is the manager's business rather than a hook's.
///
/// They are never called under a lock of the pool, so they may use the connection as they like.
pub struct Hooks<C> {
    /// After a connection was opened, on the thread that opened it. A veto counts as a failed
    /// attempt to connect.
    pub on_connect: Option<Hook<C>>,
    /// Before a connection is lent, on the borrower's thread, after it was validated. After a veto
    /// the borrower gets another.
    pub on_acquire: Option<Hook<C>>,
    /// When a connection comes back, on the thread that gives it back, before it is reset: it sees
    /// the session as its user left it.
    pub on_return: Option<Hook<C>>,
}

impl<C> Hooks<C> {
    /// Whether one is called at each use.
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
    fn only_the_hooks_of_each_use_watch_uses() {
        let hook = || -> Option<Hook<u32>> { Some(Box::new(|_| Ok(()))) };
        assert!(!Hooks::<u32>::default().watch_uses());
        assert!(!Hooks { on_connect: hook(), ..Hooks::default() }.watch_uses());
        assert!(Hooks { on_acquire: hook(), ..Hooks::default() }.watch_uses());
        assert!(Hooks { on_return: hook(), ..Hooks::default() }.watch_uses());
    }
}
