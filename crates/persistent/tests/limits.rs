//! The `get` that finds a connection too old, idle for too long or used too often replaces it. The test
//! sets the clock. Also: when the pool validates and resets connections.

mod common;

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use threadwise_core::{BuildError, CloseReason, GetError, Reset, Validation};
use threadwise_persistent::{Builder, PersistentPool};
use threadwise_testkit::{Call, FakeManager, Step};

use common::{MINUTE, SECOND, rig};

#[test]
fn a_connection_is_replaced_by_the_get_that_finds_its_lifetime_over() {
    let rig = rig(|pool| pool.max_lifetime(10 * MINUTE));
    assert_eq!(rig.id(), 1);
    rig.clock.advance(10 * MINUTE - SECOND);
    assert_eq!(rig.id(), 1);
    rig.clock.advance(SECOND);
    assert_eq!(
        (rig.ledger.open(), rig.ledger.opened()),
        (1, 1),
        "nothing happens between the uses"
    );
    assert_eq!(rig.id(), 2);
    assert_eq!((rig.closed(CloseReason::MaxLifetime), rig.ledger.most_open()), (1, 1));
    rig.clock.advance(10 * MINUTE - SECOND);
    assert_eq!(rig.id(), 2, "the new connection has its own lifetime");
}

#[test]
fn a_connection_that_gets_too_old_while_it_is_borrowed_is_replaced_by_the_next_get() {
    let rig = rig(|pool| pool.max_lifetime(MINUTE));
    let conn = rig.get();
    rig.clock.advance(2 * MINUTE);
    drop(conn);
    assert_eq!(rig.ledger.open(), 1);
    assert_eq!(rig.id(), 2);
}

#[test]
fn a_connection_that_is_used_often_enough_does_not_reach_the_idle_timeout() {
    let rig = rig(|pool| pool.idle_timeout(8 * MINUTE));
    for _ in 0..10 {
        assert_eq!(rig.id(), 1);
        rig.clock.advance(8 * MINUTE - SECOND);
    }
    rig.clock.advance(SECOND);
    assert_eq!((rig.id(), rig.closed(CloseReason::IdleTimeout)), (2, 1));
}

#[test]
fn time_of_a_use_is_not_idle_time() {
    let rig = rig(|pool| pool.idle_timeout(MINUTE));
    let conn = rig.get();
    rig.clock.advance(10 * MINUTE);
    drop(conn);
    assert_eq!(rig.id(), 1);
}

#[test]
fn a_connection_is_replaced_after_max_uses() {
    let rig = rig(|pool| pool.max_uses(3));
    let ids: Vec<_> = (0..7).map(|_| rig.id()).collect();
    assert_eq!(ids, [1, 1, 1, 2, 2, 2, 3]);
    assert_eq!((rig.closed(CloseReason::MaxUses), rig.pool.state().counters.gets), (2, 7));
}

#[test]
fn all_shares_of_a_connection_are_one_use() {
    let rig = rig(|pool| pool.max_uses(2));
    for expected in [1, 1, 2, 2, 3] {
        let sharers = [rig.pool.share().unwrap(), rig.pool.share().unwrap()];
        assert_eq!(sharers.map(|conn| conn.id()), [expected; 2]);
    }
}

#[test]
fn nothing_is_replaced_inside_a_transaction() {
    type Settings = fn(Builder<common::Manager>) -> Builder<common::Manager>;
    let limits: [(Settings, CloseReason); 3] = [
        (|pool| pool.max_lifetime(MINUTE), CloseReason::MaxLifetime),
        (|pool| pool.idle_timeout(MINUTE), CloseReason::IdleTimeout),
        (|pool| pool.max_uses(1), CloseReason::MaxUses),
    ];
    for (limit, reason) in limits {
        let rig = rig(|pool| limit(pool.reset(Reset::Never)));
        rig.get().in_transaction.store(true, SeqCst);
        for _ in 0..4 {
            rig.clock.advance(MINUTE);
            assert_eq!(rig.id(), 1);
        }
        assert_eq!(rig.ledger.closed(), 0);
        rig.get().in_transaction.store(false, SeqCst);
        rig.clock.advance(MINUTE);
        assert_eq!((rig.id(), rig.closed(reason)), (2, 1));
    }
}

