//! Calls foreign code, and catches its panics.

use std::any::Any;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A caught panic of foreign code. Keeps the panic's message if that is a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panicked(Box<str>);

/// Calls code of the manager, a hook, an event handler or a destructor, and catches its panic. For
/// writers of pools.
///
/// The panic's payload is foreign too: this function also catches a panic of the payload's destructor.
///
/// ```
/// use threadwise_core::parts::foreign;
///
/// assert_eq!(foreign::call(|| 42).unwrap(), 42);
/// let panicked = foreign::call(|| panic!("out of sockets")).unwrap_err();
/// assert_eq!(panicked.message(), "out of sockets");
/// ```
///
/// # Errors
///
/// The panic, if `work` panicked.
#[inline]
pub fn call<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(Panicked::from_payload)
}

/// The same as [`call`], for the hot path: `on_panic` turns a panic into a value, so that no `Result`
/// is built in memory.
#[inline(always)]
pub fn call_or<T>(work: impl FnOnce() -> T, on_panic: impl FnOnce(Panicked) -> T) -> T {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(value) => value,
        Err(payload) => on_panic(Panicked::from_payload(payload)),
    }
}

/// Drops a foreign value (a connection, an error) and catches a panic of its destructor. For writers
/// of pools.
pub fn dispose<T>(value: T) {
    // The panic hook has printed the panic, and the value is gone in any case.
    let _ = call(|| drop(value));
}

impl Panicked {
    /// Takes the message out of a payload and drops the payload.
    #[cold]
    #[inline(never)] // keeps it out of the code of calls that do not panic
    fn from_payload(payload: Box<dyn Any + Send>) -> Self {
        let message = message_of(&*payload).into();
        if let Err(from_drop) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(from_drop); // its destructor may panic too
        }
        Self(message)
    }

    /// The panic's message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0
    }
}

/// A panic's message, if it is a text.
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
    fn a_panic_in_a_payloads_destructor_is_caught() {
        let panicked = call(|| panic_any(Bomb)).unwrap_err();
        assert_eq!(panicked.message(), "(no message)");
    }

    #[test]
    fn a_panic_in_the_destructor_of_that_panics_payload_is_caught() {
        struct Nested;
        impl Drop for Nested {
            fn drop(&mut self) {
                resume_unwind(Box::new(Bomb));
            }
        }
        assert!(call(|| resume_unwind(Box::new(Nested))).is_err());
    }

    #[test]
    fn a_panic_in_a_values_destructor_is_caught() {
        dispose(Bomb);
    }
}
