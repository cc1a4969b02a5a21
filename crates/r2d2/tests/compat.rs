//! What the pool in `compat` does beyond r2d2's own tests.

mod common;

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use common::{Connection, DEAD, Failure, Numbered, Refusing};
use threadwise_core::CloseReason;
use threadwise_r2d2::FromR2d2;
use threadwise_r2d2::compat as r2d2;
use threadwise_r2d2::compat::event::{AcquireEvent, CheckinEvent, CheckoutEvent, ReleaseEvent};
use threadwise_testkit::wait::until;

/// Long enough for a thread of the pool to open a connection, on a busy machine.
const SHORT: Duration = Duration::from_secs(1);

/// Keeps the errors that it gets.
#[derive(Clone, Debug, Default)]
struct Errors(Arc<Mutex<Vec<Failure>>>);

impl r2d2::HandleError<Failure> for Errors {
    fn handle_error(&self, error: Failure) {
        self.0.lock().unwrap().push(error);
    }
}

impl Errors {
    fn has(&self, text: &'static str) -> bool {
        self.0.lock().unwrap().contains(&Failure(text))
    }
}

/// Refuses all connections while the flag is set.
#[derive(Debug, Default)]
struct Refuses(Arc<AtomicBool>);

impl r2d2::CustomizeConnection<Connection, Failure> for Refuses {
    fn on_acquire(&self, _: &mut Connection) -> Result<(), Failure> {
        if self.0.load(SeqCst) { Err(Failure("not this one")) } else { Ok(()) }
    }
}

#[test]
fn the_error_handler_gets_the_errors_of_connect_of_the_customizer_and_of_validation() {
    let errors = Errors::default();
    let customizer = Refuses::default();
    let refuses = Arc::clone(&customizer.0);
    let manager = Refusing::after(5);
    let left = manager.left();
    let pool = r2d2::Pool::builder()
        .max_size(1)
        .connection_timeout(SHORT)
        .error_handler(Box::new(errors.clone()))
        .connection_customizer(Box::new(customizer))
        .build(manager)
        .unwrap();

    refuses.store(true, SeqCst);
    pool.get().unwrap().mark = DEAD;
    let error = pool.get().unwrap_err();
    until("the validation has failed", || errors.has("no answer"));
    until("the customizer has refused one", || errors.has("not this one"));
    left.store(0, SeqCst);
    until("the manager has refused one", || errors.has("refused"));
    assert!(error.to_string().starts_with("timed out waiting for connection: "), "{error}");
}

#[test]
fn every_waiter_gets_the_managers_error() {
    let pool = r2d2::Pool::builder()
        .max_size(4)
        .connection_timeout(SHORT)
        .build_unchecked(Refusing::after(0));
    thread::scope(|threads| {
        let waiters: Vec<_> = (0..4).map(|_| threads.spawn(|| pool.get().unwrap_err())).collect();
        for waiter in waiters {
            let error = waiter.join().unwrap();
            assert_eq!(error.to_string(), "timed out waiting for connection: refused");
        }
    });
}

#[test]
fn an_error_after_the_end_of_the_pool_says_so() {
    let pool = r2d2::Pool::builder().max_size(1).build(Numbered::default()).unwrap();
    pool.shared().close();
    let error = pool.get().unwrap_err();
    assert_eq!(error.to_string(), "the pool is closed");
    assert!(error.source().is_none());
    assert!(pool.try_get().is_none());
}

#[test]
fn a_connection_whose_holder_panicked_is_closed() {
    let pool = r2d2::Pool::builder().max_size(1).build(Numbered::default()).unwrap();
    let holder = catch_unwind(AssertUnwindSafe(|| {
        let _conn = pool.get().unwrap();
        resume_unwind(Box::new("as planned"))
    }));
    assert!(holder.is_err_and(|panic| panic.downcast_ref() == Some(&"as planned")));
    let closed = || pool.shared().state().counters.closed(CloseReason::Panicked);
    until("the connection is closed", || closed() == 1);
    assert!(pool.get().is_ok());
}

/// Panics at each event.
#[derive(Debug)]
struct Panics;

