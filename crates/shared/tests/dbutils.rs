//! The tests of DBUtils' `PooledDB` (version 3.2.0), in their order, on `SharedPool`, under their names
//! there; and the defects of `PooledDB`, as `b1` and so on.
//!
//! `mincached` is `min_idle`, `maxshared` is `max_sharing`, `maxconnections` is `max_size`, `try_get`
//! stands for a pool that does not block, `reset` and `ping` are `reset` and `validation`. `DIFFERENCE` says
//! where this pool does something else, and why. Rows without a test here:
//!
//! | row | what it tests | why not here |
//! |---|---|---|
//! | P01 | version strings | Python's |
//! | P02, P04, P05 | a driver that says it is not for threads | does not compile: connections are `Send` |
//! | P03 | a plain function that connects | a creator is a manager here, so the pool need not guess what it can do |
//! | P09 | settings reach the steady connection | there is no such layer: the settings are the pool's, and commands for the session are the manager's (P34) |
//! | P42 | a statement instead of a ping | the manager's `is_valid` decides that: P40 |
//! | P43, P44 | pings for a cursor, for each statement | of steady connections: `tests/dbutils_steady.rs` at the top has them |
//! | P45 | a connection lost in and outside of a transaction | the same: D09, D47, D49 |
//! | P56 | a hash that stays the same | Python's: a shared connection has no hash here |
//! | P57, P58, P59 | which failures a statement is run again after | the same: D66 to D71 |
//! | B8 | a forked child uses its parent's connections | a child has a pool of its own: `fork.rs` has it, and on MariaDB `tests/fork.rs` at the top |
//!
//! Of P17, P18, P19 and P25 the part that is about `maxcached` is in `ageing.rs`. Methods of P10 and
//! P14 that use a handle after its end do not compile here.

use std::cell::Cell;
use std::convert::Infallible;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use threadwise_core::{BuildError, GetError, ManageConnection, Reset, Validation};
use threadwise_shared::{Clock, PooledConnection, SharedConnection, SharedPool, VirtualClock};
use threadwise_testkit::{Call, Gate, Ledger, Script, Scripted, ScriptedConnection, Step, wait};

/// DBUtils' mock driver: sessions that log their statements and are used by shared reference.
#[derive(Clone, Default)]
struct Driver {
    /// Run on each new connection.
    setsession: Option<&'static str>,
    /// How often the pool asked whether a transaction is open.
    looks: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Session {
    log: Mutex<Vec<&'static str>>,
    in_transaction: AtomicBool,
}

impl Session {
    fn run(&self, statement: &'static str) {
        match statement {
            "begin" => self.in_transaction.store(true, SeqCst),
            "commit" | "rollback" => self.in_transaction.store(false, SeqCst),
            _ => {}
        }
        self.log.lock().unwrap().push(statement);
    }

    fn log(&self) -> Vec<&'static str> {
        self.log.lock().unwrap().clone()
    }
}

impl ManageConnection for Driver {
    type Connection = Session;
    type Error = Infallible;

    fn connect(&self) -> Result<Session, Infallible> {
        let session = Session::default();
        self.setsession.inspect(|statement| session.run(statement));
        Ok(session)
    }

    fn is_valid(&self, _: &mut Session) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Session) -> bool {
        false
    }

    fn reset(&self, session: &mut Session) -> Result<(), Infallible> {
        session.run("rollback");
        Ok(())
    }

    /// As DBUtils, which notes `begin()` and nothing else.
    fn has_changed(&self, session: &mut Session) -> bool {
        *session.in_transaction.get_mut()
    }

    fn in_transaction(&self, session: &mut Session) -> bool {
        *session.in_transaction.get_mut()
    }

    fn in_transaction_shared(&self, session: &Session) -> bool {
        self.looks.fetch_add(1, SeqCst);
        session.in_transaction.load(SeqCst)
    }
}

type Manager = Scripted<Driver>;
type Pool = SharedPool<Manager>;
type Connection = ScriptedConnection<Session>;

/// DBUtils' parameters, with its defaults.
#[derive(Clone, Copy)]
struct P {
    min: usize,
    shared: usize,
    size: usize,
    reset: Reset,
    ping: Validation,
    fair_after: Duration,
    setsession: Option<&'static str>,
    clock: Option<VirtualClock>,
}

/// Stands for DBUtils' unlimited `maxconnections`: more than any test here takes.
const UNLIMITED: usize = 64;

const DEFAULTS: P = P {
    min: 0,
    shared: 0,
    size: UNLIMITED,
    reset: Reset::Always,
    ping: Validation::Never,
    fair_after: Duration::from_millis(1),
    setsession: None,
    clock: None,
};

