//! Waiting in tests: for a condition, never for a time.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// How long a test waits for what must come. Long, since the machine may be busy; a test that
/// passes does not wait for it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The environment's word for another [`PATIENCE`], in seconds: where tests are expected to fail.
pub const PATIENCE_VARIABLE: &str = "THREADWISE_PATIENCE";

/// Does something when dropped, also where a test fails: so that threads end which its failure waits for.
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
/// After [`PATIENCE`], with what was waited for.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let patience = patience();
    let end = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < end, "waited {patience:?} in vain for {what}");
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
