//! The settings that every pool has.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::parts::Observer;
use crate::{Hooks, Reset, Validation};

/// The part of a builder's settings that a [`Lifecycle`](crate::parts::Lifecycle) uses; for writers of
/// pools. The macro [`policy_setters`](crate::policy_setters) makes the builder's methods for it.
pub struct Policies<C> {
    /// The pool's name: in its state and its errors, and at its server if the manager passes it on.
    pub name: Option<Arc<str>>,
    /// When the pool validates a connection.
    pub validation: Validation,
    /// How long each validation and each reset may take. `None` sets no limit for a validation, and
    /// 30 s for a reset.
    pub validation_timeout: Option<Duration>,
    /// When the pool resets the session of a returned connection.
    pub reset: Reset,
    /// The program's hooks.
    pub hooks: Hooks<C>,
    /// The program's events.
    pub observer: Observer,
}

impl<C> Policies<C> {
    /// How long a validation or a reset may take by default. A server that is silent for this long
    /// will not answer a statement either.
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

    /// Whether the pool calls a hook or an event at each use.
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

/// Gives `$builder<M>` the setters of its field `policies`, except those of validation, whose default
/// and cost differ between the pools. For writers of pools.
///
/// With the path of the pool as a second argument, `"my_crate::MyPool"`, each setter has an example in
/// its docs. The examples use `threadwise_sqlite`.
#[macro_export]
macro_rules! policy_setters {
    ($builder:ident $(, $pool:literal)?) => {
        /// # Sessions, hooks and events
        impl<M: $crate::ManageConnection> $builder<M> {
            /// The pool's name: in its state and its errors, and at its server if the manager passes
            /// it on. Default: none.
            $(#[doc = $crate::setter_example!(
                $pool,
                r#".name("orders")"#,
                r#"assert_eq!(pool.state().name.as_deref(), Some("orders"));"#
            )])?
            pub fn name(mut self, name: impl Into<::std::sync::Arc<str>>) -> Self {
                self.policies.name = Some(name.into());
                self
            }

            /// When the pool resets the session of a returned connection. If a reset fails, the pool
            /// closes the connection. Default:
            /// [`Reset::WhenChanged`]($crate::Reset::WhenChanged).
            $(#[doc = $crate::setter_example!(
                $pool,
                ".reset(threadwise_core::Reset::Never)",
                "drop(pool.get()?);\nassert_eq!(pool.state().counters.resets, 0);"
            )])?
            pub fn reset(mut self, reset: $crate::Reset) -> Self {
                self.policies.reset = reset;
                self
            }

            /// Receives the pool's events. Each use then reads the clock, unless
            /// [`Events::watches_uses`]($crate::Events::watches_uses) returns `false`. Default: none,
            /// which costs nothing; reports go to the `log` crate.
            $(#[doc = $crate::setter_example!(
                $pool,
                ".events(threadwise_core::LogReports)",
                "drop(pool.get()?);"
            )])?
            pub fn events(mut self, events: impl $crate::Events) -> Self {
                self.policies.observer = $crate::parts::Observer::new(events);
                self
            }

            /// Runs with each new connection, on the thread that opened it, and after each reset. An
            /// error or a panic is a veto; for a new connection it counts as a failed attempt to
            /// connect. Default: none.
            $(#[doc = $crate::setter_example!(
                $pool,
                r#".on_connect(|conn| Ok(conn.execute_batch("PRAGMA cache_size = -8000")?))"#,
                "drop(pool.get()?);"
            )])?
            pub fn on_connect<F>(mut self, hook: F) -> Self
            where
                F: Fn(&mut M::Connection) -> Result<(), $crate::HookError> + Send + Sync + 'static,
            {
                self.policies.hooks.on_connect = Some(Box::new(hook));
                self
            }

            /// Runs with each connection before a borrower gets it, on the borrower's thread. After a
            /// veto the borrower gets another connection, or asks again after a pause:
            /// [`Refusals`](threadwise_core::parts::Refusals) says which connections the pool closes. Default:
            /// none.
            $(#[doc = $crate::setter_example!(
                $pool,
                r#".on_acquire(|_| Err("maintenance".into()))"#,
                "assert!(pool.try_get().is_err());"
            )])?
            pub fn on_acquire<F>(mut self, hook: F) -> Self
            where
                F: Fn(&mut M::Connection) -> Result<(), $crate::HookError> + Send + Sync + 'static,
            {
                self.policies.hooks.on_acquire = Some(Box::new(hook));
                self
            }

            /// Runs with each connection that comes back, on the thread that returns it, before the
            /// reset; not if that thread panics. After a veto the pool closes the connection.
            /// Default: none.
            $(#[doc = $crate::setter_example!(
                $pool,
                ".on_return(|conn| {\n        if conn.is_autocommit() { Ok(()) } else { Err(\"open transaction\".into()) }\n    })",
                "drop(pool.get()?);"
            )])?
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

/// The example in the docs of a setter: builds a pool with `$setter`, then does `$check`.
#[doc(hidden)]
#[macro_export]
macro_rules! setter_example {
    ($pool:literal, $setter:literal, $check:literal) => {
        concat!(
            "\n```\n# use threadwise_sqlite::SqliteManager;\nlet pool = ",
            $pool,
            "::<SqliteManager>::builder()\n    ",
            $setter,
            "\n    .build(SqliteManager::memory())?;\n",
            $check,
            "\n# Ok::<(), Box<dyn std::error::Error>>(())\n```"
        )
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Events;

    #[test]
    fn hooks_and_events_of_each_use_watch_uses() {
        struct OfUses;
        impl Events for OfUses {}
        let none = || Policies::<u32>::new(Validation::Never);
        assert!(!none().watch_uses());
        assert!(Policies { observer: Observer::new(OfUses), ..none() }.watch_uses());
        let hooks = Hooks { on_acquire: Some(Box::new(|_| Ok(()))), ..Hooks::default() };
        assert!(Policies { hooks, ..none() }.watch_uses());
    }

    #[test]
    fn the_pool_asks_the_events_once_whether_they_watch_uses() {
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
