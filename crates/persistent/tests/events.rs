//! Events, hooks and counters.

mod common;

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use threadwise_core::{CloseReason, ConnectError, ConnectionInfo, Events, GetError, HookError};
use threadwise_testkit::{Call, Heard, Step, wait};

use common::{Connection, MINUTE, SECOND, rig};

/// The ids of the connections that a hook was called with.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<u64>>>);

impl Seen {
    fn hook(&self) -> impl Fn(&mut Connection) -> Result<(), HookError> + use<> {
        let seen = Arc::clone(&self.0);
        move |conn| {
            seen.lock().unwrap().push(conn.id());
            Ok(())
        }
    }

    fn ids(&self) -> Vec<u64> {
        self.0.lock().unwrap().clone()
    }
}

fn refuses_or_panics(panics: bool) -> Result<(), HookError> {
    if panics {
        panic::resume_unwind(Box::new("as planned")) // does not call the panic hook, which prints
    }
    Err("not this one".into())
}

#[test]
fn events_arrive_in_the_order_in_which_things_happen() {
    let heard = Heard::default();
    let rig = rig(|pool| pool.events(heard.clone()));
    let conn = rig.get();
    rig.clock.advance(SECOND);
    drop(conn);
    rig.get().discard();
    let said: Vec<_> =
        heard.all().iter().map(|said| said.split(" after").next().unwrap().to_owned()).collect();
    assert_eq!(said, ["opened", "acquired", "returned", "acquired", "closed: discarded"]);
    assert_eq!(heard.count("returned after 1s"), 1);
}

#[test]
fn events_measure_a_get_with_one_clock() {
    #[derive(Clone, Default)]
    struct Waited(Arc<Mutex<Vec<Duration>>>);
    impl Events for Waited {
        fn acquired(&self, _: &ConnectionInfo<'_>, waited: Duration) {
            self.0.lock().unwrap().push(waited);
        }
    }
    let waited = Waited::default();
    let rig = rig(|pool| pool.events(waited.clone()));
    rig.clock.advance(60 * MINUTE);
    drop(rig.get());
    drop(rig.get());
    drop(rig.pool.try_get().unwrap());
    let waited = waited.0.lock().unwrap().clone();
    assert!(waited.len() == 3 && waited.iter().all(|waited| *waited < MINUTE), "{waited:?}");
}

#[test]
fn events_tell_of_a_timeout_but_not_of_an_exhausted_try_get() {
    let heard = Heard::default();
    let rig = rig(|pool| pool.max_threads(1).events(heard.clone()));
    let _conn = rig.get();
    thread::scope(|scope| {
        scope.spawn(|| {
            assert!(matches!(rig.pool.try_get(), Err(GetError::Exhausted(_))));
            assert!(!heard.has("timed out"));
            let late = rig.pool.get_timeout(Duration::from_millis(1));
            let Err(GetError::TimedOut(error)) = late else { panic!("timed out") };
            assert!(error.waited >= Duration::from_millis(1));
        });
    });
    assert_eq!(heard.count("timed out after"), 1, "{:?}", heard.all());
}

#[test]
fn events_tell_of_a_failure_to_connect_with_the_managers_error() {
    let heard = Heard::default();
    let rig = rig(|pool| pool.events(heard.clone()));
    rig.script.next(Call::Connect, Step::Fail);
    assert!(matches!(rig.pool.get(), Err(GetError::ConnectFailed(_))));
    assert!(heard.has("connect failed: Connect fails"), "{:?}", heard.all());
    assert_eq!(heard.all().len(), 1);
}

#[test]
fn events_tell_of_each_counted_close_once_with_its_reason() {
    let heard = Heard::default();
    let rig = rig(|pool| pool.max_overflow(1).max_uses(3).events(heard.clone()));
    rig.get().discard();
    drop(rig.get().detach());
    drop(rig.get());
    rig.script.next(Call::HasBroken, Step::Fail);
    drop(rig.get());
    (0..4).for_each(|_| drop(rig.get()));
    let own = rig.get();
    drop(rig.get());
    drop(own);
    thread::scope(|scope| scope.spawn(|| drop(rig.get())).join().unwrap());
    rig.pool.close();
    let counters = rig.pool.state().counters;
    for reason in CloseReason::ALL {
        let told = heard.count(&format!("closed: {}", reason.name())) as u64;
        assert_eq!(told, counters.closed(*reason), "{}: {:?}", reason.name(), heard.all());
    }
    assert_eq!(counters.closed_total(), counters.opened);
}