impl P {
    fn build(self) -> Rig {
        let driver = Driver { setsession: self.setsession, ..Driver::default() };
        let looks = Arc::clone(&driver.looks);
        let manager = Scripted::new(driver);
        let (script, ledger) = (manager.script(), manager.ledger());
        // A share joins an open connection if a new one takes more than some milliseconds. Here no time
        // passes, so it waits for the new one on a busy machine, too.
        let stands_still = || (self.shared > 0).then(VirtualClock::new);
        let clock = self.clock.or_else(stands_still).map_or(Clock::SYSTEM, VirtualClock::clock);
        // A pool that keeps `min_idle` idle opens the next one when one is shared, and a share does not
        // wait for a dial that is under way. So these are opened once, as DBUtils does.
        let opens_once = self.shared > 0 && self.size > self.min;
        let builder = SharedPool::builder()
            .clock(clock)
            .min_idle(if opens_once { 0 } else { self.min })
            .max_sharing(self.shared)
            .max_size(self.size)
            .reset(self.reset)
            .fair_after(self.fair_after)
            .validation(self.ping);
        // `build` opens at least one, to find out whether that works; DBUtils opens `mincached`.
        let pool = match self.min {
            0 => builder.build_lazy(manager),
            _ => builder.build(manager),
        };
        let rig = Rig { pool: pool.unwrap(), script, ledger, looks };
        if opens_once {
            drop(rig.get_many(self.min));
        }
        rig
    }
}

/// A pool, and what the test observes and disturbs it with.
struct Rig {
    pool: Pool,
    script: Arc<Script>,
    ledger: Arc<Ledger>,
    looks: Arc<AtomicUsize>,
}

impl Rig {
    fn get(&self) -> PooledConnection<'_, Manager> {
        self.pool.get().unwrap()
    }

    fn get_many(&self, count: usize) -> Vec<PooledConnection<'_, Manager>> {
        (0..count).map(|_| self.get()).collect()
    }

    fn share(&self) -> SharedConnection<'_, Manager> {
        self.pool.share().unwrap()
    }

    fn share_many(&self, count: usize) -> Vec<SharedConnection<'_, Manager>> {
        (0..count).map(|_| self.share()).collect()
    }

    /// DBUtils' `TooManyConnectionsError` for a dedicated connection.
    #[track_caller]
    fn assert_none_to_get(&self) {
        assert!(matches!(self.pool.try_get(), Err(GetError::Exhausted(_))));
    }

    /// DBUtils' `TooManyConnectionsError` for a shareable connection.
    #[track_caller]
    fn assert_none_to_share(&self) {
        assert!(matches!(self.pool.share_timeout(Duration::ZERO), Err(GetError::Exhausted(_))));
    }

    #[track_caller]
    fn assert_idle_and_out(&self, idle: usize, out: usize) {
        let state = self.pool.state();
        assert_eq!((state.idle, state.borrowed), (idle, out), "{state}");
    }

    /// Waits until a thread that wants to share has found a transaction open and is about to wait.
    fn await_refused_sharer(&self, looks_before: usize) {
        wait::until("a sharer to look twice", || self.looks.load(SeqCst) >= looks_before + 2);
    }

    fn await_waiter(&self) {
        wait::until("a waiter", || self.pool.state().waiting == 1);
    }
}

fn ids<C: Deref<Target = Connection>>(conns: &[C]) -> Vec<u64> {
    conns.iter().map(|conn| conn.id()).collect()
}

