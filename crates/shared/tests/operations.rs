//! Operations on a pool in use: resize, suspend, evict, detach, close.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use threadwise_core::{BuildError, CloseReason, GetError, Validation};
use threadwise_testkit::{Call, ScriptedError, Step, wait};

use common::{MINUTE, SECOND, rig};

#[test]
fn a_limit_that_changes_under_load_is_kept() {
    let rig = rig(|pool| pool.max_size(4));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let conn = rig.get();
                    let _held = conn.hold();
                }
            });
        }
        for size in [1, 4, 2, 8, 1, 3, 2] {
            rig.pool.resize(size).unwrap();
            wait::until("the limit to be kept", || {
                let state = rig.pool.state();
                state.open + state.connecting <= size && rig.ledger.open() <= size
            });
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert!(rig.ledger.most_open() <= 8);
    assert!(rig.pool.state().open <= 2);
    rig.ledger.assert_in_order();
}

#[test]
fn a_higher_limit_serves_waiters_at_once() {
    let rig = rig(|pool| pool.max_size(1));
    let held = rig.get();
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..2).map(|_| scope.spawn(|| rig.get())).collect();
        wait::until("both to wait", || rig.pool.state().waiting == 2);
        rig.pool.resize(3).unwrap();
        let served: Vec<_> = waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect();
        assert_eq!((served.len(), rig.ledger.open()), (2, 3));
    });
    assert_eq!(rig.pool.state().max_size, Some(3));
    drop(held);
}

#[test]
fn a_lower_limit_closes_idle_connections_before_borrowed_ones() {
    let rig = rig(|pool| pool.max_size(4));
    rig.fill(4);
    let held = [rig.get(), rig.get()];
    let ids = held.each_ref().map(|conn| conn.id());
    rig.pool.resize(2).unwrap();
    rig.await_closed(CloseReason::Surplus, 2);
    drop(held);
    assert!(ids.iter().all(|id| rig.ledger.is_open(*id)), "these are within the limit");
    assert_eq!(rig.pool.state().idle, 2);
}

#[test]
fn a_lower_limit_closes_the_surplus_on_return() {
    let rig = rig(|pool| pool.max_size(4));
    let held: Vec<_> = (0..4).map(|_| rig.get()).collect();
    rig.pool.resize(1).unwrap();
    assert_eq!(rig.ledger.open(), 4, "they are in use");
    thread::scope(|scope| {
        let waiter = scope.spawn(|| drop(rig.get()));
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        drop(held);
        waiter.join().unwrap();
    });
    rig.await_closed(CloseReason::Surplus, 3);
    assert_eq!((rig.ledger.opened(), rig.pool.state().idle), (4, 1));
}

#[test]
fn a_dial_that_runs_while_the_limit_is_lowered_does_not_exceed_it() {
    let rig = rig(|pool| pool.max_size(2));
    let held = rig.get();
    let gate = rig.script.hang_next(Call::Connect);
    let _open_at_end = gate.open_at_end();
    assert!(rig.pool.try_get().is_err());
    gate.await_arrivals(1);
    rig.pool.resize(1).unwrap();
    drop(held); // together with the dial that runs, one more than may be open
    gate.open();
    wait::until("one to be left", || rig.is_settled() && rig.pool.state().open <= 1);
    drop(rig.get());
    assert_eq!((rig.pool.state().open, rig.ledger.open()), (1, 1));
}

#[test]
fn lowering_the_limit_twice_closes_no_more_than_once() {
    let rig = rig(|pool| pool.max_size(3));
    rig.fill(3);
    let gate = rig.script.hang_next(Call::Close);
    let _open_at_end = gate.open_at_end();
    rig.pool.resize(2).unwrap();
    gate.await_arrivals(1);
    rig.pool.resize(2).unwrap();
    gate.open();
    wait::until("the closes to end", || rig.is_settled());
    assert_eq!((rig.closed(CloseReason::Surplus), rig.pool.state().idle), (1, 2));
}

