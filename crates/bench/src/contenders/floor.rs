//! `floor`: the least that lending with atomics can cost.

use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

use crate::backend::synthetic::SyntheticConnection;
use crate::contender::{Contender, Worker};
use crate::{Failure, Result};

/// Each thread has a flag on its own cache line. It takes the flag with one compare-and-swap and
/// returns it with one swap. A pool in which other threads can borrow the same connection cannot do
/// less. This is not a pool, because no two threads use the same flag.
pub struct Floor {
    flags: Box<[Flag]>,
    next: AtomicUsize,
}

/// Two cache lines of 64 bytes, because processors fetch neighbouring lines together.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Flag(AtomicBool);

impl Floor {
    /// Creates flags for `threads` threads.
    pub fn new(threads: usize) -> Self {
        Self { flags: (0..threads).map(|_| Flag::default()).collect(), next: AtomicUsize::new(0) }
    }
}

impl Contender for Floor {
    type Connection = SyntheticConnection;
    type Worker<'c> = FloorWorker<'c>;

    fn worker(&self) -> Result<FloorWorker<'_>> {
        let taken = &self.flags.get(self.next.fetch_add(1, Relaxed));
        let flag = taken.ok_or_else(|| Failure::new("more threads than flags"))?;
        Ok(FloorWorker { taken: &flag.0, conn: SyntheticConnection::default() })
    }
}

/// A thread's flag and connection.
pub struct FloorWorker<'c> {
    taken: &'c AtomicBool,
    conn: SyntheticConnection,
}

impl Worker for FloorWorker<'_> {
    type Connection = SyntheticConnection;

    #[inline]
    fn with_conn<R>(&mut self, operation: impl FnOnce(&mut SyntheticConnection) -> R) -> Result<R> {
        // Acquire pairs with the Release below, as a flag with several users would need it.
        if self.taken.compare_exchange(false, true, Acquire, Relaxed).is_err() {
            return Err(Failure::new("a thread's own flag is taken"));
        }
        let result = operation(&mut self.conn);
        self.taken.swap(false, Release);
        Ok(result)
    }
}
