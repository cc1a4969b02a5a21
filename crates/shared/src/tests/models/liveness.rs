//! Threads borrow and return while another one suspends the pool, ages a connection, or makes one
//! suspect. Also watched slots.

use super::model_pool::{Got, ModelPool, spawn};
use super::{AT_ONCE, explore, explore_both_ways};
use crate::flags::WATCHED;
use crate::slot::Owned;

// Suspend against get and return.

/// Protects the flag on idle connections: each exchange that takes a connection respects it.
#[test]
fn a_suspended_pool_lends_nothing_while_a_thread_borrows() {
    explore_both_ways(1, |pool| {
        pool.open_idle();
        let borrower = spawn(&pool, ModelPool::try_use);
        pool.handoff.suspend();
        assert_lends_nothing(&pool);
        borrower.join().unwrap();
        assert_lends_nothing(&pool);
        drop(pool.handoff.resume());
        pool.assert_balance(1);
    });
}

/// Protects that the flag outlives the return.
#[test]
fn a_suspended_pool_lends_nothing_while_a_thread_returns() {
    explore_both_ways(1, |pool| {
        let only = pool.open();
        let holder = spawn(&pool, move |pool| pool.put(only));
        pool.handoff.suspend();
        assert_lends_nothing(&pool);
        holder.join().unwrap();
        assert_lends_nothing(&pool);
        drop(pool.handoff.resume());
        pool.assert_balance(1);
    });
}

/// Protects that `resume` hands connections off: no waiter learned of those that came back during
/// the suspension.
#[test]
fn a_waiter_of_a_suspended_pool_is_served_on_resume() {
    explore_both_ways(1, |pool| {
        let only = pool.open();
        pool.handoff.suspend();
        let holder = spawn(&pool, move |pool| pool.put(only));
        let waiter = spawn(&pool, |pool| pool.use_it(pool.get()));
        drop(pool.handoff.resume());
        holder.join().unwrap();
        waiter.join().unwrap();
        pool.assert_balance(1);
    });
}

fn assert_lends_nothing(pool: &ModelPool) {
    assert!(pool.try_get().is_none(), "lent while suspended");
    assert!(pool.handoff.slots.take_any(0, true).is_none(), "lent while suspended");
}

// Ageing against return.

/// Protects that `put_back` respects the flag: a connection whose lifetime ends while it is borrowed
/// does not become idle.
#[test]
fn an_expired_connection_is_closed_unless_it_was_idle_before_the_mark() {
    explore_both_ways(1, |pool| {
        let only = pool.open();
        let marker = spawn(&pool, |pool| pool.first_slot().mark_expired());
        pool.put(only);
        let marked = marker.join().unwrap();
        pool.assert_balance(usize::from(!marked));
    });
}

/// Protects that postponing clears only the one flag.
#[test]
fn a_connection_that_is_evicted_while_its_end_is_postponed_is_closed() {
    explore(|| {
        let pool = ModelPool::new(1, AT_ONCE);
        let only = pool.open();
        assert!(pool.first_slot().mark_expired());
        let evicter = spawn(&pool, ModelPool::evict);
        let owned = pool.handoff.slots.accept(only);
        let flags = owned.close_flags();
        if !flags.is_evicted() {
            owned.clear_flags(flags);
        }
        pool.put(owned.hand_over());
        evicter.join().unwrap();
        pool.assert_balance(0);
    });
}

// Suspicion against return.

/// Protects the flag on a borrowed connection, and that it outlives the return: the pool or the next
/// borrower validates a suspected connection.
#[test]
fn a_suspected_connection_is_checked_before_its_next_use_while_a_thread_returns_it() {
    explore(|| {
        let pool = ModelPool::new(1, AT_ONCE);
        let only = pool.open();
        let holder = spawn(&pool, move |pool| pool.put(only));
        let mut checked = false;
        pool.first_slot().suspect(|owned| {
            checked = true;
            pool.put(owned.hand_over());
        });
        holder.join().unwrap();
        let (owned, stale) = pool.handoff.slots.take_any(0, true).expect("it is idle");
        assert!(stale || checked, "no thread validates it");
        pool.put(owned.hand_over());
        pool.assert_balance(1);
    });
}

/// Protects that the thread that hands a connection off says that it is stale.
#[test]
fn a_waiter_is_told_that_its_connection_is_stale() {
    explore(|| {
        let pool = ModelPool::new(1, AT_ONCE);
        let only = pool.open();
        let waiting = pool.join_first();
        assert!(pool.first_slot().mark_suspect());
        let holder = spawn(&pool, move |pool| pool.put(only));
        let (got, stale) = pool.wait_for_stale(&waiting);
        assert!(stale, "no thread validates it");
        pool.use_it(got);
        holder.join().unwrap();
        pool.assert_balance(1);
    });
}

/// A connection that is being checked is put back or closed once, while another thread closes the pool.
#[test]
fn a_connection_that_is_checked_while_the_pool_closes_is_closed() {
    explore_both_ways(1, |pool| {
        pool.open_idle();
        let checker = spawn(&pool, |pool| {
            pool.first_slot().suspect(|owned| pool.put(owned.hand_over()));
        });
        pool.close_pool();
        checker.join().unwrap();
        pool.assert_balance(0);
    });
}

// Watched slots.

/// Protects `take_fresh`, which is the exchange of the slow path.
#[test]
fn a_watched_connection_is_taken_by_one_thread_at_a_time() {
    explore(|| {
        let pool = ModelPool::flagged(1, AT_ONCE, WATCHED);
        pool.open_idle();
        let take = |pool: &ModelPool| {
            if let Some((owned, _)) = pool.handoff.slots.take_any(0, true) {
                pool.put(owned.hand_over());
            }
        };
        let other = spawn(&pool, take);
        take(&pool);
        other.join().unwrap();
        assert!(pool.try_get().is_none(), "the fast path is closed");
        pool.assert_balance(1);
    });
}

#[test]
fn a_closed_pool_has_nothing_idle_when_uses_are_watched() {
    explore(|| {
        let pool = ModelPool::flagged(1, AT_ONCE, WATCHED);
        pool.open_idle();
        let borrower = spawn(&pool, |pool| match pool.get() {
            Got::Connection(owned) => pool.put(Owned::hand_over(owned)),
            Got::GaveUp => unreachable!(),
            Got::Closed => {}
        });
        pool.close_pool();
        borrower.join().unwrap();
        pool.assert_balance(0);
    });
}
