//! Suspending, ageing and suspicion against those who borrow and return; slots that are watched.

use super::model_pool::{Got, Play, spawn};
use super::{AT_ONCE, explore, explore_both_ways};
use crate::slot::{Owned, Slot, WATCHED};

// Suspend against get and return.

/// Protects the mark on what is idle, and that those who take heed it.
#[test]
fn a_suspended_pool_lends_nothing_whoever_borrows_meanwhile() {
    explore_both_ways(1, |play| {
        play.open_idle();
        let borrower = spawn(&play, Play::try_use);
        play.exchange.suspend();
        assert_lends_nothing(&play);
        borrower.join().unwrap();
        assert_lends_nothing(&play);
        drop(play.exchange.resume());
        play.assert_balance(1);
    });
}

/// Protects that the mark outlives the return.
#[test]
fn a_suspended_pool_lends_nothing_whoever_returns_meanwhile() {
    explore_both_ways(1, |play| {
        let only = play.open();
        let holder = spawn(&play, move |play| play.put(only));
        play.exchange.suspend();
        assert_lends_nothing(&play);
        holder.join().unwrap();
        assert_lends_nothing(&play);
        drop(play.exchange.resume());
        play.assert_balance(1);
    });
}

/// Protects the hand-over in `resume`: nobody was told of what came back meanwhile.
#[test]
fn who_joins_a_suspended_pool_is_served_when_it_goes_on() {
    explore_both_ways(1, |play| {
        let only = play.open();
        play.exchange.suspend();
        let holder = spawn(&play, move |play| play.put(only));
        let waiter = spawn(&play, |play| play.use_it(play.get()));
        drop(play.exchange.resume());
        holder.join().unwrap();
        waiter.join().unwrap();
        play.assert_balance(1);
    });
}

fn assert_lends_nothing(play: &Play) {
    assert!(play.try_get().is_none(), "lent while suspended");
    assert!(play.exchange.slots.take_any(0, true).is_none(), "lent while suspended");
}

// Ageing against return.

/// Protects `put_back`'s heed of the mark: whose time was up in a borrower's hands does not become
/// idle.
#[test]
fn a_connection_whose_time_is_up_is_closed_or_was_idle_before() {
    explore_both_ways(1, |play| {
        let only = play.open();
        let marker = spawn(&play, |play| first_slot(play).mark_expired());
        play.put(only);
        let marked = marker.join().unwrap();
        play.assert_balance(usize::from(!marked));
    });
}

/// Protects that putting off takes the one mark only.
#[test]
fn a_connection_that_is_evicted_while_its_end_is_put_off_is_closed() {
    explore(|| {
        let play = Play::new(1, AT_ONCE);
        let only = play.open();
        assert!(first_slot(&play).mark_expired());
        let evicter = spawn(&play, Play::evict);
        let owned = play.exchange.slots.accept(only);
        let marks = owned.marks();
        if !marks.is_evicted() {
            owned.lift(marks);
        }
        play.put(owned.hand_over());
        evicter.join().unwrap();
        play.assert_balance(0);
    });
}

// Suspicion against return.

/// Protects the mark on what is borrowed, and that it outlives the return: what was suspected is
/// asked about by the pool, or by its next user.
#[test]
fn a_suspected_connection_is_checked_before_its_next_use_whoever_returns_it_meanwhile() {
    explore(|| {
        let play = Play::new(1, AT_ONCE);
        let only = play.open();
        let holder = spawn(&play, move |play| play.put(only));
        let mut checked = false;
        first_slot(&play).suspect(|owned| {
            checked = true;
            play.put(owned.hand_over());
        });
        holder.join().unwrap();
        let (owned, stale) = play.exchange.slots.take_any(0, true).expect("it is idle");
        assert!(stale || checked, "nobody asks the server");
        play.put(owned.hand_over());
        play.assert_balance(1);
    });
}

/// Protects that who hands a connection over says that it is stale.
#[test]
fn a_waiter_is_told_that_what_it_is_handed_is_stale() {
    explore(|| {
        let play = Play::new(1, AT_ONCE);
        let only = play.open();
        let waiting = play.join_first();
        assert!(first_slot(&play).mark_suspect());
        let holder = spawn(&play, move |play| play.put(only));
        let (got, stale) = play.wait_for_stale(&waiting);
        assert!(stale, "nobody asks the server");
        play.use_it(got);
        holder.join().unwrap();
        play.assert_balance(1);
    });
}

/// A connection that is checked is put back or closed once, whoever closes the pool meanwhile.
#[test]
fn a_connection_that_is_checked_while_the_pool_closes_is_closed() {
    explore_both_ways(1, |play| {
        play.open_idle();
        let checker = spawn(&play, |play| {
            first_slot(play).suspect(|owned| play.put(owned.hand_over()));
        });
        play.close_pool();
        checker.join().unwrap();
        play.assert_balance(0);
    });
}

// Watched slots.

/// Protects `take_fresh`, which is the exchange of the slow path.
#[test]
fn a_watched_connection_is_taken_by_one_thread_at_a_time() {
    explore(|| {
        let play = Play::marked(1, AT_ONCE, WATCHED);
        play.open_idle();
        let take = |play: &Play| {
            if let Some((owned, _)) = play.exchange.slots.take_any(0, true) {
                play.put(owned.hand_over());
            }
        };
        let other = spawn(&play, take);
        take(&play);
        other.join().unwrap();
        assert!(play.try_get().is_none(), "the fast path is closed");
        play.assert_balance(1);
    });
}

#[test]
fn a_closed_pool_has_nothing_idle_where_uses_are_watched() {
    explore(|| {
        let play = Play::marked(1, AT_ONCE, WATCHED);
        play.open_idle();
        let borrower = spawn(&play, |play| match play.get() {
            Got::Connection(owned) => play.put(Owned::hand_over(owned)),
            Got::GaveUp => unreachable!(),
            Got::Closed => {}
        });
        play.close_pool();
        borrower.join().unwrap();
        play.assert_balance(0);
    });
}

fn first_slot(play: &Play) -> &Slot<super::model_pool::Conn> {
    play.exchange.slots.get(0).expect("a slot")
}
