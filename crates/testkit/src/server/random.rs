//! Random numbers for names and ports, without a crate.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// A random number. It is very unlikely that two calls return the same: the keys of the standard
/// library's hash maps are random.
pub(crate) fn number() -> u64 {
    RandomState::new().hash_one(())
}
