//! The functions behind the tests, one for each promise. The macros make a `#[test]` of each.
//!
//! A script in front of the manager causes faults, and the ledger shows what the pool did. A pool may
//! tie capacity to threads. So a test that frees capacity also ends the thread that held it.

mod manager;
mod pool;

pub use manager::*;
pub use pool::*;
