//! The events that a pool emits.

mod common;

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use threadwise_core::{CloseReason, ConnectionInfo, Events, Report};
use threadwise_shared::{NestedGet, SharedPool};
use threadwise_testkit::{Call, Heard, Step, wait};

use common::{MINUTE, Manager, SECOND, rig};

#[test]
fn events_arrive_in_the_order_of_what_happened() {
    let heard = Heard::default();
    let rig = rig(|pool| pool.max_size(1).events(heard.clone()));
    let conn = rig.get();
    rig.clock.advance(SECOND);
    drop(conn);
    rig.get().discard();
    rig.await_closed(CloseReason::Discarded, 1);
    let expected = [
        "opened",
        "acquired after 0ns",
        "returned after 1s",
        "acquired after 0ns",
        "closed: discarded",
    ];
    assert_eq!(heard.all(), expected);
}

#[test]
fn waits_and_uses_are_emitted_with_their_durations() {
    let heard = Heard::default();
    let rig = rig(|pool| pool.max_size(1).events(heard.clone()));
    let held = rig.get();
    thread::scope(|scope| {
        let early = scope.spawn(|| rig.pool.get_timeout(SECOND).is_err());
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        rig.clock.advance(SECOND);
        assert!(early.join().unwrap());
        assert_eq!(heard.count("timed out after 1s"), 1);
        let waiter = scope.spawn(|| drop(rig.get()));
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        rig.clock.advance(4 * SECOND);
        drop(held);
        waiter.join().unwrap();
    });
    assert_eq!(heard.count("returned after 5s"), 1, "{:?}", heard.all());
    assert_eq!(heard.count("acquired after 4s"), 1, "{:?}", heard.all());
    assert_eq!(heard.count("returned after 0ns"), 1, "{:?}", heard.all());
}

#[test]
fn a_failure_to_connect_is_emitted_with_the_managers_message() {
    let heard = Heard::default();
    let rig = rig(|pool| pool.max_size(1).events(heard.clone()));
    rig.script.next(Call::Connect, Step::Fail);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| drop(rig.get()));
        wait::until("a failure", || heard.has("Connect fails"));
        assert!(!heard.has("opened"));
        rig.turn_until(SECOND, || waiter.is_finished());
    });
    assert_eq!((heard.count("connect failed"), heard.count("opened")), (1, 1));
}

#[test]
fn a_connection_that_on_connect_refuses_was_never_opened() {
    let heard = Heard::default();
    let rig = rig(|pool| pool.events(heard.clone()).on_connect(|_| Err("not this one".into())));
    assert!(rig.pool.try_get().is_err());
    wait::until("a failure", || heard.has("hook refused it: not this one"));
    wait::until("it to be closed", || rig.ledger.open() == 0);
    assert!(!heard.has("opened") && !heard.has("closed"), "{:?}", heard.all());
}

#[test]
fn each_close_that_is_counted_is_emitted_once_with_its_reason() {
    let heard = Heard::default();
    let rig = rig(|pool| pool.max_size(5).events(heard.clone()));
    rig.fill(5);
    rig.get().discard();
    drop(rig.get().detach());
    rig.script.next(Call::HasBroken, Step::Fail);
    drop(rig.get());
    rig.await_closed(CloseReason::Discarded, 1);
    rig.pool.resize(1).unwrap();
    rig.pool.evict();
    wait::until("all to be closed", || rig.is_settled() && rig.ledger.open() == 0);
    drop(rig.get());
    rig.pool.close();
    wait::until("the last to be closed", || rig.ledger.open() == 0);
    let counters = rig.pool.state().counters;
    for reason in CloseReason::ALL {
        let told = heard.count(&format!("closed: {}", reason.name())) as u64;
        assert_eq!(told, counters.closed(*reason), "{}: {:?}", reason.name(), heard.all());
    }
    assert_eq!(counters.closed_total(), counters.opened);
}

#[test]
fn a_try_get_that_finds_nothing_is_no_timeout() {
    let heard = Heard::default();
    let rig = rig(|pool| pool.max_size(1).events(heard.clone()));
    let _held = rig.get();
    assert!(rig.pool.try_get().is_err());
    assert!(!heard.has("timed out"), "{:?}", heard.all());
}

#[test]
fn events_that_do_not_watch_uses_get_all_others() {
    let heard = Heard::of_all_but_uses();
    let rig = rig(|pool| pool.events(heard.clone()));
    drop(rig.get());
    rig.pool.close();
    wait::until("it to be closed", || rig.ledger.open() == 0);
    assert_eq!(heard.all(), ["opened", "closed: pool_closed"]);
}

#[test]
fn events_that_do_not_watch_uses_get_none_though_other_settings_do() {
    let heard = Heard::of_all_but_uses();
    let rig = rig(|pool| pool.max_uses(100).events(heard.clone()));
    drop(rig.get());
    assert_eq!(heard.all(), ["opened"]);
}

/// Runs a closure at each event.
struct Each<F>(F);

impl<F: Fn() + Send + Sync + 'static> Events for Each<F> {
    fn opened(&self, _: &ConnectionInfo<'_>, _: Duration) {
        (self.0)();
    }

    fn connect_failed(&self, _: &(dyn Error + 'static)) {
        (self.0)();
    }

    fn closed(&self, _: &ConnectionInfo<'_>, _: CloseReason) {
        (self.0)();
    }

    fn acquired(&self, _: &ConnectionInfo<'_>, _: Duration) {
        (self.0)();
    }

    fn returned(&self, _: &ConnectionInfo<'_>, _: Duration) {
        (self.0)();
    }

    fn timed_out(&self, _: Duration) {
        (self.0)();
    }

    fn report(&self, _: &Report<'_>) {
        (self.0)();
    }
}

