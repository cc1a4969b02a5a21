//! Connections that leave the pool and come in from outside; eviction and closing.

use std::sync::Arc;
use std::thread;

use threadwise_core::{CloseReason, GetError, ManageConnection, Reset};
use threadwise_queue::QueuePool;
use threadwise_testkit::{
    Call, FakeConnection, FakeManager, Ledger, Script, Scripted, ScriptedConnection, Step, wait,
};

struct Rig {
    pool: QueuePool<Scripted<FakeManager>>,
    script: Arc<Script>,
    ledger: Arc<Ledger>,
}

fn rig(size: usize) -> Rig {
    let manager = Scripted::new(FakeManager);
    let (script, ledger) = (manager.script(), manager.ledger());
    Rig { pool: QueuePool::new(manager, size).unwrap(), script, ledger }
}

impl Rig {
    /// A connection that does not belong to the pool.
    fn external_connection(&self) -> ScriptedConnection<FakeConnection> {
        self.pool.manager().connect().unwrap()
    }

    /// The ids of the idle connections, in the order in which the pool lends them.
    fn order(&self) -> Vec<u64> {
        let guards: Vec<_> = std::iter::from_fn(|| self.pool.try_get().ok()).collect();
        guards.iter().map(|conn| conn.id()).collect()
    }
}

#[test]
fn a_removed_connection_takes_its_place_along_until_one_is_added() {
    let rig = rig(2);
    let removed = rig.pool.remove().unwrap();
    let state = rig.pool.state();
    assert_eq!((state.max_size, state.open, state.idle), (Some(1), 1, 1));
    assert_eq!(rig.order(), [2], "the pool opens no other connection in its place");
    rig.pool.add(removed).unwrap();
    let state = rig.pool.state();
    assert_eq!((state.max_size, state.open, state.idle), (Some(2), 2, 2));
    assert_eq!(rig.order(), [2, 1]);
    assert_eq!((rig.ledger.opened(), rig.ledger.open()), (2, 2));
    let counters = state.counters;
    assert_eq!((counters.opened, counters.closed(CloseReason::Detached)), (3, 1));
}

#[test]
fn no_more_connections_are_added_than_there_are_places() {
    let rig = rig(2);
    let refused = rig.pool.add(rig.external_connection()).unwrap_err();
    let held = rig.pool.get().unwrap();
    let refused = rig.pool.add(refused).unwrap_err();
    drop(held.detach());
    rig.pool.add(refused).unwrap();
    assert!(rig.pool.add(rig.external_connection()).is_err());
    assert_eq!((rig.pool.state().open, rig.pool.state().max_size), (2, Some(2)));
}

#[test]
fn an_added_connection_gets_the_place_of_a_lost_one_and_the_others_keep_their_order() {
    let rig = rig(4);
    rig.pool.get().unwrap().discard();
    assert_eq!(rig.pool.state().open, 3);
    rig.pool.add(rig.external_connection()).unwrap();
    let opened = rig.script.made(Call::Connect);
    assert_eq!(rig.order(), [2, 3, 4, 5]);
    assert_eq!(rig.script.made(Call::Connect), opened, "no place is empty any more");
}

#[test]
fn an_added_connection_is_reset_and_closed_if_the_reset_fails() {
    let rig = rig(1);
    let mut conn = rig.pool.remove().unwrap();
    conn.left_behind = Some("a variable".into());
    rig.pool.add(conn).unwrap();
    assert_eq!(rig.pool.get().unwrap().left_behind, None);
    let mut conn = rig.pool.remove().unwrap();
    conn.left_behind = Some("a variable".into());
    rig.script.next(Call::Reset, Step::Fail);
    rig.pool.add(conn).unwrap();
    assert_eq!(rig.pool.state().counters.closed(CloseReason::ResetFailed), 1);
    assert_eq!(rig.pool.get().unwrap().id(), 2);
}

#[test]
fn an_added_connection_wakes_a_waiter() {
    let rig = rig(1);
    let removed = rig.pool.remove().unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.pool.get().unwrap().id());
        wait::until("a thread to wait", || rig.pool.state().waiting == 1);
        rig.pool.add(removed).unwrap();
        assert_eq!(waiter.join().unwrap(), 1);
    });
}

#[test]
fn a_closed_pool_neither_adds_nor_removes_connections() {
    let rig = rig(2);
    let removed = rig.pool.remove().unwrap();
    rig.pool.close();
    let refused = rig.pool.add(removed).unwrap_err();
    assert_eq!((refused.id(), rig.ledger.open()), (1, 1), "the caller has the connection");
    assert!(matches!(rig.pool.remove(), Err(GetError::Closed)));
    rig.pool.close(); // the second call does nothing
    assert!(matches!(rig.pool.try_get(), Err(GetError::Closed)));
}

#[test]
fn evict_idle_replaces_idle_connections_and_keeps_borrowed_ones() {
    let rig = rig(3);
    let held = rig.pool.get().unwrap();
    rig.pool.evict_idle();
    assert_eq!((rig.ledger.open(), rig.pool.state().open), (1, 1));
    assert_eq!(rig.pool.state().counters.closed(CloseReason::Evicted), 2);
    assert_eq!(rig.order(), [4, 5]);
    drop(held);
    assert_eq!(rig.order(), [4, 5, 1]);
    assert_eq!(rig.ledger.most_open(), 3);
}

#[test]
fn evict_idle_holds_up_no_get_but_for_the_connection_that_it_is_closing() {
    let rig = rig(3);
    let gate = rig.script.hang_next(Call::Close);
    thread::scope(|scope| {
        let _open = gate.open_at_end();
        let eviction = scope.spawn(|| rig.pool.evict_idle());
        gate.await_arrivals(1);
        let (one, other) = (rig.pool.try_get().unwrap(), rig.pool.try_get().unwrap());
        assert_eq!((one.id(), other.id()), (2, 3));
        assert!(rig.pool.try_get().is_err(), "its place is free only after the close");
        gate.open();
        eviction.join().unwrap();
    });
    assert_eq!((rig.ledger.most_open(), rig.pool.state().open), (3, 2));
}

#[test]
fn the_limit_is_exact_while_connections_are_removed_added_evicted_and_discarded() {
    const SIZE: usize = 4;
    let rig = rig(SIZE);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|number| {
                let rig = &rig;
                scope.spawn(move || {
                    for turn in 0..200 {
                        match (turn + number) % 5 {
                            0 => rig.pool.get().unwrap().discard(),
                            1 => rig.pool.add(rig.pool.remove().unwrap()).unwrap(),
                            2 => rig.pool.evict_idle(),
                            _ => drop(rig.pool.get().unwrap().hold()),
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    rig.ledger.assert_in_order();
    assert!(rig.ledger.most_open() <= SIZE, "{}", rig.ledger.most_open());
    let state = rig.pool.state();
    assert_eq!((state.max_size, state.open), (Some(SIZE), rig.ledger.open()));
    assert_eq!(state.counters.opened - state.counters.closed_total(), state.open as u64);
    assert_eq!(rig.order().len(), SIZE, "no place is lost");
}

#[test]
fn an_added_connection_is_not_reset_if_reset_is_never() {
    let manager = Scripted::new(FakeManager);
    let pool = QueuePool::builder().size(1).reset(Reset::Never).build(manager).unwrap();
    let mut conn = pool.remove().unwrap();
    conn.left_behind = Some("a variable".into());
    pool.add(conn).unwrap();
    assert!(pool.get().unwrap().left_behind.is_some());
}
