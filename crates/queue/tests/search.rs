//! What a `get` does if the connection of its place cannot be lent as it is: the server is away, the
//! process has a shortage, the caller is in a hurry, a hook refuses.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use threadwise_core::{ConnectError, chain};
use threadwise_queue::{
    BuildError, CloseReason, Events, GetError, ManageConnection, QueuePool, Report, Validation,
};
use threadwise_testkit::wait;

/// The answers of a manager, which a test sets.
#[derive(Default)]
struct Answers {
    opened: AtomicU32,
    /// The system's error code of each `connect`; `None` if it succeeds.
    connect_fails: Mutex<Option<i32>>,
    is_permanent: AtomicBool,
    /// How long each validation takes before it succeeds.
    validation_takes: Mutex<Duration>,
    /// What `last_answer` returns.
    answered: Mutex<Option<Instant>>,
    validated: AtomicU32,
    /// Whether a connection is broken as soon as it is open.
    born_broken: AtomicBool,
}

#[derive(Clone, Default)]
struct Manager(Arc<Answers>);

impl ManageConnection for Manager {
    type Connection = u32;
    type Error = io::Error;

    fn connect(&self) -> Result<u32, io::Error> {
        match *self.0.connect_fails.lock().unwrap() {
            Some(code) => Err(io::Error::from_raw_os_error(code)),
            None => Ok(self.0.opened.fetch_add(1, SeqCst) + 1),
        }
    }

    fn is_valid(&self, _: &mut u32) -> Result<(), io::Error> {
        self.0.validated.fetch_add(1, SeqCst);
        thread::sleep(*self.0.validation_takes.lock().unwrap());
        Ok(())
    }

    fn has_broken(&self, _: &mut u32) -> bool {
        self.0.born_broken.load(SeqCst)
    }

    fn last_answer(&self, _: &u32) -> Option<Instant> {
        *self.0.answered.lock().unwrap()
    }

    fn is_permanent(&self, _: &io::Error) -> bool {
        self.0.is_permanent.load(SeqCst)
    }

    fn address(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some("db:1".into())
    }
}

const EMFILE: i32 = 24;
const ECONNREFUSED: i32 = 111;
const LONG: Duration = Duration::from_secs(30);

#[test]
fn a_waiter_outlives_a_failed_attempt_and_is_served_by_a_return() {
    for (code, is_permanent) in [(EMFILE, false), (ECONNREFUSED, false), (ECONNREFUSED, true)] {
        let manager = Manager::default();
        manager.0.is_permanent.store(is_permanent, SeqCst);
        let pool = QueuePool::new(manager.clone(), 2).unwrap();
        pool.get().unwrap().discard(); // now one place is empty
        let borrowed = pool.get().unwrap();
        *manager.0.connect_fails.lock().unwrap() = Some(code);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| pool.get_timeout(LONG).map(|conn| *conn));
            wait::until("the attempt to fail", || pool.state().counters.connect_failures > 0);
            assert!(!waiter.is_finished());
            drop(borrowed);
            assert_eq!(waiter.join().unwrap().unwrap(), 2);
        });
    }
}

#[test]
fn a_waiter_whose_attempt_failed_is_served_when_the_shortage_is_over() {
    let manager = Manager::default();
    let pool = QueuePool::new(manager.clone(), 2).unwrap();
    pool.get().unwrap().discard();
    let _borrowed = pool.get().unwrap();
    *manager.0.connect_fails.lock().unwrap() = Some(EMFILE);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pool.get_timeout(LONG).map(|conn| *conn));
        wait::until("the attempt to fail", || pool.state().counters.connect_failures > 0);
        *manager.0.connect_fails.lock().unwrap() = None;
        assert_eq!(waiter.join().unwrap().unwrap(), 3);
    });
}

#[test]
fn a_permanent_failure_is_not_tried_again_while_the_waiter_waits() {
    let manager = Manager::default();
    manager.0.is_permanent.store(true, SeqCst);
    let pool = QueuePool::new(manager.clone(), 2).unwrap();
    pool.get().unwrap().discard();
    let _borrowed = pool.get().unwrap();
    *manager.0.connect_fails.lock().unwrap() = Some(ECONNREFUSED);
    let error = pool.get_timeout(Duration::from_millis(100)).unwrap_err();
    assert!(matches!(error, GetError::TimedOut(_)), "{error:?}");
    assert!(chain(&error).to_string().contains("refused"), "{error:?}");
    assert_eq!(pool.state().counters.connect_failures, 1);
}

