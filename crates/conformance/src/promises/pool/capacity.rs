//! Capacity comes back on every path, and freeing it wakes a waiter.

#![expect(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "each function is a test, and its name says what it asserts"
)]

use std::thread;

use threadwise_core::{GetError, Guard, Pool, Reset, Validation};

use crate::pools::{PoolUnderTest, Settings};
use crate::rig::{Borrowed, Rig};
use crate::{Call, ManagerUnderTest, Step, wait};

/// Runs `trouble` on a thread of its own, on a pool of one connection. Afterwards the pool has all
/// its capacity.
fn survives<K: PoolUnderTest, B: ManagerUnderTest>(
    settings: Settings,
    trouble: impl Fn(&Rig<K, B>) + Sync,
) {
    let rig = Rig::<K, B>::new(settings);
    rig.on_thread(|| trouble(&rig)).expect("only the planned trouble");
    assert_survived(&rig, settings);
}

fn assert_survived<K: PoolUnderTest, B: ManagerUnderTest>(rig: &Rig<K, B>, settings: Settings) {
    rig.assert_whole(settings.size);
    assert_eq!(rig.pool.state().borrowed, 0);
    assert!(rig.ledger.most_open() <= settings.size);
}

pub fn capacity_survives_a_failed_connect<K: PoolUnderTest, B: ManagerUnderTest>() {
    connect_goes_wrong::<K, B>(Step::Fail);
}

pub fn capacity_survives_a_panicking_connect<K: PoolUnderTest, B: ManagerUnderTest>() {
    connect_goes_wrong::<K, B>(Step::Panic);
}

fn connect_goes_wrong<K: PoolUnderTest, B: ManagerUnderTest>(step: Step) {
    survives::<K, B>(Settings::size(1), |rig| {
        rig.get().discard();
        let tried = rig.script.made(Call::Connect);
        rig.script.next(Call::Connect, step.clone());
        drop(rig.pool.get()); // some pools try again, others return the error
        assert!(rig.script.made(Call::Connect) > tried);
    });
}

pub fn capacity_survives_a_panicking_holder<K: PoolUnderTest, B: ManagerUnderTest>() {
    let rig = Rig::<K, B>::new(Settings::size(1));
    let panicked = rig.on_thread(|| {
        let _conn = rig.get();
        panic!("a holder panics, as planned");
    });
    assert!(panicked.is_err());
    assert_survived(&rig, Settings::size(1));
}

pub fn capacity_survives_a_panic_in_the_free_check<K: PoolUnderTest, B: ManagerUnderTest>() {
    survives::<K, B>(Settings::size(1), |rig| {
        let conn = rig.get();
        rig.script.next(Call::HasBroken, Step::Panic);
        drop(conn);
        drop(rig.get());
        rig.script.next(Call::HasBroken, Step::Panic); // on checkout this time
        drop(rig.get());
    });
}

pub fn capacity_survives_a_failed_validation<K: PoolUnderTest, B: ManagerUnderTest>() {
    validation_goes_wrong::<K, B>(Step::Fail);
}

pub fn capacity_survives_a_panicking_validation<K: PoolUnderTest, B: ManagerUnderTest>() {
    validation_goes_wrong::<K, B>(Step::Panic);
}

fn validation_goes_wrong<K: PoolUnderTest, B: ManagerUnderTest>(step: Step) {
    for validation in [Validation::OnCheckout, Validation::OnReturn] {
        survives::<K, B>(Settings { validation, ..Settings::size(1) }, |rig| {
            drop(rig.get());
            let asked = rig.script.made(Call::IsValid);
            rig.script.next(Call::IsValid, step.clone());
            drop(rig.get());
            assert!(rig.script.made(Call::IsValid) > asked, "the server was asked");
        });
    }
}

pub fn capacity_survives_a_failed_reset<K: PoolUnderTest, B: ManagerUnderTest>() {
    reset_goes_wrong::<K, B>(Step::Fail);
}

pub fn capacity_survives_a_panicking_reset<K: PoolUnderTest, B: ManagerUnderTest>() {
    reset_goes_wrong::<K, B>(Step::Panic);
}

