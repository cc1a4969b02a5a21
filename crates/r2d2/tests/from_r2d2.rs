//! What the pools ask of an adapted manager, and what it answers. Each test runs on each pool.

mod common;

use std::error::Error as _;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use common::{Connection, Failure, Numbered, Refusing, pool_of_one};
use threadwise::{
    CloseReason, GetError, ManageConnection, Moment, Pool, PoolKind, Reset, Validation,
};
use threadwise_r2d2::FromR2d2;
use threadwise_testkit::wait::until;

/// Long enough for a thread of the pool to try to open a connection, on a busy machine.
const SHORT: Duration = Duration::from_secs(1);

/// Counts how often it was asked `has_broken`. Calls a connection broken whose mark is 13.
#[derive(Default)]
struct Counted {
    inner: Numbered,
    asked: Arc<AtomicU32>,
}

impl r2d2::ManageConnection for Counted {
    type Connection = Connection;
    type Error = Failure;

    fn connect(&self) -> Result<Connection, Failure> {
        self.inner.connect()
    }

    fn is_valid(&self, conn: &mut Connection) -> Result<(), Failure> {
        self.inner.is_valid(conn)
    }

    fn has_broken(&self, conn: &mut Connection) -> bool {
        self.asked.fetch_add(1, SeqCst);
        conn.mark == 13
    }
}

#[test]
fn has_broken_is_asked_when_a_connection_comes_back_and_at_no_other_time() {
    for kind in PoolKind::ALL {
        let manager = Counted::default();
        let asked = Arc::clone(&manager.asked);
        let pool = pool_of_one(*kind, FromR2d2::new(manager));
        let conn = pool.get().unwrap();
        assert_eq!(asked.load(SeqCst), 0, "{kind}");
        drop(conn);
        assert_eq!(asked.load(SeqCst), 1, "{kind}");
    }
}

#[test]
fn has_broken_on_checkout_asks_before_each_use_too() {
    for kind in PoolKind::ALL {
        let manager = Counted::default();
        let asked = Arc::clone(&manager.asked);
        let pool = pool_of_one(*kind, FromR2d2::new(manager).has_broken_on_checkout(true));
        drop(pool.get().unwrap());
        let before = asked.load(SeqCst);
        let conn = pool.get().unwrap();
        assert_eq!(asked.load(SeqCst), before + 1, "{kind}");
        drop(conn);
    }
}

#[test]
fn without_reset_with_nothing_is_reset() {
    for kind in PoolKind::ALL {
        let pool = pool_of_one(*kind, FromR2d2::new(Numbered::default()));
        pool.get().unwrap().mark = 7;
        assert_eq!(pool.get().unwrap().mark, 7, "{kind}");
        assert_eq!(pool.state().counters.resets, 0, "{kind}");
    }
}

#[test]
fn has_changed_with_saves_resets() {
    for kind in PoolKind::ALL {
        let manager = FromR2d2::new(Numbered::default())
            .has_changed_with(|conn| conn.mark > 0)
            .reset_with(|conn| {
                conn.mark = 0;
                Ok(())
            });
        let pool = pool_of_one(*kind, manager);
        drop(pool.get().unwrap());
        assert_eq!(pool.state().counters.resets, 0, "{kind}");
        pool.get().unwrap().mark = 1;
        assert_eq!(pool.get().unwrap().mark, 0, "{kind}");
        assert_eq!(pool.state().counters.resets, 1, "{kind}");
    }
}

#[test]
fn an_error_of_reset_with_closes_the_connection() {
    for kind in PoolKind::ALL {
        let manager = FromR2d2::new(Numbered::default()).reset_with(|_| Err(Failure("no reset")));
        let pool = pool_of_one(*kind, manager);
        let first = pool.get().unwrap().id;
        until("the connection is closed", || {
            pool.state().counters.closed(CloseReason::ResetFailed) == 1
        });
        assert_ne!(pool.get().unwrap().id, first, "{kind}");
    }
}

