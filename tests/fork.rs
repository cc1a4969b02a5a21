//! A process with a pool is forked, on MariaDB: the children have their own connections, and the
//! parent's connections still work.
//!
//! A test is a generic function over pools. The modules at the end run the tests on each pool.
#![cfg(all(
    unix,
    feature = "mysql",
    feature = "shared",
    feature = "queue",
    feature = "persistent"
))]

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use mysql::prelude::Queryable;
use threadwise::mysql::{Connection, MysqlManager};
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise::{GetError, Guard, Pool};
use threadwise_testkit::forked::{self, End};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::panics::panic_as_planned;
use threadwise_testkit::wait::{self, AtEnd};

/// A pool with its own database on the shared server. Other tests run at the same time, so the name
/// of the database says which connections belong to this one.
struct Rig<P> {
    server: &'static MariaDb,
    database: String,
    pool: P,
}

/// A kind of pool.
trait Kind: Pool<Manager = MysqlManager> + Clone + 'static {
    /// How many connections one thread can borrow at the same time.
    const AT_ONCE: usize;

    /// Builds a pool of this size.
    fn build(manager: MysqlManager) -> Self;
}

impl Kind for SharedPool<MysqlManager> {
    const AT_ONCE: usize = 3;

    fn build(manager: MysqlManager) -> Self {
        let pool = Self::builder().max_size(Self::AT_ONCE).get_timeout(Duration::from_secs(10));
        pool.build(manager).unwrap()
    }
}

impl Kind for QueuePool<MysqlManager> {
    const AT_ONCE: usize = 3;

    fn build(manager: MysqlManager) -> Self {
        let pool = Self::builder().size(Self::AT_ONCE).get_timeout(Duration::from_secs(10));
        pool.build(manager).unwrap()
    }
}

impl Kind for PersistentPool<MysqlManager> {
    const AT_ONCE: usize = 1;

    fn build(manager: MysqlManager) -> Self {
        let pool = Self::builder().get_timeout(Duration::from_secs(10));
        pool.build_lazy(manager).unwrap() // `build` would open one more connection
    }
}

impl<P: Kind> Rig<P> {
    fn new() -> Self {
        forked::keep_no_buffers();
        let server = MariaDb::shared();
        let database = server.create_database("fork");
        let pool = P::build(MysqlManager::from_url(&server.url_for(&database)).unwrap());
        Self { server, database, pool }
    }

