//! The tests of DBUtils' `SteadyDB` (version 3.2.0), in their order, with `steady` of all three
//! pools. A row has the name of its test there.
//!
//! A steady cursor in DBUtils replays one statement. `steady` here runs a closure again, because
//! only its user knows which statements belong together. `failures` and `isfatal` are the manager's
//! `is_lost`, and `setsession` is the manager's `connect`. A comment with `DIFFERENCE` says where
//! threadwise behaves differently, and why. Rows without a test here:
//!
//! | row | what it tests | why not here |
//! |---|---|---|
//! | D01–D03 | version strings, the mock itself | Python's |
//! | D11–D13, D31, D46, D62, D69, D76, D77 | cursors that are kept, iterated, sized, reopened | a driver's rows borrow its connection: none outlives it |
//! | D14–D23, D27, D28, D44, D65 | guessing what a module can do; wrong types | types |
//! | D32–D43, D45, D56 | pings at each cursor or statement | a pool validates before it lends (`Validation`), and a statement shows by itself that its connection is lost: a ping for each statement would cost a round trip |
//! | D48, D50 | arguments of `begin` and `cancel` | the driver's own methods |
//! | D70 | a replacement for overuse cannot be vetoed | `max_uses` counts borrows: a pool does not replace a connection in use for overuse |

#![cfg(all(feature = "shared", feature = "queue", feature = "persistent"))]

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise::{Guard, ManageConnection, Pool};

/// DBUtils' mock driver, and its server.
#[derive(Clone, Default)]
struct Driver(Arc<Server>);

#[derive(Default)]
struct Server {
    opened: AtomicUsize,
    open: AtomicUsize,
    refuses: AtomicBool,
    refuses_to_prepare: AtomicBool,
    forgives: AtomicBool,
    asked: AtomicUsize,
    executed: Mutex<Vec<&'static str>>,
}

struct Session {
    number: usize,
    is_lost: bool,
    in_transaction: bool,
    uses: usize,
    log: Vec<&'static str>,
    server: Arc<Server>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Refused,
    /// The connection is gone.
    Lost,
    /// The server has ended the statement. The driver cannot tell whether it ended the connection.
    TimedOut,
    /// The statement is wrong.
    Programming,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl std::error::Error for Failure {}

impl Session {
    /// Executes a statement. Returns how many statements this session has executed.
    fn execute(&mut self, statement: &'static str) -> Result<usize, Failure> {
        self.server.executed.lock().unwrap().push(statement);
        if self.is_lost {
            self.in_transaction = false; // the user gets the error now
            return Err(Failure::Lost);
        }
        match statement {
            "error" => return Err(Failure::Programming),
            "timeout" => return Err(Failure::TimedOut),
            "begin" => self.in_transaction = true,
            "commit" | "rollback" => self.in_transaction = false,
            _ => {}
        }
        self.log.push(statement);
        self.uses += 1;
        Ok(self.uses)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.server.open.fetch_sub(1, SeqCst);
    }
}

impl ManageConnection for Driver {
    type Connection = Session;
    type Error = Failure;

    fn connect(&self) -> Result<Session, Failure> {
        let server = Arc::clone(&self.0);
        if server.refuses.load(SeqCst) {
            return Err(Failure::Refused);
        }
        server.open.fetch_add(1, SeqCst);
        let number = server.opened.fetch_add(1, SeqCst) + 1;
        let log = vec!["set names"];
        let session =
            Session { number, is_lost: false, in_transaction: false, uses: 0, log, server };
        if self.0.refuses_to_prepare.load(SeqCst) { Err(Failure::Programming) } else { Ok(session) }
    }

    fn is_valid(&self, session: &mut Session) -> Result<(), Failure> {
        if session.is_lost { Err(Failure::Lost) } else { Ok(()) }
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        session.is_lost
    }

    fn reset(&self, session: &mut Session) -> Result<(), Failure> {
        session.in_transaction = false;
        session.log.push("rollback");
        Ok(())
    }

    fn has_changed(&self, session: &mut Session) -> bool {
        session.in_transaction
    }

    fn in_transaction(&self, session: &mut Session) -> bool {
        session.in_transaction
    }