/// A transaction is open while the mark is 13, and such a connection counts as broken.
fn transactional() -> FromR2d2<Counted> {
    FromR2d2::new(Counted::default()).in_transaction_with(|conn| conn.mark == 13)
}

#[test]
fn a_connection_in_a_transaction_is_asked_has_broken_after_its_reset() {
    for kind in PoolKind::ALL {
        let rolls_back = transactional().reset_with(|conn| {
            conn.mark = 0;
            Ok(())
        });
        let pool = pool_of_one(*kind, rolls_back);
        let mut conn = pool.get().unwrap();
        let first = conn.id;
        conn.mark = 13;
        drop(conn);
        assert_eq!(pool.get().unwrap().id, first, "{kind}: the connection was kept");
    }
}

/// Each setting of a pool for when it resets.
const RESETS: [Reset; 4] = [Reset::Always, Reset::WhenChanged, Reset::InTransaction, Reset::Never];

#[test]
fn has_broken_is_asked_once_on_return_whatever_the_settings() {
    for kind in PoolKind::ALL {
        for reset in RESETS {
            for (has_reset, changes, in_transaction) in
                (0..8).map(|bits| (bits & 1 == 0, bits & 2 == 0, bits & 4 == 0))
            {
                let inner = Counted::default();
                let asked = Arc::clone(&inner.asked);
                let mut manager = FromR2d2::new(inner)
                    .in_transaction_with(move |_| in_transaction)
                    .has_changed_with(move |_| changes);
                if has_reset {
                    manager = manager.reset_with(|_| Ok(()));
                }
                let pool = kind.builder().size(1).reset(reset).build(manager).unwrap();
                drop(pool.get().unwrap());
                let case = format!(
                    "{kind}, {reset:?}, reset_with: {has_reset}, changed: {changes}, \
                     in a transaction: {in_transaction}"
                );
                assert_eq!(asked.load(SeqCst), 1, "{case}");
            }
        }
    }
}

#[test]
fn a_pool_that_never_resets_closes_a_connection_that_is_broken_in_its_transaction() {
    for kind in PoolKind::ALL {
        let manager = transactional().reset_with(|_| unreachable!("`Never` is set"));
        let pool = kind.builder().size(1).reset(Reset::Never).build(manager).unwrap();
        pool.get().unwrap().mark = 13;
        until("the connection is closed", || {
            pool.state().counters.closed(CloseReason::Broken) == 1
        });
    }
}

#[test]
fn a_reset_that_does_not_help_closes_the_connection() {
    for kind in PoolKind::ALL {
        let pool = pool_of_one(*kind, transactional().reset_with(|_| Ok(())));
        pool.get().unwrap().mark = 13;
        until("the connection is closed", || {
            pool.state().counters.closed(CloseReason::ResetFailed) == 1
        });
    }
}

#[test]
fn a_transaction_without_a_reset_is_what_the_manager_says_of_it() {
    for kind in PoolKind::ALL {
        let pool = pool_of_one(*kind, transactional());
        pool.get().unwrap().mark = 13;
        until("the connection is closed", || {
            pool.state().counters.closed(CloseReason::Broken) == 1
        });
    }
}

#[test]
fn an_error_keeps_its_text_and_what_the_closures_said_of_it() {
    let manager = FromR2d2::new(Numbered::default())
        .is_lost_with(|error| error.0 == "gone")
        .is_permanent_with(|error| error.0 == "denied");
    let error = |text| manager.error(Failure(text));
    assert_eq!(error("gone").to_string(), "gone");
    assert!(manager.is_lost(&error("gone")) && !manager.is_lost(&error("denied")));
    assert!(manager.is_permanent(&error("denied")) && !manager.is_permanent(&error("gone")));
    assert!(!manager.is_shortage(&error("gone")));
}

/// Cannot connect, for lack of descriptors.
struct Starved;

impl r2d2::ManageConnection for Starved {
    type Connection = u32;
    type Error = io::Error;

    fn connect(&self) -> io::Result<u32> {
        Err(io::ErrorKind::OutOfMemory.into())
    }

