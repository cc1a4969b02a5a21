//! Settings that make no sense are refused with the setting's name; those that do are kept.

use std::time::Duration;

use threadwise_core::{BuildError, GetError};
use threadwise_shared::SharedPool;
use threadwise_testkit::{Call, FakeManager, Scripted, Step, wait};

type Manager = Scripted<FakeManager>;

fn refused(build: impl FnOnce() -> Result<SharedPool<Manager>, Refusal>) -> (&'static str, String) {
    match build() {
        Err(BuildError::Setting { name, problem }) => (name, problem),
        Err(other) => panic!("refused for another reason: {other}"),
        Ok(_) => panic!("not refused"),
    }
}

type Refusal = BuildError<<Manager as threadwise_core::ManageConnection>::Error>;

fn manager() -> Manager {
    Scripted::new(FakeManager)
}

#[test]
fn a_size_of_zero_is_refused() {
    assert_eq!(refused(|| SharedPool::builder().max_size(0).build(manager())).0, "max_size");
}

#[test]
fn more_idle_connections_than_may_exist_are_refused() {
    let pool = || SharedPool::builder().max_size(3).min_idle(4).build(manager());
    let (name, problem) = refused(pool);
    assert_eq!(name, "min_idle");
    assert!(problem.contains('4') && problem.contains("`max_size`, which is 3"), "{problem}");
}

#[test]
fn nobody_to_open_connections_is_refused() {
    let pool = || SharedPool::builder().connect_concurrency(0).build(manager());
    assert_eq!(refused(pool).0, "connect_concurrency");
}

#[test]
fn a_lazy_pool_opens_nothing_until_it_is_asked() {
    let manager = manager();
    let ledger = manager.ledger();
    let pool = SharedPool::builder().build_lazy(manager).unwrap();
    assert_eq!(ledger.opened(), 0);
    drop(pool.get().unwrap());
    assert_eq!(ledger.opened(), 1);
}

#[test]
fn build_opens_min_idle_connections_and_no_more() {
    let manager = manager();
    let ledger = manager.ledger();
    let pool = SharedPool::builder().max_size(10).min_idle(4).build(manager).unwrap();
    assert_eq!(pool.state().idle, 4);
    assert_eq!(ledger.opened(), 4);
}

#[test]
fn min_idle_connections_are_kept_ready_while_others_are_borrowed() {
    let manager = manager();
    let ledger = manager.ledger();
    let pool = SharedPool::builder().max_size(5).min_idle(2).build(manager).unwrap();
    let borrowed: Vec<_> = (0..2).map(|_| pool.get().unwrap()).collect();
    wait::until("two more connections", || pool.state().idle == 2);
    let more: Vec<_> = (0..2).map(|_| pool.get().unwrap()).collect();
    wait::until("the fifth", || pool.state().idle == 1);
    assert_eq!((ledger.open(), ledger.most_open()), (5, 5), "the limit stands above the floor");
    drop((borrowed, more));
}

#[test]
fn a_line_that_is_full_is_said_to_be() {
    let pool = SharedPool::builder().max_size(1).max_waiters(1).build(manager()).unwrap();
    let conn = pool.get().unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| drop(pool.get().unwrap()));
        wait::until("the line to be full", || pool.state().waiting == 1);
        let Err(error) = pool.get() else { panic!("there was none to have") };
        assert!(matches!(error, GetError::QueueFull { max_waiters: 1 }), "{error}");
        drop(conn);
        waiter.join().unwrap();
    });
}

#[test]
fn waiters_are_served_in_the_order_in_which_they_came() {
    let pool = SharedPool::builder().max_size(1).build(manager()).unwrap();
    let order = std::sync::Mutex::new(Vec::new());
    let conn = pool.get().unwrap();
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (pool, order) = (&pool, &order);
            scope.spawn(move || {
                let _conn = pool.get().unwrap();
                order.lock().unwrap().push(number);
            });
            wait::until("the next in the line", || pool.state().waiting == number + 1);
        }
        drop(conn);
    });
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7]);
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
fn a_server_that_comes_back_serves_those_who_wait() {
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
fn an_error_that_cannot_heal_reaches_all_who_wait_at_once() {
    let manager = manager();
    let script = manager.script();
    let pool = SharedPool::builder().get_timeout(None).build_lazy(manager).unwrap();
    let gate = script.hang_next(Call::Connect);
    script.always(Call::Connect, Step::FailForGood);
    std::thread::scope(|scope| {
        let open_at_end = gate.open_at_end();
        let waiters: Vec<_> = (0..4).map(|_| scope.spawn(|| pool.get().err())).collect();
        for waiter in waiters {
            // The first attempt hangs; the next fails, which says it all.
            let error = waiter.join().unwrap().expect("no connection");
            assert!(matches!(error, GetError::ConnectFailed(_)), "{error}");
        }
        drop(open_at_end);
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
    drop(pool); // returns, though the gate is shut
    drop(open_at_end);
    wait::until("the late connection to be closed", || ledger.closed() == 1);
}

#[test]
fn an_owned_guard_outlives_the_pool_and_its_connection_is_closed_then() {
    let manager = manager();
    let ledger = manager.ledger();
    let pool = SharedPool::builder().build(manager).unwrap();
    let conn = pool.get_owned().unwrap();
    drop(pool);
    let conn = std::thread::spawn(move || conn).join().unwrap();
    assert_eq!(ledger.open(), 1);
    drop(conn);
    assert_eq!(ledger.open(), 0);
}

#[test]
fn the_pool_closes_when_its_last_handle_is_dropped() {
    let manager = manager();
    let ledger = manager.ledger();
    let pool = SharedPool::builder().build(manager).unwrap();
    let other = pool.clone();
    drop(pool);
    assert!(other.get().is_ok());
    drop(other);
    assert_eq!(ledger.open(), 0);
}