#[test]
fn a_limit_that_was_lowered_and_raised_again_evicts_nothing() {
    let rig = rig(|pool| pool.max_size(2));
    let held = [rig.get(), rig.get()];
    rig.pool.resize(1).unwrap();
    rig.pool.resize(2).unwrap();
    drop(held);
    wait::until("both to come to rest", || rig.pool.state().borrowed == 0);
    assert_eq!(rig.closed(CloseReason::Evicted), 0, "no eviction");
}

#[test]
fn a_limit_that_makes_no_sense_is_refused_by_name_and_changes_nothing() {
    let rig = rig(|pool| pool.max_size(3).min_idle(2));
    for size in [0, 1] {
        let error = rig.pool.resize(size).unwrap_err();
        assert!(matches!(&error, BuildError::Setting { name: "max_size", .. }), "{error}");
        let problem = format!("is {size}; must be at least `min_idle`, which is 2");
        assert!(error.to_string().contains(&problem), "{error}");
    }
    assert_eq!(rig.pool.state().max_size, Some(3));
}

#[test]
fn a_suspended_pool_lends_nothing_not_even_a_threads_last_connection() {
    let rig = rig(|pool| pool.max_size(2));
    rig.fill(2);
    drop(rig.get()); // this thread's last connection
    rig.pool.suspend();
    assert!(matches!(rig.pool.try_get(), Err(GetError::Exhausted(_))));
    assert!(rig.pool.state().suspended);
    assert_eq!(rig.pool.state().idle, 2);
    rig.pool.resume();
    assert!(rig.pool.try_get().is_ok());
}

#[test]
fn a_get_on_a_suspended_pool_times_out_and_the_error_says_why() {
    let rig = rig(|pool| pool.max_size(1));
    rig.fill(1);
    rig.pool.suspend();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.pool.get_timeout(MINUTE).expect_err("suspended"));
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        rig.clock.advance(MINUTE);
        let error = waiter.join().unwrap().to_string();
        assert!(error.contains("suspended") && error.contains("`resume`"), "{error}");
    });
}

#[test]
fn waiters_of_a_suspended_pool_are_served_in_order_on_resume() {
    let rig = rig(|pool| pool.max_size(1).fair_after(Duration::ZERO));
    let held = rig.get();
    rig.pool.suspend();
    let order = std::sync::Mutex::new(Vec::new());
    thread::scope(|scope| {
        for number in 0..4 {
            let (rig, order) = (&rig, &order);
            scope.spawn(move || {
                let conn = rig.get();
                order.lock().unwrap().push(number);
                drop(conn);
            });
            wait::until("a waiter", || rig.pool.state().waiting == number + 1);
        }
        drop(held); // comes back, and no thread gets it
        assert_eq!(rig.pool.state().idle, 1);
        assert_eq!(rig.pool.state().waiting, 4);
        rig.pool.resume();
    });
    assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3]);
}

#[test]
fn nothing_is_opened_for_a_suspended_pool() {
    let rig = rig(|pool| pool.max_size(3).min_idle(1));
    wait::until("min_idle connections", || rig.pool.state().idle == 1);
    rig.pool.suspend();
    rig.pool.evict();
    rig.await_closed(CloseReason::Evicted, 1);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| drop(rig.get()));
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        (0..20).for_each(|_| rig.clock.advance(SECOND));
        assert_eq!(rig.script.made(Call::Connect), 1);
        rig.pool.resume();
        waiter.join().unwrap();
    });
}

#[test]
fn a_connection_opened_while_the_pool_is_suspended_is_lent_after_resume() {
    let rig = rig(|pool| pool.max_size(1));
    let gate = rig.script.hang_next(Call::Connect);
    let _open_at_end = gate.open_at_end();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.get().id());
        gate.await_arrivals(1);
        rig.pool.suspend();
        gate.open();
        wait::until("it to be idle", || rig.pool.state().idle == 1);
        assert_eq!(rig.pool.state().waiting, 1);
        assert!(matches!(rig.pool.try_get(), Err(GetError::Exhausted(_))));
        rig.pool.resume();
        assert_eq!(waiter.join().unwrap(), 1);
    });
}

