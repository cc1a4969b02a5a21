//! Settings that make no sense are refused with the setting's name; those that do are kept.

use threadwise_core::BuildError;
use threadwise_shared::SharedPool;
use threadwise_testkit::{FakeManager, Scripted, wait};

type Manager = Scripted<FakeManager>;

fn refused(build: impl FnOnce() -> Result<SharedPool<Manager>, Refusal>) -> (&'static str, String) {
    match build() {
        Err(BuildError::Setting { name, problem }) => (name, problem),
        Err(other) => panic!("refused for another reason: {other}"),
        Ok(_) => panic!("not refused"),
    }
}

type Refusal = BuildError<<Manager as threadwise_core::ManageConnection>::Error>;

fn manager() -> Manager {
    Scripted::new(FakeManager)
}

#[test]
fn a_size_of_zero_is_refused() {
    assert_eq!(refused(|| SharedPool::builder().max_size(0).build(manager())).0, "max_size");
}

#[test]
fn more_idle_connections_than_may_exist_are_refused() {
    let pool = || SharedPool::builder().max_size(3).min_idle(4).build(manager());
    let (name, problem) = refused(pool);
    assert_eq!(name, "min_idle");
    assert!(problem.contains('4') && problem.contains("`max_size`, which is 3"), "{problem}");
}

#[test]
fn nobody_to_open_connections_is_refused() {
    let pool = || SharedPool::builder().connect_concurrency(0).build(manager());
    assert_eq!(refused(pool).0, "connect_concurrency");
}

#[test]
fn a_lazy_pool_opens_nothing_until_it_is_asked() {
    let manager = manager();
    let ledger = manager.ledger();
    let pool = SharedPool::builder().build_lazy(manager).unwrap();
    assert_eq!(ledger.opened(), 0);
    drop(pool.get().unwrap());
    assert_eq!(ledger.opened(), 1);
}

#[test]
fn build_opens_min_idle_connections_and_no_more() {
    let manager = manager();
    let ledger = manager.ledger();
    let pool = SharedPool::builder().max_size(10).min_idle(4).build(manager).unwrap();
    assert_eq!(pool.state().idle, 4);
    assert_eq!(ledger.opened(), 4);
}

#[test]
fn min_idle_connections_are_kept_ready_while_others_are_borrowed() {
    let manager = manager();
    let ledger = manager.ledger();
    let pool = SharedPool::builder().max_size(5).min_idle(2).build(manager).unwrap();
    let borrowed: Vec<_> = (0..2).map(|_| pool.get().unwrap()).collect();
    wait::until("two more connections", || pool.state().idle == 2);
    let more: Vec<_> = (0..2).map(|_| pool.get().unwrap()).collect();
    wait::until("the fifth", || pool.state().idle == 1);
    assert_eq!((ledger.open(), ledger.most_open()), (5, 5), "the limit stands above the floor");
    drop((borrowed, more));
}
