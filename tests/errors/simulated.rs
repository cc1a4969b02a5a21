//! Errors that this server cannot be made to report. A listener reports them in its place: a
//! shutdown at the wrong moment, a thread that cannot be started, a full disk, a Galera node
//! without its cluster, a blocked host (a server that resolves no names does not block hosts).

use std::time::Instant;

use mysql::prelude::Queryable;
use threadwise::mysql::{ErrorClass, MysqlManager, classify};
use threadwise::{CloseReason, GetError};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait;

use crate::kinds::{
    AnyPool, BRIEF, Closed, SETTLED, answers, code, empty, fails_at_once, heals, on_each_pool,
    refusal, serves, shared,
};
use crate::wire::Spoiler;

/// Refusals after which a pool tries again.
const HEALING: &[(u16, ErrorClass)] = &[
    (1053, ErrorClass::Lost), // shutting down: another connection may lead to another server
    (1077, ErrorClass::Lost),
    (1040, ErrorClass::Transient),
    (1021, ErrorClass::Transient),
    (1041, ErrorClass::Transient),
    (1047, ErrorClass::Transient),
    (1135, ErrorClass::Transient),
    (3032, ErrorClass::Transient),
    (3168, ErrorClass::Transient),
    (1105, ErrorClass::Ordinary), // a proxy without a server, or any other that says no more
    (1180, ErrorClass::Unknown),  // an error during a commit
    (1317, ErrorClass::Ordinary), // `KILL QUERY` during the first statement
    (1969, ErrorClass::Ordinary),
    (3024, ErrorClass::Ordinary),
    (9001, ErrorClass::Ordinary),
    (9999, ErrorClass::Ordinary), // unknown, so another attempt may succeed
];

/// Refusals with which `get` fails at once.
const NEVER_HEALING: &[u16] = &[1129, 1130, 1251, 3118, 3159];

#[test]
fn get_waits_after_a_transient_refusal_and_fails_at_once_after_a_permanent_one() {
    let spoiler = Spoiler::before(MariaDb::shared().port());
    let url = format!("mysql://root@127.0.0.1:{}/test", spoiler.port());
    on_each_pool!(refuse, MysqlManager::from_url(&url).unwrap(), &spoiler);
}

fn refuse(pool: &impl AnyPool, spoiler: &Spoiler) {
    for &(number, class) in HEALING {
        empty(pool);
        spoiler.refuse(Some(number));
        let seen = refusal(pool, |error| (code(error), classify(error)));
        assert_eq!(seen, (Some(number), class));
        spoiler.refuse(None);
        heals(pool);
    }
    for &number in NEVER_HEALING {
        empty(pool);
        spoiler.refuse(Some(number));
        fails_at_once(pool, number);
        spoiler.refuse(None);
        heals(pool);
    }
}

#[test]
fn the_shared_pool_keeps_trying_after_a_refusal_that_may_go_away() {
    let spoiler = Spoiler::before(MariaDb::shared().port());
    let url = format!("mysql://root@127.0.0.1:{}/test", spoiler.port());
    let pool = shared(|| MysqlManager::from_url(&url).unwrap());
    for &(number, _) in HEALING {
        empty(&pool);
        spoiler.refuse(Some(number));
        let error = pool.get_timeout(BRIEF).map(drop).expect_err("refused");
        assert!(matches!(error, GetError::TimedOut(_)), "{number}: {error}");
        spoiler.refuse(None);
        serves(&pool);
    }
}

#[test]
fn a_connection_to_a_node_that_is_not_ready_is_kept_until_its_reset_fails() {
    let spoiler = Spoiler::before(MariaDb::shared().port());
    let url = format!("mysql://root@127.0.0.1:{}/test", spoiler.port());
    on_each_pool!(not_ready, MysqlManager::from_url(&url).unwrap(), &spoiler);
}

fn not_ready(pool: &impl AnyPool, spoiler: &Spoiler) {
    wait::until("the return of a young connection", || {
        let start = Instant::now();
        empty(pool);
        let before = Closed::by(pool);
        fails_and_goes_on_until_its_reset(pool, spoiler);
        let is_young = start.elapsed() < SETTLED;
        let old = [CloseReason::ResetFailed, CloseReason::Broken];
        before.assert_more(pool, 1, if is_young { &old[..1] } else { &old });
        spoiler.answer(None);
        heals(pool);
        is_young
    });
}

fn fails_and_goes_on_until_its_reset(pool: &impl AnyPool, spoiler: &Spoiler) {
    const NOT_READY: u16 = 1047;
    let mut conn = pool.get().unwrap();
    for lasts in [false, true] {
        spoiler.answer(Some(NOT_READY));
        let error = conn.query_drop("INSERT INTO t VALUES (1)").unwrap_err();
        assert_eq!((code(&error), classify(&error)), (Some(NOT_READY), ErrorClass::Transient));
        spoiler.answer(lasts.then_some(NOT_READY));
        if !lasts {
            answers(&mut conn);
        }
    }
    drop(conn); // a new connection may reach a node that is ready
}
