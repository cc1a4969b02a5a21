//! The queue lends its connections in turn, and keeps its size.

use threadwise_core::CloseReason;
use threadwise_queue::QueuePool;
use threadwise_testkit::{Call, FakeManager, Scripted, Step};

#[test]
fn connections_are_lent_in_turn_so_that_all_stay_warm() {
    let pool = QueuePool::new(Scripted::new(FakeManager), 5).unwrap();
    let mut uses = [0; 5];
    for _ in 0..15 {
        uses[pool.get().unwrap().id() as usize - 1] += 1;
    }
    assert_eq!(uses, [3; 5]);
}

#[test]
fn all_connections_are_opened_at_build() {
    let manager = Scripted::new(FakeManager);
    let ledger = manager.ledger();
    let pool = QueuePool::new(manager, 40).unwrap();
    assert_eq!((ledger.open(), pool.state().idle), (40, 40));
}

#[test]
fn a_build_that_fails_half_way_closes_what_it_opened() {
    let manager = Scripted::new(FakeManager);
    let (script, ledger) = (manager.script(), manager.ledger());
    (0..5).for_each(|_| script.next(Call::Connect, Step::Pass));
    script.always(Call::Connect, Step::Fail);
    assert!(QueuePool::new(manager, 20).is_err());
    assert_eq!(ledger.opened(), 5);
    assert_eq!(ledger.open(), 0);
}

#[test]
fn a_lost_connection_is_opened_again_by_whoever_draws_its_place() {
    let manager = Scripted::new(FakeManager);
    let (script, ledger) = (manager.script(), manager.ledger());
    let pool = QueuePool::new(manager, 2).unwrap();
    pool.get().unwrap().discard();
    assert_eq!(pool.state().open, 1);
    drop(pool.get().unwrap()); // the other one
    script.next(Call::Connect, Step::Fail);
    assert!(pool.get().is_err(), "the place was drawn, and there is no server");
    drop(pool.get().unwrap()); // the other one again
    drop(pool.get().unwrap());
    assert_eq!(ledger.open(), 2);
    assert_eq!(pool.state().counters.closed(CloseReason::Discarded), 1);
}

#[test]
fn an_owned_guard_outlives_the_pool_and_its_connection_is_closed_then() {
    let manager = Scripted::new(FakeManager);
    let ledger = manager.ledger();
    let pool = QueuePool::new(manager, 2).unwrap();
    let conn = pool.get_owned().unwrap();
    drop(pool);
    assert_eq!(ledger.open(), 1);
    drop(std::thread::spawn(move || conn).join().unwrap());
    assert_eq!(ledger.open(), 0);
}
