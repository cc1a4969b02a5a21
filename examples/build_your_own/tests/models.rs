//! The steps under loom: small models of two or three threads, run through every interleaving.
//! `just loom` runs them.
//!
//! Some of them must fail: they show the flaw of a step, and loom has to find it. Loom reports a
//! thread that is never woken as a deadlock. It also reports two threads that reach one connection
//! at the same time, as two accesses to its cell without an order.
#![cfg(loom)]

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use build_your_own::server::{Manage, Refused, Server};
use build_your_own::sync::until;
use build_your_own::{
    b2_condvar as b2, b3_guards_and_panics as b3, b5_broken_connections as b5,
    b6_fifo_hand_off as b6, b7_atomics_and_hints as b7,
};
use loom::thread;

/// A timeout that never ends, because no time passes in a model.
const LONG: Duration = Duration::from_secs(3600);
/// A timeout for a thread that does not wait. Loom chooses when the thread looks.
const AT_ONCE: Duration = Duration::ZERO;
const NEVER: Duration = Duration::MAX;

/// Runs a model through all interleavings in which threads are interrupted at most three times
/// where they need not stop.
fn explore(play: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = model.preemption_bound.or(Some(3));
    model.check(play);
}

fn spawn<P: Send + Sync + 'static>(
    pool: &Arc<P>,
    part: impl FnOnce(&P) + 'static,
) -> thread::JoinHandle<()> {
    let pool = Arc::clone(pool);
    thread::spawn(move || part(&pool))
}

// Step 2: the lost wakeup, and the connection that is not returned.

#[test]
#[should_panic(expected = "deadlock")]
fn b2_wrong_loses_a_wakeup() {
    explore(|| {
        let pool = Arc::new(b2::Pool::new(Server::default(), 1).unwrap());
        let user = spawn(&pool, |pool| pool.put(pool.get_wrong(|| ())));
        pool.put(pool.get_wrong(|| ()));
        user.join().unwrap();
    });
}

#[test]
fn b2_loses_no_wakeup() {
    explore(|| {
        let pool = Arc::new(b2::Pool::new(Server::default(), 1).unwrap());
        let users = [(); 2].map(|()| spawn(&pool, |pool| pool.put(pool.get())));
        pool.put(pool.get());
        users.into_iter().for_each(|user| user.join().unwrap());
    });
}

/// Panics without a message. The model goes on.
fn panicking(user: impl FnOnce()) {
    let user = || {
        user();
    };
    assert!(catch_unwind(AssertUnwindSafe(user)).is_err());
}

fn bug() {
    resume_unwind(Box::new("a bug of the user"));
}

#[test]
#[should_panic(expected = "deadlock")]
fn b2_leaves_a_waiter_asleep_after_a_panic() {
    explore(|| {
        let pool = Arc::new(b2::Pool::new(Server::default(), 1).unwrap());
        let user = spawn(&pool, |pool| {
            panicking(|| {
                let conn = pool.get();
                bug();
                pool.put(conn);
            });
        });
        pool.put(pool.get());
        user.join().unwrap();
    });
}

#[test]
fn b3_wakes_a_waiter_after_a_panic() {
    explore(|| {
        let pool = Arc::new(b3::Pool::new(Server::default(), 1).unwrap());
        let user = spawn(&pool, |pool| {
            panicking(|| {
                let _conn = pool.get();
                bug();
            });
        });
        drop(pool.get().unwrap());
        user.join().unwrap();
        assert_eq!(pool.idle_and_waiting(), (1, 0));
    });
}

// Step 5: barging.

/// A thread sleeps. Then another thread returns the only connection and asks for it again. The second
/// thread must not get it. A macro, because the pools have no common trait.
macro_rules! overtaking {
    ($pool:expr) => {
        explore(|| {
            let pool = Arc::new($pool);
            let only = pool.get(LONG).unwrap();
            let sleeper = spawn(&pool, |pool| std::mem::forget(pool.get(LONG)));
            until(|| pool.idle_and_waiting().1 == 1);
            drop(only);
            let again = pool.get(AT_ONCE).is_ok();
            assert!(!again, "overtaken");
            sleeper.join().unwrap();
        })
    };
}

#[test]
#[should_panic(expected = "overtaken")]
fn b5_lets_a_running_thread_overtake_a_sleeping_one() {
    overtaking!(b5::Pool::new(Server::default(), 1));
}

#[test]
fn b6_lets_no_thread_overtake_a_sleeping_one() {
    overtaking!(b6::Pool::new(Server::default(), 1));
}

#[test]
fn b7_lets_no_thread_overtake_one_that_has_waited_long() {
    overtaking!(b7::Pool::with_fair_after(Server::default(), 1, AT_ONCE));
}

