//! Threads only borrow and return, on the fast path, while another thread closes the pool.
//!
//! The checks must not order the memory accesses that they check: they use no lock and no exchange, only
//! plain loads and stores. This test fails if `get` or the return does not read the flags. It does not
//! show a missing barrier, since that takes a store that is late by a whole system call. The models show
//! that.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;

use threadwise_core::{CloseReason, GetError, ManageConnection};
use threadwise_persistent::PersistentPool;
use threadwise_testkit::stress::Rng;

#[derive(Clone, Default)]
struct Checked(Arc<Server>);

#[derive(Default)]
struct Server {
    open: AtomicUsize,
    /// How often a connection had two users, or was closed during a use.
    faults: AtomicU32,
}

struct Session {
    in_use: AtomicBool,
    is_closed: AtomicBool,
    server: Arc<Server>,
}

impl Session {
    fn assert_unused(&self) {
        if self.in_use.load(Relaxed) || self.is_closed.load(Relaxed) {
            self.server.faults.fetch_add(1, SeqCst);
        }
    }

    fn use_for(&self, turns: u32) {
        self.assert_unused();
        self.in_use.store(true, Relaxed);
        for _ in 0..turns {
            std::hint::spin_loop();
        }
        self.in_use.store(false, Relaxed);
    }
}

impl ManageConnection for Checked {
    // An `Arc`, so that a close during a use can be seen.
    type Connection = Arc<Session>;
    type Error = Infallible;

    fn connect(&self) -> Result<Arc<Session>, Infallible> {
        self.0.open.fetch_add(1, SeqCst);
        let server = Arc::clone(&self.0);
        Ok(Arc::new(Session { in_use: false.into(), is_closed: false.into(), server }))
    }

    fn is_valid(&self, _: &mut Arc<Session>) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Arc<Session>) -> bool {
        false
    }

    fn has_changed(&self, _: &mut Arc<Session>) -> bool {
        false
    }

    fn close(&self, conn: Arc<Session>) {
        conn.assert_unused();
        conn.is_closed.store(true, Relaxed);
        self.0.open.fetch_sub(1, SeqCst);
    }
}

/// Returns how many `get`s succeeded.
pub(crate) fn run(seed: u64) -> u64 {
    let mut rng = Rng::new(seed);
    let threads = 1 + rng.below(3) as usize;
    let closers = 1 + rng.below(2) as usize;
    let manager = Checked::default();
    let server = Arc::clone(&manager.0);
    let pool = PersistentPool::builder().build_lazy(manager).unwrap();
    let [begin, end] = [(); 2].map(|()| Barrier::new(threads + closers));
    let all_ended = Barrier::new(threads + 1);
    let is_closed = AtomicBool::new(false);
    let lent = thread::scope(|scope| {
        let (pool, begin, end) = (&pool, &begin, &end);
        let (all_ended, is_closed) = (&all_ended, &is_closed);
        let users: Vec<_> = (0..threads)
            .map(|_| {
                let turns = rng.one_of(&[0, 10, 200, 2_000]);
                let asks_again = rng.one_in(2);
                scope.spawn(move || {
                    let mut lent = 0;
                    drop(pool.get().unwrap());
                    begin.wait();
                    // Some threads do not call `get` after the close, so that only their return meets it.
                    while asks_again || !is_closed.load(Relaxed) {
                        match pool.get() {
                            Ok(conn) => conn.use_for(turns),
                            Err(GetError::Closed) => break,
                            Err(error) => panic!("{error}"),
                        }
                        lent += 1;
                    }
                    end.wait();
                    all_ended.wait();
                    lent + 1
                })
            })
            .collect();
        let mut close = || {
            let after = rng.below(2_000);
            move || {
                begin.wait();
                (0..after).for_each(|_| std::hint::spin_loop());
                pool.close();
                is_closed.store(true, Relaxed);
                end.wait();
            }
        };
        for _ in 1..closers {
            scope.spawn(close());
        }
        close()();
        // No thread has ended yet, so none has closed its connection by its end.
        let left = (server.faults.load(SeqCst), server.open.load(SeqCst), pool.state());
        all_ended.wait();
        assert_eq!(left.0, 0, "a connection had two users, or was closed during a use");
        assert_eq!(left.1, 0, "no thread closed a connection");
        assert_eq!((left.2.open, left.2.idle), (0, 0), "{}", left.2);
        users.into_iter().map(|user| user.join().unwrap()).sum()
    });
    let counters = pool.state().counters;
    assert_eq!((counters.gets, counters.opened), (lent, threads as u64));
    assert_eq!(counters.closed(CloseReason::PoolClosed), threads as u64);
    lent
}
