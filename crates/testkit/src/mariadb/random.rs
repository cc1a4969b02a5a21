//! Randomness enough for names and ports, without a crate for it.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// A number that no other call gives, except by chance: the keys of the standard library's hash
/// maps are random.
pub(super) fn number() -> u64 {
    RandomState::new().hash_one(())
}