/// How many threads hold each connection, in the order in which the connections were first shared.
fn holders(conns: &[SharedConnection<'_, Manager>]) -> Vec<usize> {
    let ids = ids(conns);
    let mut distinct = Vec::new();
    for id in &ids {
        if !distinct.contains(id) {
            distinct.push(*id);
        }
    }
    distinct.into_iter().map(|id| count(conns, id)).collect()
}

fn count(conns: &[SharedConnection<'_, Manager>], id: u64) -> usize {
    conns.iter().filter(|conn| conn.id() == id).count()
}

/// Connections that are `Send` and not `Sync`: DBUtils' thread safety 1.
struct Unshareable;

impl ManageConnection for Unshareable {
    type Connection = Cell<u32>;
    type Error = Infallible;

    fn connect(&self) -> Result<Cell<u32>, Infallible> {
        Ok(Cell::new(0))
    }

    fn is_valid(&self, _: &mut Cell<u32>) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Cell<u32>) -> bool {
        false
    }
}

#[test]
fn p06_threadsafety() {
    // DIFFERENCE: DBUtils lends a dedicated connection where sharing is unsafe. Here `share` does
    // not compile then (a test of its documentation shows that); the rest of the pool works.
    let pool = SharedPool::builder().max_sharing(1).build(Unshareable).unwrap();
    let (one, other) = (pool.get().unwrap(), pool.get().unwrap());
    one.set(1);
    assert_eq!(other.get(), 0);
    assert_eq!(pool.state().borrowed, 2);
}

#[test]
fn p07_create_connection() {
    let rig = P { min: 1, shared: 1, size: 1, ..DEFAULTS }.build();
    rig.assert_idle_and_out(1, 0);
    let conn = rig.share();
    rig.assert_idle_and_out(0, 1);
    assert_eq!(conn.id(), 1, "the one that was opened first");
    conn.run("select");
    conn.run("set");
    // DIFFERENCE: DBUtils begins with a rollback, because it borrows its first connections itself.
    assert_eq!(conn.log(), ["select", "set"]);
    assert_eq!(rig.ledger.opened(), 1);
}

#[test]
fn p08_dedicated_connection() {
    let rig = P { min: 1, shared: 1, size: 2, ..DEFAULTS }.build();
    let shared = rig.share_many(2);
    assert_eq!(holders(&shared), [2], "sharers share");
    let own = rig.get();
    assert_ne!(own.id(), shared[0].id(), "a dedicated connection is not shared");
    drop((shared, own));
    rig.assert_idle_and_out(2, 0);
}

#[test]
fn p10_close_connection() {
    let rig = P { shared: 1, ..DEFAULTS }.build();
    let conn = rig.share();
    let id = conn.id();
    conn.run("select");
    drop(conn);
    rig.assert_idle_and_out(1, 0);
    let conn = rig.get();
    assert_eq!((conn.id(), conn.log()), (id, vec!["select", "rollback"]), "the same, as it was");
    drop(conn);
    assert_eq!(rig.share().id(), id);
    assert_eq!(rig.ledger.closed(), 0);
}

#[test]
fn p11_close_all() {
    let rig = P { min: 10, size: 10, ..DEFAULTS }.build();
    rig.assert_idle_and_out(10, 0);
    rig.pool.close();
    wait::until("all to be closed", || rig.ledger.closed() == 10 && rig.pool.state().open == 0);
    rig.assert_idle_and_out(0, 0);
    // DIFFERENCE: DBUtils' pool opens others afterwards. Here a closed pool stays closed; to begin again
    // there is `evict`.
    assert!(matches!(rig.pool.get(), Err(GetError::Closed)));
}

#[test]
fn p12_close_all_when_pool_is_deleted() {
    let Rig { pool, ledger, .. } = P { min: 10, size: 10, ..DEFAULTS }.build();
    drop(pool);
    wait::until("all to be closed", || ledger.closed() == 10);
    assert_eq!(ledger.open(), 0);
}

#[test]
fn p13_close_all_shared() {
    let rig = P { min: 10, shared: 5, size: 10, ..DEFAULTS }.build();
    let shared = rig.share_many(5);
    rig.assert_idle_and_out(5, 5);
    rig.pool.close();
    // DIFFERENCE: DBUtils closes shared connections while they are in use, and leaves dedicated ones
    // alone. Here the last holder of either kind returns it first.
    wait::until("the idle ones to be closed", || rig.pool.state().open == 5);
    rig.assert_idle_and_out(0, 5);
    shared.iter().for_each(|conn| conn.run("select"));
    drop(shared);
    assert_eq!((rig.ledger.open(), rig.ledger.closed()), (0, 10));
}

#[test]
fn p14_close_all_shared_when_pool_is_deleted() {
    // DIFFERENCE: a shared connection borrows the pool, which cannot be dropped before it; an owned guard
    // can outlive the pool. The idle ones are closed first, as in DBUtils.
    let Rig { pool, ledger, .. } = P { min: 10, size: 10, ..DEFAULTS }.build();
    let owned: Vec<_> = (0..5).map(|_| pool.get_owned().unwrap()).collect();
    drop(pool);
    wait::until("the idle ones to be closed", || ledger.open() == 5);
    assert!(owned.iter().all(|conn| ledger.is_open(conn.id())));
    drop(owned);
    assert_eq!(ledger.open(), 0);
}

#[test]
fn p15_shareable_connection() {
    let rig = P { shared: 2, ..DEFAULTS }.build();
    let shared = rig.share_many(4);
    assert_eq!(ids(&shared), [1, 2, 1, 2], "the third joins the first, the fourth the second");
    let own = rig.get();
    assert_eq!(own.id(), 3);
    drop(own);
    rig.assert_idle_and_out(1, 2);
    assert_eq!(rig.share().id(), 1, "it joins although one is idle");
    rig.assert_idle_and_out(1, 2);
}

#[test]
fn p16_unshare_connection() {
    let rig = P { shared: 1, ..DEFAULTS }.build();
    let own = rig.get();
    let mut shared = rig.share_many(2);
    assert_eq!(holders(&shared), [2]);
    shared.pop();
    rig.assert_idle_and_out(0, 2);
    shared.pop();
    rig.assert_idle_and_out(1, 1);
    drop(own);
    rig.assert_idle_and_out(2, 0);
}

#[test]
fn p17_min_max_cached() {
    for (min, at_once) in [(3, 3), (3, 6), (0, 3), (0, 6)] {
        let rig = P { min, size: at_once, ..DEFAULTS }.build();
        rig.assert_idle_and_out(min, 0);
        let conns = rig.get_many(at_once);
        rig.assert_idle_and_out(0, at_once);
        drop(conns);
        rig.assert_idle_and_out(at_once, 0);
    }
    // DIFFERENCE: `mincached` is how many are opened at first. The pool keeps `min_idle` idle, as far as
    // the limit allows, so that the next thread does not wait for a dial.
    let rig = P { min: 3, size: 6, ..DEFAULTS }.build();
    let _conns = rig.get_many(3);
    wait::until("three others", || rig.pool.state().idle == 3);
}

#[test]
fn p18_p19_min_max_cached_with_shared_and_with_fewer_shared() {
    for (shared, left) in [(3, 1), (2, 2)] {
        let rig = P { min: 1, shared, size: 4, ..DEFAULTS }.build();
        drop(rig.get_many(4));
        rig.assert_idle_and_out(4, 0);
        let conns = rig.share_many(10);
        rig.assert_idle_and_out(left, shared);
        drop(conns);
        rig.assert_idle_and_out(4, 0);
    }
}

#[test]
fn p20_max_shared() {
    // DIFFERENCE: DBUtils lends a dedicated connection where sharing is off, so that a setting silently
    // decides how many are open. Here it is an error that says so.
    let rig = DEFAULTS.build();
    assert!(matches!(rig.pool.share(), Err(GetError::NotShared)));

    let rig = P { min: 1, shared: 1, ..DEFAULTS }.build();
    assert_eq!(holders(&rig.share_many(10)), [10]);

    let rig = P { shared: 7, ..DEFAULTS }.build();
    let _own = rig.get_many(3);
    assert_eq!(holders(&rig.share_many(10)), [2, 2, 2, 1, 1, 1, 1]);
}

#[test]
fn p21_sort_shared() {
    let rig = P { shared: 4, ..DEFAULTS }.build();
    let shared = rig.share_many(6);
    assert_eq!(ids(&shared), [1, 2, 3, 4, 1, 2]);
    shared[2].run("begin");
    shared[3].run("begin");
    assert_eq!(rig.share().id(), 1, "transactions are the last choice");
    shared[3].run("rollback");
    assert_eq!(rig.share().id(), 4, "then the one with the fewest holders");
    // The same, declared to the pool rather than seen by the manager.
    let fourth = shared[3].transaction();
    assert_eq!(rig.share().id(), 1);
    drop(fourth);
    assert_eq!(rig.share().id(), 4);
}

#[test]
fn p22_equally_shared() {
    let rig = P { min: 5, shared: 5, size: 5, ..DEFAULTS }.build();
    // DIFFERENCE: DBUtils lends connections in turn. Here a thread gets its last one, whose buffers,
    // statements and cache lines are warm.
    let used: Vec<_> = (0..15).map(|_| rig.get().id()).collect();
    assert_eq!(used, [used[0]; 15]);
    assert_eq!(holders(&rig.share_many(35)), [7; 5]);
}

#[test]
fn p23_many_shared() {
    let rig = P { shared: 5, ..DEFAULTS }.build();
    let mut shared = rig.share_many(35);
    for conn in &shared {
        ["select", "set", "select"].iter().for_each(|statement| conn.run(statement));
    }
    assert_eq!(holders(&shared), [7; 5]);
    assert!(shared.iter().all(|conn| conn.log().len() == 21));

    let mut leaving = [0, 0, 2, 3, 1]; // of each connection
    shared.retain(|conn| {
        let left = &mut leaving[conn.id() as usize - 1];
        *left -= 1;
        *left < 0
    });
    let of_each: Vec<_> = (1..=5).map(|id| count(&shared, id)).collect();
    assert_eq!(of_each, [7, 7, 5, 4, 6]);
    shared.extend(rig.share_many(6));
    assert_eq!(holders(&shared), [7; 5], "each thread joins the least shared one");
    rig.assert_idle_and_out(0, 5);
    drop(shared);
    rig.assert_idle_and_out(5, 0);
}

#[test]
fn p24_rollback() {
    let rig = DEFAULTS.build();
    let conn = rig.get();
    ["begin", "doit1", "commit", "begin", "dont1"].iter().for_each(|statement| conn.run(statement));
    drop(conn);
    let conn = rig.get();
    ["begin", "doit2", "commit"].iter().for_each(|statement| conn.run(statement));
    drop(conn);
    let (first, second) =
        (["begin", "doit1", "commit", "begin", "dont1"], ["begin", "doit2", "commit"]);
    let rollback: &[_] = &["rollback"];
    assert_eq!(rig.get().log(), [&first[..], rollback, &second, rollback].concat());
}

#[test]
fn p25_maxconnections() {
    let rig = P { min: 1, shared: 2, size: 3, ..DEFAULTS }.build();
    let own = rig.get_many(3);
    rig.assert_none_to_get();
    rig.assert_none_to_share();
    drop(own);
    rig.assert_idle_and_out(3, 0);
    let shared = rig.share_many(3);
    rig.assert_idle_and_out(1, 2);
    let _own = rig.pool.try_get().unwrap();
    rig.assert_none_to_get();
    assert_eq!(rig.share().id(), shared[1].id(), "sharing needs no more room");
    assert_eq!(rig.ledger.most_open(), 3);
}

#[test]
fn p26_maxconnections_one() {
    let rig = P { shared: 1, size: 1, ..DEFAULTS }.build();
    let own = rig.get();
    rig.assert_none_to_get();
    rig.assert_none_to_share();
    drop(own);
    let mut shared = Vec::new();
    for count in 1..=3 {
        shared.push(rig.share());
        assert_eq!(holders(&shared), [count]);
        rig.assert_none_to_get();
    }
    drop(shared);
    let _own = rig.pool.try_get().unwrap();
    rig.assert_none_to_share();
    assert_eq!(rig.ledger.opened(), 1);
}

#[test]
fn p28_maxconnections_raised_to_mincached() {
    // DIFFERENCE: DBUtils raises the limit silently. Here the contradiction is an error, before any
    // connection is opened.
    let manager = Scripted::new(Driver::default());
    let ledger = manager.ledger();
    let Err(error) = SharedPool::builder().min_idle(4).max_size(1).build(manager) else {
        panic!("a pool that cannot keep both settings")
    };
    assert!(matches!(error, BuildError::Setting { name: "min_idle", .. }), "{error}");
    assert_eq!(ledger.opened(), 0);
}

#[test]
fn p29_maxconnections_above_maxshared() {
    let rig = P { min: 1, shared: 3, size: 4, ..DEFAULTS }.build();
    let mut shared = rig.share_many(4);
    assert_eq!(holders(&shared), [2, 1, 1]);
    shared.push(rig.share());
    assert_eq!(holders(&shared), [2, 2, 1]);
    let _own = rig.get();
    assert_eq!(rig.pool.state().borrowed, 4);
    rig.assert_none_to_get();
}

#[test]
fn p30_maxconnections_equal_to_maxshared() {
    let rig = P { shared: 3, size: 3, ..DEFAULTS }.build();
    let own = rig.get_many(3);
    rig.assert_none_to_get();
    rig.assert_none_to_share();
    drop(own);
    let shared = rig.share_many(6);
    assert_eq!(holders(&shared), [2; 3]);
    rig.assert_none_to_get();
}

#[test]
fn p31_maxconnections_unlimited() {
    // DIFFERENCE: there is always a limit. The row's own sum is enough, and is reached.
    let rig = P { shared: 3, size: 13, ..DEFAULTS }.build();
    let _conns: Vec<_> = (0..10).map(|_| (rig.get(), rig.share())).collect();
    rig.assert_idle_and_out(0, 13);
    rig.assert_none_to_get();
    let none = SharedPool::builder().max_size(0).build(Scripted::new(Driver::default()));
    assert!(matches!(none, Err(BuildError::Setting { name: "max_size", .. })));
}

#[test]
fn p32_maxconnections_blocking() {
    let rig = P { min: 1, shared: 1, size: 1, ..DEFAULTS }.build();
    let conn = rig.get();
    thread::scope(|scope| {
        let other = scope.spawn(|| rig.get().run("thread"));
        rig.await_waiter();
        assert!(conn.log().is_empty(), "the other one waits");
        drop(conn);
        other.join().unwrap();
    });
    rig.assert_idle_and_out(1, 0);
    assert_eq!(rig.get().log(), ["rollback", "thread", "rollback"]);
}

#[test]
fn p34_setsession() {
    // Commands for the session belong to the manager, as part of connecting.
    let rig = P { setsession: Some("set time zone"), ..DEFAULTS }.build();
    rig.get().run("select");
    let conn = rig.get();
    assert_eq!(conn.log(), ["set time zone", "select", "rollback"], "once for a connection");
    rig.script.next(Call::HasBroken, Step::Fail);
    drop(conn);
    let conn = rig.get();
    assert_eq!((conn.id(), conn.log()), (2, vec!["set time zone"]), "and for its replacement");
}

#[test]
fn p35_one_thread_two_connections() {
    let rig = P { min: 2, size: 2, ..DEFAULTS }.build();
    let (mut one, other) = (rig.get(), rig.get());
    for _ in 0..3 {
        assert_ne!(one.id(), other.id());
        one.run("select");
        drop(one);
        one = rig.get();
    }
    assert_eq!(other.log().len(), 0);
    assert_eq!(one.log().len(), 6);
}

#[test]
fn p36_one_thread_two_shared_connections() {
    let rig = P { shared: 1, ..DEFAULTS }.build();
    let shared = rig.share_many(2);
    shared.iter().for_each(|conn| conn.run("select"));
    assert_eq!(ids(&shared), [1, 1]);
    assert_eq!(shared[0].log(), ["select"; 2]);
    assert_eq!(rig.get().id(), 2);
}

#[test]
fn p37_three_threads_two_connections() {
    for wants_to_share in [false, true] {
        let rig = P { min: 2, shared: 1, size: 2, ..DEFAULTS }.build();
        let (one, other) = (rig.get(), rig.get());
        let returned = other.id();
        thread::scope(|scope| {
            let third = scope.spawn(|| match wants_to_share {
                true => rig.share().id(),
                false => rig.get().id(),
            });
            rig.await_waiter();
            drop(other);
            assert_eq!(third.join().unwrap(), returned);
        });
        drop(one);
    }
}

#[test]
fn p27_maxcached_above_maxconnections() {
    // DIFFERENCE: DBUtils raises `maxconnections` to `maxcached`. Here the limit is the limit, and no
    // more can be idle than are open.
    let manager = Scripted::new(Driver::default());
    let ledger = manager.ledger();
    let pool = SharedPool::builder().max_size(2).max_idle(5).build(manager).unwrap();
    let all = [pool.get().unwrap(), pool.get().unwrap()];
    assert!(matches!(pool.try_get(), Err(GetError::Exhausted(_))));
    drop(all);
    assert_eq!((pool.state().idle, ledger.most_open()), (2, 2));
}

#[test]
fn p33_maxusage() {
    // DIFFERENCE: DBUtils counts statements, and replaces the connection while it is in use. Here the pool
    // counts uses, and replaces it between two users.
    let manager = Scripted::new(Driver::default());
    let pool = SharedPool::builder().max_size(1).max_uses(2).build_lazy(manager).unwrap();
    let ids: Vec<_> = (0..5).map(|_| pool.get().unwrap().id()).collect();
    assert_eq!(ids, [1, 1, 2, 2, 3]);
}

#[test]
fn p38_p39_ping_check_never_dedicated_and_never_shared() {
    let rig = P { min: 1, shared: 1, size: 1, ping: Validation::Never, ..DEFAULTS }.build();
    rig.script.always(Call::IsValid, Step::Fail);
    assert_eq!(rig.get().id(), 1);
    assert_eq!(rig.share().id(), 1);
    assert_eq!(rig.script.made(Call::IsValid), 0);
    // DIFFERENCE: DBUtils lends a broken connection then. Here the free check always runs, so that a
    // connection that is known to be broken is replaced.
    rig.script.next(Call::HasBroken, Step::Fail);
    assert_eq!(rig.get().id(), 2);
    rig.script.next(Call::HasBroken, Step::Fail);
    assert_eq!(rig.share().id(), 3);
    assert_eq!(rig.script.made(Call::IsValid), 0);
}

#[test]
fn p40_ping_check_when_fetched_dedicated() {
    // Without `min`: a connection that the pool opens to keep one idle can be ready before the one that
    // `get` asks for, and is validated as each idle one.
    let rig = P { size: 1, ping: Validation::OnCheckout, ..DEFAULTS }.build();
    drop(rig.get());
    assert_eq!(rig.script.made(Call::IsValid), 0, "a new one is not validated");
    drop(rig.get());
    assert_eq!(rig.script.made(Call::IsValid), 1);
    rig.script.next(Call::IsValid, Step::Fail);
    assert_eq!(rig.get().id(), 2, "a broken one is replaced");
    assert!(!rig.ledger.is_open(1));
    // As DBUtils, it does not validate a connection that was opened for a waiter.
    assert_eq!(rig.script.made(Call::IsValid), 2);
}

#[test]
fn p41_ping_check_when_fetched_shared() {
    let rig = P { min: 1, shared: 1, size: 1, ping: Validation::OnCheckout, ..DEFAULTS }.build();
    let shared = rig.share();
    assert_eq!(rig.script.made(Call::IsValid), 1);
    // DIFFERENCE: DBUtils pings for each thread that joins, and may replace the connection under its other
    // holders. Here only a sole holder validates it.
    let joined = rig.share();
    assert_eq!(rig.script.made(Call::IsValid), 1);
    drop((shared, joined));
    rig.script.next(Call::IsValid, Step::Fail);
    assert_eq!(rig.share().id(), 2, "a broken one is replaced");
}

#[test]
fn p46_shared_in_transaction() {
    let rig = P { shared: 1, ..DEFAULTS }.build();
    let shared = rig.share();
    shared.run("begin");
    rig.assert_none_to_share();
    assert_eq!(rig.get().id(), 2);
}

#[test]
fn p47_shared_in_transaction_blocking() {
    let rig = P { shared: 1, ..DEFAULTS }.build();
    let shared = rig.share();
    shared.run("begin");
    let looks = rig.looks.load(SeqCst);
    thread::scope(|scope| {
        let other = scope.spawn(|| rig.share().id());
        rig.await_refused_sharer(looks);
        assert!(!other.is_finished());
        shared.run("commit"); // this is enough: DBUtils' waiter also needs a return
        assert_eq!(other.join().unwrap(), shared.id());
    });
}

#[test]
fn p48_shared_in_transaction_becoming_idle() {
    let rig = P { shared: 1, size: 1, ..DEFAULTS }.build();
    let shared = rig.share();
    shared.run("begin");
    let looks = rig.looks.load(SeqCst);
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let conn = rig.share();
            (conn.id(), conn.log())
        });
        rig.await_refused_sharer(looks);
        drop(shared);
        assert_eq!(other.join().unwrap(), (1, vec!["begin", "rollback"]));
    });
}