    /// Opens all connections and runs `act` with one of them borrowed and the others idle. Asserts
    /// that afterwards the same connections exist, give the right answers, and there are no others.
    fn keeps_its_connections(&self, act: impl FnOnce(&P, P::Connection<'_>)) {
        let mine = self.ids_in_step();
        assert_eq!(mine.len(), P::AT_ONCE);
        act(&self.pool, self.pool.get().unwrap());
        assert_eq!(self.ids_in_step(), mine, "the parent's connections");
        wait::until("the children's sessions to end", || self.ids_of_server() == mine);
        let counters = self.pool.state().counters;
        assert_eq!((counters.opened, counters.closed_total()), (P::AT_ONCE as u64, 0));
    }

    fn ids_in_step(&self) -> BTreeSet<u64> {
        let mut all: Vec<_> = (0..P::AT_ONCE).map(|_| self.pool.get().unwrap()).collect();
        all.iter_mut().map(|conn| id_in_step(conn)).collect()
    }

    fn ids_of_server(&self) -> BTreeSet<u64> {
        self.server.connection_ids(Some(&self.database)).into_iter().collect()
    }
}

/// Returns the connection's id, and asserts that the server gives the same id and the answers to
/// this connection's own statements.
fn id_in_step(conn: &mut Connection) -> u64 {
    let id = u64::from(conn.connection_id());
    for nonce in 0..20 {
        let nonce = id * 1_000 + nonce;
        let answer: Option<(u64, u64)> =
            conn.query_first(format!("SELECT {nonce}, CONNECTION_ID()")).unwrap();
        assert_eq!(answer, Some((nonce, id)));
    }
    id
}

/// Uses the pool, and asserts that the connection belongs to no other process.
fn uses_its_own<P: Pool<Manager = MysqlManager>>(pool: &P, others: &BTreeSet<u64>) -> u64 {
    let id = id_in_step(&mut pool.get().unwrap());
    assert!(!others.contains(&id), "another process's connection");
    assert!(pool.state().open >= 1, "counted as its own");
    id
}

fn a_child_finds_the_pool_empty<P: Kind>(rig: &Rig<P>) {
    rig.keeps_its_connections(|pool, _conn| {
        forked::run(End::AtOnce, || {
            let state = pool.state();
            assert_eq!((state.open, state.idle, state.borrowed), (0, 0, 0), "{state}");
            assert_eq!((state.counters.opened, state.counters.closed_total()), (0, 0));
        });
    });
}

fn a_child_opens_its_own_connections_however_it_ends<P: Kind>(rig: &Rig<P>) {
    rig.keeps_its_connections(|pool, _conn| {
        let mine = rig.ids_of_server();
        for end in End::ALL {
            forked::run(end, || {
                uses_its_own(pool, &mine);
                uses_its_own(pool, &mine);
            });
        }
    });
}

fn a_child_may_end_while_it_uses_a_connection<P: Kind>(rig: &Rig<P>) {
    rig.keeps_its_connections(|pool, _conn| {
        for end in End::ALL {
            forked::run(end, || {
                let mut conn = pool.get().unwrap();
                conn.query_drop("BEGIN").unwrap();
                if end == End::Panic {
                    panic_as_planned(); // which unwinds the guard
                }
                std::mem::forget(conn);
            });
        }
    });
}

fn a_child_of_a_child_opens_its_own_connections<P: Kind>(rig: &Rig<P>) {
    rig.keeps_its_connections(|pool, _conn| {
        let mut others = rig.ids_of_server();
        forked::run(End::Exit, || {
            others.insert(uses_its_own(pool, &others));
            let mut conn = pool.get().unwrap();
            forked::run(End::Exit, || {
                assert_eq!(pool.state().open, 0);
                uses_its_own(pool, &others);
            });
            id_in_step(&mut conn);
        });
    });
}

fn a_child_of_a_child_that_did_not_use_the_pool_can_use_it<P: Kind>(rig: &Rig<P>) {
    rig.keeps_its_connections(|pool, _conn| {
        let mine = rig.ids_of_server();
        forked::run(End::Exit, || {
            forked::run(End::Exit, || {
                uses_its_own(pool, &mine);
            });
            uses_its_own(pool, &mine);
        });
    });
}

fn a_guard_from_before_the_fork_sends_nothing_when_a_child_drops_it<P: Kind>(rig: &Rig<P>) {
    for (end, discards) in [(End::Exit, false), (End::AtOnce, true), (End::Panic, false)] {
        rig.keeps_its_connections(|pool, conn| {
            let mine = rig.ids_of_server();
            let mut conn = Some(conn); // the child takes its own copy
            forked::run(end, || {
                uses_its_own(pool, &mine);
                let conn = conn.take().unwrap();
                match (end, discards) {
                    (End::Panic, _) => panic_as_planned(), // which unwinds the guard
                    (_, true) => conn.discard(),
                    (_, false) => drop(conn),
                }
                uses_its_own(pool, &mine);
            });
        });
    }
}

fn a_pool_that_is_dropped_in_a_child_closes_nothing<P: Kind>(rig: &Rig<P>) {
    rig.keeps_its_connections(|_, _conn| {
        let mine = rig.ids_of_server();
        for uses in [false, true] {
            let only = P::build(MysqlManager::from_url(&rig.server.url()).unwrap());
            let all: BTreeSet<_> =
                (0..P::AT_ONCE).map(|_| id_in_step(&mut only.get().unwrap())).collect();
            let mut only = Some(only);
            forked::run(End::Exit, || {
                let only = only.take().unwrap();
                if uses {
                    uses_its_own(&only, &mine);
                }
                drop(only);
            });
            assert!(all.contains(&id_in_step(&mut only.unwrap().get().unwrap())), "the parent's");
        }
    });
}

fn a_pool_that_is_closed_in_a_child_is_open_in_its_parent<P: Kind>(rig: &Rig<P>) {
    rig.keeps_its_connections(|pool, _conn| {
        forked::run(End::Exit, || {
            drop(pool.get().unwrap());
            pool.close();
            assert!(matches!(pool.get(), Err(GetError::Closed)));
            assert_eq!(pool.state().open, 0);
        });
    });
}

fn a_pool_that_was_closed_before_the_fork_is_closed_in_the_child<P: Kind>(rig: &Rig<P>) {
    rig.pool.close();
    forked::run(End::Exit, || assert!(matches!(rig.pool.get(), Err(GetError::Closed))));
}

fn forks_while_other_threads_borrow_and_return_do_no_harm<P: Kind>(rig: &Rig<P>) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let users: Vec<_> = (0..P::AT_ONCE)
            .map(|_| {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        id_in_step(&mut rig.pool.get().unwrap());
                    }
                })
            })
            .collect();
        let _end = AtEnd(|| is_over.store(true, Ordering::Relaxed));
        for number in 0..300 {
            forked::run(End::ALL[number % 3], || {
                assert_eq!(rig.pool.state().open, 0);
                if number % 5 == 0 {
                    drop(rig.pool.get().unwrap());
                    id_in_step(&mut rig.pool.get().unwrap());
                }
            });
            assert!(users.iter().all(|user| !user.is_finished()), "a user has failed");
        }
    });
    wait::until("the children's sessions to end", || {
        rig.ids_of_server().len() == rig.pool.state().open
    });
    let counters = rig.pool.state().counters;
    assert_eq!(counters.closed_total(), 0, "{counters:?}");
}

