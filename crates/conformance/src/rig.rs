//! A pool under test, with the script that disturbs it and the ledger that records it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

use threadwise_core::{BuildError, GetError, ManageConnection, Moment, Pool};

use crate::pools::{PoolUnderTest, Settings};
use crate::subject::{ConnectionOf, ErrorOf, ManagerUnderTest};
use crate::{Ledger, Script, Scripted, ScriptedConnection, ScriptedError, wait};

pub(crate) type Manager<B> = Scripted<<B as ManagerUnderTest>::Manager>;
pub(crate) type PoolOf<K, B> = <K as PoolUnderTest>::Pool<Manager<B>>;
pub(crate) type Borrowed<'p, K, B> = <PoolOf<K, B> as Pool>::Connection<'p>;
pub(crate) type Failure<B> = ScriptedError<ErrorOf<B>>;
pub(crate) type Got<'p, K, B> = Result<Borrowed<'p, K, B>, GetError<Failure<B>>>;

/// A pool of a subject's connections. The script in front of the manager causes faults.
pub(crate) struct Rig<K: PoolUnderTest, B: ManagerUnderTest> {
    pub(crate) pool: PoolOf<K, B>,
    pub(crate) script: Arc<Script>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) subject: B,
}

impl<K: PoolUnderTest, B: ManagerUnderTest> Rig<K, B> {
    pub(crate) fn new(settings: Settings) -> Self {
        Self::try_new(settings).unwrap_or_else(|error| {
            panic!("the manager cannot connect to the server that `start` made: {error:?}")
        })
    }

    /// The same for a `get_timeout` so short that a login may be too late on a busy machine: then tries
    /// again.
    pub(crate) fn in_short_time(settings: Settings) -> Self {
        wait::until_some("a pool", || {
            Self::try_new(settings).inspect_err(|error| println!("{error:?}")).ok()
        })
    }

    fn try_new(settings: Settings) -> Result<Self, BuildError<Failure<B>>> {
        let subject = B::start();
        let manager = Scripted::new(subject.manager());
        let (script, ledger) = (manager.script(), manager.ledger());
        let pool = K::build(manager, settings)?;
        Ok(Self { pool, script, ledger, subject })
    }

    /// Borrows a connection, and asserts that it works.
    pub(crate) fn get(&self) -> Borrowed<'_, K, B> {
        self.works(self.pool.get())
    }

    /// The same, however short the pool's `get_timeout` is: a real server may take longer to log in.
    pub(crate) fn get_patiently(&self) -> Borrowed<'_, K, B> {
        self.works(self.pool.get_timeout(wait::patience()))
    }

    fn works<'p>(&'p self, got: Got<'p, K, B>) -> Borrowed<'p, K, B> {
        let mut conn = got.unwrap_or_else(|error| panic!("no connection: {error:?}"));
        self.assert_works(&mut conn);
        conn
    }

    /// Uses a connection, and asserts that the answer is the one to this question.
    pub(crate) fn assert_works(&self, conn: &mut ScriptedConnection<ConnectionOf<B>>) {
        assert_answers(&self.subject, conn);
    }

    /// Runs `work` on a thread of its own, and waits for the thread's end.
    pub(crate) fn on_thread<R: Send>(&self, work: impl FnOnce() -> R + Send) -> thread::Result<R> {
        thread::scope(|scope| scope.spawn(work).join())
    }

    /// Asserts that the pool has all its capacity: `size` threads can hold a connection each.
    pub(crate) fn assert_whole(&self, size: usize) {
        let holding = AtomicUsize::new(0);
        thread::scope(|scope| {
            let holders: Vec<_> = (0..size)
                .map(|_| {
                    scope.spawn(|| {
                        let _conn = self.get_patiently();
                        holding.fetch_add(1, Ordering::SeqCst);
                        // Ends in time, unlike a barrier, if another holder has failed.
                        wait::until("all to hold a connection", || {
                            holding.load(Ordering::SeqCst) == size
                        });
                    })
                })
                .collect();
            for holder in holders {
                holder.join().expect("a holder");
            }
        });
        self.ledger.assert_in_order();
    }

    pub(crate) fn await_waiting(&self, count: usize) {
        wait::until("threads to wait for a connection", || self.pool.state().waiting == count);
    }
}

/// Uses a connection, and asserts that the answer is the one to this question.
pub(crate) fn assert_answers<B: ManagerUnderTest>(subject: &B, conn: &mut ConnectionOf<B>) {
    static NONCE: AtomicU64 = AtomicU64::new(1);
    let nonce = NONCE.fetch_add(1, Ordering::Relaxed);
    match subject.echo(conn, nonce) {
        Ok(answer) => assert_eq!(
            answer, nonce,
            "the connection returned the answer to another question: a call of the manager left an \
             answer unread, or gave up on one. Read each answer, or mark the connection as broken"
        ),
        Err(error) => panic!("a connection that should work does not: {error:?}"),
    }
}

/// Waits until the manager has noticed, by the free check or the quick check, that the server has closed
/// the connection. Returns whether it has.
pub(crate) fn await_notice<M: ManageConnection>(manager: &M, conn: &mut M::Connection) -> bool {
    let has_quick_check = manager.quick_check_after().is_some();
    wait::has_come(|| {
        manager.has_broken_at(conn, Moment::Checkout)
            || has_quick_check && manager.quick_check(conn).is_err()
    })
}
