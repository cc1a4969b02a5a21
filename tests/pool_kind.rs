//! Pools that a program chooses by name: each kind keeps the promises and has the common settings.
#![cfg(all(feature = "shared", feature = "queue", feature = "persistent"))]

use std::any::type_name;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use threadwise::{
    AnyPool, BuildError, CloseReason, ConnectError, ConnectionInfo, Events, GetError, HookError,
    ManageConnection, Pool, PoolKind, Reset, UsePool, Validation,
};
use threadwise_sqlite::{Connection, SqliteManager};
use threadwise_testkit::backend::Fake;
use threadwise_testkit::conformance::pool_conformance;
use threadwise_testkit::conformance::pools::{PoolUnderTest, Settings};
use threadwise_testkit::wait::PATIENCE;

fn build(kind: PoolKind) -> AnyPool<SqliteManager> {
    kind.build(SqliteManager::memory(), 1).unwrap()
}

#[test]
fn every_name_parses_as_its_kind() {
    let names: Vec<_> = PoolKind::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["shared", "persistent", "queue"]);
    for kind in PoolKind::ALL {
        assert_eq!(kind.name().parse(), Ok(*kind));
        assert_eq!(build(*kind).kind(), *kind);
    }
}

#[test]
fn display_pads_a_name() {
    assert_eq!(format!("[{:<8}]", PoolKind::Queue), "[queue   ]");
}

#[test]
fn an_unknown_name_is_an_error_that_lists_the_names() {
    for name in ["", "Shared", "shared ", "r2d2"] {
        let error = name.parse::<PoolKind>().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("no pool is called `{name}`: use `shared`, `persistent` or `queue`")
        );
        assert_eq!(format!("{error:?}"), error.to_string(), "what `unwrap` and `main` print");
    }
}

