//! Panics that belong to the test, which nobody needs to read about.

use std::panic::{self, AssertUnwindSafe};

/// What a holder panics with on purpose.
struct Planned;

/// Panics, as planned.
pub(crate) fn panic_as_planned() -> ! {
    panic::resume_unwind(Box::new(Planned)) // past the hook
}

/// Runs something that may panic as planned; any other panic goes on.
pub(crate) fn expect_planned(run: impl FnOnce()) {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(run))
        && !payload.is::<Planned>()
    {
        panic::resume_unwind(payload);
    }
}

/// Says nothing of the panics that a script asks for.
pub(crate) fn mute_planned_ones() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let is_scripted = info.payload().downcast_ref::<String>();
        if !is_scripted.is_some_and(|text| text.ends_with("as its script says")) {
            usual(info);
        }
    }));
}
