//! The promises of every pool, one test each, for any pool on any database.
//!
//! A pool's crate implements [`PoolUnderTest`] in a test file and calls
//! [`pool_conformance!`](crate::pool_conformance), which makes a `#[test]` of each function here,
//! for each [`Backend`]. A script in front of the database's manager causes the faults, and the
//! ledger shows what the pool did.
//!
//! A pool may tie capacity to threads. So a test that frees capacity also ends the thread that held
//! it.

mod capacity;
mod closing;
mod deadlines;
mod errors;
mod limits;
mod sessions;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use threadwise_core::{BuildError, GetError, ManageConnection, Pool, Reset, Validation};

pub use self::capacity::*;
pub use self::closing::*;
pub use self::deadlines::*;
pub use self::errors::*;
pub use self::limits::*;
pub use self::sessions::*;

use crate::backend::Backend;
use crate::wait::PATIENCE;
use crate::{Ledger, Script, Scripted, ScriptedError};

/// Builds the pool that the suite tests, for any manager.
pub trait PoolUnderTest: 'static {
    /// The pool of a manager's connections.
    type Pool<M: ManageConnection>: Pool<Manager = M> + 'static;

    /// Builds a pool.
    ///
    /// # Errors
    ///
    /// What the pool's own `build` returns.
    fn build<M: ManageConnection>(
        manager: M,
        settings: Settings,
    ) -> Result<Self::Pool<M>, BuildError<M::Error>>;
}

/// The settings that all pools have.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The limit of open connections.
    pub size: usize,
    /// How long `get` waits.
    pub get_timeout: Option<Duration>,
    /// When the pool validates a connection.
    pub validation: Validation,
    /// How long a validation or a reset may take.
    pub validation_timeout: Option<Duration>,
    /// When the pool resets a session.
    pub reset: Reset,
}

impl Settings {
    /// Settings for `size` connections, with a `get_timeout` as long as a test's patience.
    #[must_use]
    pub fn size(size: usize) -> Self {
        let get_timeout = Some(PATIENCE);
        Self {
            size,
            get_timeout,
            validation: Validation::Never,
            validation_timeout: Some(PATIENCE),
            reset: Reset::WhenChanged,
        }
    }
}

type Manager<B> = Scripted<<B as Backend>::Manager>;
type PoolOf<K, B> = <K as PoolUnderTest>::Pool<Manager<B>>;
type Connection<'p, K, B> = <PoolOf<K, B> as Pool>::Connection<'p>;
type Failure<B> = ScriptedError<<<B as Backend>::Manager as ManageConnection>::Error>;
type Got<'p, K, B> = Result<Connection<'p, K, B>, GetError<Failure<B>>>;

/// A pool under test, with the script that disturbs it and the ledger that records it.
struct Rig<K: PoolUnderTest, B: Backend> {
    pool: PoolOf<K, B>,
    script: Arc<Script>,
    ledger: Arc<Ledger>,
    backend: B,
}

impl<K: PoolUnderTest, B: Backend> Rig<K, B> {
    fn new(settings: Settings) -> Self {
        Self::try_new(settings).expect("a pool")
    }

    /// The same for a `get_timeout` so short that a login may be too late on a busy machine: then tries
    /// again.
    fn in_short_time(settings: Settings) -> Self {
        crate::wait::until_some("a pool", || {
            Self::try_new(settings).inspect_err(|error| println!("{error}")).ok()
        })
    }

    fn try_new(settings: Settings) -> Result<Self, BuildError<Failure<B>>> {
        let backend = B::start();
        let manager = Scripted::new(backend.manager());
        let (script, ledger) = (manager.script(), manager.ledger());
        let pool = K::build(manager, settings)?;
        Ok(Self { pool, script, ledger, backend })
    }

