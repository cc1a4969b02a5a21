//! Hooks, events, and what a pool says about its users: leaks, slow waits, dead-locks, names.

mod common;

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use threadwise_core::{CloseReason, ConnectError, Events, GetError, Report};
use threadwise_shared::NestedGet;
use threadwise_testkit::{Call, Step, wait};

use common::{MINUTE, SECOND, rig};

/// Writes down what it hears.
#[derive(Clone, Default)]
struct Heard {
    said: Arc<Mutex<Vec<String>>>,
    ignores_uses: bool,
}

impl Heard {
    fn say(&self, what: impl Into<String>) {
        self.said.lock().unwrap().push(what.into());
    }

    fn all(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    fn has(&self, what: &str) -> bool {
        self.all().iter().any(|said| said.contains(what))
    }
}

impl Events for Heard {
    fn watches_uses(&self) -> bool {
        !self.ignores_uses
    }
    fn opened(&self, _: Duration) {
        self.say("opened");
    }
    fn connect_failed(&self, error: &(dyn Error + 'static)) {
        self.say(format!("connect failed: {error}"));
    }
    fn closed(&self, reason: CloseReason) {
        self.say(format!("closed: {}", reason.name()));
    }
    fn acquired(&self, waited: Duration) {
        self.say(format!("acquired after {waited:?}"));
    }
    fn returned(&self, held: Duration) {
        self.say(format!("returned after {held:?}"));
    }
    fn timed_out(&self, waited: Duration) {
        self.say(format!("timed out after {waited:?}"));
    }
    fn report(&self, report: &Report<'_>) {
        self.say(report.to_string());
    }
}

#[test]
fn events_tell_what_happens_and_how_long_it_took() {
    let heard = Heard::default();
    let rig = rig(|pool| pool.max_size(1).events(heard.clone()));
    rig.script.next(Call::Connect, Step::Fail);
    let conn = {
        let pool = &rig.pool;
        thread::scope(|scope| {
            let waiter = scope.spawn(|| pool.get_owned().unwrap());
            wait::until("a failure", || heard.has("connect failed: Connect fails"));
            rig.turn_until(SECOND, || heard.has("acquired"));
            waiter.join().unwrap()
        })
    };
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.pool.get_timeout(MINUTE).is_err());
        wait::until("somebody to wait", || rig.pool.state().waiting == 1);
        rig.clock.advance(MINUTE);
        assert!(waiter.join().unwrap());
    });
    drop(conn);
    drop(rig.get());
    rig.pool.close();
    let all = heard.all();
    assert!(heard.has("opened") && heard.has("timed out after 60s"), "{all:?}");
    assert!(heard.has("acquired after 0ns") && heard.has("returned after 60s"), "{all:?}");
    assert!(heard.has("closed: pool_closed"), "{all:?}");
}

#[test]
fn events_that_do_not_watch_uses_hear_of_all_else() {
    let heard = Heard { ignores_uses: true, ..Heard::default() };
    let rig = rig(|pool| pool.events(heard.clone()));
    drop(rig.get());
    rig.pool.close();
    assert_eq!(heard.all(), ["opened", "closed: pool_closed"]);
}

#[test]
fn a_panic_in_events_harms_nobody() {
    struct Panics;
    impl Events for Panics {
        fn opened(&self, _: Duration) {
            std::panic::resume_unwind(Box::new("as planned"));
        }
        fn acquired(&self, _: Duration) {
            std::panic::resume_unwind(Box::new("as planned"));
        }
        fn returned(&self, _: Duration) {
            std::panic::resume_unwind(Box::new("as planned"));
        }
    }
    let rig = rig(|pool| pool.max_size(1).events(Panics));
    (0..3).for_each(|_| drop(rig.get()));
    assert_eq!((rig.ledger.opened(), rig.pool.state().idle), (1, 1));
}

#[test]
fn hooks_see_each_connection_at_their_moment() {
    let rig = rig(|pool| {
        pool.max_size(1)
            .on_connect(|conn| {
                conn.mark = Some("connected");
                Ok(())
            })
            .on_acquire(|conn| {
                assert_ne!(conn.mark, Some("used"), "the session is fresh");
                conn.mark = Some("acquired");
                Ok(())
            })
            .on_return(|conn| if conn.mark == Some("used") { Ok(()) } else { Err("unused".into()) })
    });
    let mut conn = rig.get();
    assert_eq!(conn.mark, Some("acquired"));
    conn.mark = Some("used");
    drop(conn); // seen by the hook before it is reset
    let conn = rig.get();
    assert_eq!(conn.id(), 1);
    drop(conn);
    rig.await_closed(CloseReason::Vetoed, 1);
}

#[test]
fn a_veto_on_connect_is_a_failure_to_connect() {
    let rig = rig(|pool| pool.max_size(1).on_connect(|_| Err("not this one".into())));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.pool.get_timeout(MINUTE).err().unwrap());
        wait::until("an attempt", || rig.pool.state().counters.connect_failures > 0);
        rig.clock.advance(MINUTE);
        let error = waiter.join().unwrap();
        assert!(
            error.to_string().contains("`on_connect` hook refused it: not this one"),
            "{error}"
        );
        assert_eq!(error.source().unwrap().to_string(), "not this one");
        let GetError::TimedOut(error) = error else { panic!("timed out") };
        assert!(matches!(error.cause, Some(ConnectError::Vetoed(_))));
    });
    wait::until("it to be closed", || rig.ledger.open() == 0);
}