#[test]
fn a_panic_in_events_has_no_consequences() {
    let panics = Arc::new(AtomicUsize::new(0));
    let panic = {
        let panics = Arc::clone(&panics);
        move || {
            panics.fetch_add(1, Ordering::SeqCst);
            std::panic::resume_unwind(Box::new("as planned")) // resumes without the hook that prints
        }
    };
    let rig = rig(|pool| {
        let pool = pool.max_size(1).leak_threshold(MINUTE).nested_get(NestedGet::Error);
        pool.idle_timeout(10 * MINUTE).events(Each(panic))
    });
    rig.script.next(Call::Connect, Step::Fail);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| drop(rig.get()));
        rig.turn_until(SECOND / 100, || waiter.is_finished());
    });
    let failed_opened_acquired_returned = 4;
    assert_eq!(panics.load(Ordering::SeqCst), failed_opened_acquired_returned);
    let held = rig.get();
    assert!(rig.pool.get().is_err(), "a deadlock, which is reported");
    thread::scope(|scope| {
        let late = scope.spawn(|| rig.pool.get_timeout(SECOND).is_err());
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        rig.clock.advance(SECOND);
        assert!(late.join().unwrap());
    });
    rig.turn_until(SECOND, || panics.load(Ordering::SeqCst) == 4 + 4); // the leak
    drop(held);
    assert_eq!(panics.load(Ordering::SeqCst), 8 + 2, "its return, and how long it was held");
    // The housekeeper and the workers go on.
    rig.turn_until(SECOND, || rig.closed(CloseReason::IdleTimeout) == 1);
    wait::until("it to be closed", || rig.is_settled());
    drop(rig.get());
    assert_eq!((rig.ledger.opened(), rig.pool.state().idle), (2, 1));
}

#[test]
fn events_that_panic_when_they_are_asked_what_they_watch_watch_nothing() {
    struct Undecided;
    impl Events for Undecided {
        fn watches_uses(&self) -> bool {
            std::panic::resume_unwind(Box::new("as planned"))
        }
        fn acquired(&self, _: &ConnectionInfo<'_>, _: Duration) {
            unreachable!("the events do not watch uses");
        }
    }
    let rig = rig(|pool| pool.events(Undecided));
    drop(rig.get());
}

/// Asks the pool for its state at each event. An event that the pool emits under a lock would wait for
/// itself.
#[derive(Clone, Default)]
struct Asks {
    pool: Arc<Mutex<Option<SharedPool<Manager>>>>,
    asked: Arc<AtomicUsize>,
}

impl Asks {
    fn ask(&self) {
        let pool = self.pool.lock().unwrap().clone();
        pool.inspect(|pool| drop(pool.state()));
        self.asked.fetch_add(1, Ordering::SeqCst);
    }

    fn events(&self) -> impl Events + use<> {
        let asks = self.clone();
        Each(move || asks.ask())
    }

    fn hook<C>(&self) -> impl Fn(&mut C) -> Result<(), threadwise_shared::HookError> + use<C> {
        let asks = self.clone();
        move |_| {
            asks.ask();
            Ok(())
        }
    }
}

#[test]
fn hooks_and_events_may_ask_the_pool() {
    let asks = Asks::default();
    let rig = Arc::new(rig(|pool| {
        let pool = pool.max_size(1).leak_threshold(MINUTE).nested_get(NestedGet::Error);
        let pool = pool.slow_get(SECOND).events(asks.events());
        pool.on_connect(asks.hook()).on_acquire(asks.hook()).on_return(asks.hook())
    }));
    *asks.pool.lock().unwrap() = Some(rig.pool.clone());
    let (done, is_done) = mpsc::channel();
    // On a thread of its own, which stays behind if it waits for itself.
    thread::spawn({
        let rig = Arc::clone(&rig);
        move || {
            rig.script.next(Call::Connect, Step::Fail);
            thread::scope(|scope| {
                let waiter = scope.spawn(|| rig.get().discard());
                rig.turn_until(SECOND / 100, || waiter.is_finished());
            });
            rig.await_closed(CloseReason::Discarded, 1);
            let held = rig.get();
            assert!(rig.pool.get().is_err(), "a deadlock");
            thread::scope(|scope| {
                let late = scope.spawn(|| rig.pool.get_timeout(SECOND).is_err());
                wait::until("a waiter", || rig.pool.state().waiting == 1);
                rig.clock.advance(2 * MINUTE); // also a leak
                assert!(late.join().unwrap());
                let slow = scope.spawn(|| drop(rig.get()));
                wait::until("a waiter", || rig.pool.state().waiting == 1);
                rig.clock.advance(2 * SECOND);
                drop(held);
                slow.join().unwrap();
            });
            rig.pool.close();
            done.send(()).unwrap();
        }
    });
    is_done.recv_timeout(wait::PATIENCE).expect("no thread waits for itself");
    assert!(asks.asked.load(Ordering::SeqCst) > 15);
    asks.pool.lock().unwrap().take(); // which has the events, which have the pool
}
