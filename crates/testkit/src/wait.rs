//! Waiting in tests: for a condition, never for a time.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// How long a test waits for a condition. The time is long, because the machine may be slow and busy,
/// and its disk, too; a test that passes does not wait for it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The environment variable for another [`PATIENCE`], in seconds: for tests that are expected to
/// fail.
pub const PATIENCE_VARIABLE: &str = "THREADWISE_PATIENCE";

/// Calls its function when it is dropped, also if a test fails. So threads that the failing test
/// would wait for can end.
#[derive(Debug)]
pub struct AtEnd<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Waits until `condition` holds.
///
/// # Panics
///
/// After [`PATIENCE`]. The message says what was waited for.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    until_some(what, || condition().then_some(()));
}

/// Waits until `attempt` returns a value, and returns it.
///
/// # Panics
///
/// After [`PATIENCE`]. The message says what was waited for.
pub fn until_some<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let patience = patience();
    let end = Instant::now() + patience;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < end, "waited {patience:?} for {what}, without success");
        std::thread::park_timeout(Duration::from_micros(200));
    }
}

fn patience() -> Duration {
    static OTHER: LazyLock<Option<Duration>> = LazyLock::new(|| {
        let seconds = std::env::var(PATIENCE_VARIABLE).ok()?;
        Some(Duration::from_secs(seconds.parse().expect(PATIENCE_VARIABLE)))
    });
    OTHER.unwrap_or(PATIENCE)
}
