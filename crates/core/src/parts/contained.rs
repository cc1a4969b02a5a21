//! A value whose destructor cannot unwind.
#![allow(unsafe_code)]

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Deref;

use crate::parts::foreign;

/// A manager, or hooks and events. Dropping it catches a panic of its destructor, so that the panic does
/// not come out of the drop of a pool's last handle.
pub(crate) struct Contained<T>(ManuallyDrop<T>);

impl<T> Contained<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(ManuallyDrop::new(value))
    }
}

impl<T> Deref for Contained<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        let value = &mut self.0;
        // SAFETY: this is the only place that drops the value. Nothing uses it afterwards, because the
        // field is private and `self` is being dropped.
        let _ = foreign::call(|| unsafe { ManuallyDrop::drop(value) });
    }
}

impl<T: fmt::Debug> fmt::Debug for Contained<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}
