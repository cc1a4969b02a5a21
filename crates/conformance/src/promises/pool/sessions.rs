//! A borrowed connection has one holder, works, and has a fresh session.

#![expect(
    missing_docs,
    clippy::missing_panics_doc,
    reason = "each function is a test, and its name says what it asserts"
)]

use threadwise_core::{Pool, Reset};

use crate::pools::{PoolUnderTest, Settings};
use crate::rig::Rig;
use crate::{Call, ManagerUnderTest, Step, wait};

pub fn a_borrowed_connection_works<K: PoolUnderTest, B: ManagerUnderTest>() {
    let rig = Rig::<K, B>::new(Settings::size(2));
    for _ in 0..3 {
        let conn = rig.get();
        let _held = conn.hold();
    }
    rig.ledger.assert_in_order();
    assert!(rig.ledger.open() <= 2);
}

pub fn a_broken_connection_is_not_lent_again<K: PoolUnderTest, B: ManagerUnderTest>() {
    let rig = Rig::<K, B>::new(Settings::size(1));
    let conn = rig.get();
    let id = conn.id();
    rig.script.next(Call::HasBroken, Step::Fail);
    drop(conn);
    wait::until("the broken connection to be closed", || !rig.ledger.is_open(id));
    assert_ne!(rig.get().id(), id);
}

pub fn a_connection_that_broke_while_idle_is_replaced<K: PoolUnderTest, B: ManagerUnderTest>() {
    let rig = Rig::<K, B>::new(Settings::size(1));
    let conn = rig.get();
    let id = conn.id();
    rig.script.next(Call::HasBroken, Step::Pass); // on return
    rig.script.next(Call::HasBroken, Step::Fail); // on the next checkout
    drop(conn);
    assert_ne!(rig.get().id(), id);
    wait::until("the broken connection to be closed", || !rig.ledger.is_open(id));
}

pub fn a_connection_whose_holder_panicked_is_not_lent_again<
    K: PoolUnderTest,
    B: ManagerUnderTest,
>() {
    let rig = Rig::<K, B>::new(Settings::size(1));
    let holder = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let conn = rig.get();
        std::panic::panic_any(conn.id());
    }));
    let id = *holder.expect_err("a panic").downcast::<u64>().expect("the connection's number");
    wait::until("the connection of a holder that panicked to be closed", || {
        !rig.ledger.is_open(id)
    });
    assert_ne!(rig.get().id(), id);
}

pub fn the_next_user_finds_a_fresh_session<K: PoolUnderTest, B: ManagerUnderTest>() {
    for reset in [Reset::Always, Reset::WhenChanged] {
        let rig = Rig::<K, B>::new(Settings { reset, ..Settings::size(1) });
        let mut conn = rig.get();
        let id = conn.id();
        rig.subject.soil(&mut conn);
        assert!(
            !rig.subject.is_fresh(&mut conn),
            "`is_fresh` does not see what `soil` has done, so this test could not fail"
        );
        drop(conn);
        let mut conn = rig.get();
        assert!(
            rig.subject.is_fresh(&mut conn),
            "the next user finds what the last one left in its session: `reset_within` (by default \
             `reset`) must undo it, or return an error. With `Reset::WhenChanged` the pool calls it \
             only if `has_changed` returns true. Here the pool's setting was {reset:?}"
        );
        assert_eq!(conn.id(), id, "a reset is enough, no new connection is needed");
    }
}

pub fn the_user_after_a_panic_finds_a_fresh_session<K: PoolUnderTest, B: ManagerUnderTest>() {
    let rig = Rig::<K, B>::new(Settings::size(1));
    let panicked = rig.on_thread(|| {
        let mut conn = rig.get();
        rig.subject.soil(&mut conn);
        panic!("a holder panics in the middle of its work, as planned");
    });
    assert!(panicked.is_err());
    assert!(rig.subject.is_fresh(&mut rig.get()));
}

pub fn an_unchanged_session_is_not_reset<K: PoolUnderTest, B: ManagerUnderTest>() {
    let rig = Rig::<K, B>::new(Settings { reset: Reset::WhenChanged, ..Settings::size(1) });
    drop(rig.pool.get());
    assert_eq!(
        rig.ledger.resets(),
        0,
        "a session was reset although its user did nothing: `has_changed` must return false until a \
         use changes the session"
    );
}