    fn is_valid(&self, _: &mut u32) -> io::Result<()> {
        Ok(())
    }

    fn has_broken(&self, _: &mut u32) -> bool {
        false
    }
}

#[test]
fn a_shortage_is_recognized() {
    let manager = FromR2d2::new(Starved);
    let error = manager.connect().unwrap_err();
    assert!(manager.is_shortage(&error), "{error:?}");
}

#[test]
fn steady_replaces_a_lost_connection_and_says_why_it_could_not() {
    for kind in PoolKind::ALL {
        let manager = Refusing::after(9);
        let left = manager.left();
        let manager = FromR2d2::new(manager).is_lost_with(|error| error.0 == "gone");
        let pool = pool_of_one(*kind, manager);
        let mut conn = pool.get().unwrap();
        left.store(1, SeqCst);
        let first = conn.id;
        let lost = |conn: &mut Connection| {
            if conn.id == first { Err(pool.manager().error(Failure("gone"))) } else { Ok(conn.id) }
        };
        assert_ne!(conn.steady(lost).unwrap(), first, "{kind}");
        let always = |_: &mut Connection| Err::<(), _>(pool.manager().error(Failure("gone")));
        let text = format!("{:?}", conn.steady(always).unwrap_err());
        assert!(text.contains("gone") && text.contains("refused"), "{kind}: {text}");
    }
}

#[test]
fn a_permanent_error_ends_a_get_at_once() {
    let manager = FromR2d2::new(Refusing::after(0)).is_permanent_with(|_| true).address("db1");
    let pool = threadwise::shared::SharedPool::builder().build_lazy(manager).unwrap();
    let error = pool.get().err().unwrap();
    assert!(matches!(error, GetError::ConnectFailed(_)), "{error:?}");
    assert_eq!(error.source().unwrap().to_string(), "refused");
}

/// Connects when it is told to.
struct Gated {
    inner: Numbered,
    gate: Mutex<mpsc::Receiver<()>>,
}

impl r2d2::ManageConnection for Gated {
    type Connection = Connection;
    type Error = Failure;

    fn connect(&self) -> Result<Connection, Failure> {
        let _ = self.gate.lock().unwrap().recv(); // an error means that the test has ended
        self.inner.connect()
    }

    fn is_valid(&self, _: &mut Connection) -> Result<(), Failure> {
        Ok(())
    }

    fn has_broken(&self, _: &mut Connection) -> bool {
        false
    }
}

#[test]
fn connect_within_ends_in_time_and_drops_a_connection_that_comes_too_late() {
    let (let_go, gate) = mpsc::channel();
    let inner = Numbered::default();
    let dropped = inner.dropped();
    let manager = FromR2d2::new(Gated { inner, gate: Mutex::new(gate) });
    let error = manager.connect_within(Duration::from_millis(1)).unwrap_err();
    assert_eq!(format!("{error:?}"), "cannot open a connection: no answer within 1ms");
    let_go.send(()).unwrap();
    until("the late connection is dropped", || dropped.load(SeqCst) == 1);
    let_go.send(()).unwrap();
    assert!(manager.connect_within(Duration::from_secs(60)).is_ok());
}

/// Marks connections when they open, and counts those that leave.
#[derive(Debug, Default)]
struct Marks {
    refuses: Arc<AtomicBool>,
    released: Arc<AtomicU32>,
}

impl r2d2::CustomizeConnection<Connection, Failure> for Marks {
    fn on_acquire(&self, conn: &mut Connection) -> Result<(), Failure> {
        conn.mark = 21;
        if self.refuses.load(SeqCst) { Err(Failure("refused by the customizer")) } else { Ok(()) }
    }

