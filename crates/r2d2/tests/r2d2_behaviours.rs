//! What r2d2 promises in its own tests, here for the pool in `compat`. If that pool behaves
//! differently, the test says DIFFERENCE, and why.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use common::{Failure, Numbered, Refusing};
use threadwise_r2d2::compat as r2d2;
use threadwise_r2d2::compat::event::{
    AcquireEvent, CheckinEvent, CheckoutEvent, ReleaseEvent, TimeoutEvent,
};
use threadwise_testkit::wait::{PATIENCE, until};

/// The timeout of a `get` that must fail, and the lifetime of a connection that must end. On a busy
/// machine, the pool needs less than this to open a connection, and a test needs less to use one.
const SHORT: Duration = Duration::from_secs(1);

#[test]
fn as_many_connections_as_max_size_can_be_borrowed() {
    let pool = r2d2::Pool::builder().max_size(5).build(Refusing::after(5)).unwrap();
    let held: Vec<_> = (0..5).map(|_| pool.get().unwrap()).collect();
    assert_eq!(pool.state().connections, 5);
    drop(held);
}

#[test]
fn a_returned_connection_can_be_borrowed_again() {
    let pool = r2d2::Pool::builder().max_size(2).build(Numbered::default()).unwrap();
    let (one, other) = (pool.get().unwrap(), pool.get().unwrap());
    drop(one);
    let third = pool.get().unwrap();
    drop((other, third));
    assert_eq!(pool.state().idle_connections, 2);
}

#[test]
fn try_get_returns_none_while_all_connections_are_borrowed() {
    let pool = r2d2::Pool::builder().max_size(2).build(Numbered::default()).unwrap();
    let (one, other) = (pool.try_get(), pool.try_get());
    assert!(one.is_some() && other.is_some());
    assert!(pool.try_get().is_none());
    drop(one);
    assert!(pool.try_get().is_some());
}

#[test]
fn get_timeout_waits_for_a_return_and_gives_up_when_the_time_is_up() {
    let pool = r2d2::Pool::builder().max_size(1).build(Numbered::default()).unwrap();
    let held = pool.get_timeout(SHORT).unwrap();
    let started = Instant::now();
    assert!(pool.get_timeout(SHORT).is_err());
    assert!(started.elapsed() >= SHORT);

    let waiting = thread::spawn({
        let pool = pool.clone();
        move || pool.get_timeout(Duration::from_secs(60)).is_ok()
    });
    until("a thread waits", || pool.shared().state().waiting == 1);
    drop(held);
    assert!(waiting.join().unwrap());
}

#[test]
fn a_pool_is_send_and_sync_and_its_guard_is_send_and_owns_what_it_needs() {
    fn is_send_sync<T: Send + Sync>() {}
    fn is_send_static<T: Send + 'static>() {}
    is_send_sync::<r2d2::Pool<Numbered>>();
    is_send_static::<r2d2::PooledConnection<Numbered>>();
}

#[test]
fn a_validation_that_takes_long_holds_no_other_get_up() {
    let (entered, has_entered) = mpsc::sync_channel(0);
    let (let_go, may_go) = mpsc::sync_channel::<()>(0);
    let may_go = Mutex::new(may_go);
    let first = AtomicBool::new(true);
    let manager = Numbered::default().on_validation(move || {
        if first.swap(false, SeqCst) {
            entered.send(()).unwrap();
            may_go.lock().unwrap().recv().unwrap();
        }
    });
    let pool = r2d2::Pool::builder().test_on_check_out(true).max_size(2).build(manager).unwrap();
    let slow = thread::spawn({
        let pool = pool.clone();
        move || pool.get().map(drop)
    });
    has_entered.recv().unwrap();
    drop(pool.get().unwrap());
    let_go.send(()).unwrap();
    slow.join().unwrap().unwrap();
}

#[test]
fn a_connection_that_comes_back_broken_is_dropped() {
    let manager = Numbered::default().always_broken();
    let dropped = manager.dropped();
    let pool = r2d2::Pool::builder().max_size(1).build(manager).unwrap();
    drop(pool.get().unwrap());
    // DIFFERENCE: a thread of the pool drops the connection, so that the thread that returns it does not
    // wait for the driver's good-bye. So it may happen a moment later.
    until("the connection is dropped", || dropped.load(SeqCst) == 1);
}