#[test]
fn a_suspended_pool_lets_no_thread_join_a_shared_connection() {
    let rig = rig(|pool| pool.max_size(1).max_sharing(1));
    let first = rig.pool.share().unwrap();
    rig.pool.suspend();
    assert!(matches!(rig.pool.share_timeout(Duration::ZERO), Err(GetError::Exhausted(_))));
    rig.pool.resume();
    assert_eq!(rig.pool.share().unwrap().id(), first.id());
}

#[test]
fn suspending_or_resuming_twice_is_the_same_as_once() {
    let rig = rig(|pool| pool.max_size(1));
    rig.fill(1);
    rig.pool.resume();
    rig.pool.suspend();
    rig.pool.suspend();
    assert!(rig.pool.try_get().is_err());
    rig.pool.resume();
    assert!(rig.pool.try_get().is_ok());
}

#[test]
fn slots_that_are_added_to_a_suspended_pool_are_suspended_too() {
    let rig = rig(|pool| pool.max_size(1));
    let held = rig.get();
    rig.pool.suspend();
    rig.pool.resize(3).unwrap();
    assert!(matches!(rig.pool.try_get(), Err(GetError::Exhausted(_))));
    rig.pool.resume();
    assert_eq!([rig.get(), rig.get()].len(), 2);
    drop(held);
}

#[test]
fn a_suspended_pool_can_be_closed() {
    let rig = rig(|pool| pool.max_size(1));
    rig.fill(1);
    rig.pool.suspend();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| matches!(rig.pool.get(), Err(GetError::Closed)));
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        rig.pool.close();
        assert!(waiter.join().unwrap());
    });
    wait::until("the idle connections to be closed", || rig.ledger.open() == 0);
    rig.pool.resume();
    assert!(matches!(rig.pool.get(), Err(GetError::Closed)));
}

#[test]
fn evict_closes_idle_connections_now_and_borrowed_ones_on_return() {
    let rig = rig(|pool| pool.max_size(3));
    rig.fill(3);
    let held = rig.get();
    let id = held.id();
    rig.pool.evict();
    rig.await_closed(CloseReason::Evicted, 2);
    assert!(rig.ledger.is_open(id));
    drop(held);
    rig.await_closed(CloseReason::Evicted, 3);
    assert!(rig.get().id() > 3);
}

#[test]
fn evict_idle_leaves_borrowed_connections() {
    let rig = rig(|pool| pool.max_size(3));
    rig.fill(3);
    let held = rig.get();
    let id = held.id();
    rig.pool.evict_idle();
    rig.await_closed(CloseReason::Evicted, 2);
    drop(held);
    assert_eq!(rig.get().id(), id);
}

#[test]
fn evicting_a_generation_leaves_later_connections() {
    let rig = rig(|pool| pool.max_size(3));
    let old = rig.get();
    let generation = rig.pool.state().generation;
    rig.pool.evict();
    assert_eq!(rig.pool.state().generation, generation + 1);
    let new = rig.get();
    let id = new.id();
    rig.pool.evict_generation(generation);
    drop((old, new));
    rig.await_closed(CloseReason::Evicted, 1);
    assert_eq!(rig.get().id(), id);
}

#[test]
fn a_connection_that_was_being_opened_during_evict_is_not_used() {
    let rig = rig(|pool| pool.max_size(1));
    let gate = rig.script.hang_next(Call::Connect);
    let _open_at_end = gate.open_at_end();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.get().id());
        gate.await_arrivals(1);
        rig.pool.evict();
        gate.open();
        assert_eq!(waiter.join().unwrap(), 2);
    });
    rig.await_closed(CloseReason::Evicted, 1);
}

#[test]
fn a_waiter_does_not_get_a_connection_that_was_evicted_while_borrowed() {
    let rig = rig(|pool| pool.max_size(1));
    let held = rig.get();
    rig.pool.evict();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.get().id());
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        drop(held);
        assert_eq!(waiter.join().unwrap(), 2);
    });
    assert_eq!(rig.ledger.most_open(), 1);
}

#[test]
fn no_thread_joins_an_evicted_shared_connection() {
    let rig = rig(|pool| pool.max_size(2).max_sharing(2));
    let first = rig.pool.share().unwrap();
    let second = rig.pool.share().unwrap();
    assert_ne!(first.id(), second.id());
    rig.pool.evict();
    // The limit allows no other connection until one of these comes back.
    assert!(rig.pool.share_timeout(Duration::ZERO).is_err());
    drop(first);
    assert_eq!(rig.pool.share().unwrap().id(), 3);
    drop(second);
    rig.await_closed(CloseReason::Evicted, 2);
}

