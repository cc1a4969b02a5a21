//! Counters, events and hooks.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use threadwise_core::{
    BuildError, CloseReason, ConnectionInfo, Events, GetError, ManageConnection, Validation,
};
use threadwise_queue::{Builder, HookError, QueuePool};
use threadwise_testkit::{
    Call, FakeConnection, FakeManager, Heard, Script, Scripted, ScriptedConnection, Step, wait,
};

type Pool = QueuePool<Scripted<FakeManager>>;
type Connection = ScriptedConnection<FakeConnection>;

fn build(
    size: usize,
    set: impl FnOnce(Builder<Scripted<FakeManager>>) -> Builder<Scripted<FakeManager>>,
) -> (Pool, Arc<Script>) {
    let manager = Scripted::new(FakeManager);
    let script = manager.script();
    (set(QueuePool::builder().size(size)).build(manager).unwrap(), script)
}

/// What the events heard, without the times.
fn words(heard: &Heard) -> Vec<String> {
    let word = |said: &String| said.split(" after ").next().unwrap_or_default().to_owned();
    heard.all().iter().map(word).collect()
}

#[test]
fn every_successful_get_is_counted() {
    let (pool, script) = build(3, |pool| pool);
    (0..10).for_each(|_| drop(pool.get().unwrap()));
    pool.get_owned().unwrap().discard();
    pool.try_get().unwrap().discard();
    drop(pool.remove().unwrap());
    script.next(Call::Connect, Step::Fail);
    assert!(pool.get().is_err());
    drop(pool.get().unwrap());
    assert!(pool.get_timeout(Duration::ZERO).is_ok());
    assert_eq!(pool.state().counters.gets, 15);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|_| drop(pool.get().unwrap())));
        }
    });
    assert_eq!(pool.state().counters.gets, 415);
}

#[test]
fn the_pools_name_reaches_the_manager_the_state_and_the_errors() {
    #[derive(Default)]
    struct Named(Option<String>);
    impl ManageConnection for Named {
        type Connection = String;
        type Error = std::convert::Infallible;
        fn connect(&self) -> Result<String, Self::Error> {
            Ok(self.0.clone().expect("`set_pool_name` is called before `connect`"))
        }
        fn is_valid(&self, _: &mut String) -> Result<(), Self::Error> {
            Ok(())
        }
        fn has_broken(&self, _: &mut String) -> bool {
            false
        }
        fn set_pool_name(&mut self, name: &str) {
            self.0 = Some(name.into());
        }
    }
    let pool = QueuePool::builder().name("orders").size(1).build(Named::default()).unwrap();
    let held = pool.get().unwrap();
    assert_eq!((held.as_str(), pool.state().name.as_deref()), ("orders", Some("orders")));
    let error = pool.try_get().unwrap_err();
    assert!(error.to_string().contains("pool orders: 1 open of 1"), "{error}");
}

#[test]
fn events_arrive_in_the_order_in_which_things_happen() {
    let heard = Heard::default();
    let (pool, script) = build(1, |pool| pool.events(heard.clone()));
    drop(pool.get().unwrap());
    pool.get().unwrap().discard();
    script.next(Call::Connect, Step::Fail);
    assert!(pool.get().is_err());
    let removed = pool.remove().unwrap();
    assert!(pool.get_timeout(Duration::from_millis(1)).is_err());
    pool.add(removed).unwrap();
    pool.close();
    let expected = [
        "opened",
        "acquired",
        "returned",
        "acquired",
        "closed: discarded",
        "connect failed: Connect fails, as its script says",
        "opened",
        "acquired",
        "closed: detached",
        "timed out",
        "opened",
        "closed: pool_closed",
    ];
    assert_eq!(words(&heard), expected);
}