    /// Borrows a connection, and asserts that it works.
    fn get(&self) -> Connection<'_, K, B> {
        Self::works(self.pool.get())
    }

    /// The same, however short the pool's `get_timeout` is: a real server may take longer to log in.
    fn get_patiently(&self) -> Connection<'_, K, B> {
        Self::works(self.pool.get_timeout(PATIENCE))
    }

    fn works<'p>(got: Got<'p, K, B>) -> Connection<'p, K, B> {
        let mut conn = got.unwrap_or_else(|error| panic!("no connection: {error}"));
        assert_works::<B>(&mut conn);
        conn
    }

    /// Runs `work` on a thread of its own, and waits for the thread's end.
    fn on_thread<R: Send>(&self, work: impl FnOnce() -> R + Send) -> thread::Result<R> {
        thread::scope(|scope| scope.spawn(work).join())
    }

    /// Asserts that the pool has all its capacity: `size` threads can hold a connection each.
    fn assert_whole(&self, size: usize) {
        let holding = AtomicUsize::new(0);
        thread::scope(|scope| {
            let holders: Vec<_> = (0..size)
                .map(|_| {
                    scope.spawn(|| {
                        let _conn = self.get_patiently();
                        holding.fetch_add(1, Ordering::SeqCst);
                        // Ends in time, unlike a barrier, if another holder has failed.
                        crate::wait::until("all to hold a connection", || {
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

    fn await_waiting(&self, count: usize) {
        crate::wait::until("threads to wait for a connection", || {
            self.pool.state().waiting == count
        });
    }
}

/// Uses a connection, and asserts that the answer is the one to this question.
fn assert_works<B: Backend>(conn: &mut crate::ScriptedConnection<crate::backend::ConnectionOf<B>>) {
    static NONCE: AtomicU64 = AtomicU64::new(1);
    let nonce = NONCE.fetch_add(1, Ordering::Relaxed);
    assert_eq!(
        B::echo(conn, nonce),
        nonce,
        "the connection returned the answer to another question"
    );
}

/// Makes a `#[test]` of each promise, on each database, for one [`PoolUnderTest`].
#[macro_export]
macro_rules! pool_conformance {
    ($kind:ty) => {
        mod fake {
            use super::*;
            $crate::pool_conformance!($kind, $crate::backend::Fake);
        }
        mod sqlite {
            use super::*;
            $crate::pool_conformance!($kind, $crate::backend::Sqlite);
        }
        mod mariadb {
            use super::*;
            $crate::pool_conformance!($kind, $crate::backend::Maria);
        }
        mod postgres {
            use super::*;
            $crate::pool_conformance!($kind, $crate::backend::Pg);
        }
    };
    ($kind:ty, $backend:ty) => {
        $crate::pool_conformance! { $kind, $backend:
            // 1: the limit
            the_limit_is_exact_whatever_goes_wrong
            a_size_of_zero_is_refused
            // 2: capacity
            capacity_survives_a_failed_connect
            capacity_survives_a_panicking_connect
            capacity_survives_a_panicking_holder
            capacity_survives_a_panic_in_the_free_check
            capacity_survives_a_failed_validation
            capacity_survives_a_panicking_validation
            capacity_survives_a_failed_reset
            capacity_survives_a_panicking_reset
            capacity_survives_a_panicking_close
            capacity_survives_a_discard
            capacity_survives_a_detach
            a_forgotten_guard_is_reported_and_the_pool_still_closes
            a_discard_wakes_a_waiter
            a_detach_wakes_a_waiter
            a_panic_wakes_a_waiter
            a_broken_return_wakes_a_waiter
            a_return_wakes_a_waiter
            // 3 and 6: borrowed connections
            a_borrowed_connection_works
            a_broken_connection_is_not_lent_again
            a_connection_that_broke_while_idle_is_replaced
            a_connection_whose_holder_panicked_is_not_lent_again
            the_next_user_finds_a_fresh_session
            the_user_after_a_panic_finds_a_fresh_session
            an_unchanged_session_is_not_reset
            // 4: no lock around calls of the manager
            a_slow_manager_call_blocks_no_other_thread
            // 5: the deadline
            get_ends_at_its_deadline_when_all_are_in_use
            get_ends_at_its_deadline_when_connect_hangs
            get_ends_at_its_deadline_when_validation_hangs
            a_return_whose_reset_hangs_ends_at_the_validation_timeout
            a_timeout_of_zero_does_not_wait
            try_get_does_not_wait
            // 7: closing
            close_wakes_every_waiter
            close_closes_idle_connections_at_once
            close_closes_borrowed_connections_on_return
            close_is_final
            a_connection_that_is_opened_while_the_pool_closes_is_closed
            dropping_the_pool_closes_its_connections
            // 9: errors
            build_fails_with_the_managers_own_error
            build_fails_if_the_server_refuses
            a_failing_connect_reaches_the_borrower_with_its_cause
            no_error_shows_a_password
            state_counts_what_happened
        }
    };
    ($kind:ty, $backend:ty: $($promise:ident)*) => {
        $(#[test] fn $promise() { $crate::conformance::$promise::<$kind, $backend>() })*
    };
}
