//! The settings that every pool has, whatever its threading model.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{Hooks, Observer, Reset, Validation};

/// What a pool is called, and what it does with every connection: the part of a builder's settings
/// that a [`Lifecycle`](crate::Lifecycle) goes by. For writers of pools, who have
/// [`policy_setters`](crate::policy_setters) for it.
pub struct Policies<C> {
    /// In the pool's state and errors, and to its server if the manager tells it.
    pub name: Option<Arc<str>>,
    /// When the server is asked whether a connection works.
    pub validation: Validation,
    /// Bounds each such question and each reset of a session, if there is a bound. Without one, a
    /// reset gets 30 s.
    pub validation_timeout: Option<Duration>,
    /// When the session of a returned connection is made fresh.
    pub reset: Reset,
    /// The program's own functions.
    pub hooks: Hooks<C>,
    /// Who is told of what happens.
    pub observer: Observer,
}

impl<C> Policies<C> {
    /// How long a question to the server, or the reset of a session, may take unless a setting says
    /// otherwise. A server that is silent for so long will not answer a real question either.
    pub const VALIDATION_TIMEOUT: Duration = Duration::from_secs(5);

    /// No name, hooks or events; [`VALIDATION_TIMEOUT`](Self::VALIDATION_TIMEOUT);
    /// [`Reset::WhenChanged`].
    #[must_use]
    pub fn new(validation: Validation) -> Self {
        Self {
            name: None,
            validation,
            validation_timeout: Some(Self::VALIDATION_TIMEOUT),
            reset: Reset::WhenChanged,
            hooks: Hooks::default(),
            observer: Observer::default(),
        }
    }

    /// Whether there is something to call at each use, be it a hook or an event.
    #[must_use]
    pub fn watch_uses(&self) -> bool {
        self.observer.watches_uses() || self.hooks.watch_uses()
    }
}

impl<C> fmt::Debug for Policies<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies")
            .field("name", &self.name)
            .field("validation", &self.validation)
            .field("validation_timeout", &self.validation_timeout)
            .field("reset", &self.reset)
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}

/// Gives `$builder<M>` the setters of its field `policies`, but for validation, whose default and
/// cost differ from pool to pool. For writers of pools.
#[macro_export]
macro_rules! policy_setters {
    ($builder:ident) => {
        /// # Between two users, and watching
        impl<M: $crate::ManageConnection> $builder<M> {
            /// What the pool is called: in its state, in its errors, and to its server if the manager
            /// tells it. Default: nothing.
            pub fn name(mut self, name: impl Into<::std::sync::Arc<str>>) -> Self {
                self.policies.name = Some(name.into());
                self
            }

            /// When the session of a returned connection is made fresh; if that fails, the connection
            /// is closed. Default: [`Reset::WhenChanged`]($crate::Reset::WhenChanged).
            pub fn reset(mut self, reset: $crate::Reset) -> Self {
                self.policies.reset = reset;
                self
            }

            /// Who is told of what happens. Unless
            /// [`Events::watches_uses`]($crate::Events::watches_uses) says otherwise, each use reads
            /// the clock. Default: nobody, which costs nothing; reports go to the `log` crate.
            pub fn events(mut self, events: impl $crate::Events) -> Self {
                self.policies.observer = $crate::Observer::new(events);
                self
            }

            /// Called with each connection that was opened, on the thread that opened it. An error or
            /// a panic is a veto, and counts as a failure to connect. Default: none.
            pub fn on_connect<F>(mut self, hook: F) -> Self
            where
                F: Fn(&mut M::Connection) -> Result<(), $crate::HookError> + Send + Sync + 'static,
            {
                self.policies.hooks.on_connect = Some(Box::new(hook));
                self
            }

            /// Called with each connection that is about to be lent, on the borrower's thread. After a
            /// veto it is closed, and the borrower opens another. Default: none.
            pub fn on_acquire<F>(mut self, hook: F) -> Self
            where
                F: Fn(&mut M::Connection) -> Result<(), $crate::HookError> + Send + Sync + 'static,
            {
                self.policies.hooks.on_acquire = Some(Box::new(hook));
                self
            }

            /// Called with each connection that comes back, on the thread that gives it back, before
            /// it is reset, but not if that thread panics. After a veto it is closed. Default: none.
            pub fn on_return<F>(mut self, hook: F) -> Self
            where
                F: Fn(&mut M::Connection) -> Result<(), $crate::HookError> + Send + Sync + 'static,
            {
                self.policies.hooks.on_return = Some(Box::new(hook));
                self
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Events;

    #[test]
    fn uses_are_watched_for_hooks_and_events_of_each_use() {
        struct OfUses;
        impl Events for OfUses {}
        let none = || Policies::<u32>::new(Validation::Never);
        assert!(!none().watch_uses());
        assert!(Policies { observer: Observer::new(OfUses), ..none() }.watch_uses());
        let hooks = Hooks { on_acquire: Some(Box::new(|_| Ok(()))), ..Hooks::default() };
        assert!(Policies { hooks, ..none() }.watch_uses());
    }

    #[test]
    fn events_are_asked_once_whether_they_watch_uses() {
        use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
        static ASKED: AtomicU32 = AtomicU32::new(0);
        struct Counts;
        impl Events for Counts {
            fn watches_uses(&self) -> bool {
                ASKED.fetch_add(1, Relaxed) == 0
            }
        }
        let policies =
            Policies { observer: Observer::new(Counts), ..Policies::<u32>::new(Validation::Never) };
        assert!(policies.watch_uses() && policies.observer.watches_uses());
        assert_eq!(ASKED.load(Relaxed), 1);
    }
}
