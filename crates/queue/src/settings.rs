//! The settings that a pool needs after it was built.

use threadwise_core::parts::Patience;

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) size: usize,
    pub(crate) get_timeout: Patience,
    /// Whether each use has work of its own: a hook, an event, a reading of the clock.
    pub(crate) has_per_use_work: bool,
    /// Whether the pool calls `Events::acquired` and `Events::returned`.
    pub(crate) emits_uses: bool,
}