#[test]
fn p49_shared_in_transaction_with_two_connections() {
    let rig = P { shared: 2, ..DEFAULTS }.build();
    let (one, other) = (rig.share(), rig.share());
    one.run("begin");
    assert_eq!(ids(&rig.share_many(2)), [other.id(); 2]);
    other.run("begin");
    rig.assert_none_to_share();
    assert_eq!(rig.get().id(), 3);
    one.run("rollback");
    assert_eq!(rig.share().id(), one.id());
}

#[test]
fn p50_reset_transaction() {
    // DIFFERENCE: one reset less each time than DBUtils, which resets a connection that it has just
    // opened.
    for (reset, without_transaction, with_transaction) in
        [(Reset::Always, 1, 2), (Reset::WhenChanged, 0, 1)]
    {
        let rig = P { min: 1, reset, ..DEFAULTS }.build();
        drop(rig.get());
        assert_eq!(rig.ledger.resets(), without_transaction, "{reset:?}");
        rig.get().run("begin");
        assert_eq!(rig.ledger.resets(), with_transaction, "{reset:?}");
        assert!(!rig.get().in_transaction.load(SeqCst));
    }
}

#[test]
fn p51_context_manager() {
    let rig = P { min: 1, shared: 1, size: 1, ..DEFAULTS }.build();
    {
        let _own = rig.get();
        rig.assert_idle_and_out(0, 1);
    }
    rig.assert_idle_and_out(1, 0);
    {
        let _shared = rig.share();
        rig.assert_idle_and_out(0, 1);
    }
    rig.assert_idle_and_out(1, 0);
}

