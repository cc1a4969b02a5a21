//! A forked child has a pool of its own and does not touch its parent's connections.
#![cfg(unix)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use threadwise_core::{GetError, Reset, Validation};
use threadwise_persistent::PersistentPool;
use threadwise_testkit::forked::{self, End};
use threadwise_testkit::wait::AtEnd;
use threadwise_testkit::{Call, FakeManager, Ledger, Script, Scripted};

type Pool = PersistentPool<Scripted<FakeManager>>;

struct Rig {
    pool: Pool,
    script: Arc<Script>,
    ledger: Arc<Ledger>,
}

/// A pool in which this thread has an idle connection, the first one.
fn rig() -> Rig {
    let manager = Scripted::new(FakeManager);
    let (script, ledger) = (manager.script(), manager.ledger());
    let pool = PersistentPool::builder()
        .name("orders")
        .max_threads(4)
        .max_overflow(1)
        .reset(Reset::Always)
        .validation(Validation::OnReturn)
        .build_lazy(manager)
        .unwrap();
    assert_eq!(pool.get().unwrap().id(), 1);
    Rig { pool, script, ledger }
}

#[test]
fn a_child_finds_the_pool_empty_and_opens_its_own_connections() {
    forked::alone(|| {
        let Rig { pool, ledger, .. } = rig();
        forked::run(End::AtOnce, || {
            let state = pool.state();
            assert_eq!((state.open, state.idle, state.borrowed), (0, 0, 0));
            assert_eq!((state.name.as_deref(), state.max_size), (Some("orders"), Some(5)));
            for _ in 0..3 {
                assert_eq!(pool.get().unwrap().id(), 2, "the child's own, and the same each time");
            }
            assert_eq!(
                thread::scope(|scope| scope.spawn(|| pool.get().unwrap().id()).join()).unwrap(),
                3
            );
            assert_eq!((pool.state().open, pool.state().counters.gets), (1, 4));
        });
        assert_eq!((ledger.open(), ledger.opened()), (1, 1));
        assert_eq!(pool.get().unwrap().id(), 1, "the parent keeps its connection");
    });
}

#[test]
fn every_method_of_a_handle_uses_the_childs_own_pool() {
    let Rig { pool, ledger, .. } = rig();
    forked::run(End::AtOnce, || {
        assert_eq!(pool.try_get().unwrap().id(), 2);
        assert_eq!(pool.get_timeout(Duration::from_secs(5)).unwrap().id(), 2);
        assert_eq!(pool.share().unwrap().id(), 2);
        let own = pool.get().unwrap();
        assert_eq!(pool.get().unwrap().id(), 3, "an overflow connection");
        own.discard();
        assert_eq!(pool.get().unwrap().detach().id(), 4);
        pool.close();
        assert!(matches!(pool.get(), Err(GetError::Closed)));
        assert!(pool.state().closed);
    });
    assert_eq!(ledger.open(), 1);
    assert_eq!(pool.get().unwrap().id(), 1);
}

#[test]
fn a_guard_from_before_the_fork_is_dropped_in_the_child_without_check_reset_or_close() {
    let Rig { pool, script, ledger } = rig();
    let guard = pool.get().unwrap();
    let overflow = pool.get().unwrap();
    let calls =
        |script: &Script| [Call::Reset, Call::IsValid, Call::Close].map(|call| script.made(call));
    let before = calls(&script);
    let mut inherited = Some((guard, overflow));
    forked::run(End::AtOnce, || {
        drop(inherited.take());
        assert_eq!(calls(&script), before);
        assert_eq!(ledger.open(), 2, "in the child's copy of the ledger");
        assert_eq!(pool.get().unwrap().id(), 3);
    });
    drop(inherited);
    assert_eq!(pool.get().unwrap().id(), 1);
}

#[test]
fn a_shared_connection_from_the_parent_is_not_touched_in_the_child() {
    let Rig { pool, script, .. } = rig();
    let mut shared = Some([pool.share().unwrap(), pool.share().unwrap()]);
    let resets = script.made(Call::Reset);
    forked::run(End::AtOnce, || {
        drop(shared.take());
        assert_eq!(script.made(Call::Reset), resets);
        assert_eq!(pool.share().unwrap().id(), 2);
    });
    assert_eq!(shared.take().unwrap()[0].id(), 1);
}

