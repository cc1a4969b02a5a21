//! The pool's own threads open connections, and no thread waits longer than it has to.

mod common;

use std::time::Duration;

use common::{MINUTE, SECOND};
use threadwise_core::GetError;
use threadwise_shared::SharedPool;
use threadwise_testkit::{Call, FakeManager, Gate, Scripted, Step, wait};

type Manager = Scripted<FakeManager>;

fn manager() -> Manager {
    Scripted::new(FakeManager)
}

#[test]
fn a_connection_that_comes_back_serves_a_waiter_while_a_dial_hangs() {
    let manager = manager();
    let script = manager.script();
    let pool = SharedPool::builder().max_size(2).build(manager).unwrap();
    let conn = pool.get().unwrap();
    let gate = script.hang_next(Call::Connect);
    std::thread::scope(|scope| {
        let _open_at_end = gate.open_at_end();
        let waiter = scope.spawn(|| drop(pool.get().unwrap()));
        gate.await_arrivals(1);
        drop(conn);
        waiter.join().unwrap();
    });
}

#[test]
fn waiters_are_served_when_the_server_comes_back() {
    let manager = manager();
    let script = manager.script();
    let pool = SharedPool::builder().build_lazy(manager).unwrap();
    script.always(Call::Connect, Step::Fail);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| drop(pool.get().unwrap()));
        wait::until("some attempts", || pool.state().counters.connect_failures >= 3);
        script.always(Call::Connect, Step::Pass);
        waiter.join().unwrap();
    });
}

#[test]
fn a_permanent_error_reaches_all_waiters_at_once() {
    let manager = manager();
    let script = manager.script();
    let pool = SharedPool::builder().get_timeout(None).build_lazy(manager).unwrap();
    script.always(Call::Connect, Step::Fail);
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..4).map(|_| scope.spawn(|| pool.get().err())).collect();
        wait::until("all to wait", || pool.state().waiting == 4);
        script.always(Call::Connect, Step::FailForGood);
        for waiter in waiters {
            let error = waiter.join().unwrap().expect("no connection");
            assert!(matches!(error, GetError::ConnectFailed(_)), "{error}");
        }
    });
}

#[test]
fn dropping_the_pool_does_not_wait_for_a_dial_that_hangs() {
    let manager = manager();
    let script = manager.script();
    let ledger = manager.ledger();
    let pool = SharedPool::builder().build_lazy(manager).unwrap();
    let gate = script.hang_next(Call::Connect);
    let open_at_end = gate.open_at_end();
    let _ = pool.get_timeout(Duration::from_millis(1));
    gate.await_arrivals(1);
    drop(pool); // returns although the gate is shut
    drop(open_at_end);
    wait::until("the late connection to be closed", || ledger.closed() == 1);
}

#[test]
fn a_hanging_dial_does_not_keep_others_from_dialling() {
    let rig = common::rig(|pool| pool.max_size(3).connect_concurrency(1).connect_patience(MINUTE));
    let gate = rig.script.hang_next(Call::Connect);
    let _open_at_end = gate.open_at_end();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.get().id());
        gate.await_arrivals(1);
        assert_eq!(rig.script.made(Call::Connect), 1);
        let turned = rig.turn_until(SECOND / 10, || rig.script.made(Call::Connect) == 2);
        assert!(turned >= MINUTE, "after {turned:?} of `connect_patience`");
        assert_eq!(waiter.join().unwrap(), 1, "served by the second");
    });
    let state = rig.pool.state();
    assert_eq!((state.open, state.connecting), (1, 1), "the first counts as long as it hangs");
    gate.open();
    wait::until("the late one to be idle", || rig.pool.state().idle == 2);
}

#[test]
fn no_more_dials_run_than_connect_concurrency_allows() {
    let rig = common::rig(|pool| pool.max_size(5).connect_concurrency(2));
    let gates: [_; 5] = [(); 5].map(|()| rig.script.hang_next(Call::Connect));
    std::thread::scope(|scope| {
        let _open_at_end = gates.each_ref().map(Gate::open_at_end);
        let waiters: Vec<_> = (0..5).map(|_| scope.spawn(|| rig.get())).collect();
        wait::until("all to wait", || rig.pool.state().waiting == 5);
        for (index, gate) in gates.iter().enumerate() {
            gate.await_arrivals(1);
            assert!(rig.pool.state().connecting <= 2);
            assert!(gates.get(index + 2).is_none_or(|next| !next.has_arrivals()));
            gate.open();
        }
        waiters.into_iter().for_each(|waiter| drop(waiter.join().unwrap()));
    });
}

#[test]
fn hanging_dials_count_against_the_limit() {
    let rig = common::rig(|pool| pool.max_size(2).connect_concurrency(4));
    let gates = [(); 2].map(|()| rig.script.hang_next(Call::Connect));
    let _open_at_end = gates.each_ref().map(Gate::open_at_end);
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..4).map(|_| scope.spawn(|| drop(rig.get()))).collect();
        gates.iter().for_each(|gate| gate.await_arrivals(1));
        for _ in 0..20 {
            rig.clock.advance(MINUTE);
            assert!(rig.ledger.most_open() <= 2);
        }
        assert_eq!(rig.script.made(Call::Connect), 2);
        gates.iter().for_each(|gate| gate.open());
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    });
}