#[test]
fn p52_p53_shared_db_connection_create_and_share_and_unshare() {
    let rig = P { shared: 1, size: 1, ..DEFAULTS }.build();
    let mut shared = vec![rig.share()]; // counts one
    shared.extend(rig.share_many(2)); // three
    for holders in [3, 2, 1] {
        assert_eq!(shared.len(), holders);
        rig.assert_idle_and_out(0, 1);
        shared.pop();
    }
    rig.assert_idle_and_out(1, 0);
}

#[test]
fn p54_shared_db_connection_compare() {
    let rig = P { shared: 3, ..DEFAULTS }.build();
    let shared = rig.share_many(5); // two, two, one
    shared[2].run("begin"); // a transaction counts more than any number of holders
    shared[0].run("begin");
    assert_eq!(ids(&rig.share_many(2)), [2, 2]);
}

#[test]
fn p55_shared_db_connection_equality() {
    // The end of one share never ends another one with as many holders.
    let rig = P { shared: 2, size: 2, ..DEFAULTS }.build();
    let (one, other) = (rig.share(), rig.share());
    drop(other);
    rig.assert_idle_and_out(1, 1);
    assert_eq!(rig.pool.try_get().unwrap().id(), 2);
    one.run("select");
    rig.ledger.assert_in_order();
}