#[test]
fn build_fails_with_the_managers_error_when_the_time_is_up() {
    let error = r2d2::Pool::builder()
        .connection_timeout(SHORT)
        .build(Refusing::after(0))
        .expect_err("nothing can be opened");
    assert_eq!(error.to_string(), "timed out waiting for connection: refused");
}

#[test]
fn get_of_an_unchecked_pool_fails_with_the_managers_error_when_the_time_is_up() {
    let pool = r2d2::Pool::builder().connection_timeout(SHORT).build_unchecked(Refusing::after(0));
    let error = pool.get().expect_err("nothing can be opened");
    assert_eq!(error.to_string(), "timed out waiting for connection: refused");
}

#[test]
fn get_waits_for_connection_timeout() {
    let pool = r2d2::Pool::builder()
        .max_size(1)
        .connection_timeout(SHORT)
        .build(Numbered::default())
        .unwrap();
    let _held = pool.get().unwrap();
    let started = Instant::now();
    let error = pool.get().unwrap_err();
    assert!(started.elapsed() >= SHORT);
    assert_eq!(error.to_string(), "timed out waiting for connection");
}

/// Refuses the first connection, and marks the others.
#[derive(Debug, Default)]
struct Marks {
    acquired: AtomicU32,
    released: Arc<AtomicU32>,
}

impl r2d2::CustomizeConnection<common::Connection, Failure> for Marks {
    fn on_acquire(&self, conn: &mut common::Connection) -> Result<(), Failure> {
        if self.acquired.fetch_add(1, SeqCst) == 0 {
            return Err(Failure("not this one"));
        }
        conn.mark = 1;
        Ok(())
    }

