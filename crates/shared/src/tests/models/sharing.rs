//! Share against return: several holders of one connection, and which thread has it afterwards.

use std::collections::HashSet;
use std::sync::Arc;

use super::explore_both_ways;
use super::model_pool::{Conn, Got, ModelPool, spawn};
use crate::share::Sharing;
use crate::share::table::Ended;
use crate::slot::Share;

/// Uses a share and leaves it, as `SharedConnection` does.
fn use_and_leave(pool: &ModelPool, sharing: &Sharing<Conn>, share: Share<'_, Conn>) {
    assert!(share.content().is_some(), "a connection was closed under its holder");
    if let Some(Ended { handed, .. }) = sharing.leave(share, None) {
        pool.put(handed);
    }
}

/// Like `Core::share`, without waiting.
fn try_share<'p>(pool: &'p ModelPool, sharing: &Sharing<Conn>) -> Option<Share<'p, Conn>> {
    sharing.lock().join_least_shared(&pool.handoff.slots, &HashSet::new(), || false)
}

fn share_new<'p>(pool: &'p ModelPool, sharing: &Sharing<Conn>) -> Share<'p, Conn> {
    let owned = pool.try_get().expect("an idle connection");
    let mut table = sharing.lock();
    table.begin_adding();
    table.add(owned)
}

/// Protects `SharedOwned`'s count of holders: only the last one brings the right to write back, so that
/// no holder reads what the next user writes.
#[test]
fn only_the_last_holder_returns_the_connection() {
    explore_both_ways(1, |pool| {
        let sharing = Arc::new(Sharing::new(1));
        pool.open_idle();
        let share = share_new(&pool, &sharing);
        let other = {
            let sharing = Arc::clone(&sharing);
            spawn(&pool, move |pool| {
                if let Some(share) = try_share(pool, &sharing) {
                    use_and_leave(pool, &sharing, share);
                }
            })
        };
        let borrower = spawn(&pool, |pool| match pool.get() {
            Got::Connection(owned) => pool.put(owned.hand_over()),
            Got::GaveUp | Got::Closed => unreachable!(),
        });
        use_and_leave(&pool, &sharing, share);
        other.join().unwrap();
        borrower.join().unwrap();
        pool.assert_balance(1);
    });
}

/// Protects that `leave` removes the entry together with its last holder: a thread that joins finds it
/// with a holder, or not at all.
#[test]
fn a_thread_that_joins_as_the_last_holder_leaves_holds_it_or_finds_none() {
    explore_both_ways(1, |pool| {
        let sharing = Arc::new(Sharing::new(1));
        pool.open_idle();
        let share = share_new(&pool, &sharing);
        let joiners = [(); 2].map(|()| {
            let sharing = Arc::clone(&sharing);
            spawn(&pool, move |pool| {
                if let Some(share) = try_share(pool, &sharing) {
                    use_and_leave(pool, &sharing, share);
                }
            })
        });
        use_and_leave(&pool, &sharing, share);
        joiners.into_iter().for_each(|joiner| joiner.join().unwrap());
        pool.assert_balance(1);
    });
}
