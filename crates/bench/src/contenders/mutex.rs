//! `mutex`: the simple pool of tutorials.

use std::sync::{Condvar, Mutex, PoisonError};

use crate::Result;
use crate::contender::Lend;
use crate::dial::Dial;

/// A fixed number of connections in a `Mutex<Vec>`, with a `Condvar` for waiters.
///
/// It is correct, but small. A connection has one holder. Dropping the guard returns the
/// connection, also in a panic, and wakes a waiter. There is no timeout, no order among waiters, no
/// check, no reset and no reconnect.
pub struct MutexPool<C> {
    idle: Mutex<Vec<C>>,
    returned: Condvar,
}

impl<C: Send + 'static> MutexPool<C> {
    /// Creates a pool and opens its `size` connections.
    ///
    /// # Errors
    ///
    /// If a connection cannot be opened.
    pub fn new(dial: &impl Dial<Connection = C>, size: usize) -> Result<Self> {
        let idle = (0..size).map(|_| dial.dial()).collect::<Result<_, _>>()?;
        Ok(Self { idle: Mutex::new(idle), returned: Condvar::new() })
    }
}

impl<C> MutexPool<C> {
    /// Takes a connection out. Waits for one without a limit.
    #[inline]
    fn take(&self) -> C {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(conn) = idle.pop() {
                return conn;
            }
            idle = self.returned.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Returns a connection when it is dropped.
struct Borrowed<'p, C> {
    pool: &'p MutexPool<C>,
    conn: Option<C>,
}

impl<C> Drop for Borrowed<'_, C> {
    #[inline]
    fn drop(&mut self) {
        self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(self.conn.take());
        self.pool.returned.notify_one();
    }
}

impl<C: Send + 'static> Lend for MutexPool<C> {
    type Connection = C;

    #[inline]
    fn lend<R>(&self, operation: impl FnOnce(&mut C) -> R) -> Result<R> {
        let mut borrowed = Borrowed { pool: self, conn: Some(self.take()) };
        let conn = borrowed.conn.as_mut().expect("it stays until it is returned");
        Ok(operation(conn))
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::sync::mpsc;
    use std::thread;

    use super::*;
    use crate::Failure;

    #[derive(Default)]
    struct Numbers(AtomicUsize);

    impl Dial for Numbers {
        type Connection = usize;

        fn dial(&self) -> Result<usize> {
            Ok(self.0.fetch_add(1, Relaxed))
        }
    }

    struct Refused;

    impl Dial for Refused {
        type Connection = ();

        fn dial(&self) -> Result<()> {
            Err(Failure::new("refused"))
        }
    }

    #[test]
    fn a_failed_connect_fails_the_build() {
        assert_eq!(MutexPool::new(&Refused, 1).err(), Some(Failure::new("refused")));
    }

    #[test]
    fn the_pool_opens_its_size_and_no_more() {
        let numbers = Numbers::default();
        let pool = MutexPool::new(&numbers, 2).unwrap();
        for _ in 0..10 {
            let both = pool.lend(|first| pool.lend(|second| (*first, *second)));
            let (first, second) = both.unwrap().unwrap();
            assert_ne!(first, second);
        }
        assert_eq!(numbers.0.load(Relaxed), 2);
    }

    #[test]
    fn a_returned_connection_goes_to_the_waiter() {
        let pool = MutexPool::new(&Numbers::default(), 1).unwrap();
        let (send, receive) = mpsc::channel();
        thread::scope(|scope| {
            let held = pool.lend(|_| {
                scope.spawn(|| pool.lend(|conn| send.send(*conn)));
                assert!(receive.try_recv().is_err(), "the connection is borrowed");
            });
            held.unwrap();
            assert_eq!(receive.recv(), Ok(0));
        });
    }

    #[test]
    fn a_panic_returns_the_connection() {
        let pool = MutexPool::new(&Numbers::default(), 1).unwrap();
        let user = AssertUnwindSafe(|| pool.lend(|_| panic!("the user's fault")));
        assert!(catch_unwind(user).is_err());
        assert_eq!(pool.lend(|conn| *conn), Ok(0));
    }

    #[test]
    fn a_connection_has_one_holder_at_a_time() {
        let pool = MutexPool::new(&Numbers::default(), 2).unwrap();
        let holders = [AtomicUsize::new(0), AtomicUsize::new(0)];
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let used = pool.lend(|conn| {
                            assert_eq!(holders[*conn].fetch_add(1, Relaxed), 0);
                            holders[*conn].fetch_sub(1, Relaxed);
                        });
                        used.unwrap();
                    }
                });
            }
        });
    }
}