#[test]
fn a_size_of_zero_is_refused_with_the_name_of_the_pools_own_setting() {
    for (kind, setting) in [
        (PoolKind::Shared, "max_size"),
        (PoolKind::Persistent, "max_threads"),
        (PoolKind::Queue, "size"),
    ] {
        match kind.build(SqliteManager::memory(), 0) {
            Err(BuildError::Setting { name, .. }) => assert_eq!(name, setting),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn every_kind_takes_the_shared_settings() {
    struct CountsOpened(Arc<AtomicU32>);
    impl Events for CountsOpened {
        fn opened(&self, _: &ConnectionInfo<'_>, _: Duration) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    for kind in PoolKind::ALL {
        let opened = Arc::new(AtomicU32::new(0));
        let calls = Arc::new(AtomicU32::new(0));
        let count = |worth| {
            let calls = Arc::clone(&calls);
            move |_: &mut Connection| -> Result<(), HookError> {
                calls.fetch_add(worth, Ordering::SeqCst);
                Ok(())
            }
        };
        let pool = kind
            .builder::<SqliteManager>()
            .name("orders")
            .size(1)
            .get_timeout(Duration::from_secs(20))
            .validation(Validation::OnCheckout)
            .validation_timeout(Duration::from_secs(3))
            .reset(Reset::Always)
            .events(CountsOpened(Arc::clone(&opened)))
            .on_connect(count(1))
            .on_acquire(count(100))
            .on_return(count(10_000))
            .build(SqliteManager::memory())
            .unwrap();
        let before = calls.load(Ordering::SeqCst);
        drop(pool.get().unwrap());
        let state = pool.state();
        assert_eq!(state.name.as_deref(), Some("orders"), "{kind}");
        assert_eq!((state.max_size, state.counters.resets), (Some(1), 1), "{kind}");
        assert!(opened.load(Ordering::SeqCst) >= 1, "{kind}");
        // One `get`, one return, and `on_connect` at most for a new connection and after the reset.
        let called = calls.load(Ordering::SeqCst) - before;
        assert_eq!(called / 100, 101, "{kind}: {called}");
        assert!((1..=2).contains(&(called % 100)), "{kind}: {called}");
    }
}

#[test]
fn the_timeout_of_the_builder_is_that_of_get() {
    for kind in [PoolKind::Shared, PoolKind::Queue] {
        let pool = kind
            .builder()
            .size(1)
            .get_timeout(Duration::from_millis(20))
            // The timeout is too short for `build` on a busy machine. It does not matter here.
            .build_within(PATIENCE, SqliteManager::memory())
            .unwrap();
        let _borrowed = pool.get().unwrap();
        assert!(matches!(pool.get(), Err(GetError::TimedOut(_))), "{kind}");
    }
}

#[test]
fn an_error_of_a_hook_reaches_the_caller() {
    for kind in PoolKind::ALL {
        let built = kind
            .builder::<SqliteManager>()
            .size(1)
            .on_connect(|_| Err("read only".into()))
            .build(SqliteManager::memory());
        let Err(BuildError::ConnectFailed(ConnectError::Vetoed(veto))) = built else {
            panic!("{kind}: {built:?}");
        };
        assert_eq!(veto.to_string(), "read only");
    }
}

#[test]
fn guards_discard_detach_and_run_steady_work() {
    for kind in PoolKind::ALL {
        let pool = build(*kind);
        pool.get().unwrap().discard();
        let mine = pool.get().unwrap().detach();
        let mut conn = pool.get().unwrap();
        let answer: u32 =
            conn.steady(|conn| conn.query_row("SELECT 42", [], |row| row.get(0))).unwrap();
        assert_eq!(answer, 42);
        drop(conn);
        let counters = pool.state().counters;
        assert_eq!(counters.closed(CloseReason::Discarded), 1, "{kind}");
        assert_eq!(counters.closed(CloseReason::Detached), 1, "{kind}");
        assert!(mine.execute_batch("SELECT 1").is_ok(), "{kind}");
    }
}

#[test]
fn clones_are_handles_to_one_pool_and_the_last_one_closes_it() {
    for kind in PoolKind::ALL {
        let pool = build(*kind);
        let other = pool.clone();
        drop(pool.get().unwrap());
        assert_eq!(other.state().counters.gets, 1, "{kind}");
        drop(pool);
        assert!(other.get().is_ok(), "{kind}");
        other.close();
        assert!(matches!(other.get(), Err(GetError::Closed)), "{kind}");
    }
}

#[test]
fn run_passes_the_pool_with_its_own_type() {
    struct NameOfType;
    impl<M: ManageConnection> UsePool<M> for NameOfType {
        type Output = &'static str;

        fn run<P: Pool<Manager = M> + Clone + 'static>(self, _: P) -> &'static str {
            type_name::<P>()
        }
    }
    for (kind, name) in [
        (PoolKind::Shared, "SharedPool<"),
        (PoolKind::Persistent, "PersistentPool<"),
        (PoolKind::Queue, "QueuePool<"),
    ] {
        assert!(build(kind).run(NameOfType).contains(name), "{kind}");
    }
}

/// Tests the promises on the fake: `AnyPool` keeps those of the pool inside.
macro_rules! keeps_the_promises {
    ($module:ident, $kind:ident) => {
        mod $module {
            use super::*;

            struct Chosen;

            impl PoolUnderTest for Chosen {
                type Pool<M: ManageConnection> = AnyPool<M>;

                fn build<M: ManageConnection>(
                    manager: M,
                    settings: Settings,
                ) -> Result<AnyPool<M>, BuildError<M::Error>> {
                    PoolKind::$kind
                        .builder()
                        .size(settings.size)
                        .get_timeout(settings.get_timeout)
                        .validation(settings.validation)
                        .validation_timeout(settings.validation_timeout)
                        .reset(settings.reset)
                        .build(manager)
                }
            }

            pool_conformance!(Fake, Chosen: session, changes, transaction, fork);
        }
    };
}

keeps_the_promises!(shared, Shared);
keeps_the_promises!(persistent, Persistent);
keeps_the_promises!(queue, Queue);