#[test]
#[should_panic(expected = "overtaken")]
fn b7_lets_a_running_thread_overtake_one_that_has_not_waited_long() {
    overtaking!(b7::Pool::with_fair_after(Server::default(), 1, NEVER));
}

// Step 6: a place is neither lost nor handed to a waiter that has given up.

#[test]
fn b6_loses_no_place_to_a_waiter_that_gives_up() {
    explore(|| {
        let pool = Arc::new(b6::Pool::new(Server::default(), 1));
        let only = pool.get(LONG).unwrap();
        let quitter = spawn(&pool, |pool| drop(pool.get(AT_ONCE)));
        let patient = spawn(&pool, |pool| drop(pool.get(LONG)));
        drop(only);
        [quitter, patient].into_iter().for_each(|user| user.join().unwrap());
        assert_eq!(pool.idle_and_waiting(), (1, 0));
    });
}

#[test]
fn b6_loses_no_wakeup() {
    explore(|| {
        let pool = Arc::new(b6::Pool::new(Server::default(), 1));
        let users = [(); 2].map(|()| spawn(&pool, |pool| drop(pool.get(LONG))));
        drop(pool.get(LONG));
        users.into_iter().for_each(|user| user.join().unwrap());
        assert_eq!(pool.idle_and_waiting(), (1, 0));
    });
}

// Step 7.

/// Connections are numbers. Loom sees changes of a number through the slot's cell.
struct Numbers;

impl Manage for Numbers {
    type Connection = u32;

    fn connect(&self) -> Result<u32, Refused> {
        Ok(0)
    }

    fn is_broken(&self, _: &mut u32) -> bool {
        false
    }
}

/// Runs a model with strict order, and with waiters that are sent to look.
fn explore_both_ways(size: usize, play: fn(Arc<b7::Pool<Numbers>>)) {
    for fair_after in [AT_ONCE, NEVER] {
        explore(move || play(Arc::new(b7::Pool::with_fair_after(Numbers, size, fair_after))));
    }
}

/// Uses a connection twice, so that the test would see a second user in between.
fn use_it(pool: &b7::Pool<Numbers>, timeout: Duration) {
    if let Ok(mut conn) = pool.get(timeout) {
        *conn += 1;
        *conn += 1;
    }
}

#[test]
fn b7_lends_a_connection_to_one_thread_at_a_time() {
    explore_both_ways(1, |pool| {
        let other = spawn(&pool, |pool| use_it(pool, AT_ONCE));
        use_it(&pool, AT_ONCE);
        other.join().unwrap();
        assert_eq!(pool.idle_and_waiting(), (1, 0));
    });
}

#[test]
fn b7_loses_no_wakeup() {
    explore_both_ways(1, |pool| {
        let other = spawn(&pool, |pool| use_it(pool, LONG));
        use_it(&pool, LONG);
        other.join().unwrap();
        assert_eq!(*pool.get(AT_ONCE).unwrap(), 4);
    });
}

#[test]
fn b7_serves_two_waiters_one_after_the_other() {
    explore_both_ways(1, |pool| {
        let only = pool.get(LONG).unwrap();
        let users = [(); 2].map(|()| spawn(&pool, |pool| use_it(pool, LONG)));
        drop(only);
        users.into_iter().for_each(|user| user.join().unwrap());
        assert_eq!(*pool.get(AT_ONCE).unwrap(), 4);
        assert_eq!(pool.idle_and_waiting(), (1, 0));
    });
}

#[test]
fn b7_serves_two_waiters_with_two_returns() {
    explore_both_ways(2, |pool| {
        let held = [(); 2].map(|()| pool.get(LONG).unwrap());
        // Neither thread returns its connection while the other one waits, so each needs its own.
        let user = spawn(&pool, |pool| std::mem::forget(pool.get(LONG)));
        drop(held);
        std::mem::forget(pool.get(LONG));
        user.join().unwrap();
        assert_eq!(pool.idle_and_waiting(), (0, 0));
    });
}

#[test]
fn b7_loses_no_place_to_a_waiter_that_gives_up() {
    explore_both_ways(1, |pool| {
        let only = pool.get(LONG).unwrap();
        let quitter = spawn(&pool, |pool| use_it(pool, AT_ONCE));
        let patient = spawn(&pool, |pool| use_it(pool, LONG));
        drop(only);
        [quitter, patient].into_iter().for_each(|user| user.join().unwrap());
        assert_eq!(pool.idle_and_waiting(), (1, 0));
    });
}

#[test]
fn b7_has_its_place_again_after_a_panic() {
    explore_both_ways(1, |pool| {
        let user = spawn(&pool, |pool| {
            panicking(|| {
                let _conn = pool.get(LONG);
                bug();
            });
        });
        use_it(&pool, LONG);
        user.join().unwrap();
        assert_eq!(pool.idle_and_waiting(), (1, 0));
    });
}
