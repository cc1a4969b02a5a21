//! Connections that several threads use at the same time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Barrier};
use std::thread;

use threadwise_core::{BuildError, CloseReason, GetError, Validation};
use threadwise_queue::{Builder, RoundRobin};
use threadwise_testkit::numbers::{ECONNREFUSED, Numbers};
use threadwise_testkit::{Call, FakeManager, Heard, Ledger, Script, Scripted, Step};

struct Rig {
    pool: RoundRobin<Scripted<FakeManager>>,
    script: Arc<Script>,
    ledger: Arc<Ledger>,
}

fn rig(size: usize) -> Rig {
    let manager = Scripted::new(FakeManager);
    let (script, ledger) = (manager.script(), manager.ledger());
    Rig { pool: RoundRobin::new(manager, size).unwrap(), script, ledger }
}

impl Rig {
    fn next(&self) -> u64 {
        self.pool.get().unwrap().id()
    }
}

#[test]
fn connections_are_lent_in_turn_to_any_number_of_threads() {
    let rig = rig(2);
    let threads = 102;
    let all_have_one = Barrier::new(threads);
    let ids: Vec<u64> = thread::scope(|scope| {
        let users: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let conn = rig.pool.get().unwrap();
                    all_have_one.wait();
                    conn.id()
                })
            })
            .collect();
        users.into_iter().map(|user| user.join().unwrap()).collect()
    });
    assert_eq!([1, 2].map(|id| ids.iter().filter(|&&one| one == id).count()), [51, 51]);
    let state = rig.pool.state();
    assert_eq!((state.counters.gets, state.open, state.idle), (102, 2, 2));
}

#[test]
fn a_connection_counts_as_borrowed_while_a_thread_uses_it() {
    let rig = rig(2);
    let (one, other, one_too) =
        (rig.pool.get().unwrap(), rig.pool.get().unwrap(), rig.pool.get().unwrap());
    let borrowed = || (rig.pool.state().borrowed, rig.pool.state().idle);
    assert_eq!((one.id(), other.id(), one_too.id()), (1, 2, 1));
    assert_eq!(borrowed(), (2, 0));
    drop(one);
    assert_eq!(borrowed(), (2, 0));
    drop(one_too);
    assert_eq!(borrowed(), (1, 1));
}

#[test]
fn a_discarded_connection_is_closed_by_its_last_user_and_replaced_in_its_turn() {
    let rig = rig(2);
    let (one, _, one_too) = (rig.pool.get().unwrap(), rig.next(), rig.pool.get().unwrap());
    one.discard();
    assert_eq!([rig.next(), rig.next()], [2, 2], "no `get` borrows it any more");
    assert!(rig.ledger.is_open(one_too.id()), "its other user still has it");
    assert_eq!(rig.ledger.opened(), 2, "no other one is opened meanwhile: the limit is exact");
    one_too.discard(); // the second user discards it too
    assert!(!rig.ledger.is_open(1));
    let ids = [(); 4].map(|()| rig.next());
    assert!(ids == [3, 2, 3, 2] || ids == [2, 3, 2, 3], "{ids:?}");
    assert_eq!(rig.pool.state().counters.closed(CloseReason::Discarded), 1);
    assert_eq!(rig.ledger.most_open(), 2);
}

#[test]
fn no_get_waits_while_another_thread_opens_a_connection() {
    let rig = rig(2);
    rig.pool.get().unwrap().discard();
    let _other = rig.pool.get().unwrap();
    let gate = rig.script.hang_next(Call::Connect);
    thread::scope(|scope| {
        let _open = gate.open_at_end();
        let opener = scope.spawn(|| rig.next());
        gate.await_arrivals(1);
        assert_eq!([rig.next(), rig.next()], [2, 2]);
        assert_eq!(rig.pool.state().connecting, 1);
        gate.open();
        assert_eq!(opener.join().unwrap(), 3);
    });
}

#[test]
fn a_get_fails_when_all_connections_are_lost_and_the_next_one_tries_again() {
    let rig = rig(1);
    let held = rig.pool.get().unwrap();
    rig.pool.get().unwrap().discard();
    assert!(matches!(rig.pool.get(), Err(GetError::Exhausted(_))), "one user still has it");
    drop(held);
    rig.script.next(Call::Connect, Step::Fail);
    assert!(matches!(rig.pool.get(), Err(GetError::ConnectFailed(_))));
    assert_eq!((rig.next(), rig.ledger.open()), (2, 1));
}

