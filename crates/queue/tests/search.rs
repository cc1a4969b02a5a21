//! What a `get` does if the connection of its place cannot be lent as it is: the server is away, the
//! process has a shortage, the caller is in a hurry, a hook refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use threadwise_core::{ConnectError, chain};
use threadwise_queue::{BuildError, CloseReason, GetError, QueuePool, Validation};
use threadwise_testkit::numbers::{ECONNREFUSED, EMFILE, Numbers};
use threadwise_testkit::{Call, FakeConnection, FakeManager, Heard, Scripted, Step, wait};

const LONG: Duration = Duration::from_secs(30);
/// Long enough for a busy machine to make the first attempts in time.
const SHORT: Duration = Duration::from_millis(500);

#[test]
fn a_waiter_outlives_a_failed_attempt_and_is_served_by_a_return() {
    for (code, is_permanent) in [(EMFILE, false), (ECONNREFUSED, false), (ECONNREFUSED, true)] {
        let manager = Numbers::default();
        manager.set_permanent(is_permanent);
        let pool = QueuePool::new(manager.clone(), 2).unwrap();
        pool.get().unwrap().discard(); // now one place is empty
        let borrowed = pool.get().unwrap();
        manager.connect_fails_with(Some(code));
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
    let manager = Numbers::default();
    let pool = QueuePool::new(manager.clone(), 2).unwrap();
    pool.get().unwrap().discard();
    let _borrowed = pool.get().unwrap();
    manager.connect_fails_with(Some(EMFILE));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| pool.get_timeout(LONG).map(|conn| *conn));
        wait::until("the attempt to fail", || pool.state().counters.connect_failures > 0);
        manager.connect_fails_with(None);
        assert_eq!(waiter.join().unwrap().unwrap(), 3);
    });
}

#[test]
fn a_permanent_failure_is_not_tried_again_while_the_waiter_waits() {
    let manager = Numbers::default();
    manager.set_permanent(true);
    let pool = QueuePool::new(manager.clone(), 2).unwrap();
    pool.get().unwrap().discard();
    let _borrowed = pool.get().unwrap();
    manager.connect_fails_with(Some(ECONNREFUSED));
    let error = pool.get_timeout(SHORT).unwrap_err();
    assert!(matches!(error, GetError::TimedOut(_)), "{error:?}");
    assert!(chain(&error).to_string().contains("refused"), "{error:?}");
    assert_eq!(pool.state().counters.connect_failures, 1);
}

#[test]
fn a_get_that_meets_several_empty_places_pauses_between_its_attempts() {
    for (is_permanent, most) in [(false, 10), (true, 1)] {
        let manager = Numbers::default();
        manager.set_permanent(is_permanent);
        let pool = QueuePool::new(manager.clone(), 4).unwrap();
        let borrowed = pool.get().unwrap();
        let others = [(); 3].map(|()| pool.get().unwrap());
        for conn in others {
            conn.discard();
        }
        manager.connect_fails_with(Some(ECONNREFUSED));
        let before = manager.attempts();
        let error = pool.get_timeout(SHORT).unwrap_err();
        assert!(matches!(error, GetError::TimedOut(_)), "{error:?}");
        let attempts = manager.attempts() - before;
        assert!((1..=most).contains(&attempts), "permanent: {is_permanent}; {attempts} attempts");
        thread::scope(|scope| {
            let waiter = scope.spawn(|| pool.get_timeout(LONG).map(|conn| *conn));
            wait::until("its attempt", || manager.attempts() > before + attempts);
            drop(borrowed);
            assert_eq!(waiter.join().unwrap().unwrap(), 1, "served by the return");
        });
    }
}

#[test]
fn a_get_that_waits_without_an_attempt_of_its_own_learns_why_the_last_one_failed() {
    let manager = Numbers::default();
    let pool = QueuePool::new(manager.clone(), 2).unwrap();
    pool.get().unwrap().discard();
    let _borrowed = pool.get().unwrap();
    manager.connect_fails_with(Some(ECONNREFUSED));
    thread::scope(|scope| {
        let first = scope.spawn(|| pool.get_timeout(LONG).map(drop));
        wait::until("its attempt", || pool.state().counters.connect_failures > 0);
        wait::until("no place to be left", || {
            let error = pool.try_get().unwrap_err();
            matches!(&error, GetError::Exhausted(_))
                && chain(&error).to_string().contains("refused")
        });
        manager.connect_fails_with(None);
        first.join().unwrap().unwrap();
    });
}

