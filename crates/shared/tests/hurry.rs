//! Neither a short deadline nor a shortage of this process costs a connection; a use is no answer of the
//! server.

mod common;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use common::{MINUTE, Rig, SECOND, rig};
use threadwise_core::{CloseReason, GetError, ManageConnection, Validation};
use threadwise_shared::SharedPool;
use threadwise_testkit::wait::PATIENCE;
use threadwise_testkit::{Call, FakeManager, Gate, Step, wait};

#[test]
fn a_caller_in_a_hurry_times_out_and_no_connection_is_closed() {
    for validation in [Validation::OnCheckout, Validation::IdleLongerThan(SECOND)] {
        let rig = rig(|pool| pool.max_size(4).validation(validation).validation_timeout(MINUTE));
        rig.fill(4);
        for _ in 0..10 {
            rig.clock.advance(10 * SECOND);
            // A caller is served at once while the housekeeper has not marked all connections.
            wait::until("a caller whose connection is validated", || {
                match hurry(&rig) {
                    None => assert_ne!(validation, Validation::OnCheckout),
                    Some(GetError::TimedOut(_)) => return true,
                    Some(error) => panic!("{error}"),
                }
                false
            });
            wait::until("the answer", || rig.pool.state().idle == 4);
        }
        assert_eq!(rig.pool.state().counters.closed_total(), 0);
        assert_eq!(rig.pool.state().generation, 1, "no connection is suspected");
    }
}

/// Calls `get` with a timeout of a second. If it validates a connection, the time is up before the
/// answer comes. Returns the error of `get`.
fn hurry(rig: &Rig) -> Option<GetError<<common::Manager as ManageConnection>::Error>> {
    let gate = Arc::new(Gate::default());
    let _open_at_end = gate.open_at_end();
    rig.script.always(Call::IsValid, Step::Hang(Arc::clone(&gate)));
    let error = thread::scope(|scope| {
        let caller = scope.spawn(|| rig.pool.get_timeout(SECOND).err());
        wait::until("an outcome", || gate.has_arrivals() || caller.is_finished());
        if gate.has_arrivals() {
            rig.clock.advance(2 * SECOND);
        }
        caller.join().unwrap()
    });
    rig.script.clear();
    error
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
fn a_caller_in_a_hurry_is_served_by_a_connection_that_ages_as_fast_as_it_is_validated() {
    let limit = Duration::from_millis(1);
    // Alone: with other threads, a return of theirs would wake the caller.
    let pool = SharedPool::builder().max_size(1).validation(Validation::IdleLongerThan(limit));
    let pool = pool.validation_timeout(2 * PATIENCE).build(FakeManager).unwrap();
    for _ in 0..500 {
        drop(pool.get_timeout(PATIENCE).expect("the only connection is idle"));
        thread::sleep(2 * limit);
    }
}

#[test]
fn a_connection_that_was_held_for_long_is_validated_before_its_next_use() {
    let rig = rig(|pool| pool.max_size(1).validation(Validation::IdleLongerThan(SECOND)));
    // The housekeeper marks it while it is borrowed: its return is no answer. On a busy machine the
    // housekeeper may be late.
    let is_validated = [20, 200, 2_000, 20_000].into_iter().any(|millis| {
        let held = rig.get();
        rig.clock.advance(10 * SECOND);
        thread::sleep(Duration::from_millis(millis));
        drop(held);
        let before = rig.script.made(Call::IsValid);
        drop(rig.get());
        rig.script.made(Call::IsValid) == before + 1
    });
    assert!(is_validated);
}

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
        let start = Instant::now(); // before the connection is opened, which is an answer
        let pool = SharedPool::builder().max_size(1).validation(Validation::IdleLongerThan(limit));
        let pool = pool.build(manager).unwrap();
        let mut late = 0;
        let mut answered = start;
        let asked = || pool.manager().asked.load(SeqCst);
        wait::until("longer than the limit", || {
            let mut conn = pool.get().unwrap();
            // On a busy machine the time since the last use may be longer than the limit.
            late += u64::from(answered.elapsed() > limit);
            answered = Instant::now();
            conn.answered = answered; // it is in constant use
            drop(conn);
            thread::sleep(Duration::from_millis(1));
            start.elapsed() > 6 * limit && (knows_answers || asked() > late)
        });
        assert!(!knows_answers || asked() <= late, "asked {} times", asked());
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
    // On a busy machine the time may be up before the attempt.
    wait::until("a timeout that knows its cause", || {
        let error = pool.get_timeout(SECOND / 5).err().unwrap();
        let GetError::TimedOut(error) = error else { panic!("{error}") };
        error.cause.is_some()
    });
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