#[test]
fn evicting_an_early_generation_again_evicts_nothing_newer() {
    let rig = rig(|pool| pool.max_size(2));
    let generation = rig.pool.state().generation;
    rig.fill(1);
    rig.pool.evict();
    rig.await_closed(CloseReason::Evicted, 1);
    let now = rig.pool.state().generation;
    rig.fill(2);
    rig.pool.evict_generation(generation);
    rig.pool.evict_generation(0);
    assert_eq!((rig.pool.state().idle, rig.pool.state().generation), (2, now));
    rig.pool.evict_generation(now);
    rig.await_closed(CloseReason::Evicted, 3);
}

#[test]
fn the_capacity_of_a_detached_connection_serves_a_waiter() {
    let rig = rig(|pool| pool.max_size(1));
    let held = rig.get();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.get().id());
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        let mine = held.detach();
        assert_eq!(waiter.join().unwrap(), 2);
        assert_eq!((mine.id(), rig.ledger.open()), (1, 2));
    });
    assert_eq!(rig.closed(CloseReason::Detached), 1);
}

#[test]
fn an_owned_guard_can_be_detached_and_discarded_too() {
    let rig = rig(|pool| pool.max_size(1));
    let mine = rig.pool.get_owned().unwrap().detach();
    assert_eq!((rig.pool.state().open, rig.ledger.open()), (0, 1), "it is not the pool's");
    rig.pool.get_owned().unwrap().discard();
    wait::until("it to be closed", || rig.ledger.open() == 1 && rig.pool.state().open == 0);
    assert!(rig.ledger.is_open(mine.id()));
}

#[test]
fn a_detached_connection_outlives_the_pool() {
    let rig = rig(|pool| pool);
    let mine = rig.get().detach();
    let common::Rig { pool, ledger, .. } = rig;
    drop(pool);
    assert!(ledger.is_open(mine.id()));
    drop(mine);
    assert_eq!(ledger.open(), 0);
}

#[test]
fn close_and_wait_waits_for_borrowed_connections() {
    let rig = rig(|pool| pool.max_size(2));
    rig.fill(2);
    let held = rig.pool.get_owned().unwrap();
    let soon = Duration::from_millis(1);
    assert!(rig.pool.close_and_wait(soon).is_err());
    wait::until("the idle connections to be closed", || rig.pool.state().open == 1);
    let left = rig.pool.close_and_wait(soon).unwrap_err();
    assert_eq!((left.open, left.borrowed, left.closed), (1, 1, true), "{left}");
    thread::scope(|scope| {
        let closer = scope.spawn(|| rig.pool.close_and_wait(wait::PATIENCE));
        let other = scope.spawn(|| rig.pool.close_and_wait(wait::PATIENCE));
        drop(held);
        closer.join().unwrap().unwrap();
        other.join().unwrap().unwrap();
    });
    assert_eq!(rig.ledger.open(), 0);
    rig.pool.close_and_wait(Duration::ZERO).unwrap();
    rig.ledger.assert_in_order();
}

#[test]
fn close_and_wait_waits_for_dials() {
    let rig = rig(|pool| pool);
    let gate = rig.script.hang_next(Call::Connect);
    let open_at_end = gate.open_at_end();
    assert!(rig.pool.try_get().is_err());
    gate.await_arrivals(1);
    let left = rig.pool.close_and_wait(Duration::from_millis(1)).unwrap_err();
    assert_eq!((left.open, left.connecting), (0, 1), "{left}");
    drop(open_at_end);
    rig.pool.close_and_wait(wait::PATIENCE).unwrap();
    assert_eq!((rig.ledger.opened(), rig.ledger.open()), (1, 0));
}