#[test]
fn p60_dbapi_connection() {
    // The guard derefs to the driver's connection: what the user sets is set there.
    let rig = DEFAULTS.build();
    let mut conn = rig.get();
    let session: &mut Session = &mut conn;
    session.log.get_mut().unwrap().push("bypassing everything");
    assert_eq!(conn.log(), ["bypassing everything"]);
}

#[test]
fn b1_sharing_keeps_the_limit() {
    let rig = P { shared: 3, size: 3, ..DEFAULTS }.build();
    let shared = rig.share();
    let _own = rig.get_many(2);
    assert_eq!(ids(&rig.share_many(2)), [shared.id(); 2]); // DBUtils opens a fourth and a fifth
    assert_eq!(rig.ledger.most_open(), 3);
}

#[test]
fn b2_closing_while_connections_are_shared_counts_each_once() {
    let rig = P { shared: 2, size: 2, ..DEFAULTS }.build();
    let shared = rig.share_many(4);
    rig.pool.close();
    rig.assert_idle_and_out(0, 2);
    drop(shared);
    rig.assert_idle_and_out(0, 0); // DBUtils: minus two, and then four connections of two
    assert_eq!(rig.ledger.open(), 0);
    rig.ledger.assert_in_order();
}

#[test]
fn b3_a_return_wakes_the_thread_that_can_use_it() {
    let rig = P { shared: 1, size: 2, ..DEFAULTS }.build();
    let shared = rig.share();
    shared.run("begin");
    let own = rig.get();
    let looks = rig.looks.load(SeqCst);
    thread::scope(|scope| {
        let sharer = scope.spawn(|| rig.share().id());
        rig.await_refused_sharer(looks);
        let borrower = scope.spawn(|| rig.get().id());
        rig.await_waiter();
        drop(own); // of no use to the sharer, which DBUtils wakes
        assert_eq!(borrower.join().unwrap(), 2);
        assert!(!sharer.is_finished());
        shared.run("commit");
        assert_eq!(sharer.join().unwrap(), 1);
    });
}