#[test]
fn one_get_makes_one_attempt_and_the_next_ones_pause_while_a_connection_is_open() {
    let manager = Numbers::default();
    let pool = RoundRobin::new(manager.clone(), 4).unwrap();
    for _ in 0..3 {
        pool.get().unwrap().discard();
    }
    manager.connect_fails_with(Some(ECONNREFUSED));
    let before = manager.attempts();
    for _ in 0..1_000 {
        assert_eq!(*pool.get().unwrap(), 4, "the open one serves as well");
    }
    let attempts = manager.attempts() - before;
    assert!((1..=20).contains(&attempts), "{attempts}");
}

#[test]
fn a_connection_whose_user_panicked_is_not_lent_again() {
    let rig = rig(2);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _conn = rig.pool.get().unwrap();
        std::panic::resume_unwind(Box::new("as planned")) // does not call the panic hook, which prints
    }));
    assert!(panicked.is_err());
    assert!([(); 4].map(|()| rig.next()).iter().all(|&id| id != 1));
    assert_eq!(rig.pool.state().counters.closed(CloseReason::Panicked), 1);
}

#[test]
fn a_closed_pool_lends_nothing_and_borrowed_connections_are_closed_by_their_last_user() {
    let rig = rig(3);
    let held = rig.pool.get().unwrap();
    rig.pool.close();
    assert_eq!((rig.ledger.open(), rig.pool.state().closed), (1, true));
    assert!(matches!(rig.pool.get(), Err(GetError::Closed)));
    drop(held);
    rig.pool.close(); // the second call does nothing
    assert_eq!(rig.ledger.open(), 0);
    assert_eq!(rig.pool.state().counters.closed(CloseReason::PoolClosed), 3);
}

#[test]
fn a_connection_that_is_opened_while_the_pool_closes_is_closed() {
    let rig = rig(1);
    rig.pool.get().unwrap().discard();
    let gate = rig.script.hang_next(Call::Connect);
    thread::scope(|scope| {
        let _open = gate.open_at_end();
        let opener = scope.spawn(|| matches!(rig.pool.get(), Err(GetError::Closed)));
        gate.await_arrivals(1);
        rig.pool.close();
        gate.open();
        assert!(opener.join().unwrap());
    });
    assert_eq!((rig.ledger.opened(), rig.ledger.open()), (2, 0));
}

#[test]
fn the_last_handle_closes_the_connections() {
    let Rig { pool, ledger, .. } = rig(2);
    let other = pool.clone();
    drop(pool);
    assert_eq!(ledger.open(), 2);
    assert_eq!(
        format!("{other:?}"),
        "RoundRobin(2 open of 2 (0 borrowed, 2 idle), 0 connecting, 0 waiting)"
    );
    drop(other);
    assert_eq!(ledger.open(), 0);
}

#[test]
fn settings_for_one_user_at_a_time_are_refused() {
    type Fake = Builder<Scripted<FakeManager>>;
    let refused = |set: fn(Fake) -> Fake| {
        let built = set(Builder::default()).build_round_robin(Scripted::new(FakeManager));
        let Err(BuildError::Setting { name, .. }) = built else {
            panic!("`build_round_robin` succeeded")
        };
        name
    };
    assert_eq!(refused(|pool| pool.size(0)), "size");
    assert_eq!(refused(|pool| pool.validation(Validation::OnReturn)), "validation");
    assert_eq!(refused(|pool| pool.on_acquire(|_| Ok(()))), "on_acquire");
    assert_eq!(refused(|pool| pool.on_return(|_| Ok(()))), "on_return");
}

#[test]
fn events_and_the_name_work_as_in_the_other_pools() {
    let heard = Heard::default();
    let pool = Builder::default()
        .size(1)
        .name("readers")
        .events(heard.clone())
        .build_round_robin(Scripted::new(FakeManager))
        .unwrap();
    assert_eq!(pool.state().name.as_deref(), Some("readers"));
    drop(pool.get().unwrap());
    pool.get().unwrap().discard();
    for said in ["opened", "closed: discarded"] {
        assert_eq!(heard.count(said), 1, "{said}: {:?}", heard.all());
    }
    assert_eq!((heard.count("acquired"), heard.count("returned")), (2, 2), "{:?}", heard.all());
}
