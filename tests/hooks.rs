//! What a pool does with a connection that the `on_acquire` hook refuses, the same in each pool.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use threadwise::{AnyPool, CloseReason, HookError, ManageConnection, Pool, PoolKind};
use threadwise_sqlite::SqliteManager;
use threadwise_testkit::wait;

/// Long enough for a busy machine to meet two refusals.
const A_WHILE: Duration = Duration::from_millis(400);

/// A pool of one connection whose hook begins a transaction. It then fails as `refuse` says, for as long
/// as the flag is set.
fn pool(kind: PoolKind, refuse: fn() -> HookError) -> (AnyPool<SqliteManager>, Arc<AtomicBool>) {
    let refuses = Arc::new(AtomicBool::new(true));
    let refuses_now = Arc::clone(&refuses);
    let hook = move |conn: &mut <SqliteManager as ManageConnection>::Connection| {
        if refuses_now.load(SeqCst) {
            let _ = conn.execute_batch("BEGIN"); // fails if one is open already
            return Err(refuse());
        }
        Ok(())
    };
    let pool = kind.builder().size(1).on_acquire(hook).build(SqliteManager::memory()).unwrap();
    (pool, refuses)
}

#[test]
fn a_session_that_a_refusing_hook_changed_is_reset_before_the_next_borrower() {
    for kind in PoolKind::ALL {
        let (pool, refuses) = pool(*kind, || "the tenant is locked".into());
        assert!(pool.get_timeout(A_WHILE).is_err(), "{kind}");
        let closed = || pool.state().counters.closed(CloseReason::Vetoed);
        wait::until("the first to be closed", || closed() > 0);
        assert_eq!(closed(), 1, "{kind}: one was kept");
        refuses.store(false, SeqCst);
        assert!(pool.get().unwrap().is_autocommit(), "{kind}: the hook's transaction is open");
    }
}

#[test]
fn a_connection_on_which_the_hook_panicked_is_not_lent() {
    for kind in PoolKind::ALL {
        let (pool, refuses) = pool(*kind, || std::panic::resume_unwind(Box::new("as planned")));
        assert!(pool.get_timeout(A_WHILE).is_err(), "{kind}");
        refuses.store(false, SeqCst);
        drop(pool.get().unwrap());
        let counters = || pool.state().counters;
        wait::until("all but the last to be closed", || {
            counters().opened == counters().closed_total() + 1
        });
        let closed = counters().closed(CloseReason::Vetoed);
        assert!((2..=8).contains(&closed), "{kind}: each is closed, after a pause; {closed}");
    }
}

#[test]
fn borrowers_that_are_refused_again_and_again_cost_few_connections() {
    for kind in PoolKind::ALL {
        let (pool, _) = pool(*kind, || "the tenant is locked".into());
        for _ in 0..1_000 {
            assert!(pool.try_get().is_err(), "{kind}");
        }
        let closed = pool.state().counters.closed(CloseReason::Vetoed);
        assert!(closed <= 40, "{kind}: {closed}");
    }
}