#[test]
fn a_failed_attempt_is_an_error_at_once_if_no_other_connection_is_open() {
    let manager = Manager::default();
    let pool = QueuePool::new(manager.clone(), 1).unwrap();
    pool.get().unwrap().discard();
    *manager.0.connect_fails.lock().unwrap() = Some(EMFILE);
    let error = pool.get_timeout(LONG).unwrap_err();
    assert!(matches!(error, GetError::ConnectFailed(_)), "{error:?}");
    assert!(chain(&error).to_string().contains("Too many open files"), "{error:?}");
}

#[test]
fn a_caller_in_a_hurry_times_out_and_the_connection_stays() {
    let manager = Manager::default();
    let pool = QueuePool::builder()
        .size(2)
        .validation(Validation::OnCheckout)
        .build(manager.clone())
        .unwrap();
    *manager.0.validation_takes.lock().unwrap() = Duration::from_millis(20);
    for _ in 0..10 {
        let error = pool.get_timeout(Duration::from_millis(5)).unwrap_err();
        assert!(matches!(error, GetError::TimedOut(_)), "{error:?}");
        assert!(error.to_string().starts_with("no connection to db:1 within"), "{error}");
    }
    let state = pool.state();
    assert_eq!((state.open, state.idle, state.counters.closed_total()), (2, 2, 0));
    drop(pool.get().unwrap());
}

#[test]
fn idle_time_counts_from_the_last_answer_and_not_from_the_return() {
    let manager = Manager::default();
    let pool = QueuePool::builder()
        .size(1)
        .validation(Validation::IdleLongerThan(Duration::from_millis(20)))
        .build(manager.clone())
        .unwrap();
    let validated = || manager.0.validated.load(SeqCst);
    let held = pool.get().unwrap();
    thread::sleep(Duration::from_millis(30)); // longer than the limit, without an answer of the server
    drop(held);
    drop(pool.get().unwrap());
    assert_eq!(validated(), 1, "a return is no sign of life");
    thread::sleep(Duration::from_millis(30));
    *manager.0.answered.lock().unwrap() = Some(Instant::now() + LONG);
    drop(pool.get().unwrap());
    assert_eq!(validated(), 1, "an answer is");
}

#[test]
fn a_timeout_of_zero_leaves_time_to_open_a_lost_connection_again() {
    let pool =
        QueuePool::builder().size(1).get_timeout(Duration::ZERO).build(Manager::default()).unwrap();
    pool.get().unwrap().discard();
    assert_eq!(*pool.get().unwrap(), 2);
}

#[test]
fn a_hook_that_always_refuses_costs_one_connection_and_the_error_names_it() {
    let manager = Manager::default();
    let pool = QueuePool::builder()
        .size(3)
        .on_acquire(|_| Err("tenant 7 is locked".into()))
        .build(manager.clone())
        .unwrap();
    let error = pool.get_timeout(Duration::from_millis(200)).unwrap_err();
    assert!(matches!(error, GetError::TimedOut(_)), "{error:?}");
    let text = chain(&error).to_string();
    assert!(text.contains("`on_acquire`") && text.contains("tenant 7 is locked"), "{text}");
    let state = pool.state();
    assert_eq!((state.open, state.counters.closed(CloseReason::Vetoed)), (3, 1));
    assert_eq!(state.counters.opened, 4);
    let error = pool.try_get().unwrap_err();
    assert!(chain(&error).to_string().contains("tenant 7 is locked"), "{error:?}");
}

#[test]
fn a_get_that_pauses_between_refusals_ends_when_the_pool_is_closed() {
    let pool = QueuePool::builder()
        .size(1)
        .get_timeout(None)
        .on_acquire(|_| Err("never".into()))
        .build(Manager::default())
        .unwrap();
    thread::scope(|scope| {
        let refused = scope.spawn(|| pool.get().map(drop));
        wait::until("a second refusal", || pool.state().counters.opened == 2);
        pool.close();
        assert!(matches!(refused.join().unwrap(), Err(GetError::Closed)));
    });
}