    fn on_release(&self, _: Connection) {
        self.released.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_customizer_sets_up_each_session_and_gets_the_connections_that_leave() {
    for kind in PoolKind::ALL {
        let customizer = Marks::default();
        let released = Arc::clone(&customizer.released);
        let manager = FromR2d2::new(Numbered::default())
            .reset_with(|conn| {
                conn.mark = 0;
                Ok(())
            })
            .customizer(Box::new(customizer));
        let pool = pool_of_one(*kind, manager);
        for _ in 0..2 {
            let mut conn = pool.get().unwrap();
            assert_eq!(conn.mark, 21, "{kind}: also after a reset");
            conn.mark = 1;
        }
        pool.get().unwrap().discard();
        until("the connection is released", || released.load(SeqCst) >= 1);
        pool.close();
        let opened = || u32::try_from(pool.state().counters.opened).unwrap();
        until("all connections are released", || released.load(SeqCst) == opened());
    }
}

#[test]
fn a_customizer_that_refuses_a_connection_is_a_failed_attempt_with_its_words() {
    for kind in PoolKind::ALL {
        let customizer = Marks::default();
        customizer.refuses.store(true, SeqCst);
        let manager = FromR2d2::new(Numbered::default()).customizer(Box::new(customizer));
        let builder = kind.builder().size(1).get_timeout(SHORT);
        let text = match builder.build(manager) {
            Err(error) => threadwise::chain(&error).to_string(),
            Ok(pool) => threadwise::chain(&pool.get().err().unwrap()).to_string(),
        };
        assert!(text.contains("refused by the customizer"), "{kind}: {text}");
    }
}

#[test]
fn an_invalid_connection_is_replaced_on_checkout() {
    for kind in PoolKind::ALL {
        let manager = FromR2d2::new(Numbered::default());
        let pool =
            kind.builder().size(1).validation(Validation::OnCheckout).build(manager).unwrap();
        assert!(pool.get().is_ok(), "{kind}");
    }
}

#[test]
fn the_answers_do_not_depend_on_the_moment_that_is_not_a_return() {
    let manager = FromR2d2::new(Numbered::default().always_broken());
    let mut conn = manager.connect().unwrap();
    for moment in [Moment::Opened, Moment::Checkout, Moment::Idle] {
        assert!(!manager.has_broken_at(&mut conn, moment), "{moment:?}");
    }
    for reset in RESETS {
        assert!(manager.has_broken_at(&mut conn, Moment::Return { reset }), "{reset:?}");
    }
}

#[test]
fn debug_names_the_settings_and_no_connection() {
    let manager = FromR2d2::new(Numbered::default()).address("db1:3306").reset_with(|_| Ok(()));
    let text = format!("{manager:?}");
    assert!(text.contains("db1:3306") && text.contains("reset_with: true"), "{text}");
}

/// An error that cannot be printed.
#[derive(Debug)]
struct Unprintable;

impl std::fmt::Display for Unprintable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::panic::resume_unwind(Box::new("no words"))
    }
}

impl std::error::Error for Unprintable {}

/// Opens a connection when it is allowed to.
#[derive(Default)]
struct Speechless(Arc<AtomicBool>);

impl r2d2::ManageConnection for Speechless {
    type Connection = u32;
    type Error = Unprintable;

    fn connect(&self) -> Result<u32, Unprintable> {
        if self.0.load(SeqCst) { Ok(0) } else { Err(Unprintable) }
    }

    fn is_valid(&self, _: &mut u32) -> Result<(), Unprintable> {
        Ok(())
    }

    fn has_broken(&self, _: &mut u32) -> bool {
        false
    }
}

#[test]
fn an_error_that_panics_when_it_is_printed_costs_no_capacity() {
    for kind in PoolKind::ALL {
        let manager = Speechless::default();
        let opens = Arc::clone(&manager.0);
        opens.store(true, SeqCst);
        let builder = kind.builder().size(1).get_timeout(SHORT);
        let pool = builder.build(FromR2d2::new(manager)).unwrap();
        let conn = pool.get().unwrap();
        opens.store(false, SeqCst);
        conn.discard();
        let error = pool.get().err().unwrap();
        let text = threadwise::chain(&error).to_string();
        assert!(text.contains("panicked: no words"), "{kind}: {text}");
        opens.store(true, SeqCst);
        until("the pool has its capacity", || pool.get().is_ok());
    }
}
