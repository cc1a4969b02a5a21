//! A forked child has a pool of its own, and does not touch its parent's connections.
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

/// A pool whose first connection is this thread's, and idle.
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
    let Rig { pool, ledger, .. } = rig();
    forked::run(End::AtOnce, || {
        let state = pool.state();
        assert_eq!((state.open, state.idle, state.borrowed), (0, 0, 0));
        assert_eq!((state.name.as_deref(), state.max_size), (Some("orders"), Some(5)));
        for _ in 0..3 {
            assert_eq!(pool.get().unwrap().id(), 2, "its own, and the same each time");
        }
        assert_eq!(
            thread::scope(|scope| scope.spawn(|| pool.get().unwrap().id()).join()).unwrap(),
            3
        );
        assert_eq!((pool.state().open, pool.state().counters.gets), (1, 4));
    });
    assert_eq!((ledger.open(), ledger.opened()), (1, 1));
    assert_eq!(pool.get().unwrap().id(), 1, "the parent goes on");
}

#[test]
fn all_verbs_of_a_child_are_its_own_pools() {
    let Rig { pool, ledger, .. } = rig();
    forked::run(End::AtOnce, || {
        assert_eq!(pool.try_get().unwrap().id(), 2);
        assert_eq!(pool.get_timeout(Duration::from_secs(5)).unwrap().id(), 2);
        assert_eq!(pool.share().unwrap().id(), 2);
        let own = pool.get().unwrap();
        assert_eq!(pool.get().unwrap().id(), 3, "one of overflow");
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
fn what_a_child_inherits_is_neither_checked_nor_reset_nor_closed_there() {
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
        assert_eq!(ledger.open(), 2, "as far as the child's copy knows");
        assert_eq!(pool.get().unwrap().id(), 3);
    });
    drop(inherited);
    assert_eq!(pool.get().unwrap().id(), 1);
}

#[test]
fn a_shared_connection_that_a_child_inherits_is_left_alone() {
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
fn a_connection_that_a_child_inherits_is_not_replaced_there() {
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
fn the_end_of_the_forked_thread_closes_what_it_opened_in_the_child_alone() {
    let Rig { pool, ledger, .. } = rig();
    // Its own handles: in the child the stacks of other threads are used again, for new ones.
    let (forks, its_ledger) = (pool.clone(), Arc::clone(&ledger));
    let forks = thread::spawn(move || {
        let (pool, ledger) = (forks, its_ledger);
        assert_eq!(pool.get().unwrap().id(), 2);
        forked::run(End::AtOnce, || {
            assert_eq!(pool.get().unwrap().id(), 3);
            // The thread of the fork is the child's only one; others come and go.
            let other = thread::scope(|scope| scope.spawn(|| pool.get().unwrap().id()).join());
            assert_eq!(other.unwrap(), 4);
            assert_eq!((ledger.open(), pool.state().open), (3, 1));
        });
    });
    forks.join().unwrap();
    assert_eq!(ledger.open(), 1, "that thread has ended");
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
fn forks_beside_threads_at_work_harm_neither_side() {
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
            // Nothing of the ledger here: its lock may be held by a thread that is not in the child.
            forked::run(End::AtOnce, || assert_eq!(pool.state().open, 0));
        }
        drop(end);
        // The end of a scope would not wait for what its threads do as they end.
        users.into_iter().for_each(|user| user.join().unwrap());
    });
    drop(pool);
    assert_eq!(ledger.open(), 0);
    ledger.assert_in_order();
}
