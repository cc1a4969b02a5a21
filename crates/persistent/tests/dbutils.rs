//! The tests of DBUtils' `PersistentDB` (version 3.2.0), in their order, on `PersistentPool`, and the
//! one test of its thread-local storage that applies here. Each test has the name that it has there.
//!
//! Here a thread borrows its connection for each use instead of keeping it. `maxusage` is `max_uses`,
//! `ping` is `validation`, `closeable` is `discard`. `DIFFERENCE` marks where this pool behaves
//! differently, and says why. Rows without a test here:
//!
//! | row | what it tests | why not here |
//! |---|---|---|
//! | T01 | version strings | they are Python's |
//! | T02, T04, T05 | a driver that is not thread-safe | would not compile: connections are `Send` |
//! | T03 | a plain function that connects | the pool does not guess what a creator can do: it takes a manager |
//! | T11 | another class for thread-local storage | DBUtils' default misses the ends of threads that Python did not start, so it can be replaced; this pool notices them: `thread_ends.rs` |
//! | T15, T16 | pings for a cursor, for each statement | they are of steady connections: `tests/dbutils_steady.rs` of the facade has them |
//! | T19, T20, T21 | after which failures a statement runs again | as above: D66 to D74 |
//! | L01, L02, L04 | attributes, dictionaries and subclasses of Python's thread-local objects | they are Python's |

use std::convert::Infallible;
use std::sync::{Arc, Barrier};
use std::thread;

use threadwise_core::{CloseReason, GetError, ManageConnection, Reset, Validation};
use threadwise_persistent::{Builder, PersistentPool, PooledConnection};
use threadwise_testkit::{Call, Ledger, Script, Scripted, ScriptedError, Step};

/// DBUtils' mock driver: sessions that log their statements.
struct Driver;

#[derive(Default)]
struct Session {
    log: Vec<&'static str>,
    in_transaction: bool,
}

impl Session {
    /// Returns how often the session was used.
    fn execute(&mut self, statement: &'static str) -> usize {
        self.log.push(statement);
        self.in_transaction = match statement {
            "begin" => true,
            "commit" | "rollback" => false,
            _ => self.in_transaction,
        };
        self.log.iter().filter(|statement| statement.starts_with("select")).count()
    }
}

impl ManageConnection for Driver {
    type Connection = Session;
    type Error = Infallible;

    fn connect(&self) -> Result<Session, Infallible> {
        let mut session = Session::default();
        session.execute("set datestyle"); // DBUtils' `setsession`
        Ok(session)
    }

    fn is_valid(&self, _: &mut Session) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Session) -> bool {
        false
    }

    fn reset(&self, session: &mut Session) -> Result<(), Infallible> {
        session.execute("rollback");
        Ok(())
    }

    fn has_changed(&self, session: &mut Session) -> bool {
        session.in_transaction
    }

    fn in_transaction(&self, session: &mut Session) -> bool {
        session.in_transaction
    }
}

type Manager = Scripted<Driver>;

struct Rig {
    pool: PersistentPool<Manager>,
    script: Arc<Script>,
    ledger: Arc<Ledger>,
}

fn rig(settings: impl FnOnce(Builder<Manager>) -> Builder<Manager>) -> Rig {
    let manager = Scripted::new(Driver);
    let (script, ledger) = (manager.script(), manager.ledger());
    let pool = settings(PersistentPool::builder()).build_lazy(manager).unwrap();
    Rig { pool, script, ledger }
}

impl Rig {
    fn get(&self) -> PooledConnection<'_, Manager> {
        self.pool.get().unwrap()
    }

    fn execute(&self) -> usize {
        self.get().execute("select")
    }
}

#[test]
fn t06_close() {
    let rig = rig(|pool| pool);
    assert_eq!(rig.execute(), 1);
    drop(rig.get()); // as `close` without `closeable`
    assert_eq!((rig.execute(), rig.get().id()), (2, 1));
    rig.get().discard(); // as `close` with it
    assert_eq!(rig.ledger.open(), 0);
    assert_eq!((rig.execute(), rig.get().id()), (1, 2));
    // DIFFERENCE: closing twice does not compile.
}

#[test]
fn t07_connection() {
    let rig = rig(|pool| pool);
    let first = rig.get().id();
    assert_eq!(rig.get().id(), first);
    assert_eq!(rig.pool.try_get().unwrap().id(), first);
    // DIFFERENCE: `share` gives two handles to one connection, by shared reference. A second `get` is
    // refused, since both handles could write.
    let shared = [rig.pool.share().unwrap(), rig.pool.share().unwrap()];
    assert_eq!(shared.map(|conn| conn.id()), [first; 2]);
    let _conn = rig.get();
    assert!(matches!(rig.pool.get(), Err(GetError::AlreadyBorrowed)));
}

