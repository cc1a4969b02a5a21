//! Neither a short deadline nor a shortage of this process costs a connection; a use is no answer of the
//! server.

mod common;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use common::{MINUTE, SECOND, rig};
use threadwise_core::{CloseReason, GetError, ManageConnection, Validation};
use threadwise_shared::SharedPool;
use threadwise_testkit::{Call, Gate, Step, wait};

#[test]
fn a_caller_in_a_hurry_times_out_and_no_connection_is_closed() {
    for validation in [Validation::OnCheckout, Validation::IdleLongerThan(SECOND)] {
        let rig = rig(|pool| pool.max_size(4).validation(validation).validation_timeout(MINUTE));
        rig.fill(4);
        for _ in 0..10 {
            rig.clock.advance(10 * SECOND);
            thread::sleep(Duration::from_millis(2)); // the housekeeper runs each millisecond
            let gate = Arc::new(Gate::default());
            let _open_at_end = gate.open_at_end();
            rig.script.always(Call::IsValid, Step::Hang(Arc::clone(&gate)));
            let error = thread::scope(|scope| {
                let caller = scope.spawn(|| rig.pool.get_timeout(SECOND).err());
                gate.await_arrivals(1);
                rig.clock.advance(2 * SECOND);
                caller.join().unwrap()
            });
            // The housekeeper may not have marked all of them yet. An unmarked one serves the caller.
            let served = error.is_none() && validation != Validation::OnCheckout;
            assert!(served || matches!(error, Some(GetError::TimedOut(_))), "{error:?}");
            rig.script.clear();
            gate.open();
            wait::until("the answer", || rig.pool.state().idle == 4);
        }
        assert_eq!(rig.pool.state().counters.closed_total(), 0);
        assert_eq!(rig.pool.state().generation, 1, "no connection is suspected");
    }
}

#[test]
fn a_caller_in_a_hurry_is_served_by_the_first_connection_that_is_ready() {
    let rig =
        rig(|pool| pool.max_size(2).validation(Validation::OnCheckout).validation_timeout(MINUTE));
    rig.fill(2);
    // By the server's answer.
    drop(rig.pool.get_timeout(SECOND).unwrap());
    // Or by another connection, while that answer is pending.
    rig.clock.advance(SECOND);
    let held = rig.get();
    let gate = rig.script.hang_next(Call::IsValid);
    let _open_at_end = gate.open_at_end();
    thread::scope(|scope| {
        let caller = scope.spawn(|| rig.pool.get_timeout(SECOND).map(drop).is_ok());
        gate.await_arrivals(1);
        drop(held);
        assert!(caller.join().unwrap());
    });
}

#[test]
fn a_connection_that_was_held_for_long_is_validated_before_its_next_use() {
    let rig = rig(|pool| pool.max_size(1).validation(Validation::IdleLongerThan(SECOND)));
    let held = rig.get();
    // The housekeeper marks it while it is borrowed: its return is no answer.
    rig.turn_until(SECOND / 4, || rig.clock.now() > held_until(&rig));
    thread::sleep(Duration::from_millis(20));
    drop(held);
    drop(rig.get());
    assert_eq!(rig.script.made(Call::IsValid), 1);
}

fn held_until(rig: &common::Rig) -> Instant {
    let start = *START.get_or_init(|| rig.clock.now());
    start + 10 * SECOND
}

static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();

/// Knows when the server last answered. The test decides whether it connects.
#[derive(Default)]
struct Manager {
    knows_answers: bool,
    asked: AtomicU64,
    lacks: AtomicBool,
    refuses: AtomicBool,
}

struct Connection {
    answered: Instant,
}

impl ManageConnection for Manager {
    type Connection = Connection;
    type Error = io::Error;

    fn connect(&self) -> io::Result<Connection> {
        if self.lacks.load(SeqCst) {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        if self.refuses.load(SeqCst) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(Connection { answered: Instant::now() })
    }

    fn is_valid(&self, conn: &mut Connection) -> io::Result<()> {
        self.asked.fetch_add(1, SeqCst);
        conn.answered = Instant::now();
        Ok(())
    }

    fn has_broken(&self, _: &mut Connection) -> bool {
        false
    }

    fn last_answer(&self, conn: &Connection) -> Option<Instant> {
        self.knows_answers.then_some(conn.answered)
    }

    fn is_permanent(&self, _: &io::Error) -> bool {
        true // even for a shortage: the pool recognises that itself
    }
}

#[test]
fn a_connection_with_a_recent_answer_is_not_validated() {
    let limit = Duration::from_millis(200);
    for knows_answers in [true, false] {
        let manager = Manager { knows_answers, ..Manager::default() };
        let pool = SharedPool::builder().max_size(1).validation(Validation::IdleLongerThan(limit));
        let pool = pool.build(manager).unwrap();
        let end = Instant::now() + 6 * limit;
        while Instant::now() < end {
            pool.get().unwrap().answered = Instant::now(); // it is in constant use
            thread::sleep(Duration::from_millis(1));
        }
        let asked = pool.manager().asked.load(SeqCst);
        assert_eq!(asked == 0, knows_answers, "asked {asked} times");
    }
}

#[test]
fn a_dial_that_fails_by_shortage_or_permanently_does_not_end_the_wait_for_a_borrowed_connection() {
    for is_lack in [true, false] {
        let pool = SharedPool::builder().max_size(2).build(Manager::default()).unwrap();
        let held = pool.get().unwrap();
        let fault = if is_lack { &pool.manager().lacks } else { &pool.manager().refuses };
        fault.store(true, SeqCst);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| pool.get_timeout(20 * SECOND).map(drop));
            wait::until("a failure", || pool.state().counters.connect_failures > 0);
            thread::sleep(Duration::from_millis(20));
            assert!(!waiter.is_finished());
            drop(held);
            waiter.join().unwrap().expect("served by the return");
        });
    }
}

#[test]
fn with_nothing_open_a_shortage_is_waited_out_and_a_permanent_error_is_returned_at_once() {
    let pool = SharedPool::builder().build_lazy(Manager::default()).unwrap();
    pool.manager().lacks.store(true, SeqCst);
    let error = pool.get_timeout(SECOND / 5).err().unwrap();
    assert!(matches!(&error, GetError::TimedOut(error) if error.cause.is_some()), "{error}");
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pool.get_timeout(20 * SECOND).map(drop));
        thread::sleep(Duration::from_millis(20));
        pool.manager().lacks.store(false, SeqCst);
        waiter.join().unwrap().expect("served when the shortage is over");
    });
    // After the connection is lost, none can come back any more.
    pool.manager().refuses.store(true, SeqCst);
    let held = pool.get().unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pool.get_timeout(25 * SECOND).map(drop).err());
        wait::until("a failure", || pool.state().counters.connect_failures > 1);
        held.discard();
        let error = waiter.join().unwrap();
        assert!(matches!(error, Some(GetError::ConnectFailed(_))), "{error:?}");
    });
    let closed = pool.state().counters.closed(CloseReason::Invalid);
    assert_eq!(closed, 0);
}