    fn is_lost(&self, failure: &Failure) -> bool {
        self.0.asked.fetch_add(1, SeqCst);
        match failure {
            Failure::Lost => true,
            Failure::TimedOut => !self.0.forgives.load(SeqCst),
            Failure::Refused | Failure::Programming => false,
        }
    }
}

/// Declares each row as a test of each pool.
macro_rules! rows {
    ($($row:ident)*) => {
        mod shared {
            $(#[test] fn $row() {
                super::$row(&|driver| super::SharedPool::builder().max_size(1).build(driver).unwrap());
            })*
        }
        mod queue {
            $(#[test] fn $row() {
                super::$row(&|driver| super::QueuePool::builder().size(1).build(driver).unwrap());
            })*
        }
        mod persistent {
            $(#[test] fn $row() {
                super::$row(&|driver| super::PersistentPool::builder().build(driver).unwrap());
            })*
        }
    };
}

rows! {
    d04_broken_connection
    d05_d06_d07_connection_close
    d08_connection_reopen
    d09_connection_reopen_when_broken
    d10_connection_context_handler
    d24_connection_maxusage
    d25_connection_setsession_error
    d26_connection_setsession
    d29_connection_failures
    d30_connection_failure_error
    d47_begin_transaction
    d49_cancel_transaction
    d51_reset_transaction
    d52_d53_commit_error_and_rollback_error
    d54_d55_commit_error_and_rollback_error_when_reopening_fails
    d57_d61_execute_when_reopening_fails
    d58_in_transaction_when_connection_is_replaced
    d59_d60_in_transaction_when_reopening_fails
    d63_d64_execute_retried_on_a_new_connection
    d66_isfatal_is_asked
    d67_isfatal_false_and_true
    d68_isfatal_selectively
    d71_d72_no_failover_keeps_bookkeeping
    d73_no_failover_broken_connection
    d74_no_failover_nested
    d75_dbapi_connection
}

/// Builds a pool with at most one connection.
type Make<'m, P> = &'m dyn Fn(Driver) -> P;

/// Returns a driver and a pool of its connections.
fn open<P: Pool<Manager = Driver>>(make: Make<'_, P>) -> (Driver, P) {
    let driver = Driver::default();
    let pool = make(driver.clone());
    (driver, pool)
}

/// Executes one statement with `steady`.
fn execute<G>(session: &mut G, statement: &'static str) -> Result<usize, Failure>
where
    G: Guard<Target = Session, Error = Failure>,
{
    session.steady(|session| session.execute(statement))
}

fn executed(driver: &Driver, statement: &str) -> usize {
    driver.0.executed.lock().unwrap().iter().filter(|other| **other == statement).count()
}

fn d04_broken_connection<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (driver, pool) = open(make);
    let mut session = pool.get().unwrap();
    // DIFFERENCE: `steady` does not try a wrong statement again on a new connection.
    assert_eq!(execute(&mut session, "error"), Err(Failure::Programming));
    assert_eq!(executed(&driver, "error"), 1);
    assert_eq!(execute(&mut session, "select"), Ok(1));
}

fn d05_d06_d07_connection_close<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (driver, pool) = open(make);
    let mut session = pool.get().unwrap();
    let number = session.number;
    assert_eq!(execute(&mut session, "select"), Ok(1));
    // Closing twice, or using a closed connection, does not compile.
    session.discard();
    let mut session = pool.get().unwrap();
    assert_ne!(session.number, number);
    assert_eq!(execute(&mut session, "select"), Ok(1));
    assert_eq!(driver.0.open.load(SeqCst), 1);
}

fn d08_connection_reopen<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (_, pool) = open(make);
    let mut session = pool.get().unwrap();
    let number = session.number;
    session.is_lost = true;
    assert_eq!(execute(&mut session, "select"), Ok(1), "the count begins again");
    assert_ne!(session.number, number);
    let replaced = session.number;
    assert_eq!(execute(&mut session, "select"), Ok(2));
    drop(session);
    assert_eq!(pool.get().unwrap().number, replaced, "it stays in the pool");
}

fn d09_connection_reopen_when_broken<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (driver, pool) = open(make);
    let mut session = pool.get().unwrap();
    for _ in 0..3 {
        session.is_lost = true;
        assert_eq!(execute(&mut session, "select"), Ok(1));
        assert_eq!(driver.0.open.load(SeqCst), 1, "the lost one is closed");
        assert_eq!(execute(&mut session, "select"), Ok(2));
    }
    drop(session);
    let state = pool.state();
    assert_eq!((state.open, state.borrowed, state.idle), (1, 0, 1));
    assert_eq!(state.counters.closed(threadwise::CloseReason::Broken), 3);
}