#[test]
fn events_that_do_not_watch_uses_get_all_other_events() {
    for is_watched in [false, true] {
        let heard = Heard::of_all_but_uses();
        let rig = rig(|pool| {
            let pool = pool.events(heard.clone());
            if is_watched { pool.max_uses(100) } else { pool }
        });
        drop(rig.get());
        drop(rig.get());
        rig.pool.close();
        assert_eq!(heard.all(), ["opened", "closed: pool_closed"]);
    }
}

#[test]
fn a_panic_in_events_does_not_affect_the_pool() {
    struct Panics;
    impl Events for Panics {
        fn opened(&self, _: &ConnectionInfo<'_>, _: Duration) {
            panic::resume_unwind(Box::new("as planned"))
        }
        fn acquired(&self, _: &ConnectionInfo<'_>, _: Duration) {
            panic::resume_unwind(Box::new("as planned"))
        }
        fn returned(&self, _: &ConnectionInfo<'_>, _: Duration) {
            panic::resume_unwind(Box::new("as planned"))
        }
        fn closed(&self, _: &ConnectionInfo<'_>, _: CloseReason) {
            panic::resume_unwind(Box::new("as planned"))
        }
    }
    let rig = rig(|pool| pool.events(Panics));
    thread::scope(|scope| scope.spawn(|| assert_eq!(rig.id(), rig.id())).join().unwrap());
    drop(rig.get());
    rig.get().discard();
    assert_eq!((rig.ledger.open(), rig.pool.state().open), (0, 0));
}

#[test]
fn hooks_are_called_once_for_each_connection_each_borrower_and_each_return() {
    let [connected, acquired, returned] = [(); 3].map(|()| Seen::default());
    let rig = rig(|pool| {
        let pool = pool.max_overflow(1).on_connect(connected.hook());
        pool.on_acquire(acquired.hook()).on_return(returned.hook())
    });
    drop(rig.get());
    drop([rig.pool.share().unwrap(), rig.pool.share().unwrap()]);
    let own = rig.get();
    drop(rig.get()); // an overflow connection
    drop(own);
    rig.get().discard(); // is not returned
    drop(rig.get().detach()); // is not returned either
    assert_eq!(connected.ids(), [1, 2, 3]);
    assert_eq!(acquired.ids(), [1, 1, 1, 2, 1, 3]);
    assert_eq!(returned.ids(), [1, 1, 2, 1]);
}

#[test]
fn on_return_gets_the_session_before_its_reset_and_on_acquire_a_fresh_one() {
    let rig = rig(|pool| {
        let is =
            |conn: &mut Connection, mark| (conn.mark == mark).then_some(()).ok_or("another".into());
        pool.on_acquire(move |conn| is(conn, None)).on_return(move |conn| is(conn, Some("used")))
    });
    for _ in 0..3 {
        let mut conn = rig.get();
        conn.mark = Some("used");
        assert_eq!(conn.id(), 1);
    }
    drop(rig.get());
    assert_eq!(rig.closed(CloseReason::Vetoed), 1);
}

#[test]
fn a_veto_or_a_panic_on_connect_is_a_failure_to_connect() {
    for panics in [false, true] {
        let rig = rig(|pool| pool.max_threads(1).on_connect(move |_| refuses_or_panics(panics)));
        for _ in 0..2 {
            let Err(GetError::ConnectFailed(error)) = rig.pool.get() else { panic!("a veto") };
            assert!(matches!(error, ConnectError::Vetoed(_)));
        }
        let state = rig.pool.state();
        assert_eq!((rig.ledger.open(), state.open, state.counters.connect_failures), (0, 0, 2));
    }
}

#[test]
fn after_a_veto_or_a_panic_on_acquire_the_borrower_gets_another_connection() {
    for panics in [false, true] {
        let rig = rig(|pool| {
            pool.max_threads(1).on_acquire(move |conn| match conn.id() {
                1 => refuses_or_panics(panics),
                _ => Ok(()),
            })
        });
        assert_eq!(rig.id(), 2);
        assert_eq!((rig.closed(CloseReason::Vetoed), rig.ledger.most_open()), (1, 1));
    }
}

