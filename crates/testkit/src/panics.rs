//! Panics that belong to a test, which nobody needs to read about.

use std::panic::{self, AssertUnwindSafe};

/// What is panicked with on purpose.
pub(crate) struct Planned;

/// Panics, as planned.
///
/// # Panics
///
/// Always.
pub fn panic_as_planned() -> ! {
    panic::resume_unwind(Box::new(Planned)) // past the hook, which would print it
}

/// Runs something that may panic as planned; any other panic goes on. `None` if it has panicked.
pub fn expect_planned<T>(run: impl FnOnce() -> T) -> Option<T> {
    match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(value) => Some(value),
        Err(payload) if payload.is::<Planned>() => None,
        Err(payload) => panic::resume_unwind(payload),
    }
}

/// Says nothing of the panics that a [`Script`](crate::Script) asks for.
pub fn mute_planned_ones() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let is_scripted = info.payload().downcast_ref::<String>();
        if !is_scripted.is_some_and(|text| text.ends_with("as its script says")) {
            usual(info);
        }
    }));
}