impl r2d2::HandleEvent for Panics {
    fn handle_acquire(&self, _: AcquireEvent) {
        resume_unwind(Box::new("as planned"));
    }

    fn handle_release(&self, _: ReleaseEvent) {
        resume_unwind(Box::new("as planned"));
    }

    fn handle_checkout(&self, _: CheckoutEvent) {
        resume_unwind(Box::new("as planned"));
    }

    fn handle_checkin(&self, _: CheckinEvent) {
        resume_unwind(Box::new("as planned"));
    }
}

#[test]
fn a_handler_that_panics_costs_no_connection_and_no_capacity() {
    let manager = Numbered::default().always_broken();
    let dropped = manager.dropped();
    let pool =
        r2d2::Pool::builder().max_size(1).event_handler(Box::new(Panics)).build(manager).unwrap();
    for uses in 1..=3 {
        drop(pool.get().unwrap());
        until("the broken connection is dropped", || dropped.load(SeqCst) == uses);
    }
}

#[test]
fn without_min_idle_a_build_opens_all_connections_and_with_zero_none() {
    let pool = r2d2::Pool::builder().max_size(3).build(Numbered::default()).unwrap();
    assert_eq!(pool.state().connections, 3);
    let pool = r2d2::Pool::builder().min_idle(Some(0)).build(Refusing::after(0)).unwrap();
    assert_eq!(pool.state().connections, 0);
}

#[test]
fn a_manager_of_which_more_is_known_resets_its_sessions() {
    let manager = FromR2d2::new(Numbered::default()).reset_with(|conn| {
        conn.mark = 0;
        Ok(())
    });
    let pool = r2d2::Pool::builder().max_size(1).build_adapted(manager).unwrap();
    pool.get().unwrap().mark = 7;
    assert_eq!(pool.get().unwrap().mark, 0);
}

#[test]
fn the_pool_returns_its_settings() {
    let minute = Duration::from_secs(60);
    let pool = r2d2::Pool::builder()
        .max_size(u32::MAX) // has the effect of the largest pool here
        .min_idle(Some(1))
        .test_on_check_out(false)
        .max_lifetime(None)
        .idle_timeout(Some(minute))
        .connection_timeout(minute)
        .build(Numbered::default())
        .unwrap();
    assert_eq!((pool.max_size(), pool.min_idle()), (u32::MAX, Some(1)));
    assert!(!pool.test_on_check_out());
    assert_eq!((pool.max_lifetime(), pool.idle_timeout()), (None, Some(minute)));
    assert_eq!(pool.connection_timeout(), minute);
    let state = format!("{:?}", pool.state());
    assert_eq!(state, "State { connections: 1, idle_connections: 1 }");
}

#[test]
fn without_test_on_check_out_a_dead_connection_is_lent_as_in_r2d2() {
    let builder = r2d2::Pool::builder().max_size(1).test_on_check_out(false);
    let pool = builder.build(Numbered::default()).unwrap();
    pool.get().unwrap().mark = DEAD;
    assert_eq!(pool.get().unwrap().mark, DEAD);
}

#[test]
fn settings_of_zero_panic_as_in_r2d2_and_name_the_setting() {
    type Builder = r2d2::Builder<Numbered>;
    type Setter = fn(Builder) -> Builder;
    let cases: [(&str, Setter); 4] = [
        ("max_size", |builder| builder.max_size(0)),
        ("max_lifetime", |builder| builder.max_lifetime(Some(Duration::ZERO))),
        ("idle_timeout", |builder| builder.idle_timeout(Some(Duration::ZERO))),
        ("connection_timeout", |builder| builder.connection_timeout(Duration::ZERO)),
    ];
    for (name, set) in cases {
        let panic = catch_unwind(|| drop(set(r2d2::Pool::builder()))).unwrap_err();
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap();
        assert!(text.contains(name), "{text}");
    }
    let too_many =
        || r2d2::Pool::builder().max_size(1).min_idle(Some(2)).build(Numbered::default());
    let panic = catch_unwind(too_many).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().contains("`min_idle` is 2"));
}