#[test]
fn t08_threads() {
    let rig = rig(|pool| pool);
    let turn = Barrier::new(3);
    thread::scope(|scope| {
        let users = [0, 1, 2].map(|number| {
            let (rig, turn) = (&rig, &turn);
            scope.spawn(move || {
                let id = rig.get().id();
                let first: Vec<_> = (0..=number).map(|_| rig.execute()).collect();
                turn.wait();
                if number == 1 {
                    rig.get().discard();
                }
                turn.wait();
                let id_at_last = rig.get().id();
                (id, id_at_last, first, rig.execute())
            })
        });
        let users = users.map(|user| user.join().unwrap());
        assert_eq!([0, 1, 2].map(|n| users[n].2.clone()), [vec![1], vec![1, 2], vec![1, 2, 3]]);
        assert_eq!(
            [0, 1, 2].map(|n| users[n].3),
            [2, 1, 4],
            "the discarded connection was replaced"
        );
        assert_eq!([0, 1, 2].map(|n| users[n].0 == users[n].1), [true, false, true]);
    });
    rig.ledger.assert_in_order();
}

#[test]
fn t09_maxusage() {
    let rig = rig(|pool| pool.max_uses(20));
    for number in 0..100 {
        assert_eq!(rig.execute(), number % 20 + 1);
    }
    // DIFFERENCE: a use is one borrow, however many statements it executes. The pool does not replace a
    // connection during a use.
    let mut conn = rig.get();
    (1..=30).for_each(|uses| assert_eq!(conn.execute("select"), uses));
    assert_eq!(rig.pool.state().counters.closed(CloseReason::MaxUses), 5);
}

#[test]
fn t10_setsession() {
    let rig = rig(|pool| pool.max_uses(3));
    for expected in [1, 2, 3, 1] {
        assert_eq!(rig.execute(), expected);
    }
    assert_eq!(rig.get().log, ["set datestyle", "select"]);
}

#[test]
fn t12_ping_check_never() {
    let rig = rig(|pool| pool.validation(Validation::Never));
    let id = rig.get().id();
    rig.script.always(Call::IsValid, Step::Fail); // the server is gone
    assert_eq!(rig.get().id(), id, "the pool does not validate");
    assert_eq!(rig.script.made(Call::IsValid), 0);
}

#[test]
fn t13_t14_ping_check_when_fetched() {
    let rig = rig(|pool| pool.validation(Validation::OnCheckout));
    assert_eq!(rig.execute(), 1);
    // DIFFERENCE: the pool does not validate a connection that was just opened.
    assert_eq!(rig.script.made(Call::IsValid), 0);
    assert_eq!((rig.execute(), rig.script.made(Call::IsValid)), (2, 1));
    rig.script.next(Call::IsValid, Step::Fail);
    assert_eq!((rig.execute(), rig.script.made(Call::IsValid)), (1, 2));
    assert_eq!(rig.get().id(), 2);
}

fn lost() -> ScriptedError<Infallible> {
    ScriptedError::Scripted { call: Call::IsValid, for_good: false }
}

#[test]
fn t17_failed_transaction() {
    let rig = rig(|pool| pool.reset(Reset::Never));
    rig.get().execute("begin");
    let mut runs = 0;
    let mut conn = rig.get();
    let failed = conn.steady(|_| {
        runs += 1;
        Err::<(), _>(lost())
    });
    assert!(failed.is_err());
    assert_eq!(
        (runs, conn.id()),
        (1, 2),
        "the earlier statements are lost, so the closure does not run again"
    );
    let again = conn.steady(|conn| {
        runs += 1;
        if runs == 2 { Err(lost()) } else { Ok(conn.execute("select")) }
    });
    assert_eq!((again.unwrap(), conn.id()), (1, 3), "outside a transaction it does");
    drop(conn);
    rig.ledger.assert_in_order();
}

#[test]
fn t17_a_transaction_that_was_left_open() {
    // DIFFERENCE: in DBUtils the transaction stays open, unless `close` is called. Here the next use
    // finds a fresh session, unless `reset` is `Never`.
    let [fresh, kept] = [Reset::WhenChanged, Reset::Never].map(|reset| {
        let rig = rig(|pool| pool.reset(reset));
        rig.get().execute("begin");
        rig.get().in_transaction
    });
    assert_eq!((fresh, kept), (false, true));
}

#[test]
fn t18_context_manager() {
    let rig = rig(|pool| pool);
    {
        let mut conn = rig.get();
        conn.execute("begin");
        conn.execute("select");
        conn.execute("commit");
    }
    // DIFFERENCE: leaving the block does not commit. It rolls back a transaction that is still open.
    rig.get().execute("begin");
    let log = ["set datestyle", "begin", "select", "commit", "begin", "rollback"];
    assert_eq!(rig.get().log, log);
}

#[test]
fn t22_dbapi_connection() {
    let rig = rig(|pool| pool);
    let conn = rig.get();
    let raw: &Session = &conn; // the driver's own
    assert_eq!(raw.log, ["set datestyle"]);
}

#[test]
fn l03_threadlocal() {
    let rig = rig(|pool| pool);
    rig.get().execute("select mine");
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            assert_eq!(rig.get().log, ["set datestyle"], "not the other thread's session");
            rig.get().execute("select theirs");
        });
        other.join().unwrap();
    });
    assert_eq!(rig.get().log, ["set datestyle", "select mine"]);
    assert_eq!(rig.ledger.open(), 1);
}
