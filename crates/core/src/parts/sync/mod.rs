//! The locks, atomics, cells and threads that the pools use: `std::sync`, or loom in a model.
//!
//! With `--cfg loom` the same names come from loom, which runs a model of a pool through every
//! interleaving of its threads. Everything that a model covers comes from here. Counters that no
//! decision depends on may come from `std`.
//!
//! The locks are never poisoned. A pool runs no foreign code under its locks, and its own code there
//! does not unwind. What a panicking holder leaves behind is handled where its guard is dropped.

#[cfg(loom)]
mod modelled;
#[cfg(not(loom))]
mod real;

#[cfg(loom)]
pub use modelled::{Condvar, Mutex, MutexGuard, UnsafeCell, atomic, model_fence, thread};
#[cfg(not(loom))]
pub use real::{Condvar, Mutex, MutexGuard, UnsafeCell, atomic, model_fence, thread};
