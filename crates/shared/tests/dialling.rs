//! Connections are opened by the pool's own threads, which nobody waits for in vain.

use std::time::Duration;

use threadwise_core::GetError;
use threadwise_shared::SharedPool;
use threadwise_testkit::{Call, FakeManager, Scripted, Step, wait};

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
    drop(pool); // returns, though the gate is shut
    drop(open_at_end);
    wait::until("the late connection to be closed", || ledger.closed() == 1);
}