    fn on_release(&self, _: common::Connection) {
        self.released.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_customizer_refuses_and_sets_up_new_connections_and_gets_those_that_leave() {
    let manager = Numbered::default().always_broken();
    let dropped = manager.dropped();
    let customizer = Marks::default();
    let released = Arc::clone(&customizer.released);
    let pool = r2d2::Pool::builder()
        .max_size(1)
        .connection_customizer(Box::new(customizer))
        .build(manager)
        .unwrap();
    let conn = pool.get().unwrap();
    assert_eq!(conn.mark, 1);
    assert_eq!((dropped.load(SeqCst), released.load(SeqCst)), (1, 0), "a refused one is dropped");
    drop(conn);
    until("the connection is released", || released.load(SeqCst) == 1);
}

#[test]
fn idle_connections_are_closed_when_idle_timeout_has_passed() {
    let manager = Refusing::after(5);
    let dropped = manager.dropped();
    // DIFFERENCE: only connections beyond `min_idle` are closed, and `min_idle` is `max_size` if it is not
    // set. r2d2 closes all idle ones, and opens as many again at once.
    let pool = r2d2::Pool::builder()
        .max_size(5)
        .min_idle(Some(0))
        .idle_timeout(Some(SHORT))
        .build(manager)
        .unwrap();
    let mut held: Vec<_> = (0..5).map(|_| pool.get().unwrap()).collect();
    let last = held.pop();
    drop(held);
    until("four connections are closed", || dropped.load(SeqCst) == 4);
    drop(last);
    assert_eq!(dropped.load(SeqCst), 4, "the return closes nothing");
}

#[test]
fn a_connection_in_constant_use_outlives_idle_timeout_and_the_others_do_not() {
    let manager = Refusing::after(5);
    let dropped = manager.dropped();
    let pool = r2d2::Pool::builder()
        .max_size(5)
        .min_idle(Some(0)) // DIFFERENCE: see the test above
        .idle_timeout(Some(SHORT))
        .build(manager)
        .unwrap();
    let held: Vec<_> = (0..5).map(|_| pool.get().unwrap()).collect();
    drop(held);
    until("the unused connections are closed", || {
        drop(pool.get().unwrap());
        dropped.load(SeqCst) == 4
    });
    assert_eq!(pool.state().connections, 1);
}

#[test]
fn connections_older_than_max_lifetime_are_closed_a_borrowed_one_when_it_is_back() {
    let manager = Refusing::after(5);
    let dropped = manager.dropped();
    let pool = r2d2::Pool::builder()
        .max_size(5)
        .max_lifetime(Some(SHORT))
        .connection_timeout(SHORT)
        .build(manager)
        .unwrap();
    let held = pool.get().unwrap();
    until("the idle connections are closed", || dropped.load(SeqCst) == 4);
    // DIFFERENCE: the return closes it. r2d2 lends it again until its reaper finds it idle.
    drop(held);
    until("the last one is closed", || dropped.load(SeqCst) == 5);
    assert!(pool.get().is_err());
}

#[test]
fn the_pool_keeps_min_idle_connections_idle() {
    let pool =
        r2d2::Pool::builder().max_size(5).min_idle(Some(2)).build(Numbered::default()).unwrap();
    let is = |idle, open| {
        until("the numbers are right", || {
            let state = pool.state();
            (state.idle_connections, state.connections) == (idle, open)
        });
    };
    is(2, 2);
    let held: Vec<_> = (0..3).map(|_| pool.get().unwrap()).collect();
    is(2, 5);
    drop(held);
    is(5, 5);
}

#[test]
fn the_end_of_the_pool_drops_its_connections() {
    let manager = Numbered::default();
    let dropped = manager.dropped();
    let pool = r2d2::Pool::builder().max_size(10).build(manager).unwrap();
    let held = pool.get().unwrap();
    drop(pool);
    until("the idle connections are dropped", || dropped.load(SeqCst) == 9);
    assert_eq!(held.mark, 0, "a borrowed connection can still be used");
    drop(held);
    until("all connections are dropped", || dropped.load(SeqCst) == 10);
}

/// What a handler has heard.
#[derive(Debug)]
enum Heard {
    Acquire(AcquireEvent),
    Release(ReleaseEvent),
    Checkout(CheckoutEvent),
    Checkin(CheckinEvent),
    Timeout(TimeoutEvent),
}

#[derive(Debug)]
struct Listener(mpsc::Sender<Heard>);

impl r2d2::HandleEvent for Listener {
    fn handle_acquire(&self, event: AcquireEvent) {
        let _ = self.0.send(Heard::Acquire(event));
    }

    fn handle_release(&self, event: ReleaseEvent) {
        let _ = self.0.send(Heard::Release(event));
    }

    fn handle_checkout(&self, event: CheckoutEvent) {
        let _ = self.0.send(Heard::Checkout(event));
    }

    fn handle_timeout(&self, event: TimeoutEvent) {
        let _ = self.0.send(Heard::Timeout(event));
    }

    fn handle_checkin(&self, event: CheckinEvent) {
        let _ = self.0.send(Heard::Checkin(event));
    }
}

#[test]
fn events_follow_a_connection_by_its_number() {
    let (sender, heard) = mpsc::channel();
    let next = || heard.recv_timeout(PATIENCE).expect("another event");
    let start = Instant::now();
    let pool = r2d2::Pool::builder()
        .max_size(1)
        .event_handler(Box::new(Listener(sender)))
        .build(Numbered::default().always_broken())
        .unwrap();
    let conn = pool.get().unwrap();
    let limit = Duration::from_millis(12);
    pool.get_timeout(limit).unwrap_err();
    drop(conn);

    let Heard::Acquire(acquire) = next() else { panic!("a connection is opened first") };
    let id = acquire.connection_id();
    let Heard::Checkout(event) = next() else { panic!("then it is lent") };
    assert_eq!(event.connection_id(), id);
    assert!(event.duration() <= start.elapsed());
    let Heard::Timeout(event) = next() else { panic!("then a thread waits in vain") };
    assert_eq!(event.timeout(), limit);
    let Heard::Checkin(event) = next() else { panic!("then it comes back") };
    assert_eq!(event.connection_id(), id);
    assert!(event.duration() >= limit && event.duration() <= start.elapsed());
    let Heard::Release(event) = next() else { panic!("then it leaves, as it is broken") };
    assert_eq!(event.connection_id(), id);
    assert!(event.age() >= limit && event.age() <= start.elapsed());
    let Heard::Acquire(event) = next() else { panic!("then another one is opened") };
    let id_of_next = event.connection_id();
    assert!(id < id_of_next);
    let _conn = pool.get().unwrap();
    let Heard::Checkout(event) = next() else { panic!("then that one is lent") };
    assert_eq!(event.connection_id(), id_of_next);
}

#[test]
fn extensions_stay_with_their_connection() {
    let pool = r2d2::Pool::builder().max_size(2).build(Numbered::default()).unwrap();
    let (mut one, mut other) = (pool.get().unwrap(), pool.get().unwrap());
    r2d2::PooledConnection::extensions_mut(&mut one).insert(1_i32);
    r2d2::PooledConnection::extensions_mut(&mut other).insert(2_i32);
    drop(one);
    let conn = pool.get().unwrap();
    assert_eq!(r2d2::PooledConnection::extensions(&conn).get::<i32>(), Some(&1));
}
