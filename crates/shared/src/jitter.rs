//! Random fractions, which spread events in time.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

/// A number from 0 to 1 that differs from call to call and from process to process. It has no
/// cryptographic value.
pub(crate) fn fraction() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 11; // 53 bits, what an `f64` holds
    bits as f64 / (1_u64 << 53) as f64
}

/// `fraction` of `time`, for any length of `time`.
pub(crate) fn fraction_of(time: Duration, fraction: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * fraction).unwrap_or(time)
}