fn reset_goes_wrong<K: PoolUnderTest, B: ManagerUnderTest>(step: Step) {
    survives::<K, B>(Settings { reset: Reset::Always, ..Settings::size(1) }, |rig| {
        let conn = rig.get();
        let id = conn.id();
        rig.script.next(Call::Reset, step.clone());
        drop(conn);
        assert_ne!(rig.get().id(), id, "a session that could not be reset was borrowed again");
    });
}

pub fn capacity_survives_a_panicking_close<K: PoolUnderTest, B: ManagerUnderTest>() {
    survives::<K, B>(Settings::size(1), |rig| {
        let conn = rig.get();
        rig.script.next(Call::Close, Step::Panic);
        conn.discard();
    });
}

pub fn capacity_survives_a_discard<K: PoolUnderTest, B: ManagerUnderTest>() {
    survives::<K, B>(Settings::size(1), |rig| {
        for _ in 0..3 {
            let conn = rig.get();
            let id = conn.id();
            conn.discard();
            wait::until("a discarded connection to be closed", || !rig.ledger.is_open(id));
        }
    });
}

pub fn capacity_survives_a_detach<K: PoolUnderTest, B: ManagerUnderTest>() {
    let rig = Rig::<K, B>::new(Settings::size(1));
    rig.on_thread(|| {
        let mut detached = rig.get().detach();
        rig.assert_works(&mut detached);
        assert_eq!(rig.pool.state().borrowed, 0);
        let conn = rig.get();
        assert_ne!(conn.id(), detached.id());
    })
    .expect("a user");
    rig.assert_whole(1);
}

pub fn a_forgotten_guard_is_reported_and_the_pool_still_closes<
    K: PoolUnderTest,
    B: ManagerUnderTest,
>() {
    let rig = Rig::<K, B>::new(Settings::size(1));
    rig.on_thread(|| std::mem::forget(rig.get())).expect("a user that forgets its guard");
    let state = rig.pool.state();
    assert_eq!((state.open, state.borrowed, state.idle), (1, 1, 0), "{state}");
    assert!(matches!(rig.pool.try_get(), Err(GetError::Exhausted(_))));
    rig.pool.close();
    assert!(matches!(rig.pool.get(), Err(GetError::Closed)));
}

/// One thread holds the only connection, and another one waits for it. `end` lets the waiter get a
/// connection.
fn wakes_a_waiter<K: PoolUnderTest, B: ManagerUnderTest>(
    end: impl for<'p> FnOnce(&Rig<K, B>, Borrowed<'p, K, B>) + Send,
) {
    let rig = Rig::<K, B>::new(Settings::size(1));
    let (rig, has_it) = (&rig, std::sync::Barrier::new(2));
    thread::scope(|scope| {
        let holder = scope.spawn(|| {
            let conn = rig.get();
            has_it.wait();
            rig.await_waiting(1);
            end(rig, conn);
        });
        has_it.wait();
        let waiter = scope.spawn(|| drop(rig.get()));
        let _ = holder.join();
        waiter.join().expect("the waiter was served");
    });
    rig.assert_whole(1);
}

pub fn a_discard_wakes_a_waiter<K: PoolUnderTest, B: ManagerUnderTest>() {
    wakes_a_waiter::<K, B>(|_, conn| conn.discard());
}

pub fn a_detach_wakes_a_waiter<K: PoolUnderTest, B: ManagerUnderTest>() {
    wakes_a_waiter::<K, B>(|_, conn| drop(conn.detach()));
}

pub fn a_panic_wakes_a_waiter<K: PoolUnderTest, B: ManagerUnderTest>() {
    wakes_a_waiter::<K, B>(|_, _conn| panic!("a holder panics, as planned"));
}

pub fn a_broken_return_wakes_a_waiter<K: PoolUnderTest, B: ManagerUnderTest>() {
    wakes_a_waiter::<K, B>(|rig, conn| {
        rig.script.next(Call::HasBroken, Step::Fail);
        drop(conn);
    });
}

pub fn a_return_wakes_a_waiter<K: PoolUnderTest, B: ManagerUnderTest>() {
    wakes_a_waiter::<K, B>(|_, conn| drop(conn));
}
