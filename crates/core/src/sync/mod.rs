//! The door to `std::sync`: the locks, atomics, cells and threads that the pools use.
//!
//! With `--cfg loom` the same names come from loom, which runs a model of a pool through every
//! interleaving of its threads. What is modelled goes through this door; counters that nothing is
//! inferred from need not.
//!
//! The locks are never poisoned: a pool runs no foreign code under its locks, and its own code
//! there does not unwind, so a poisoned lock could tell nothing; what a panicking user leaves
//! behind is dealt with where the guard is dropped.

#[cfg(loom)]
mod modelled;
#[cfg(not(loom))]
mod real;

#[cfg(loom)]
pub use modelled::{Condvar, Mutex, MutexGuard, UnsafeCell, atomic, model_fence, thread};
#[cfg(not(loom))]
pub use real::{Condvar, Mutex, MutexGuard, UnsafeCell, atomic, model_fence, thread};
