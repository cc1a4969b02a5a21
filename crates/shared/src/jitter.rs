//! Jitter.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// A number from 0 to 1 that differs from call to call and from process to process; of no
/// cryptographic worth.
pub(crate) fn fraction() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11; // 53, what an `f64` holds
    bits as f64 / (1_u64 << 53) as f64
}

/// This part of `time`, from 0 to 1, however long `time` is.
pub(crate) fn part_of(time: Duration, part: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * part).unwrap_or(time)
}
