//! The settings that a pool needs after it was built.

use std::time::Duration;

use threadwise_core::Clock;
use threadwise_core::parts::Patience;

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) max_threads: Option<usize>,
    pub(crate) max_overflow: usize,
    pub(crate) get_timeout: Patience,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    /// Whether each use has work of its own: a hook, an event, a limit, a reading of the clock.
    pub(crate) has_per_use_work: bool,
    /// Whether the pool calls `Events::acquired` and `Events::returned`.
    pub(crate) emits_uses: bool,
}

/// The limits of a connection. The pool checks them when a thread borrows it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) max_uses: Option<u64>,
}

impl Limits {
    pub(crate) fn are_set(&self) -> bool {
        self.max_lifetime.is_some() || self.idle_timeout.is_some() || self.max_uses.is_some()
    }
}