fn d10_connection_context_handler<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (_, pool) = open(make);
    let mut session = pool.get().unwrap();
    execute(&mut session, "begin").unwrap();
    // DIFFERENCE: the end of a scope does not commit. Without a commit the pool rolls back.
    drop(session);
    assert_eq!(pool.get().unwrap().log.last(), Some(&"rollback"));
}

fn d24_connection_maxusage<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (driver, pool) = open(make);
    // DIFFERENCE: `max_uses` counts borrows and not statements, so that a pool does not replace a
    // connection in use. The count of a replaced connection is in `of_shared` below.
    let mut session = pool.get().unwrap();
    let opened = driver.0.opened.load(SeqCst);
    (1..=100).for_each(|use_| assert_eq!(execute(&mut session, "select"), Ok(use_)));
    assert_eq!(driver.0.opened.load(SeqCst), opened);
}

fn d25_connection_setsession_error<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (driver, pool) = open(make);
    let mut session = pool.get().unwrap();
    session.is_lost = true;
    driver.0.refuses_to_prepare.store(true, SeqCst);
    assert_eq!(execute(&mut session, "select"), Err(Failure::Lost));
    assert_eq!(driver.0.open.load(SeqCst), 1, "the one that was just opened is closed");
    driver.0.refuses_to_prepare.store(false, SeqCst);
    assert_eq!(execute(&mut session, "select"), Ok(1));
}

fn d26_connection_setsession<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (_, pool) = open(make);
    let mut session = pool.get().unwrap();
    execute(&mut session, "set a").unwrap();
    assert_eq!(session.log, ["set names", "set a"]);
    session.is_lost = true;
    execute(&mut session, "select").unwrap();
    assert_eq!(session.log, ["set names", "select"], "prepared again, and as new");
}

fn d29_connection_failures<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (driver, pool) = open(make);
    driver.0.forgives.store(true, SeqCst);
    let mut session = pool.get().unwrap();
    let number = session.number;
    assert_eq!(execute(&mut session, "timeout"), Err(Failure::TimedOut));
    assert_eq!(session.number, number, "only what the manager calls lost is replaced");
}

fn d30_connection_failure_error<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (driver, pool) = open(make);
    let mut session = pool.get().unwrap();
    session.is_lost = true;
    assert_eq!(execute(&mut session, "error"), Err(Failure::Programming));
    assert_eq!(executed(&driver, "error"), 2, "the second one met another error");
    assert_eq!(execute(&mut session, "select"), Ok(1));
}

fn d47_begin_transaction<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (driver, pool) = open(make);
    let mut session = pool.get().unwrap();
    execute(&mut session, "begin").unwrap();
    session.is_lost = true;
    assert_eq!(execute(&mut session, "update"), Err(Failure::Lost));
    assert_eq!(executed(&driver, "update"), 1, "never again inside of a transaction");
    assert_eq!(execute(&mut session, "select"), Ok(1), "and healed");
    execute(&mut session, "begin").unwrap();
    assert_eq!(execute(&mut session, "error"), Err(Failure::Programming));
    assert_eq!(execute(&mut session, "select"), Ok(3), "the same session, the same transaction");
    assert!(session.in_transaction);
}

fn d49_cancel_transaction<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (_, pool) = open(make);
    let mut session = pool.get().unwrap();
    execute(&mut session, "begin").unwrap();
    execute(&mut session, "rollback").unwrap();
    session.is_lost = true;
    assert_eq!(execute(&mut session, "select"), Ok(1), "no transaction is open any more");
}

fn d51_reset_transaction<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (_, pool) = open(make);
    drop(pool.get().unwrap());
    assert_eq!(pool.get().unwrap().log, ["set names"], "nothing to roll back");
    execute(&mut pool.get().unwrap(), "begin").unwrap();
    let session = pool.get().unwrap();
    assert_eq!(session.log, ["set names", "begin", "rollback"]);
    assert!(!session.in_transaction);
}

fn d52_d53_commit_error_and_rollback_error<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (driver, pool) = open(make);
    for end in ["commit", "rollback"] {
        let mut session = pool.get().unwrap();
        execute(&mut session, "begin").unwrap();
        session.is_lost = true;
        assert_eq!(execute(&mut session, end), Err(Failure::Lost));
        assert_eq!(executed(&driver, end), 1);
        assert_eq!(execute(&mut session, "select"), Ok(1));
    }
}

