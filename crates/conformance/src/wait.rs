//! Waiting in tests: for a condition, never for a time.

use std::sync::OnceLock;
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

/// Waits until `condition` holds. Returns whether it came within the [`patience()`]: for tests that
/// explain what is missing.
pub fn has_come(mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + patience();
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::park_timeout(Duration::from_micros(200));
    }
}

/// Waits until `attempt` returns a value, and returns it.
///
/// # Panics
///
/// After [`PATIENCE`]. The message says what was waited for.
pub fn until_some<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let mut value = None;
    let has_come = has_come(|| {
        value = attempt();
        value.is_some()
    });
    assert!(has_come, "waited {:?} for {what}, without success", patience());
    value.expect("what has come")
}

/// How long a test of this process waits for a condition: [`PATIENCE`], unless the variable
/// [`PATIENCE_VARIABLE`] has another number of seconds, or the program has called
/// [`set_patience`].
///
/// # Panics
///
/// If the variable is not a number.
#[must_use]
pub fn patience() -> Duration {
    *CHOSEN.get_or_init(|| match std::env::var(PATIENCE_VARIABLE) {
        Ok(seconds) => Duration::from_secs(seconds.parse().expect(PATIENCE_VARIABLE)),
        Err(_) => PATIENCE,
    })
}

/// Sets the patience of all tests of this process, for tests that expect others to fail. Has no
/// effect after the first wait.
pub fn set_patience(patience: Duration) {
    let _ = CHOSEN.set(patience);
}

static CHOSEN: OnceLock<Duration> = OnceLock::new();