#[test]
fn a_failed_attempt_is_an_error_at_once_if_no_other_connection_is_open() {
    let manager = Numbers::default();
    let pool = QueuePool::new(manager.clone(), 1).unwrap();
    pool.get().unwrap().discard();
    manager.connect_fails_with(Some(EMFILE));
    let error = pool.get_timeout(LONG).unwrap_err();
    assert!(matches!(error, GetError::ConnectFailed(_)), "{error:?}");
    assert!(chain(&error).to_string().contains("Too many open files"), "{error:?}");
}

#[test]
fn a_caller_in_a_hurry_times_out_and_the_connection_stays() {
    let manager = Numbers::default();
    let pool = QueuePool::builder()
        .size(2)
        .validation(Validation::OnCheckout)
        .build(manager.clone())
        .unwrap();
    manager.validation_takes(Duration::from_millis(20));
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
    let manager = Numbers::default();
    let pool = QueuePool::builder()
        .size(1)
        .validation(Validation::IdleLongerThan(Duration::from_millis(20)))
        .build(manager.clone())
        .unwrap();
    let held = pool.get().unwrap();
    let before = manager.validated(); // a slow machine validates it for this `get`, too
    thread::sleep(Duration::from_millis(30)); // longer than the limit, without an answer of the server
    drop(held);
    drop(pool.get().unwrap());
    assert_eq!(manager.validated(), before + 1, "a return is no sign of life");
    thread::sleep(Duration::from_millis(30));
    manager.set_last_answer(Instant::now() + LONG);
    drop(pool.get().unwrap());
    assert_eq!(manager.validated(), before + 1, "an answer is");
}

#[test]
fn a_timeout_of_zero_leaves_time_to_open_a_lost_connection_again() {
    let pool =
        QueuePool::builder().size(1).get_timeout(Duration::ZERO).build(Numbers::default()).unwrap();
    pool.get().unwrap().discard();
    assert_eq!(*pool.get().unwrap(), 2);
}

#[test]
fn a_hook_that_always_refuses_costs_one_connection_and_the_error_names_it() {
    let manager = Numbers::default();
    let pool = QueuePool::builder()
        .size(3)
        .on_acquire(|_| Err("tenant 7 is locked".into()))
        .build(manager.clone())
        .unwrap();
    let error = pool.get_timeout(SHORT).unwrap_err();
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
        .build(Numbers::default())
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
    let manager = Numbers::default();
    let pool = QueuePool::new(manager.clone(), 1).unwrap();
    manager.set_broken(true);
    let before = manager.opened();
    let error = pool.get_timeout(LONG).unwrap_err();
    assert!(matches!(error, GetError::ConnectFailed(ConnectError::Broken)), "{error:?}");
    assert_eq!(manager.opened() - before, 1);
}

#[test]
fn a_size_out_of_range_is_refused_and_the_error_names_the_range() {
    for size in [0, usize::MAX, u32::MAX as usize] {
        let error = QueuePool::new(Numbers::default(), size).err();
        let Some(BuildError::Setting { name: "size", problem }) = error else { panic!("{size}") };
        assert!(problem.contains("from 1 to 1048576"), "{problem}");
    }
}

#[test]
fn a_validation_timeout_of_zero_is_refused() {
    let error =
        QueuePool::builder().validation_timeout(Duration::ZERO).build(Numbers::default()).err();
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
        .on_connect(move |conn: &mut FakeConnection| {
            counts.fetch_add(1, SeqCst);
            conn.left_behind = None;
            Ok(())
        })
        .build(FakeManager)
        .unwrap();
    drop(pool.get().unwrap());
    assert_eq!((runs.load(SeqCst), pool.state().counters.resets), (1, 0));
    pool.get().unwrap().left_behind = Some("a variable".into());
    assert_eq!((runs.load(SeqCst), pool.state().counters.resets), (2, 1));
    assert_eq!(pool.state().counters.opened, 1);
}

#[test]
fn a_drop_whose_reset_hangs_ends_within_the_validation_timeout() {
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
    let heard = Heard::of_all_but_uses();
    let pool = QueuePool::builder()
        .size(1)
        .name("orders")
        .events(heard.clone())
        .on_return(|_| Err("left a lock behind".into()))
        .build(Numbers::default())
        .unwrap();
    for _ in 0..100 {
        drop(pool.get().unwrap());
    }
    let reports: Vec<_> =
        heard.all().into_iter().filter(|line| line.starts_with("pool orders: ")).collect();
    assert_eq!(reports.len(), 1, "{reports:?}");
    for words in ["pool orders", "a hook refused it", "left a lock behind"] {
        assert!(reports[0].contains(words), "{}", reports[0]);
    }
}