#[test]
fn after_a_veto_or_a_panic_on_acquire_the_borrower_gets_another_connection() {
    for panics in [false, true] {
        let rig = rig(|pool| {
            pool.max_size(1).on_acquire(move |conn| match conn.id() {
                1 if panics => std::panic::resume_unwind(Box::new("as planned")),
                1 => Err("not this one".into()),
                _ => Ok(()),
            })
        });
        assert_eq!(rig.get().id(), 2);
        let reason = if panics { CloseReason::Panicked } else { CloseReason::Vetoed };
        rig.await_closed(reason, 1);
    }
}

#[test]
fn a_connection_that_does_not_come_back_is_reported_with_its_holder_and_again_when_it_does() {
    let heard = Heard::default();
    let rig =
        rig(|pool| pool.name("orders").max_size(2).leak_threshold(MINUTE).events(heard.clone()));
    thread::Builder::new()
        .name("forgetful".into())
        .spawn({
            let pool = rig.pool.clone();
            move || borrows_and_forgets(&pool)
        })
        .unwrap()
        .join()
        .unwrap();
    let kept = rig.get();
    let count = || heard.all().iter().filter(|said| said.contains("has not come back")).count();
    assert_eq!(count(), 0);
    rig.turn_until(10 * SECOND, || count() == 2);
    let reports = heard.all().join("\n");
    assert!(reports.contains("pool orders") && reports.contains("thread `forgetful`"), "{reports}");
    assert!(reports.contains("borrows_and_forgets"), "where it was borrowed: {reports}");
    rig.clock.advance(MINUTE);
    drop(kept);
    assert!(heard.has("came back after"), "{:?}", heard.all());
    assert_eq!(count(), 2, "each once");
}

#[inline(never)]
fn borrows_and_forgets(pool: &threadwise_shared::SharedPool<common::Manager>) {
    std::mem::forget(pool.get().unwrap());
}

#[test]
fn a_time_out_names_the_holders_where_they_are_recorded() {
    for traced in [true, false] {
        let rig = rig(|pool| pool.max_size(1).name("orders").trace_holders(traced));
        let held = rig.get();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| rig.pool.get_timeout(MINUTE).err().unwrap());
            wait::until("somebody to wait", || rig.pool.state().waiting == 1);
            rig.clock.advance(MINUTE);
            let error = waiter.join().unwrap();
            assert!(error.to_string().contains("pool orders"), "{error}");
            assert_eq!(error.to_string().contains("held by thread `"), traced, "{error}");
            let GetError::TimedOut(error) = error else { panic!("timed out") };
            assert_eq!(error.holders.len(), usize::from(traced));
        });
        drop(held);
    }
}

#[test]
fn a_nested_get_that_nobody_can_end_is_an_error_where_that_is_set() {
    let heard = Heard::default();
    let rig = rig(|pool| pool.max_size(1).nested_get(NestedGet::Error).events(heard.clone()));
    let held = rig.get();
    let error = rig.pool.get().err().unwrap();
    assert!(matches!(&error, GetError::Deadlock { holders } if holders.len() == 1), "{error}");
    assert!(heard.has("nobody can give a connection back"), "{:?}", heard.all());
    assert_eq!(rig.pool.state().waiting, 0);
    drop(held);
    drop(rig.get());
}

#[test]
fn a_nested_get_is_no_dead_lock_while_somebody_can_give_a_connection_back() {
    let rig = rig(|pool| pool.max_size(2).nested_get(NestedGet::Error));
    let mine = rig.get();
    thread::scope(|scope| {
        let nested = scope.spawn(|| {
            let first = rig.get();
            let second = rig.pool.get().map(drop);
            drop(first);
            second
        });
        wait::until("it to wait", || rig.pool.state().waiting == 1);
        // Now this thread would complete the circle; the other is served when it does not.
        assert!(matches!(rig.pool.get(), Err(GetError::Deadlock { .. })));
        drop(mine);
        nested.join().unwrap().unwrap();
    });
}

#[test]
fn a_nested_get_is_only_reported_where_that_is_set_and_not_at_all_by_default() {
    for (nested_get, reported) in [(NestedGet::Warn, true), (NestedGet::Off, false)] {
        let heard = Heard::default();
        let rig = rig(|pool| pool.max_size(1).nested_get(nested_get).events(heard.clone()));
        let (started, start) = std::sync::mpsc::channel();
        thread::scope(|scope| {
            let nested = scope.spawn(|| {
                let _held = rig.get();
                started.send(()).unwrap();
                matches!(rig.pool.get_timeout(MINUTE), Err(GetError::TimedOut(_)))
            });
            start.recv().unwrap();
            wait::until("it to wait", || rig.pool.state().waiting == 1);
            rig.turn_until(SECOND, || rig.pool.state().waiting == 0);
            assert!(nested.join().unwrap());
        });
        assert_eq!(heard.has("nobody can give a connection back"), reported);
    }
}

#[test]
fn a_slow_get_is_reported() {
    let heard = Heard { ignores_uses: true, ..Heard::default() };
    let rig = rig(|pool| pool.max_size(1).slow_get(SECOND).events(heard.clone()));
    for (wait, slow) in [(SECOND / 2, false), (2 * SECOND, true)] {
        let held = rig.get();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| drop(rig.get()));
            wait::until("somebody to wait", || rig.pool.state().waiting == 1);
            rig.clock.advance(wait);
            drop(held);
            waiter.join().unwrap();
        });
        assert_eq!(heard.has("longer than `slow_get`"), slow);
    }
}