#[test]
fn b4_the_end_of_a_transaction_wakes_a_sharer() {
    let rig = P { shared: 1, size: 1, ..DEFAULTS }.build();
    let shared = rig.share();
    let started = Barrier::new(2);
    let transaction = shared.transaction();
    rig.assert_none_to_share();
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            started.wait();
            rig.share().id()
        });
        started.wait();
        drop(transaction); // DBUtils' waiter sleeps on until an unrelated return
        assert_eq!(other.join().unwrap(), shared.id());
    });
}

#[test]
fn b5_a_waiter_is_not_overtaken() {
    let rig = P { size: 1, fair_after: Duration::ZERO, ..DEFAULTS }.build();
    for _ in 0..50 {
        let (conn, checked) = (rig.get(), Arc::new(Gate::default()));
        thread::scope(|scope| {
            let _open_at_end = checked.open_at_end();
            scope.spawn(|| {
                let _conn = rig.get();
                checked.pass(None);
            });
            rig.await_waiter();
            drop(conn);
            rig.assert_none_to_get(); // in DBUtils the returning thread won 50 times of 50
        });
    }
}

#[test]
fn b5_a_waiter_does_not_starve_beside_a_busy_thread() {
    let (clock, step) = (VirtualClock::new(), Duration::from_micros(10));
    let rig = P { size: 1, clock: Some(clock), ..DEFAULTS }.build();
    for _ in 0..20 {
        let served = Arc::new(Gate::default());
        thread::scope(|scope| {
            let _open_at_end = served.open_at_end();
            let mut held = Some(rig.get()); // dropped before the scope waits, if the test fails
            scope.spawn(|| {
                let _conn = rig.get();
                served.pass(None);
            });
            rig.await_waiter();
            // The busy thread borrows again at once; DBUtils' waiter was not served in five seconds.
            let mut overtakes = 0;
            loop {
                drop(held.take());
                let Ok(conn) = rig.pool.try_get() else { break }; // the waiter has it
                held = Some(conn);
                overtakes += 1;
                clock.advance(step);
                assert!(step * overtakes <= DEFAULTS.fair_after, "{overtakes} times");
            }
        });
    }
}

#[test]
fn b6_a_dead_connection_is_not_lent() {
    let rig = P { min: 1, size: 1, ping: Validation::OnCheckout, ..DEFAULTS }.build();
    rig.script.always(Call::IsValid, Step::Fail);
    rig.script.always(Call::Connect, Step::FailForGood);
    let Err(error) = rig.pool.get() else { panic!("DBUtils lends the dead one here") };
    assert!(matches!(error, GetError::ConnectFailed(_)), "{error}");
    assert_eq!(rig.ledger.open(), 0);
}

#[test]
fn b7_building_never_waits_for_itself() {
    // DBUtils' constructor waits forever for the third connection of two.
    let builder = SharedPool::builder().min_idle(5).max_size(2).get_timeout(None);
    let Err(error) = builder.build(Scripted::new(Driver::default())) else { panic!("five of two") };
    let said = error.to_string();
    assert!(said.contains("min_idle") && said.contains("max_size"), "{said}");
}