#[test]
fn several_threads_may_close_at_once() {
    let rig = rig(|pool| pool.max_size(4));
    rig.fill(4);
    let held = rig.pool.get_owned().unwrap();
    thread::scope(|scope| {
        let closers: Vec<_> =
            (0..4).map(|_| scope.spawn(|| rig.pool.close_and_wait(wait::PATIENCE))).collect();
        for _ in 0..4 {
            scope.spawn(|| rig.pool.close());
        }
        wait::until("the idle ones to be closed", || rig.ledger.open() == 1);
        drop(held);
        closers.into_iter().for_each(|closer| closer.join().unwrap().unwrap());
    });
    assert_eq!(rig.closed(CloseReason::PoolClosed), 4);
    rig.ledger.assert_in_order();
}

#[test]
fn neither_close_nor_drop_waits_for_a_manager_that_hangs() {
    for call in [Call::Connect, Call::Close, Call::IsValid] {
        let rig = rig(|pool| pool.max_size(3).keepalive(MINUTE));
        rig.fill(2);
        let gate = rig.script.hang_next(call);
        let open_at_end = gate.open_at_end();
        match call {
            Call::Connect => {
                let _held = [rig.get(), rig.get()];
                assert!(rig.pool.try_get().is_err());
            }
            Call::Close => rig.get().discard(),
            _ => drop(rig.turn_until(SECOND, || gate.has_arrivals())),
        }
        gate.await_arrivals(1);
        rig.pool.close(); // returns although the gate is shut
        let common::Rig { pool, ledger, .. } = rig;
        drop(pool); // returns too
        drop(open_at_end);
        wait::until("the last to be closed", || ledger.open() == 0);
        ledger.assert_in_order();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn no_pool_thread_outlives_the_pool_and_all_have_its_name() {
    let rig = rig(|pool| pool.max_size(2).name("quince"));
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
        let names: Vec<_> = tasks.flatten().filter_map(name).collect();
        names.into_iter().filter(|name| name.starts_with("quince-")).count()
    };
    let gate = rig.script.hang_next(Call::Connect);
    assert!(rig.pool.try_get().is_err());
    gate.await_arrivals(1);
    wait::until("a housekeeper and a dialer", || threads() >= 2); // each thread sets its own name
    gate.open();
    rig.get().discard();
    let ledger = rig.ledger;
    drop(rig.pool);
    wait::until("the threads to end", || threads() == 0);
    // A thread that has just started has no name yet.
    wait::until("the connection to be closed", || ledger.open() == 0);
}

#[test]
fn a_pool_whose_server_never_answered_can_be_dropped() {
    let rig = rig(|pool| pool.max_size(2).min_idle(2));
    rig.script.always(Call::Connect, Step::Fail);
    let ledger = rig.ledger;
    drop(rig.pool);
    wait::until("the connection to be closed", || ledger.open() == 0);
}

#[test]
fn gets_count_connections_that_a_caller_got_and_no_others() {
    let rig = rig(|pool| pool.max_size(2).validation(Validation::OnCheckout));
    rig.fill(2);
    drop(rig.get());
    drop(rig.pool.get_owned().unwrap());
    assert_eq!(rig.pool.state().counters.gets, 4);
    rig.script.next(Call::IsValid, Step::Fail);
    drop(rig.get()); // the first is found dead; the caller gets another one
    assert_eq!(rig.pool.state().counters.gets, 5);
    rig.get().discard();
    drop(rig.get().detach());
    assert_eq!(rig.pool.state().counters.gets, 7, "slots that are empty remember");
    let held = [rig.get(), rig.get()];
    thread::scope(|scope| {
        let waiter = scope.spawn(|| drop(rig.get()));
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        assert_eq!(rig.pool.state().counters.gets, 9);
        drop(held);
        waiter.join().unwrap();
    });
    assert_eq!(rig.pool.state().counters.gets, 10);
}

#[test]
fn a_connection_that_replaces_a_lost_one_is_not_another_get() {
    let rig = rig(|pool| pool.max_size(1));
    let mut conn = rig.get();
    let before = conn.id();
    let lost = || Err(ScriptedError::Scripted { call: Call::IsValid, for_good: false });
    conn.steady(|conn| if conn.id() == before { lost() } else { Ok(()) }).unwrap();
    drop(conn);
    assert_eq!(rig.pool.state().counters.gets, 1);
}
