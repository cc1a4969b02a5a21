//! A forked child has a pool of its own and does not touch its parent's connections.
#![cfg(unix)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use threadwise_core::{GetError, ManageConnection, Reset, Validation};
use threadwise_queue::{QueuePool, RoundRobin};
use threadwise_testkit::forked::{self, End};
use threadwise_testkit::wait::{self, AtEnd};
use threadwise_testkit::{Call, FakeManager, Ledger, Script, Scripted};

struct Rig {
    pool: QueuePool<Scripted<FakeManager>>,
    script: Arc<Script>,
    ledger: Arc<Ledger>,
}

fn rig(size: usize) -> Rig {
    let manager = Scripted::new(FakeManager);
    let (script, ledger) = (manager.script(), manager.ledger());
    let pool = QueuePool::builder()
        .name("orders")
        .size(size)
        .reset(Reset::Always)
        .validation(Validation::OnReturn)
        .build(manager)
        .unwrap();
    Rig { pool, script, ledger }
}

#[test]
fn a_child_finds_the_pool_empty_and_opens_its_own_connections() {
    let Rig { pool, ledger, .. } = rig(2);
    forked::run(End::AtOnce, || {
        let state = pool.state();
        assert_eq!((state.open, state.idle, state.borrowed), (0, 0, 0));
        assert_eq!((state.name.as_deref(), state.max_size), (Some("orders"), Some(2)));
        let (one, other) = (pool.get().unwrap(), pool.get().unwrap());
        assert_eq!((one.id(), other.id()), (3, 4), "not the parent's connections");
        assert!(matches!(pool.try_get(), Err(GetError::Exhausted(_))), "the limit is the same");
        drop((one, other));
        assert_eq!(pool.get().unwrap().id(), 3);
        assert_eq!(pool.state().idle, 2);
    });
    assert_eq!((ledger.open(), ledger.opened(), pool.state().idle), (2, 2, 2));
    assert_eq!(pool.get().unwrap().id(), 1, "the parent keeps its connections");
}

#[test]
fn every_method_of_a_handle_uses_the_childs_own_pool() {
    let Rig { pool, ledger, .. } = rig(2);
    forked::run(End::AtOnce, || {
        assert_eq!(pool.try_get().unwrap().id(), 3);
        assert_eq!(pool.get_timeout(Duration::from_secs(5)).unwrap().id(), 4);
        assert_eq!(pool.get_owned().unwrap().id(), 3);
        let removed = pool.remove().unwrap();
        assert_eq!(removed.id(), 4);
        pool.add(removed).unwrap();
        pool.evict_idle();
        assert_eq!(
            (pool.state().open, ledger.open()),
            (0, 2),
            "the parent's connections stay open"
        );
        pool.clone().close();
        assert!(matches!(pool.get(), Err(GetError::Closed)));
    });
    assert!(!pool.state().closed);
    assert_eq!(pool.get().unwrap().id(), 1);
}

#[test]
fn a_guard_from_before_the_fork_is_dropped_in_the_child_without_check_reset_or_close() {
    let Rig { pool, script, ledger } = rig(4);
    let calls =
        || [Call::HasBroken, Call::IsValid, Call::Reset, Call::Close].map(|c| script.made(c));
    let (dropped, discarded) = (pool.get().unwrap(), pool.get().unwrap());
    let owned = pool.get_owned().unwrap();
    let mut steady = pool.get().unwrap();
    let before = calls();
    let mut guards = Some((dropped, discarded, owned));
    forked::run(End::AtOnce, || {
        let (dropped, discarded, owned) = guards.take().unwrap();
        drop(dropped);
        discarded.discard();
        drop(owned);
        let lost = || {
            Err::<(), _>(threadwise_testkit::ScriptedError::Scripted {
                call: Call::IsValid,
                for_good: false,
            })
        };
        assert!(
            steady.steady(|_| lost()).is_err(),
            "the child does not replace a connection of the parent"
        );
        assert_eq!(calls(), before);
        assert_eq!((ledger.open(), ledger.opened(), ledger.resets()), (4, 4, 0));
    });
    drop((guards, steady));
    assert_eq!(ledger.resets(), 4, "in the parent the connections are reset on return");
    assert_eq!(pool.state().idle, 4);
}

#[test]
fn a_child_that_drops_the_pool_closes_what_it_opened_itself() {
    let Rig { pool, script, ledger } = rig(2);
    let mut pool = Some(pool);
    forked::run(End::AtOnce, || {
        let closed = script.made(Call::Close);
        drop(pool.as_ref().unwrap().get().unwrap());
        assert_eq!(ledger.open(), 3);
        drop(pool.take());
        assert_eq!(script.made(Call::Close), closed + 1);
        assert_eq!(ledger.open(), 2, "its parent's");
    });
    forked::run(End::AtOnce, || {
        drop(pool.take()); // without a use in the child
        assert_eq!((ledger.open(), script.made(Call::Close)), (2, 0));
    });
    assert_eq!(ledger.open(), 2);
    drop(pool.take());
    assert_eq!(ledger.open(), 0);
}

