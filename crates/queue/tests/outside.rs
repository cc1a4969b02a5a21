//! Connections that leave the pool and come in from outside; draining and closing.

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
    /// A connection that the pool knows nothing of.
    fn stranger(&self) -> ScriptedConnection<FakeConnection> {
        self.pool.manager().connect().unwrap()
    }

    /// The numbers of the connections that are idle, in the order in which they will be lent.
    fn order(&self) -> Vec<u64> {
        let guards: Vec<_> = std::iter::from_fn(|| self.pool.try_get().ok()).collect();
        guards.iter().map(|conn| conn.id()).collect()
    }
}

#[test]
fn who_takes_a_connection_takes_its_place_until_one_is_put_there() {
    let rig = rig(2);
    let taken = rig.pool.take().unwrap();
    let state = rig.pool.state();
    assert_eq!((state.max_size, state.open, state.idle), (Some(1), 1, 1));
    assert_eq!(rig.order(), [2], "no other is opened for it");
    rig.pool.put(taken).unwrap();
    let state = rig.pool.state();
    assert_eq!((state.max_size, state.open, state.idle), (Some(2), 2, 2));
    assert_eq!(rig.order(), [2, 1]);
    assert_eq!((rig.ledger.opened(), rig.ledger.open()), (2, 2));
    let counters = state.counters;
    assert_eq!((counters.opened, counters.closed(CloseReason::Detached)), (3, 1));
}

#[test]
fn no_more_are_put_than_there_are_places() {
    let rig = rig(2);
    let refused = rig.pool.put(rig.stranger()).unwrap_err();
    let held = rig.pool.get().unwrap();
    let refused = rig.pool.put(refused).unwrap_err();
    drop(held.detach());
    rig.pool.put(refused).unwrap();
    assert!(rig.pool.put(rig.stranger()).is_err());
    assert_eq!((rig.pool.state().open, rig.pool.state().max_size), (2, Some(2)));
}

#[test]
fn a_connection_from_outside_is_put_where_one_was_lost_and_the_others_keep_their_order() {
    let rig = rig(4);
    rig.pool.get().unwrap().discard();
    assert_eq!(rig.pool.state().open, 3);
    rig.pool.put(rig.stranger()).unwrap();
    let opened = rig.script.made(Call::Connect);
    assert_eq!(rig.order(), [2, 3, 4, 5]);
    assert_eq!(rig.script.made(Call::Connect), opened, "there was none to be opened");
}

#[test]
fn what_is_put_is_reset_and_closed_if_it_cannot_be() {
    let rig = rig(1);
    let mut conn = rig.pool.take().unwrap();
    conn.left_behind = Some("a variable".into());
    rig.pool.put(conn).unwrap();
    assert_eq!(rig.pool.get().unwrap().left_behind, None);
    let mut conn = rig.pool.take().unwrap();
    conn.left_behind = Some("a variable".into());
    rig.script.next(Call::Reset, Step::Fail);
    rig.pool.put(conn).unwrap();
    assert_eq!(rig.pool.state().counters.closed(CloseReason::ResetFailed), 1);
    assert_eq!(rig.pool.get().unwrap().id(), 2);
}

#[test]
fn a_waiter_is_woken_by_what_is_put() {
    let rig = rig(1);
    let taken = rig.pool.take().unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.pool.get().unwrap().id());
        wait::until("somebody to wait", || rig.pool.state().waiting == 1);
        rig.pool.put(taken).unwrap();
        assert_eq!(waiter.join().unwrap(), 1);
    });
}

#[test]
fn nothing_is_put_into_a_closed_pool_or_taken_from_it() {
    let rig = rig(2);
    let taken = rig.pool.take().unwrap();
    rig.pool.close();
    let refused = rig.pool.put(taken).unwrap_err();
    assert_eq!((refused.id(), rig.ledger.open()), (1, 1), "it is the caller's");
    assert!(matches!(rig.pool.take(), Err(GetError::Closed)));
    rig.pool.close(); // again, which does nothing
    assert!(matches!(rig.pool.try_get(), Err(GetError::Closed)));
}

#[test]
fn after_evict_idle_idle_connections_are_fresh_and_borrowed_ones_as_they_were() {
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
fn a_drain_keeps_nobody_waiting_but_for_the_connection_that_it_closes() {
    let rig = rig(3);
    let gate = rig.script.hang_next(Call::Close);
    thread::scope(|scope| {
        let _open = gate.open_at_end();
        let drain = scope.spawn(|| rig.pool.evict_idle());
        gate.await_arrivals(1);
        let (one, other) = (rig.pool.try_get().unwrap(), rig.pool.try_get().unwrap());
        assert_eq!((one.id(), other.id()), (2, 3));
        assert!(rig.pool.try_get().is_err(), "its place is not free before it is closed");
        gate.open();
        drain.join().unwrap();
    });
    assert_eq!((rig.ledger.most_open(), rig.pool.state().open), (3, 2));
}

#[test]
fn the_limit_is_exact_while_connections_are_taken_put_drained_and_discarded() {
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
                            1 => rig.pool.put(rig.pool.take().unwrap()).unwrap(),
                            2 => rig.pool.evict_idle(),
                            _ => drop(rig.pool.get().unwrap().hold()),
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    rig.ledger.assert_in_order();
    assert!(rig.ledger.most_open() <= SIZE, "{}", rig.ledger.most_open());
    let state = rig.pool.state();
    assert_eq!((state.max_size, state.open), (Some(SIZE), rig.ledger.open()));
    assert_eq!(state.counters.opened - state.counters.closed_total(), state.open as u64);
    assert_eq!(rig.order().len(), SIZE, "all places are there");
}

#[test]
fn reset_never_is_kept_for_what_is_put_as_well() {
    let manager = Scripted::new(FakeManager);
    let pool = QueuePool::builder().size(1).reset(Reset::Never).build(manager).unwrap();
    let mut conn = pool.take().unwrap();
    conn.left_behind = Some("a variable".into());
    pool.put(conn).unwrap();
    assert!(pool.get().unwrap().left_behind.is_some());
}
