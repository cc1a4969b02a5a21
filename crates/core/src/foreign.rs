//! The one way in which a pool calls code that is not its own.

use std::any::Any;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A panic of foreign code, caught. Keeps the panic's message, where that was a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked(Box<str>);

/// Calls code of the manager, a hook, an event handler or a destructor, and does not unwind,
/// whatever that code does. For writers of pools.
///
/// The panic's payload is foreign too: if it panics when it is dropped, that ends here as well.
///
/// # Errors
///
/// The panic, if `work` panicked.
#[inline]
pub fn call<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(Panicked::from_payload)
}

/// As [`call`], for the hot path: what `on_panic` makes of a panic takes the place of the value, so
/// that no result has to be put together in memory.
#[inline(always)]
pub fn call_or<T>(work: impl FnOnce() -> T, on_panic: impl FnOnce(Panicked) -> T) -> T {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(value) => value,
        Err(payload) => on_panic(Panicked::from_payload(payload)),
    }
}

/// Drops a foreign value (a connection, an error) and does not unwind. For writers of pools.
pub fn dispose<T>(value: T) {
    // The panic hook has told of a panic; the value is gone either way.
    let _ = call(|| drop(value));
}

impl Panicked {
    /// Takes the message out of a payload and drops the payload.
    #[cold]
    #[inline(never)] // out of the way of calls that do not panic
    fn from_payload(payload: Box<dyn Any + Send>) -> Self {
        let message = message_of(&*payload).into();
        if let Err(from_drop) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(from_drop); // its destructor might panic as well
        }
        Self(message)
    }

    /// The panic's message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0
    }
}

/// A panic's message, where it is a text.
fn message_of(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it panicked: {}", self.0)
    }
}

impl std::error::Error for Panicked {}

#[cfg(test)]
mod tests {
    use std::panic::{panic_any, resume_unwind};

    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            resume_unwind(Box::new("dropped"));
        }
    }

    #[test]
    fn a_panic_keeps_its_message() {
        let panicked = call(|| panic!("out of {}", "sockets")).unwrap_err();
        assert_eq!(panicked.message(), "out of sockets");
    }

    #[test]
    fn a_payload_that_panics_when_it_is_dropped_ends_in_the_call() {
        let panicked = call(|| panic_any(Bomb)).unwrap_err();
        assert_eq!(panicked.message(), "(no message)");
    }

    #[test]
    fn a_payload_whose_drop_panics_with_such_a_payload_ends_in_the_call() {
        struct Nested;
        impl Drop for Nested {
            fn drop(&mut self) {
                resume_unwind(Box::new(Bomb));
            }
        }
        assert!(call(|| resume_unwind(Box::new(Nested))).is_err());
    }

    #[test]
    fn a_value_that_panics_when_it_is_dropped_is_disposed_of() {
        dispose(Bomb);
    }
}