#[test]
fn a_childs_child_has_a_pool_of_its_own() {
    let Rig { pool, ledger, .. } = rig(2);
    forked::run(End::AtOnce, || {
        let own = pool.get().unwrap();
        assert_eq!(own.id(), 3);
        forked::run(End::AtOnce, || {
            assert_eq!((pool.state().open, pool.get().unwrap().id()), (0, 4));
            assert_eq!(
                ledger.open(),
                4,
                "one of its own, one of its parent, two of that one's parent"
            );
        });
        assert_eq!(pool.state().borrowed, 1);
    });
}

#[test]
fn a_pool_that_was_closed_stays_closed_in_the_child() {
    let Rig { pool, .. } = rig(1);
    pool.close();
    forked::run(End::AtOnce, || {
        assert!(pool.state().closed);
        assert!(matches!(pool.get(), Err(GetError::Closed)));
    });
}

#[test]
fn a_childs_threads_share_one_pool() {
    forked::alone(|| {
        let Rig { pool, ledger, .. } = rig(3);
        forked::run(End::AtOnce, || {
            thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| (0..50).for_each(|_| drop(pool.get().unwrap())));
                }
            });
            assert!((1..=3).contains(&pool.state().open), "{}", pool.state());
            assert!(ledger.most_open() <= 3 + 3);
        });
    });
}

#[test]
fn the_childs_counters_start_at_zero() {
    let Rig { pool, .. } = rig(2);
    drop(pool.get().unwrap());
    forked::run(End::AtOnce, || {
        drop(pool.get().unwrap());
        let counters = pool.state().counters;
        assert_eq!((counters.gets, counters.opened), (1, 1));
    });
}

/// The queue may be in the middle of an operation when another thread forks.
#[test]
fn a_child_of_a_busy_parent_is_served() {
    let pool = QueuePool::new(FakeManager, 2).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    drop(pool.get().unwrap());
                }
            });
        }
        let _end = AtEnd(|| done.store(true, Relaxed));
        for _ in 0..200 {
            forked::run(End::AtOnce, || drop(pool.get().unwrap()));
        }
    });
}

#[test]
fn a_child_is_served_while_its_parents_thread_waits() {
    let pool = QueuePool::new(FakeManager, 1).unwrap();
    let held = pool.get().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| drop(pool.get().unwrap()));
        wait::until("a thread to wait", || pool.state().waiting == 1);
        forked::run(End::AtOnce, || {
            assert_eq!(pool.state().waiting, 0);
            drop(pool.get().unwrap());
        });
        drop(held);
    });
}

/// Numbers that several threads can use at the same time.
#[derive(Default)]
struct Numbers(AtomicU32);

impl ManageConnection for Numbers {
    type Connection = AtomicU32;
    type Error = std::convert::Infallible;

    fn connect(&self) -> Result<AtomicU32, Self::Error> {
        Ok(AtomicU32::new(self.0.fetch_add(1, Relaxed) + 1))
    }

    fn is_valid(&self, _: &mut AtomicU32) -> Result<(), Self::Error> {
        Ok(())
    }

    fn has_broken(&self, _: &mut AtomicU32) -> bool {
        false
    }
}

#[test]
fn round_robin_is_empty_in_a_child_which_opens_its_own() {
    let pool = RoundRobin::new(Numbers::default(), 2).unwrap();
    let mut borrowed = Some(pool.get().unwrap());
    forked::run(End::AtOnce, || {
        drop(borrowed.take());
        assert_eq!((pool.state().open, pool.state().counters.gets), (0, 0));
        let ids = [(); 4].map(|()| pool.get().unwrap().load(Relaxed));
        assert_eq!(ids, [3, 4, 3, 4]);
        pool.close();
        assert_eq!(pool.state().counters.closed_total(), 2, "the child's own");
    });
    assert_eq!((pool.state().borrowed, pool.state().open), (1, 2));
    assert_eq!(pool.state().counters.closed_total(), 0);
}

#[test]
fn the_last_handle_of_a_round_robin_closes_the_connections_of_a_child() {
    let manager = Scripted::new(Numbers::default());
    let ledger = manager.ledger();
    let mut pool = Some(RoundRobin::new(manager, 2).unwrap());
    forked::run(End::AtOnce, || {
        let pool = pool.take().unwrap();
        let other = pool.clone();
        (0..2).for_each(|_| drop(pool.get().unwrap()));
        drop(pool);
        assert_eq!(ledger.closed(), 0, "a handle is left");
        drop(other);
        assert_eq!(ledger.closed(), 2, "its own, and not its parent's");
    });
    assert_eq!(ledger.closed(), 0);
    drop(pool);
    assert_eq!(ledger.closed(), 2);
}

/// A thread that does not exist in the child may hold the lock of a slot.
#[test]
fn a_child_of_a_busy_round_robin_is_served() {
    let pool = RoundRobin::new(Numbers::default(), 2).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(Relaxed) {
                    drop(pool.get().unwrap());
                }
            });
        }
        let _end = AtEnd(|| done.store(true, Relaxed));
        for _ in 0..100 {
            forked::run(End::AtOnce, || drop(pool.get().unwrap()));
        }
    });
}