#[test]
fn a_server_that_fails_every_validation_costs_each_get_one_connection() {
    use threadwise_testkit::{Call, FakeManager, Scripted, Step};
    let manager = Scripted::new(FakeManager);
    let script = manager.script();
    let pool =
        QueuePool::builder().size(1).validation(Validation::OnCheckout).build(manager).unwrap();
    script.always(Call::IsValid, Step::Fail);
    for gets in 1..4 {
        drop(
            pool.get_timeout(LONG)
                .expect("the pool does not validate a connection that was just opened"),
        );
        let counters = pool.state().counters;
        assert_eq!((counters.opened, counters.closed(CloseReason::Invalid)), (1 + gets, gets));
    }
}

#[test]
fn a_connection_that_is_broken_as_soon_as_it_is_open_is_a_failed_attempt() {
    let manager = Manager::default();
    let pool = QueuePool::new(manager.clone(), 1).unwrap();
    manager.0.born_broken.store(true, SeqCst);
    let before = manager.0.opened.load(SeqCst);
    let error = pool.get_timeout(LONG).unwrap_err();
    assert!(matches!(error, GetError::ConnectFailed(ConnectError::Broken)), "{error:?}");
    assert_eq!(manager.0.opened.load(SeqCst) - before, 1);
}

#[test]
fn a_size_out_of_range_is_refused_and_the_error_names_the_range() {
    for size in [0, usize::MAX, u32::MAX as usize] {
        let error = QueuePool::new(Manager::default(), size).err();
        let Some(BuildError::Setting { name: "size", problem }) = error else { panic!("{size}") };
        assert!(problem.contains("from 1 to 1048576"), "{problem}");
    }
}

#[test]
fn a_validation_timeout_of_zero_is_refused() {
    let error =
        QueuePool::builder().validation_timeout(Duration::ZERO).build(Manager::default()).err();
    let Some(BuildError::Setting { name: "validation_timeout", .. }) = error else {
        panic!("{error:?}")
    };
}

#[test]
fn on_connect_runs_again_after_each_reset_and_does_not_count_as_a_change() {
    let runs = Arc::new(AtomicU32::new(0));
    let counts = Arc::clone(&runs);
    let pool = QueuePool::builder()
        .size(1)
        .on_connect(move |conn: &mut threadwise_testkit::FakeConnection| {
            counts.fetch_add(1, SeqCst);
            conn.left_behind = None;
            Ok(())
        })
        .build(threadwise_testkit::FakeManager)
        .unwrap();
    drop(pool.get().unwrap());
    assert_eq!((runs.load(SeqCst), pool.state().counters.resets), (1, 0));
    pool.get().unwrap().left_behind = Some("a variable".into());
    assert_eq!((runs.load(SeqCst), pool.state().counters.resets), (2, 1));
    assert_eq!(pool.state().counters.opened, 1);
}

#[test]
fn a_drop_whose_reset_hangs_ends_within_the_validation_timeout() {
    use threadwise_testkit::{Call, FakeManager, Scripted};
    let manager = Scripted::new(FakeManager);
    let script = manager.script();
    let pool = QueuePool::builder()
        .size(1)
        .validation_timeout(Duration::from_millis(50))
        .build(manager)
        .unwrap();
    let gate = script.hang_next(Call::Reset); // closed until the test has ended
    pool.get().unwrap().left_behind = Some("a variable".into());
    assert_eq!(pool.state().counters.closed(CloseReason::ResetFailed), 1);
    drop(gate);
    assert_eq!(pool.get().unwrap().left_behind, None);
}

#[test]
fn connections_that_are_closed_at_each_return_are_reported_once() {
    #[derive(Clone, Default)]
    struct Reports(Arc<Mutex<Vec<String>>>);
    impl Events for Reports {
        fn watches_uses(&self) -> bool {
            false
        }
        fn report(&self, report: &Report<'_>) {
            self.0.lock().unwrap().push(report.to_string());
        }
    }
    let reports = Reports::default();
    let pool = QueuePool::builder()
        .size(1)
        .name("orders")
        .events(reports.clone())
        .on_return(|_| Err("left a lock behind".into()))
        .build(Manager::default())
        .unwrap();
    for _ in 0..100 {
        drop(pool.get().unwrap());
    }
    let reports = reports.0.lock().unwrap();
    assert_eq!(reports.len(), 1, "{reports:?}");
    for words in ["pool orders", "a hook refused it", "left a lock behind"] {
        assert!(reports[0].contains(words), "{}", reports[0]);
    }
}