#[test]
fn without_limits_a_connection_is_never_replaced() {
    let rig = rig(|pool| pool);
    for _ in 0..100 {
        assert_eq!(rig.id(), 1);
        rig.clock.advance(1_000_000 * MINUTE);
    }
}

#[test]
fn if_no_other_connection_can_be_opened_the_thread_has_none_and_the_next_get_tries_again() {
    let rig = rig(|pool| pool.max_threads(1).max_uses(1));
    assert_eq!(rig.id(), 1);
    rig.script.next(Call::Connect, Step::Fail);
    assert!(matches!(rig.pool.get(), Err(GetError::ConnectFailed(_))));
    assert_eq!((rig.ledger.open(), rig.pool.state().open), (0, 0));
    assert_eq!(rig.id(), 2);
}

#[test]
fn a_connection_that_replaces_a_lost_one_has_its_own_lifetime_and_uses() {
    let rig = rig(|pool| pool.max_lifetime(10 * MINUTE).max_uses(2));
    rig.get().in_transaction.store(false, SeqCst);
    rig.clock.advance(9 * MINUTE);
    let mut conn = rig.get();
    let mut runs = 0;
    let _ = conn.steady(|_| {
        runs += 1;
        let lost =
            threadwise_testkit::ScriptedError::Scripted { call: Call::IsValid, for_good: false };
        if runs == 1 { Err(lost) } else { Ok(()) }
    });
    assert_eq!(conn.id(), 2);
    drop(conn);
    rig.clock.advance(9 * MINUTE);
    assert_eq!(rig.id(), 2);
    assert_eq!(rig.id(), 3, "used twice");
}

#[test]
fn validation_by_idle_time_asks_only_connections_that_were_idle_for_longer() {
    let rig = rig(|pool| pool.validation(Validation::IdleLongerThan(60 * MINUTE)));
    let asked = || rig.script.made(Call::IsValid);
    (0..5).for_each(|_| assert_eq!(rig.id(), 1));
    assert_eq!(asked(), 0, "not longer");
    let rig = common::rig(|pool| pool.validation(Validation::IdleLongerThan(Duration::ZERO)));
    let asked = || rig.script.made(Call::IsValid);
    assert_eq!((rig.id(), asked()), (1, 0), "it was just opened");
    assert_eq!((rig.id(), asked()), (1, 1));
    rig.script.next(Call::IsValid, Step::Fail);
    assert_eq!((rig.id(), asked()), (2, 2));
    assert_eq!(rig.closed(CloseReason::Invalid), 1);
}

#[test]
fn each_reset_setting_resets_the_sessions_that_it_names() {
    let resets = |reset, mark, in_transaction| {
        let rig = rig(|pool| pool.reset(reset));
        let mut conn = rig.get();
        conn.mark = mark;
        conn.in_transaction.store(in_transaction, SeqCst);
        drop(conn);
        assert_eq!(rig.ledger.resets(), rig.pool.state().counters.resets);
        let resets = rig.ledger.resets();
        assert_eq!(rig.get().mark, if resets == 1 { None } else { mark });
        resets
    };
    let cases = [(None, false), (Some("set up"), false), (None, true), (Some("set up"), true)];
    let all = |reset| cases.map(|(mark, in_transaction)| resets(reset, mark, in_transaction));
    assert_eq!(all(Reset::WhenChanged), [0, 1, 1, 1]);
    assert_eq!(all(Reset::InTransaction), [0, 0, 1, 1]);
    assert_eq!(all(Reset::Always), [1, 1, 1, 1]);
    assert_eq!(all(Reset::Never), [0, 0, 0, 0]);
}

#[test]
fn a_limit_of_zero_is_refused_by_its_name() {
    let pool = PersistentPool::<FakeManager>::builder;
    let zero = Duration::ZERO;
    for (settings, expected) in [
        (pool().max_threads(0), "max_threads"),
        (pool().max_lifetime(zero), "max_lifetime"),
        (pool().idle_timeout(zero), "idle_timeout"),
        (pool().max_uses(0), "max_uses"),
    ] {
        let Err(BuildError::Setting { name, .. }) = settings.build_lazy(FakeManager) else {
            panic!("{expected} of zero");
        };
        assert_eq!(name, expected);
    }
    assert!(pool().max_overflow(0).get_timeout(zero).build(FakeManager).is_ok());
}