#[test]
fn events_tell_how_long_waits_and_uses_took() {
    const LONG: Duration = Duration::from_millis(20);
    #[derive(Clone, Default)]
    struct Lengths(Arc<Mutex<Vec<(&'static str, Duration)>>>);
    impl Events for Lengths {
        fn acquired(&self, _: &ConnectionInfo<'_>, waited: Duration) {
            self.0.lock().unwrap().push(("waited", waited));
        }
        fn returned(&self, _: &ConnectionInfo<'_>, held: Duration) {
            self.0.lock().unwrap().push(("held", held));
        }
    }
    let lengths = Lengths::default();
    let (pool, _) = build(1, |pool| pool.events(lengths.clone()));
    let begin = Instant::now();
    let held = pool.get().unwrap();
    let took = begin.elapsed();
    thread::scope(|scope| {
        scope.spawn(|| drop(pool.get().unwrap()));
        wait::until("a thread to wait", || pool.state().waiting == 1);
        let since = Instant::now();
        wait::until("some time to pass", || since.elapsed() > LONG);
        drop(held);
    });
    let lengths = lengths.0.lock().unwrap();
    let [("waited", none), ("held", long), rest @ ..] = &lengths[..] else { panic!("{lengths:?}") };
    assert!(*none <= took && *long > LONG, "{took:?}, {lengths:?}");
    assert!(matches!(rest, [("waited", waited), ("held", _)] if *waited > LONG), "{lengths:?}");
}

#[test]
fn events_that_do_not_watch_uses_get_all_other_events() {
    let heard = Heard::of_all_but_uses();
    let (pool, _) = build(1, |pool| pool.events(heard.clone()).on_return(|_| Ok(())));
    drop(pool.get().unwrap());
    pool.evict_idle();
    drop(pool.get().unwrap());
    pool.close();
    let expected = ["opened", "closed: evicted", "opened", "closed: pool_closed"];
    assert_eq!(heard.all(), expected, "hooks make no difference");
}

#[test]
fn a_panic_in_events_does_not_affect_the_pool() {
    struct Panics;
    impl Events for Panics {
        fn opened(&self, _: &ConnectionInfo<'_>, _: Duration) {
            std::panic::resume_unwind(Box::new("as planned")) // does not call the panic hook, which prints
        }
        fn acquired(&self, _: &ConnectionInfo<'_>, _: Duration) {
            std::panic::resume_unwind(Box::new("as planned"))
        }
        fn returned(&self, _: &ConnectionInfo<'_>, _: Duration) {
            std::panic::resume_unwind(Box::new("as planned"))
        }
        fn closed(&self, _: &ConnectionInfo<'_>, _: CloseReason) {
            std::panic::resume_unwind(Box::new("as planned"))
        }
    }
    let (pool, _) = build(1, |pool| pool.events(Panics));
    drop(pool.get().unwrap());
    pool.get().unwrap().discard();
    drop(pool.get().unwrap());
    assert_eq!((pool.state().idle, pool.state().counters.opened), (1, 2));
}

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

#[test]
fn hooks_are_called_once_for_each_connection_each_borrower_and_each_return() {
    let [connected, acquired, returned] = [(); 3].map(|()| Seen::default());
    let (pool, _) = build(1, |pool| {
        pool.on_connect(connected.hook()).on_acquire(acquired.hook()).on_return(returned.hook())
    });
    drop(pool.get().unwrap());
    pool.get().unwrap().discard(); // is not returned
    drop(pool.get().unwrap().detach()); // is not returned either
    drop(pool.get_owned().unwrap());
    assert_eq!(connected.ids(), [1, 2, 3]);
    assert_eq!(acquired.ids(), [1, 1, 2, 3]);
    assert_eq!(returned.ids(), [1, 3]);
}

#[test]
fn on_return_gets_the_session_before_its_reset_and_is_not_called_after_a_panic() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = Arc::clone(&seen);
    let (pool, _) = build(1, |pool| {
        pool.on_return(move |conn: &mut Connection| {
            sees.lock().unwrap().push(conn.left_behind.clone());
            Ok(())
        })
    });
    pool.get().unwrap().left_behind = Some("a variable".into());
    assert_eq!(pool.get().unwrap().left_behind, None);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _conn = pool.get().unwrap();
        std::panic::resume_unwind(Box::new("as planned"))
    }));
    assert!(panicked.is_err());
    assert_eq!(*seen.lock().unwrap(), [Some("a variable".into()), None]);
}

#[test]
fn after_a_veto_the_borrower_gets_another_connection() {
    let (pool, _) = build(2, |pool| {
        pool.on_acquire(|conn| if conn.id() < 4 { Err("too low".into()) } else { Ok(()) })
    });
    assert_eq!(pool.get().unwrap().id(), 4, "1 or 2, and 3, were refused");
    let counters = pool.state().counters;
    assert_eq!((counters.closed(CloseReason::Vetoed), pool.state().open), (2, 2));
}

#[test]
fn a_get_whose_hook_refuses_every_connection_ends_at_its_deadline() {
    let (pool, _) = build(1, |pool| pool.on_acquire(|_| Err("none of them".into())));
    // Long enough for a busy machine to open the second connection in time.
    let error = pool.get_timeout(Duration::from_millis(500)).err();
    assert!(matches!(error, Some(GetError::TimedOut(_))), "{error:?}");
    let counters = pool.state().counters;
    assert_eq!((counters.closed(CloseReason::Vetoed), counters.opened), (1, 2));
    assert_eq!(
        (pool.state().open, pool.state().borrowed),
        (1, 0),
        "the pool keeps the second connection"
    );
}

#[test]
fn a_veto_on_return_closes_the_connection_and_keeps_its_place() {
    let (pool, _) = build(1, |pool| pool.on_return(|_| Err("not again".into())));
    drop(pool.get().unwrap());
    assert_eq!(pool.state().counters.closed(CloseReason::Vetoed), 1);
    assert_eq!(pool.get().unwrap().id(), 2);
}

#[test]
fn a_veto_on_connect_is_a_failure_to_connect() {
    let error = QueuePool::builder()
        .size(2)
        .on_connect(|_| Err("not this one".into()))
        .build(Scripted::new(FakeManager))
        .err();
    let Some(BuildError::ConnectFailed(error)) = error else { panic!("{error:?}") };
    assert!(format!("{error:?}").contains("not this one"), "{error:?}");
    let refuses = Arc::new(AtomicBool::new(false));
    let asks = Arc::clone(&refuses);
    let (pool, _) = build(1, |pool| {
        pool.on_connect(move |_| if asks.load(SeqCst) { Err("not now".into()) } else { Ok(()) })
    });
    pool.evict_idle();
    refuses.store(true, SeqCst);
    assert!(matches!(pool.get(), Err(GetError::ConnectFailed(_))));
    refuses.store(false, SeqCst);
    drop(pool.get().unwrap());
    assert_eq!(pool.state().open, 1);
}

#[test]
fn a_connection_that_fails_validation_is_not_passed_to_on_acquire() {
    let acquired = Seen::default();
    let (pool, script) =
        build(1, |pool| pool.validation(Validation::OnCheckout).on_acquire(acquired.hook()));
    script.next(Call::IsValid, Step::Fail);
    assert_eq!(pool.get().unwrap().id(), 2);
    assert_eq!(acquired.ids(), [2]);
}