#[test]
fn pauses_grow_to_the_longest_while_no_thread_waits() {
    let rig = common::rig(|pool| pool.min_idle(1).max_size(1).connect_backoff(SECOND, 8 * SECOND));
    wait::until("min_idle connections", || rig.pool.state().idle == 1);
    rig.script.always(Call::Connect, Step::Fail);
    rig.pool.evict();
    let made = || rig.script.made(Call::Connect);
    // The first fails at once. Then pauses of 1, 2, 4, 8, 8 … s follow, each up to a quarter shorter.
    let (mut now, mut least) = (rig.turn_until(SECOND / 20, || made() == 2), Duration::ZERO);
    for attempt in 3..=17 {
        now += rig.turn_until(SECOND / 20, || made() == attempt);
        least += SECOND.mul_f64(0.75 * f64::from(1 << (attempt - 3).min(3)));
        assert!(now >= least, "attempt {attempt} after {now:?}, not {least:?}");
    }
    // Much more than these pauses take together, because the clock goes on while the dialer is late.
    assert!(now < 180 * MINUTE, "{now:?}; without a longest pause it would be 6 hours or more");
    rig.script.always(Call::Connect, Step::Pass);
    rig.turn_until(SECOND, || rig.pool.state().idle == 1);
}

#[test]
fn a_thread_that_waits_shortens_the_pause() {
    let rig =
        common::rig(|pool| pool.min_idle(1).max_size(1).connect_backoff(60 * MINUTE, 60 * MINUTE));
    wait::until("min_idle connections", || rig.pool.state().idle == 1);
    rig.script.always(Call::Connect, Step::Fail);
    rig.pool.evict();
    rig.turn_until(SECOND / 20, || rig.script.made(Call::Connect) == 2);
    rig.script.always(Call::Connect, Step::Pass);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.get().id());
        let turned = rig.turn_until(SECOND / 100, || rig.pool.state().open == 1);
        assert!(turned < 60 * MINUTE, "{turned:?}");
        waiter.join().unwrap();
    });
}

#[test]
fn after_an_outage_dialling_begins_slowly() {
    // No dial is overdue, however far the clock turns before the next one begins.
    let patience = 60 * MINUTE;
    let rig =
        common::rig(|pool| pool.max_size(7).connect_concurrency(4).connect_patience(patience));
    rig.script.always(Call::Connect, Step::Fail);
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..7).map(|_| scope.spawn(|| rig.get())).collect();
        wait::until("all to wait", || rig.pool.state().waiting == 7);
        // The first dials run at once. Each of them must have failed before the next ones hang.
        rig.await_failure();
        let gates: [_; 7] = [(); 7].map(|()| rig.script.hang_next(Call::Connect));
        let _open_at_end = gates.each_ref().map(Gate::open_at_end);
        rig.script.always(Call::Connect, Step::Pass);
        // One, then two, then four at once.
        for wave in [0..1, 1..3, 3..7] {
            let end = wave.end;
            rig.turn_until(SECOND / 100, || gates[end - 1].has_arrivals());
            assert!(gates[end..].iter().all(|gate| !gate.has_arrivals()), "more than {end}");
            gates[wave].iter().for_each(|gate| gate.open());
        }
        let served: Vec<_> = waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect();
        assert_eq!(served.len(), 7);
    });
}

#[test]
fn a_connection_that_no_thread_wants_any_more_is_not_opened() {
    let manager = manager();
    let (script, ledger) = (manager.script(), manager.ledger());
    let pool = SharedPool::builder().connect_concurrency(1).build_lazy(manager).unwrap();
    let gate = script.hang_next(Call::Connect);
    let _open_at_end = gate.open_at_end();
    std::thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| assert!(pool.get_timeout(Duration::from_millis(20)).is_err()));
        }
        gate.await_arrivals(1);
    });
    gate.open();
    wait::until("the dialer to end", || pool.state().connecting == 0);
    assert_eq!(ledger.opened(), 1, "the threads that wanted more have gone");
}

#[test]
fn a_temporary_error_reaches_each_waiter_at_its_deadline_as_the_same_error() {
    let rig = common::rig(|pool| pool.max_size(4));
    rig.script.always(Call::Connect, Step::Fail);
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (1..=3)
            .map(|minutes| {
                let rig = &rig;
                scope.spawn(move || rig.pool.get_timeout(minutes * MINUTE).err().unwrap())
            })
            .collect();
        wait::until("all to wait", || rig.pool.state().waiting == 3);
        rig.await_failure();
        rig.clock.advance(MINUTE);
        wait::until("the first to give up", || rig.pool.state().waiting == 2);
        rig.clock.advance(2 * MINUTE);
        for waiter in waiters {
            let GetError::TimedOut(error) = waiter.join().unwrap() else { panic!("timed out") };
            assert!(error.cause.is_some(), "{error}");
        }
    });
}
