//! What the private servers have in common: waiting for a process, its port, signals, and the helper
//! that removes a server whose owner is gone.

pub(crate) mod poll;
pub(crate) mod port;
pub(crate) mod random;
pub(crate) mod reaper;
pub(crate) mod signal;
