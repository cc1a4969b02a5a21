//! Gives values that different threads write their own cache lines.

use std::ops::Deref;

/// A value that shares no cache line with anything else. A thread that writes to it does not slow down
/// threads that read its neighbours.
///
/// Two lines of 64 bytes: some processors fetch lines in pairs, others have longer lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct CacheLine<T>(T);

impl<T> CacheLine<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for CacheLine<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