#[test]
fn a_connection_from_the_parent_is_not_replaced_in_the_child() {
    let Rig { pool, ledger, .. } = rig();
    let mut guard = pool.get().unwrap();
    forked::run(End::AtOnce, || {
        let lost =
            || threadwise_testkit::ScriptedError::Scripted { call: Call::Reset, for_good: false };
        assert!(guard.steady(|_| Err::<(), _>(lost())).is_err());
        assert_eq!(ledger.opened(), 1);
    });
    assert_eq!(guard.id(), 1);
}

#[test]
fn a_child_that_drops_the_pool_closes_nothing_of_its_parents() {
    let Rig { pool, script, ledger } = rig();
    let closed = script.made(Call::Close);
    let mut handle = Some(pool);
    forked::run(End::AtOnce, || {
        drop(handle.take());
        assert_eq!((script.made(Call::Close), ledger.open()), (closed, 1));
    });
    drop(handle);
    assert_eq!(ledger.open(), 0, "the parent closes it");
}

#[test]
fn a_child_closes_its_own_connections_when_it_drops_the_pool() {
    let Rig { pool, ledger, .. } = rig();
    let mut handle = Some(pool);
    forked::run(End::AtOnce, || {
        let pool = handle.take().unwrap();
        assert_eq!(pool.get().unwrap().id(), 2);
        assert_eq!(ledger.open(), 2);
        drop(pool);
        assert_eq!(ledger.open(), 1);
    });
    drop(handle);
}

#[test]
fn the_end_of_the_forking_thread_closes_only_the_connection_that_it_opened_in_its_own_process() {
    forked::alone(|| {
        let Rig { pool, ledger, .. } = rig();
        // The thread owns its handles: in the child, new threads reuse the stacks of the parent's threads.
        let (forks, its_ledger) = (pool.clone(), Arc::clone(&ledger));
        let forks = thread::spawn(move || {
            let (pool, ledger) = (forks, its_ledger);
            assert_eq!(pool.get().unwrap().id(), 2);
            forked::run(End::AtOnce, || {
                assert_eq!(pool.get().unwrap().id(), 3);
                // The forking thread is the child's only one; other threads start and end.
                let other = thread::scope(|scope| scope.spawn(|| pool.get().unwrap().id()).join());
                assert_eq!(other.unwrap(), 4);
                assert_eq!((ledger.open(), pool.state().open), (3, 1));
            });
        });
        forks.join().unwrap();
        assert_eq!(ledger.open(), 1, "that thread has ended");
    });
}

#[test]
fn a_childs_child_has_a_pool_of_its_own() {
    let Rig { pool, ledger, .. } = rig();
    forked::run(End::AtOnce, || {
        assert_eq!(pool.get().unwrap().id(), 2);
        forked::run(End::AtOnce, || {
            assert_eq!(pool.state().open, 0);
            assert_eq!(pool.get().unwrap().id(), 3);
            pool.close();
        });
        assert_eq!(pool.get().unwrap().id(), 2);
        assert_eq!(pool.state().open, 1);
    });
    assert_eq!(ledger.open(), 1);
}

#[test]
fn forks_while_threads_borrow_affect_neither_parent_nor_child() {
    let manager = Scripted::new(FakeManager);
    let ledger = manager.ledger();
    let pool = PersistentPool::builder().reset(Reset::Never).build_lazy(manager).unwrap();
    drop(pool.get().unwrap());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let users = [(); 2].map(|()| {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    drop(pool.get().unwrap());
                }
            })
        });
        let end = AtEnd(|| done.store(true, Relaxed));
        for _ in 0..50 {
            // Does not use the ledger: a thread that is not in the child may hold its lock.
            forked::run(End::AtOnce, || assert_eq!(pool.state().open, 0));
        }
        drop(end);
        // The end of a scope does not wait for the destructors of its threads.
        users.into_iter().for_each(|user| user.join().unwrap());
    });
    drop(pool);
    assert_eq!(ledger.open(), 0);
    ledger.assert_in_order();
}
