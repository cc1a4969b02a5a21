//! Share against return: several holders of one connection, and who has it afterwards.

use std::collections::HashSet;
use std::sync::Arc;

use super::explore_both_ways;
use super::model_pool::{Conn, Got, Play, spawn};
use crate::share::table::{Ended, Sharing};
use crate::slot::Share;

/// As `SharedConnection`'s use and drop.
fn use_and_leave(play: &Play, sharing: &Sharing<Conn>, share: Share<'_, Conn>) {
    assert!(share.content().is_some(), "a connection was closed under its holder");
    if let Some(Ended { handed, .. }) = sharing.leave(share, None) {
        play.put(handed);
    }
}

/// As `Core::share`, where there is nothing to wait for.
fn try_share<'p>(play: &'p Play, sharing: &Sharing<Conn>) -> Option<Share<'p, Conn>> {
    sharing.lock().join_least_shared(&play.exchange.slots, &HashSet::new(), || false)
}

fn share_new<'p>(play: &'p Play, sharing: &Sharing<Conn>) -> Share<'p, Conn> {
    let owned = play.try_get().expect("an idle connection");
    let mut table = sharing.lock();
    table.announce();
    table.add(owned)
}

/// Protects `Lent`'s count of holders: the right to write comes back with the last one, and with
/// nobody else, so that no holder reads what the next user writes.
#[test]
fn the_last_holder_gives_the_connection_back_and_nobody_else() {
    explore_both_ways(1, |play| {
        let sharing = Arc::new(Sharing::new(1));
        play.open_idle();
        let share = share_new(&play, &sharing);
        let other = {
            let sharing = Arc::clone(&sharing);
            spawn(&play, move |play| {
                if let Some(share) = try_share(play, &sharing) {
                    use_and_leave(play, &sharing, share);
                }
            })
        };
        let borrower = spawn(&play, |play| match play.get() {
            Got::Connection(owned) => play.put(owned.hand_over()),
            Got::GaveUp | Got::Closed => unreachable!(),
        });
        use_and_leave(&play, &sharing, share);
        other.join().unwrap();
        borrower.join().unwrap();
        play.assert_balance(1);
    });
}

/// Protects `leave`'s removal of the entry together with its last holder: who joins finds it with
/// a holder, or not at all.
#[test]
fn who_joins_as_the_last_one_leaves_holds_it_or_finds_nothing() {
    explore_both_ways(1, |play| {
        let sharing = Arc::new(Sharing::new(1));
        play.open_idle();
        let share = share_new(&play, &sharing);
        let joiners = [(); 2].map(|()| {
            let sharing = Arc::clone(&sharing);
            spawn(&play, move |play| {
                if let Some(share) = try_share(play, &sharing) {
                    use_and_leave(play, &sharing, share);
                }
            })
        });
        use_and_leave(&play, &sharing, share);
        joiners.into_iter().for_each(|joiner| joiner.join().unwrap());
        play.assert_balance(1);
    });
}