#[test]
fn a_get_whose_hook_refuses_every_connection_ends_at_its_deadline() {
    let rig = rig(|pool| pool.on_acquire(|_| Err("none at all".into())));
    let late = rig.pool.get_timeout(Duration::from_millis(1));
    assert!(matches!(late, Err(GetError::TimedOut(_))));
    assert!(rig.ledger.opened() <= 2, "{}", rig.ledger.opened());
    assert_eq!(rig.ledger.open(), rig.pool.state().open);
}

#[test]
fn a_veto_or_a_panic_on_return_closes_the_connection() {
    for panics in [false, true] {
        let rig = rig(|pool| pool.on_return(move |_| refuses_or_panics(panics)));
        assert_eq!((rig.id(), rig.id()), (1, 2));
        assert_eq!((rig.closed(CloseReason::Vetoed), rig.ledger.open()), (2, 0));
    }
}

#[test]
fn on_return_is_not_called_for_a_holder_that_panics() {
    let returned = Seen::default();
    let rig = rig(|pool| pool.on_return(returned.hook()));
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
        let _conn = rig.get();
        panic::resume_unwind(Box::new("as planned"));
    }));
    assert!(panicked.is_err() && returned.ids().is_empty());
    assert_eq!(rig.closed(CloseReason::Panicked), 1);
}

#[test]
fn the_state_has_the_pools_name_and_limit() {
    let named = rig(|pool| pool.name("plum").max_threads(3).max_overflow(2));
    let state = named.pool.state();
    assert_eq!((state.name.as_deref(), state.max_size), (Some("plum"), Some(5)));
    assert!(format!("{:?}", named.pool).contains("plum"));
    let nameless = rig(|pool| pool.max_overflow(2)).pool.state();
    assert_eq!((nameless.name, nameless.max_size), (None, None));
}

#[test]
fn the_counters_of_a_known_history_are_right() {
    let rig = rig(|pool| pool.max_threads(2).max_overflow(1));
    drop(rig.get()); // 1 get, 1 opened
    rig.get().mark = Some("changed"); // 2 gets, 1 reset
    drop([rig.pool.share().unwrap(), rig.pool.share().unwrap()]); // 3 gets
    let own = rig.get(); // 4 gets
    drop(rig.get()); // 5 gets, 2 opened, 1 surplus
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            drop(rig.get()); // 6 gets, 3 opened
            rig.get().mark = Some("changed"); // 7 gets, 2 resets
            let late = thread::scope(|scope| {
                let late = || rig.pool.get_timeout(SECOND / 2).is_err();
                scope.spawn(late).join().unwrap() // 1 wait, 1 timeout
            });
            assert!(late);
            let waiter = scope.spawn(|| drop(rig.get())); // 2 waits, 8 gets, 4 opened
            wait::until("a thread to wait", || rig.pool.state().waiting == 1);
            waiter
        });
        other.join().unwrap().join().unwrap(); // 2 threads have ended
    });
    rig.script.next(Call::Connect, Step::Fail);
    own.discard(); // 1 discarded
    assert!(rig.pool.get().is_err()); // 1 failure
    let state = rig.pool.state();
    let counters = &state.counters;
    assert_eq!((counters.gets, counters.waits, counters.timeouts), (8, 2, 1), "{counters:?}");
    assert_eq!((counters.opened, counters.connect_failures, counters.resets), (4, 1, 2));
    let closed = [CloseReason::Surplus, CloseReason::ThreadEnded, CloseReason::Discarded];
    assert_eq!(closed.map(|reason| counters.closed(reason)), [1, 2, 1]);
    assert_eq!((counters.closed_total(), state.open, state.idle), (4, 0, 0));
}

#[test]
fn counters_never_go_back_while_threads_come_and_go() {
    let rig = rig(|pool| pool);
    thread::scope(|scope| {
        let users = scope.spawn(|| {
            for _ in 0..300 {
                let use_it = || (0..50).for_each(|_| drop(rig.get()));
                thread::scope(|scope| scope.spawn(use_it).join().unwrap());
            }
        });
        let mut before = 0;
        while !users.is_finished() {
            let now = rig.pool.state().counters.gets;
            assert!(now >= before, "{now} after {before}");
            before = now;
        }
    });
    assert_eq!(rig.pool.state().counters.gets, 300 * 50);
}
