//! Panics that belong to a test and are not printed.

use std::panic::{self, AssertUnwindSafe};

/// The payload of a planned panic.
pub(crate) struct Planned;

/// Panics on purpose, without a printed message.
///
/// # Panics
///
/// Always.
pub fn panic_as_planned() -> ! {
    panic::resume_unwind(Box::new(Planned)) // skips the hook, which would print it
}

/// Runs `run`, which may panic as planned: then the result is `None`. Any other panic continues.
pub fn expect_planned<T>(run: impl FnOnce() -> T) -> Option<T> {
    match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => Some(value),
        Err(payload) if payload.is::<Planned>() => None,
        Err(payload) => panic::resume_unwind(payload),
    }
}

/// Stops printing the panics that a [`Script`](crate::Script) asks for.
pub fn mute_planned_ones() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let is_scripted = info.payload().downcast_ref::<String>();
        if !is_scripted.is_some_and(|text| text.ends_with("as its script says")) {
            usual(info);
        }
    }));
}
