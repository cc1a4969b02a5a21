//! `close` wakes every waiter, closes idle connections at once, and borrowed ones on return.

#![expect(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "each function is a test, and its name says what it asserts"
)]

use std::sync::Barrier;
use std::thread;

use threadwise_core::{GetError, Guard as _, Pool};

use crate::pools::{PoolUnderTest, Settings};
use crate::rig::{Got, Rig};
use crate::{Call, ManagerUnderTest, wait};

pub fn close_wakes_every_waiter<K: PoolUnderTest, B: ManagerUnderTest>() {
    const WAITERS: usize = 5;
    let rig = Rig::<K, B>::new(Settings { get_timeout: None, ..Settings::size(1) });
    let conn = rig.get();
    thread::scope(|scope| {
        let waiters: Vec<_> = (0..WAITERS)
            .map(|_| scope.spawn(|| matches!(rig.pool.get(), Err(GetError::Closed))))
            .collect();
        rig.await_waiting(WAITERS);
        rig.pool.close();
        for waiter in waiters {
            assert!(waiter.join().expect("a waiter"), "a waiter got another error");
        }
    });
    drop(conn);
    assert_eq!(rig.ledger.open(), 0);
    assert_eq!(rig.pool.state().waiting, 0);
}

pub fn close_closes_idle_connections_at_once<K: PoolUnderTest, B: ManagerUnderTest>() {
    let rig = Rig::<K, B>::new(Settings::size(2));
    let both_hold = Barrier::new(2);
    let use_one = || {
        let _conn = rig.get();
        both_hold.wait();
    };
    thread::scope(|scope| {
        scope.spawn(use_one);
        use_one();
    });
    rig.pool.close();
    // A thread of a per-thread pool closes its connection when it ends, perhaps at this moment.
    wait::until("idle connections to be closed", || rig.ledger.open() == 0);
    assert_eq!(rig.pool.state().idle, 0);
    rig.ledger.assert_in_order();
}

pub fn close_closes_borrowed_connections_on_return<K: PoolUnderTest, B: ManagerUnderTest>() {
    let rig = Rig::<K, B>::new(Settings::size(1));
    let mut conn = rig.get();
    rig.pool.close();
    rig.assert_works(&mut conn);
    assert_eq!(rig.pool.state().borrowed, 1);
    drop(conn);
    assert_eq!(rig.ledger.open(), 0);
    assert_eq!(rig.pool.state().open, 0);
}

pub fn close_is_final<K: PoolUnderTest, B: ManagerUnderTest>() {
    let rig = Rig::<K, B>::new(Settings::size(2));
    rig.pool.close();
    rig.pool.close();
    let is_closed = |got: Got<'_, K, B>| matches!(got, Err(GetError::Closed));
    assert!(is_closed(rig.pool.get()));
    assert!(is_closed(rig.pool.try_get()));
    assert!(is_closed(rig.pool.get_timeout(std::time::Duration::ZERO)));
    let there = rig.on_thread(|| is_closed(rig.pool.get()));
    assert!(there.expect("another thread"));
    assert!(rig.pool.state().closed);
    wait::until("its connections to be closed", || rig.ledger.open() == 0);
}

pub fn a_connection_that_is_opened_while_the_pool_closes_is_closed<
    K: PoolUnderTest,
    B: ManagerUnderTest,
>() {
    let rig = Rig::<K, B>::new(Settings { get_timeout: None, ..Settings::size(1) });
    rig.on_thread(|| rig.get().discard()).expect("a user");
    let opened = rig.ledger.opened();
    let gate = rig.script.hang_next(Call::Connect);
    thread::scope(|scope| {
        let open_at_end = gate.open_at_end();
        let borrower = scope.spawn(|| matches!(rig.pool.get(), Err(GetError::Closed)));
        gate.await_arrivals(1);
        rig.pool.close();
        drop(open_at_end);
        assert!(borrower.join().expect("the borrower"));
    });
    wait::until("the new connection to be closed", || {
        rig.ledger.opened() == opened + 1 && rig.ledger.open() == 0
    });
    rig.ledger.assert_in_order();
}

pub fn dropping_the_pool_closes_its_connections<K: PoolUnderTest, B: ManagerUnderTest>() {
    let rig = Rig::<K, B>::new(Settings::size(2));
    drop(rig.get());
    let Rig { pool, ledger, subject: _server, .. } = rig;
    drop(pool);
    // `SharedPool` closes them on a thread of its own, for which the drop waits 100 ms at most.
    wait::until("its connections to be closed", || ledger.open() == 0);
}
