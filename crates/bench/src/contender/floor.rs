//! `floor`: the least that lending with atomics can cost.

use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

use super::{Contender, Worker};
use crate::Failure;
use crate::backend::synthetic::SyntheticConnection;

/// For each thread a flag of its own on a cache line of its own, taken by one compare-and-swap and
/// given back by one swap. No pool whose connections can be taken by other threads does less; this
/// one is no pool, for its flags are never contended.
#[derive(Debug)]
pub struct Floor {
    flags: Box<[Flag]>,
    next: AtomicUsize,
}

/// Two lines of 64 bytes, since processors fetch neighbouring lines together.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Floor {
    /// Flags for so many threads.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self { flags: (0..threads).map(|_| Flag::default()).collect(), next: AtomicUsize::new(0) }
    }
}

impl Contender for Floor {
    type Connection = SyntheticConnection;
    type Worker<'c> = FloorWorker<'c>;

    fn worker(&self) -> Result<FloorWorker<'_>, Failure> {
        let taken = &self.flags.get(self.next.fetch_add(1, Relaxed));
        let flag = taken.ok_or_else(|| Failure::new("more threads than flags"))?;
        Ok(FloorWorker { taken: &flag.0, conn: SyntheticConnection::default() })
    }
}

/// A thread's flag, and what it stands for.
#[derive(Debug)]
pub struct FloorWorker<'c> {
    taken: &'c AtomicBool,
    conn: SyntheticConnection,
}

impl Worker for FloorWorker<'_> {
    type Connection = SyntheticConnection;

    #[inline]
    fn with_conn<R>(
        &mut self,
        operation: impl FnOnce(&mut SyntheticConnection) -> R,
    ) -> Result<R, Failure> {
        // Acquire pairs with the Release below, as it would if the flag had several users.
        if self.taken.compare_exchange(false, true, Acquire, Relaxed).is_err() {
            return Err(Failure::new("a thread's own flag is taken"));
        }
        let result = operation(&mut self.conn);
        self.taken.swap(false, Release);
        Ok(result)
    }
}
