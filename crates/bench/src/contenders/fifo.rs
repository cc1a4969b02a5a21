//! `fifo`: the least that a handoff to the next thread can cost.

use std::collections::VecDeque;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Release},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};

use crate::Result;
use crate::backend::synthetic::SyntheticConnection;
use crate::contender::{Contender, Worker};

/// Permits that go from thread to thread strictly in the order of asking: a lock around a queue of
/// sleeping threads. Its time is the price of order. The operating system takes nearly all of it,
/// to put one thread to sleep and wake another. A pool's time beyond this is for its other work.
pub struct Fifo {
    permits: Mutex<Permits>,
}

struct Permits {
    /// Zero while a thread waits.
    free: usize,
    waiting: VecDeque<Arc<Waiter>>,
}

/// A waiting thread.
struct Waiter {
    thread: Thread,
    called: AtomicBool,
}

impl Fifo {
    /// Creates `size` permits.
    pub fn new(size: usize) -> Self {
        Self { permits: Mutex::new(Permits { free: size, waiting: VecDeque::new() }) }
    }

    fn lock(&self) -> MutexGuard<'_, Permits> {
        self.permits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn acquire(&self, waiter: &Arc<Waiter>) -> Permit<'_> {
        let mut permits = self.lock();
        if permits.free > 0 {
            permits.free -= 1;
            return Permit(self);
        }
        permits.waiting.push_back(Arc::clone(waiter));
        drop(permits);
        // Acquire pairs with the Release in `Permit::drop`.
        while !waiter.called.swap(false, Acquire) {
            thread::park();
        }
        Permit(self)
    }
}

struct Permit<'c>(&'c Fifo);

impl Drop for Permit<'_> {
    #[inline]
    fn drop(&mut self) {
        let mut permits = self.0.lock();
        let Some(next) = permits.waiting.pop_front() else {
            permits.free += 1;
            return;
        };
        drop(permits);
        next.called.store(true, Release);
        next.thread.unpark();
    }
}

impl Contender for Fifo {
    type Connection = SyntheticConnection;
    type Worker<'c> = FifoWorker<'c>;

    fn worker(&self) -> Result<FifoWorker<'_>> {
        let waiter = Arc::new(Waiter { thread: thread::current(), called: AtomicBool::new(false) });
        Ok(FifoWorker { fifo: self, waiter, conn: SyntheticConnection::default() })
    }
}

/// One thread's access to the permits, and the connection that it uses with one.
pub struct FifoWorker<'c> {
    fifo: &'c Fifo,
    waiter: Arc<Waiter>,
    conn: SyntheticConnection,
}

impl Worker for FifoWorker<'_> {
    type Connection = SyntheticConnection;

    #[inline]
    fn with_conn<R>(&mut self, operation: impl FnOnce(&mut SyntheticConnection) -> R) -> Result<R> {
        let _permit = self.fifo.acquire(&self.waiter);
        Ok(operation(&mut self.conn))
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc;

    use super::*;

    /// Waits until `count` threads are in the queue.
    fn await_waiting(fifo: &Fifo, count: usize) {
        while fifo.lock().waiting.len() < count {
            thread::yield_now();
        }
    }

    #[test]
    fn threads_are_served_in_the_order_of_asking() {
        let fifo = Fifo::new(1);
        let (send, receive) = mpsc::channel();
        thread::scope(|scope| {
            let mut first = fifo.worker().unwrap();
            first
                .with_conn(|_| {
                    for number in 0..5 {
                        let (fifo, send) = (&fifo, send.clone());
                        scope.spawn(move || {
                            let mut worker = fifo.worker().unwrap();
                            worker.with_conn(|_| send.send(number)).unwrap().unwrap();
                        });
                        await_waiting(fifo, number + 1);
                    }
                })
                .unwrap();
        });
        drop(send);
        assert_eq!(receive.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_panic_returns_the_permit() {
        let fifo = Fifo::new(1);
        let mut worker = fifo.worker().unwrap();
        let user = AssertUnwindSafe(|| worker.with_conn(|_| panic!("the user's fault")));
        assert!(catch_unwind(user).is_err());
        assert_eq!(fifo.lock().free, 1);
    }
}