fn a_second_thread_of_a_child_waits_and_is_served<P: Kind>(rig: &Rig<P>) {
    rig.keeps_its_connections(|pool, _conn| {
        forked::run(End::Exit, || {
            let mut all: Vec<_> = (0..P::AT_ONCE).map(|_| pool.get().unwrap()).collect();
            thread::scope(|scope| {
                let waiter = scope.spawn(|| id_in_step(&mut pool.get().unwrap()));
                wait::until("a waiter", || pool.state().waiting == 1);
                let mut last = all.pop().unwrap();
                let id = id_in_step(&mut last);
                drop(last);
                assert_eq!(waiter.join().unwrap(), id);
            });
        });
    });
}

fn a_child_is_served_when_the_server_comes_back<P: Kind>(_: &Rig<P>) {
    let mut server = MariaDb::start().expect("a private MariaDB");
    let pool = P::build(MysqlManager::from_url(&server.url()).unwrap());
    server.kill9();
    let mut child = forked::start(End::Exit, |says| {
        let failed = pool.get_timeout(Duration::from_millis(100)).err().expect("no server");
        assert!(!matches!(failed, GetError::Closed), "{failed}");
        says.write_all(b"failed").unwrap();
        wait::until("a server", || pool.get_timeout(Duration::from_secs(1)).is_ok());
        id_in_step(&mut pool.get().unwrap());
    });
    child.await_word("failed");
    server.restart().expect("a restart");
    child.wait();
}

/// Declares each of these tests for the pool that the enclosing module names `UnderTest`.
macro_rules! tests {
    ($($test:ident),* $(,)?) => {
        $(#[test]
        fn $test() {
            // Alone: a child starts threads, of the pool or of the manager.
            super::forked::alone(|| super::$test(&super::Rig::<UnderTest>::new()));
        })*
    };
}

/// The tests of all pools.
macro_rules! tests_of_all_pools {
    () => {
        tests! {
            a_child_finds_the_pool_empty,
            a_child_opens_its_own_connections_however_it_ends,
            a_child_may_end_while_it_uses_a_connection,
            a_child_of_a_child_opens_its_own_connections,
            a_child_of_a_child_that_did_not_use_the_pool_can_use_it,
            a_guard_from_before_the_fork_sends_nothing_when_a_child_drops_it,
            a_pool_that_is_dropped_in_a_child_closes_nothing,
            a_pool_that_is_closed_in_a_child_is_open_in_its_parent,
            a_pool_that_was_closed_before_the_fork_is_closed_in_the_child,
            a_child_is_served_when_the_server_comes_back,
        }
    };
}

/// The additional tests of pools whose connections pass from thread to thread.
macro_rules! tests_of_pools_that_pass_connections_on {
    () => {
        tests! {
            forks_while_other_threads_borrow_and_return_do_no_harm,
            a_second_thread_of_a_child_waits_and_is_served,
        }
    };
}

mod shared {
    type UnderTest = crate::SharedPool<crate::MysqlManager>;
    tests_of_all_pools!();
    tests_of_pools_that_pass_connections_on!();
}

mod queue {
    type UnderTest = crate::QueuePool<crate::MysqlManager>;
    tests_of_all_pools!();
    tests_of_pools_that_pass_connections_on!();
}

// Each thread has its own connection, so threads do not wait for each other.
mod persistent {
    type UnderTest = crate::PersistentPool<crate::MysqlManager>;
    tests_of_all_pools!();
}
