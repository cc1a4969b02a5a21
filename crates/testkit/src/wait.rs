//! Waiting in tests: for a condition, never for a time.

use std::time::{Duration, Instant};

/// How long a test waits for what must come. Long, since the machine may be busy; a test that
/// passes does not wait for it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `condition` holds.
///
/// # Panics
///
/// After [`PATIENCE`], with `what` was waited for.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "waited {PATIENCE:?} in vain for {what}");
        std::thread::park_timeout(Duration::from_micros(200));
    }
}
