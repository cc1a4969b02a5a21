//! The limit is exact, and a slow call of the manager blocks no other thread.

#![expect(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "each function is a test, and its name says what it asserts"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use threadwise_core::{BuildError, Guard, Pool, Reset, Validation};

use crate::pools::{PoolUnderTest, Settings};
use crate::rig::Rig;
use crate::{Call, Gate, ManagerUnderTest, Scripted, Step, wait};

/// Threads come and go, connections fail to open, break and are discarded, and holders panic.
pub fn the_limit_is_exact_whatever_goes_wrong<K: PoolUnderTest, B: ManagerUnderTest>() {
    const SIZE: usize = 3;
    const LANES: u64 = 6;
    const THREADS_IN_A_LANE: u64 = 25;
    let rig = Rig::<K, B>::new(Settings::size(SIZE));
    let served = AtomicU64::new(0);
    thread::scope(|scope| {
        for lane in 0..LANES {
            let (rig, served) = (&rig, &served);
            scope.spawn(move || {
                for turn in 0..THREADS_IN_A_LANE {
                    // A panic of that user is part of the test.
                    let _ = rig.on_thread(|| one_user(rig, served, lane * 1000 + turn));
                }
            });
        }
    });
    rig.ledger.assert_in_order();
    let most = rig.ledger.most_open();
    assert!(most <= SIZE, "{most} connections were open at once, {SIZE} are allowed");
    assert!(served.load(Ordering::Relaxed) > LANES * THREADS_IN_A_LANE / 2, "most were served");
    rig.script.clear();
    rig.assert_whole(SIZE);
}

fn one_user<K: PoolUnderTest, B: ManagerUnderTest>(rig: &Rig<K, B>, served: &AtomicU64, user: u64) {
    match user % 7 {
        0 => rig.script.next(Call::Connect, Step::Fail),
        1 => rig.script.next(Call::HasBroken, Step::Fail),
        2 => rig.script.next(Call::Connect, Step::Panic),
        _ => {}
    }
    let Ok(mut conn) = rig.pool.get() else { return };
    let held = conn.hold();
    rig.assert_works(&mut conn);
    served.fetch_add(1, Ordering::Relaxed);
    drop(held);
    match user % 5 {
        0 => conn.discard(),
        1 => panic!("user {user} panics, as planned"),
        _ => drop(conn),
    }
}

pub fn a_size_of_zero_is_refused<K: PoolUnderTest, B: ManagerUnderTest>() {
    let subject = B::start();
    let manager = Scripted::new(subject.manager());
    let ledger = manager.ledger();
    let Err(error) = K::build(manager, Settings::size(0)) else {
        panic!("a pool without a connection")
    };
    assert!(matches!(error, BuildError::Setting { .. }), "{error}");
    assert_eq!(ledger.opened(), 0);
}

/// While one call of the manager hangs, other threads borrow, use and return connections.
pub fn a_slow_manager_call_blocks_no_other_thread<K: PoolUnderTest, B: ManagerUnderTest>() {
    for call in [Call::Connect, Call::IsValid, Call::HasBroken, Call::Reset, Call::Close] {
        let validation = Validation::OnCheckout;
        let rig =
            Rig::<K, B>::new(Settings { validation, reset: Reset::Always, ..Settings::size(2) });
        let gate = Arc::new(Gate::default());
        thread::scope(|scope| {
            let _open_at_end = gate.open_at_end();
            scope.spawn(|| hang_in(call, &rig, &gate));
            gate.await_arrivals(1);
            let _ = rig.pool.state();
            rig.on_thread(|| drop(rig.get())).expect("another user");
        });
        rig.assert_whole(2);
    }
}

/// Uses the pool so that `call` is made next, and hangs.
fn hang_in<K: PoolUnderTest, B: ManagerUnderTest>(call: Call, rig: &Rig<K, B>, gate: &Arc<Gate>) {
    let mut conn = Some(rig.get());
    match call {
        Call::Connect | Call::IsValid => drop(conn.take()),
        Call::HasBroken | Call::Reset | Call::Close => {}
    }
    rig.script.next(call, Step::Hang(Arc::clone(gate)));
    match (call, conn) {
        (Call::Close, Some(conn)) => conn.discard(),
        (_, Some(conn)) => drop(conn),
        // A pool may have another connection that is idle, or too new to be validated.
        (_, None) => wait::until("the call to be made", || {
            let conn = rig.get();
            if call == Call::Connect {
                conn.discard();
            }
            gate.has_arrivals()
        }),
    }
}
