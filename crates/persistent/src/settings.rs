//! What a pool was asked to be.

use std::time::Duration;

use threadwise_core::{Clock, Patience};

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) max_threads: Option<usize>,
    pub(crate) max_overflow: usize,
    pub(crate) get_timeout: Patience,
    pub(crate) clock: Clock,
    pub(crate) limits: Limits,
    /// Whether the events want to hear of each use.
    pub(crate) tells_uses: bool,
    /// Whether anything is done at each use.
    pub(crate) watches_uses: bool,
}

/// How long a connection may live; looked at when it is borrowed.
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
