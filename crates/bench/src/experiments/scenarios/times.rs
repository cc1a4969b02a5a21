//! Times as reports have them: in milliseconds.

use std::time::Duration;

/// A time in milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The wait at this share of the sorted waits, in milliseconds; `None` without waits.
pub(crate) fn wait_at(sorted: &[Duration], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    Some(ms(sorted[(last as f64 * share).round() as usize]))
}