fn d54_d55_commit_error_and_rollback_error_when_reopening_fails<P: Pool<Manager = Driver>>(
    make: Make<'_, P>,
) {
    let (driver, pool) = open(make);
    for end in ["commit", "rollback"] {
        let mut session = pool.get().unwrap();
        execute(&mut session, "begin").unwrap();
        session.is_lost = true;
        driver.0.refuses.store(true, SeqCst);
        let number = session.number;
        assert_eq!(execute(&mut session, end), Err(Failure::Lost), "not `Refused`");
        assert_eq!(session.number, number, "the lost one is kept");
        assert!(!session.in_transaction);
        driver.0.refuses.store(false, SeqCst);
        assert_eq!(execute(&mut session, "select"), Ok(1));
    }
}

fn d57_d61_execute_when_reopening_fails<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (driver, pool) = open(make);
    let mut session = pool.get().unwrap();
    session.is_lost = true;
    driver.0.refuses.store(true, SeqCst);
    assert_eq!(execute(&mut session, "select"), Err(Failure::Lost));
    assert_eq!(execute(&mut session, "select"), Err(Failure::Lost));
    assert_eq!(executed(&driver, "select"), 2);
    driver.0.refuses.store(false, SeqCst);
    assert_eq!(execute(&mut session, "select"), Ok(1));
    session.is_lost = true;
    driver.0.refuses.store(true, SeqCst);
    assert!(execute(&mut session, "select").is_err());
    drop(session); // the pool does not lend a lost connection again
    driver.0.refuses.store(false, SeqCst);
    assert_eq!(execute(&mut pool.get().unwrap(), "select"), Ok(1));
    assert_eq!(driver.0.open.load(SeqCst), 1);
}

fn d58_in_transaction_when_connection_is_replaced<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (_, pool) = open(make);
    let mut session = pool.get().unwrap();
    execute(&mut session, "begin").unwrap();
    session.is_lost = true;
    let number = session.number;
    assert_eq!(execute(&mut session, "select"), Err(Failure::Lost), "though it is replaced");
    assert_ne!(session.number, number);
    assert!(!session.in_transaction);
}

fn d59_d60_in_transaction_when_reopening_fails<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (driver, pool) = open(make);
    let mut session = pool.get().unwrap();
    execute(&mut session, "begin").unwrap();
    session.is_lost = true;
    driver.0.refuses.store(true, SeqCst);
    assert_eq!(execute(&mut session, "select"), Err(Failure::Lost));
    assert!(!session.in_transaction);
    driver.0.refuses.store(false, SeqCst);
    assert_eq!(execute(&mut session, "select"), Ok(1), "healed, and run again for that");
}

fn d63_d64_execute_retried_on_a_new_connection<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (driver, pool) = open(make);
    let mut session = pool.get().unwrap();
    session.is_lost = true;
    driver.0.refuses.store(true, SeqCst);
    // DIFFERENCE: one attempt to connect, not two in a row. A server that refuses now probably
    // refuses again a moment later, and the user may wait as long as it likes.
    assert_eq!(execute(&mut session, "select"), Err(Failure::Lost));
    driver.0.refuses.store(false, SeqCst);
    assert_eq!(execute(&mut session, "select"), Ok(1));
}

fn d66_isfatal_is_asked<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (driver, pool) = open(make);
    let mut session = pool.get().unwrap();
    execute(&mut session, "select").unwrap();
    assert_eq!(driver.0.asked.load(SeqCst), 0, "not after a success");
    execute(&mut session, "error").unwrap_err();
    assert_eq!(driver.0.asked.load(SeqCst), 1);
}

fn d67_isfatal_false_and_true<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (driver, pool) = open(make);
    let mut session = pool.get().unwrap();
    for (forgives, times) in [(true, 1), (false, 2)] {
        driver.0.forgives.store(forgives, SeqCst);
        driver.0.executed.lock().unwrap().clear();
        execute(&mut session, "timeout").unwrap_err();
        assert_eq!(executed(&driver, "timeout"), times);
    }
}

fn d68_isfatal_selectively<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (driver, pool) = open(make);
    let mut session = pool.get().unwrap();
    let number = session.number;
    // DIFFERENCE: two attempts, not three. If a statement loses two connections, it is the cause.
    assert_eq!(execute(&mut session, "timeout"), Err(Failure::TimedOut));
    assert_eq!(executed(&driver, "timeout"), 2);
    assert_ne!(session.number, number);
    assert_eq!(execute(&mut session, "select"), Ok(1), "the second one lost was replaced too");
}

fn d71_d72_no_failover_keeps_bookkeeping<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (driver, pool) = open(make);
    let mut session = pool.get().unwrap();
    assert_eq!(session.execute("select"), Ok(1));
    assert_eq!(session.execute("timeout"), Err(Failure::TimedOut));
    assert_eq!(executed(&driver, "timeout"), 1, "without `steady` nothing runs again");
    assert_eq!(execute(&mut session, "select"), Ok(2), "nor is anything replaced");
}

fn d73_no_failover_broken_connection<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (_, pool) = open(make);
    let mut session = pool.get().unwrap();
    let number = session.number;
    session.is_lost = true;
    assert_eq!(session.execute("select"), Err(Failure::Lost));
    assert_eq!(session.number, number);
    assert_eq!(execute(&mut session, "select"), Ok(1), "healed afterwards");
    assert_ne!(session.number, number);
}

fn d74_no_failover_nested<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (driver, pool) = open(make);
    let mut session = pool.get().unwrap();
    session.is_lost = true;
    // DIFFERENCE: nesting does not compile, because the closure has the connection and not the
    // guard. Statements that belong together are in one closure.
    let both = session.steady(|session| {
        session.execute("first")?;
        session.execute("second")
    });
    assert_eq!(both, Ok(2));
    assert_eq!((executed(&driver, "first"), executed(&driver, "second")), (2, 1));
}

fn d75_dbapi_connection<P: Pool<Manager = Driver>>(make: Make<'_, P>) {
    let (_, pool) = open(make);
    let mut session = pool.get().unwrap();
    session.is_lost = true;
    execute(&mut session, "select").unwrap();
    let raw: &mut Session = &mut session;
    assert_eq!((raw.uses, raw.is_lost), (1, false), "the new one");
}

/// `steady` replaces a connection while the settings or the state of the pool change.
mod of_shared {
    use super::*;
    use threadwise::CloseReason;
    use threadwise_testkit::wait;

    fn lose(session: &mut Session) -> Result<usize, Failure> {
        session.execute("select")
    }

    #[test]
    fn a_replaced_connection_begins_with_a_new_count_of_uses() {
        let driver = Driver::default();
        let pool = SharedPool::builder().max_size(1).max_uses(2).build(driver).unwrap();
        let mut session = pool.get().unwrap();
        session.is_lost = true;
        session.steady(lose).unwrap();
        let number = session.number;
        drop(session);
        assert_eq!(pool.get().unwrap().number, number, "one use more");
        assert_ne!(pool.get().unwrap().number, number);
    }

    #[test]
    fn a_replaced_connection_has_the_current_generation() {
        let driver = Driver::default();
        let pool = SharedPool::builder().max_size(1).build(driver).unwrap();
        let mut session = pool.get_owned().unwrap();
        pool.evict(); // marks only the lost connection
        session.is_lost = true;
        session.steady(lose).unwrap();
        let number = session.number;
        drop(session);
        assert_eq!(pool.get().unwrap().number, number);
        assert_eq!(pool.state().counters.closed(CloseReason::Evicted), 0);
    }

    #[test]
    fn a_replaced_connection_is_closed_if_the_pool_has_too_many() {
        let driver = Driver::default();
        let pool = SharedPool::builder().max_size(2).build(driver).unwrap();
        let (mut one, other) = (pool.get().unwrap(), pool.get().unwrap());
        pool.resize(1).unwrap();
        one.is_lost = true;
        one.steady(lose).unwrap();
        drop(one);
        drop(other);
        wait::until("one is closed", || pool.state().open == 1);
        assert_eq!(pool.state().counters.closed(CloseReason::Surplus), 1);
    }

    #[test]
    fn steady_opens_nothing_while_the_pool_is_suspended_or_closed() {
        let driver = Driver::default();
        let pool = SharedPool::builder().max_size(1).build(driver.clone()).unwrap();
        let mut session = pool.get().unwrap();
        session.is_lost = true;
        pool.suspend();
        assert_eq!(session.steady(lose), Err(Failure::Lost));
        pool.resume();
        assert_eq!(session.steady(lose), Ok(1));
        session.is_lost = true;
        pool.close();
        assert_eq!(session.steady(lose), Err(Failure::Lost));
        assert_eq!(driver.0.opened.load(SeqCst), 2);
    }
}
