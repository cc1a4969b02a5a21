//! What a `get` and a return do if a connection cannot be lent or taken back as it is: the server is away,
//! the process has a shortage, the caller is in a hurry, a hook refuses, a panic.

mod common;

use std::io;
use std::panic::{self, AssertUnwindSafe, panic_any, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use threadwise_core::{CloseReason, ConnectError, chain};
use threadwise_persistent::{
    BuildError, GetError, ManageConnection, PersistentPool, Reset, Validation,
};
use threadwise_testkit::numbers::{ECONNREFUSED, EMFILE, Numbers};
use threadwise_testkit::{Call, FakeConnection, FakeManager, Heard, wait};

use common::rig;

const LONG: Duration = Duration::from_secs(30);
/// Long enough for a busy machine to make the first attempts in time.
const SHORT: Duration = Duration::from_millis(500);

/// Runs `test` while another thread has a connection of the pool. That thread ends when `test` calls its
/// argument, or when `test` returns.
fn beside_a_holder(pool: &PersistentPool<Numbers>, test: impl FnOnce(&dyn Fn())) {
    let [held, over] = [(); 2].map(|()| Barrier::new(2));
    let is_over = AtomicBool::new(false);
    let end = || {
        if !is_over.swap(true, SeqCst) {
            over.wait();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let _conn = pool.get().unwrap();
            held.wait();
            over.wait();
        });
        held.wait();
        let _end = wait::AtEnd(&end);
        test(&end);
    });
}

#[test]
fn a_get_outlasts_a_shortage_of_descriptors_while_another_thread_has_a_connection() {
    for max_overflow in [0, 2] {
        let manager = Numbers::default();
        let pool = PersistentPool::builder()
            .max_overflow(max_overflow)
            .build_lazy(manager.clone())
            .unwrap();
        beside_a_holder(&pool, |_| {
            let _own = (max_overflow > 0).then(|| pool.get().unwrap());
            let open = pool.state().open;
            manager.connect_fails_with(Some(EMFILE));
            thread::scope(|scope| {
                let repair = scope.spawn(|| {
                    wait::until("the attempt to fail", || {
                        let state = pool.state();
                        state.waiting == 1 && state.counters.connect_failures > 0
                    });
                    assert_eq!((pool.state().open, pool.state().connecting), (open, 1));
                    manager.connect_fails_with(None);
                });
                let conn = pool.get_timeout(LONG).expect("the shortage is over");
                assert_eq!(*conn, u32::try_from(open).unwrap() + 1);
                repair.join().unwrap();
            });
        });
        assert_eq!(pool.state().counters.closed(CloseReason::Invalid), 0);
        assert_eq!(pool.state().counters.timeouts, 0);
    }
}

/// Asserts that a `get` that pauses notices something at once, and not only after its pause. `round`
/// returns how long the `get` takes to notice. A busy machine prolongs some rounds.
fn assert_at_once(round: impl Fn() -> Duration) {
    const PAUSE: Duration = Duration::from_millis(640); // after the seventh failure; then a second
    let times: Vec<_> = (0..10).map(|_| round()).take_while(|time| *time > PAUSE * 3 / 4).collect();
    assert!(times.len() < 10, "{times:?}");
}

/// Waits until a `get` pauses for at least 640 ms.
fn await_long_pause(pool: &PersistentPool<Numbers>) {
    wait::until("attempts to fail", || pool.state().counters.connect_failures >= 7);
    wait::until("the `get` to pause", || pool.state().waiting == 1);
}

#[test]
fn a_get_that_lacks_a_descriptor_is_served_at_once_when_another_thread_ends() {
    assert_at_once(|| {
        let manager = Numbers::default();
        let pool = PersistentPool::builder().max_threads(2).build_lazy(manager.clone()).unwrap();
        let mut took = Duration::ZERO;
        beside_a_holder(&pool, |end| {
            manager.connect_fails_with(Some(EMFILE));
            thread::scope(|scope| {
                let getter = scope.spawn(|| pool.get_timeout(LONG).map(|conn| *conn));
                await_long_pause(&pool);
                manager.connect_fails_with(None);
                let begin = Instant::now();
                end();
                assert_eq!(getter.join().unwrap().unwrap(), 2);
                took = begin.elapsed();
            });
        });
        took
    });
}

#[test]
fn a_shortage_that_lasts_is_named_at_the_deadline_and_closes_nothing() {
    let manager = Numbers::default();
    let pool = PersistentPool::builder().build_lazy(manager.clone()).unwrap();
    beside_a_holder(&pool, |_| {
        manager.connect_fails_with(Some(EMFILE));
        let error = pool.get_timeout(SHORT).unwrap_err();
        assert!(matches!(error, GetError::TimedOut(_)), "{error:?}");
        assert!(chain(&error).to_string().contains("Too many open files"), "{error:?}");
        let attempts = pool.state().counters.connect_failures;
        assert!((1..=8).contains(&attempts), "{attempts} attempts, with longer and longer pauses");
        let state = pool.state();
        assert_eq!((state.open, state.connecting, state.waiting), (1, 0, 0));
        assert_eq!(state.counters.closed_total(), 0);
    });
}

#[test]
fn a_caller_that_does_not_wait_gets_the_shortage_as_an_error_at_once() {
    let manager = Numbers::default();
    let pool = PersistentPool::builder().build_lazy(manager.clone()).unwrap();
    beside_a_holder(&pool, |_| {
        manager.connect_fails_with(Some(EMFILE));
        for result in [pool.try_get(), pool.get_timeout(Duration::ZERO)] {
            let error = result.unwrap_err();
            assert!(matches!(error, GetError::ConnectFailed(_)), "{error:?}");
            assert!(chain(&error).to_string().contains("Too many open files"), "{error:?}");
        }
        assert_eq!(pool.state().counters.connect_failures, 2);
    });
}

#[test]
fn a_shortage_that_no_connection_of_the_pool_can_end_is_an_error_at_once() {
    let manager = Numbers::default();
    let pool = PersistentPool::builder().max_overflow(1).build_lazy(manager.clone()).unwrap();
    let own = pool.get().unwrap(); // this thread cannot return it while it waits
    manager.connect_fails_with(Some(EMFILE));
    let error = pool.get_timeout(LONG).unwrap_err();
    assert!(matches!(error, GetError::ConnectFailed(_)), "{error:?}");
    own.discard();
    let error = pool.get_timeout(LONG).unwrap_err();
    assert!(matches!(error, GetError::ConnectFailed(_)), "{error:?}");
    assert_eq!(pool.state().open, 0);
}

#[test]
fn a_server_that_refuses_is_an_error_at_once_since_no_return_could_serve_the_thread() {
    let manager = Numbers::default();
    let pool = PersistentPool::builder().build_lazy(manager.clone()).unwrap();
    beside_a_holder(&pool, |_| {
        manager.connect_fails_with(Some(ECONNREFUSED));
        let error = pool.get_timeout(LONG).unwrap_err();
        assert!(matches!(error, GetError::ConnectFailed(_)), "{error:?}");
        assert_eq!(pool.state().counters.connect_failures, 1);
    });
}

#[test]
fn connections_that_are_closed_at_each_return_are_reported_once() {
    let heard = Heard::of_all_but_uses();
    let pool = PersistentPool::builder()
        .name("orders")
        .events(heard.clone())
        .on_return(|_| Err("left a lock behind".into()))
        .build_lazy(Numbers::default())
        .unwrap();
    for _ in 0..100 {
        drop(pool.get().unwrap());
    }
    let reports: Vec<_> =
        heard.all().into_iter().filter(|line| line.starts_with("pool orders: ")).collect();
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(reports[0].contains("pool orders") && reports[0].contains("left a lock behind"));
}

#[test]
fn a_get_that_pauses_ends_when_the_pool_is_closed() {
    assert_at_once(|| {
        let manager = Numbers::default();
        let pool = PersistentPool::builder().build_lazy(manager.clone()).unwrap();
        let mut took = Duration::ZERO;
        beside_a_holder(&pool, |_| {
            manager.connect_fails_with(Some(EMFILE));
            thread::scope(|scope| {
                let getter = scope.spawn(|| pool.get_timeout(LONG).map(|conn| *conn));
                await_long_pause(&pool);
                let begin = Instant::now();
                pool.close();
                let result = getter.join().unwrap();
                assert!(matches!(result, Err(GetError::Closed)), "{result:?}");
                took = begin.elapsed();
                assert_eq!(pool.state().counters.waits, 1);
            });
        });
        assert_eq!(pool.state().open, 0);
        took
    });
}

#[test]
fn a_shortage_of_descriptors_during_validation_does_not_cost_a_connection() {
    let manager = Numbers::default();
    let pool = PersistentPool::builder()
        .validation(Validation::OnCheckout)
        .build_lazy(manager.clone())
        .unwrap();
    drop(pool.get().unwrap());
    manager.connect_fails_with(Some(EMFILE));
    manager.validation_fails_with(Some(EMFILE));
    assert_eq!(*pool.get().unwrap(), 1);
    assert_eq!(pool.state().counters.closed_total(), 0);
}

#[test]
fn a_hook_that_always_refuses_costs_one_connection_and_the_error_names_it() {
    for max_overflow in [0, 1] {
        let manager = Numbers::default();
        let pool = PersistentPool::builder()
            .max_overflow(max_overflow)
            .on_acquire(|_| Err("tenant 7 is locked".into()))
            .build_lazy(manager.clone())
            .unwrap();
        for round in 0..2 {
            let before = manager.opened();
            let error = pool.get_timeout(SHORT).unwrap_err();
            assert!(matches!(error, GetError::TimedOut(_)), "{error:?}");
            let text = chain(&error).to_string();
            assert!(text.contains("`on_acquire`") && text.contains("tenant 7 is locked"), "{text}");
            assert!(manager.opened() - before <= 2);
            let state = pool.state();
            assert_eq!(
                (state.open, state.idle, state.waiting),
                (1, 1, 0),
                "the thread keeps the second connection"
            );
            assert_eq!(state.counters.closed(CloseReason::Vetoed), round + 1);
        }
        let before = manager.opened();
        let error = pool.try_get().unwrap_err();
        assert!(chain(&error).to_string().contains("tenant 7 is locked"), "{error:?}");
        assert!(manager.opened() - before <= 1);
    }
}

#[test]
fn a_hook_that_refuses_overflow_costs_two_connections_and_the_error_names_it() {
    let manager = Numbers::default();
    let pool = PersistentPool::builder()
        .max_overflow(1)
        .on_acquire(|conn| if *conn == 1 { Ok(()) } else { Err("tenant 7 is locked".into()) })
        .build_lazy(manager.clone())
        .unwrap();
    let own = pool.get().unwrap();
    let error = pool.get_timeout(SHORT).unwrap_err();
    assert!(matches!(error, GetError::TimedOut(_)), "{error:?}");
    assert!(chain(&error).to_string().contains("tenant 7 is locked"), "{error:?}");
    let error = pool.try_get().unwrap_err();
    assert!(chain(&error).to_string().contains("tenant 7 is locked"), "{error:?}");
    assert_eq!((manager.opened(), pool.state().open), (5, 1));
    drop(own);
    assert_eq!((pool.state().open, pool.state().idle), (1, 1));
}

#[test]
fn a_get_that_the_hook_refuses_is_served_once_the_hook_accepts() {
    let lets = Arc::new(AtomicBool::new(false));
    let asks = Arc::clone(&lets);
    let manager = Numbers::default();
    let pool = PersistentPool::builder()
        .on_acquire(move |_| if asks.load(SeqCst) { Ok(()) } else { Err("not yet".into()) })
        .build_lazy(manager.clone())
        .unwrap();
    thread::scope(|scope| {
        let getter = scope.spawn(|| pool.get_timeout(LONG).map(|conn| *conn));
        wait::until("the `get` to pause", || pool.state().waiting == 1);
        lets.store(true, SeqCst);
        assert_eq!(getter.join().unwrap().unwrap(), 2);
    });
}

#[test]
fn a_thread_that_the_hook_refuses_costs_other_threads_no_connection() {
    thread_local! { static IS_REFUSED: AtomicBool = const { AtomicBool::new(false) }; }
    let manager = Numbers::default();
    let pool = PersistentPool::builder()
        .on_acquire(|_| {
            let is_refused = IS_REFUSED.with(|refused| refused.load(SeqCst));
            if is_refused { Err("tenant 7 is locked".into()) } else { Ok(()) }
        })
        .build_lazy(manager.clone())
        .unwrap();
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let own = *pool.get().unwrap();
                while !is_over.load(SeqCst) {
                    assert_eq!(*pool.get().unwrap(), own);
                }
            });
        }
        scope.spawn(|| {
            let _end = wait::AtEnd(|| is_over.store(true, SeqCst));
            IS_REFUSED.with(|refused| refused.store(true, SeqCst));
            assert!(pool.get_timeout(SHORT).is_err());
        });
    });
    assert_eq!(manager.opened(), 6);
}

#[test]
fn a_connection_that_is_broken_as_soon_as_it_is_open_is_a_failed_attempt() {
    let manager = Numbers::default();
    manager.set_broken(true);
    let pool = PersistentPool::builder().max_overflow(1).build_lazy(manager.clone()).unwrap();
    let error = pool.get_timeout(LONG).unwrap_err();
    assert!(matches!(error, GetError::ConnectFailed(ConnectError::Broken)), "{error:?}");
    assert_eq!((manager.opened(), pool.state().open), (1, 0));
    assert_eq!(manager.closed(), 1);
}

#[test]
fn a_caller_in_a_hurry_times_out_and_its_thread_keeps_the_connection() {
    for validation in [Validation::OnCheckout, Validation::IdleLongerThan(Duration::ZERO)] {
        let rig = rig(|pool| pool.validation(validation));
        assert_eq!(rig.id(), 1);
        let gate = rig.script.hang_next(Call::IsValid);
        let _open_at_end = gate.open_at_end();
        for _ in 0..10 {
            let error = rig.pool.get_timeout(Duration::from_millis(5)).map(|conn| conn.id());
            assert!(matches!(error, Err(GetError::TimedOut(_))), "{error:?}");
        }
        let state = rig.pool.state();
        assert_eq!((state.open, state.idle, state.counters.closed_total()), (1, 1, 0));
        assert_eq!(state.counters.timeouts, 10);
        gate.open();
        assert_eq!(rig.id(), 1, "the late answer serves the next get");
    }
}

#[test]
fn idle_time_counts_from_the_last_answer_and_not_from_the_return() {
    let manager = Numbers::default();
    let pool = PersistentPool::builder()
        .validation(Validation::IdleLongerThan(Duration::from_millis(20)))
        .build_lazy(manager.clone())
        .unwrap();
    let held = pool.get().unwrap();
    thread::sleep(Duration::from_millis(30)); // longer than the limit, without an answer of the server
    drop(held);
    drop(pool.get().unwrap());
    assert_eq!(manager.validated(), 1, "a return is no sign of life");
    thread::sleep(Duration::from_millis(30));
    manager.set_last_answer(Instant::now() + LONG);
    drop(pool.get().unwrap());
    assert_eq!(manager.validated(), 1, "an answer is");
}

#[test]
fn a_timeout_of_zero_leaves_time_to_open_a_lost_connection_again() {
    let manager = Numbers::default();
    let pool = PersistentPool::builder()
        .get_timeout(Duration::ZERO)
        .max_overflow(1)
        .build_lazy(manager.clone())
        .unwrap();
    let has_time = || {
        let limit = manager.take_connect_limit();
        limit.is_some_and(|limit| limit > Duration::from_secs(1))
    };
    pool.get().unwrap().discard();
    assert!(has_time());
    let mut conn = pool.get().unwrap();
    let mut beside = pool.get().unwrap();
    for (conn, expected) in [(&mut conn, 4), (&mut beside, 5)] {
        assert!(has_time());
        let mut runs = 0;
        let steady = conn.steady(|conn| {
            runs += 1;
            if runs == 1 { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(*conn) }
        });
        assert_eq!(steady.unwrap(), expected);
    }
    assert!(has_time());
    drop(PersistentPool::builder().get_timeout(Duration::ZERO).build(manager.clone()).unwrap());
    assert!(has_time());
}

#[test]
fn a_drop_whose_reset_hangs_ends_within_the_validation_timeout() {
    for max_overflow in [0, 1] {
        let rig = rig(|pool| {
            pool.max_overflow(max_overflow).validation_timeout(Duration::from_millis(50))
        });
        let gate = rig.script.hang_next(Call::Reset); // closed until the test has ended
        rig.get().mark = Some("changed");
        assert_eq!(rig.closed(CloseReason::ResetFailed), 1);
        drop(gate);
        assert_eq!(rig.get().mark, None);
    }
    let rig = rig(|pool| pool.validation_timeout(Duration::from_millis(50)));
    let gate = rig.script.hang_next(Call::Reset);
    {
        let _sharers = [rig.pool.share().unwrap(), rig.pool.share().unwrap()];
        _sharers[0].in_transaction.store(true, SeqCst);
    }
    assert_eq!(rig.closed(CloseReason::ResetFailed), 1);
    drop(gate);
}

#[test]
fn every_borrower_finds_what_on_connect_set_on_one_connection() {
    for reset in [Reset::Always, Reset::WhenChanged, Reset::InTransaction, Reset::Never] {
        let runs = Arc::new(AtomicU32::new(0));
        let counts = Arc::clone(&runs);
        let rig = rig(|pool| {
            pool.reset(reset).on_connect(move |conn: &mut common::Connection| {
                counts.fetch_add(1, SeqCst);
                conn.mark = Some("set up");
                Ok(())
            })
        });
        for _ in 0..10 {
            let conn = rig.get();
            assert_eq!((conn.id(), conn.mark), (1, Some("set up")), "{reset:?}");
            conn.in_transaction.store(true, SeqCst);
        }
        let state = rig.pool.state();
        assert_eq!(state.counters.opened, 1);
        assert_eq!(u64::from(runs.load(SeqCst)), state.counters.resets + 1, "after each reset");
    }
}

#[test]
fn a_check_that_ends_after_the_pool_was_closed_lends_nothing() {
    for validation in [Validation::OnCheckout, Validation::IdleLongerThan(Duration::ZERO)] {
        let rig = rig(|pool| pool.validation(validation));
        thread::scope(|scope| {
            let user = scope.spawn(|| {
                assert_eq!(rig.id(), 1);
                let gate = rig.script.hang_next(Call::IsValid);
                let _open_at_end = gate.open_at_end();
                thread::scope(|scope| {
                    scope.spawn(|| {
                        gate.await_arrivals(1);
                        rig.pool.close();
                        gate.open();
                    });
                    let result = rig.pool.get().map(|conn| conn.id());
                    assert!(matches!(result, Err(GetError::Closed)), "{result:?}");
                    assert_eq!(rig.ledger.open(), 0);
                });
            });
            user.join().unwrap();
        });
        assert_eq!(rig.closed(CloseReason::PoolClosed), 1);
    }
}

#[test]
fn sizes_out_of_range_are_refused_and_other_extreme_settings_are_no_limit() {
    let pool = PersistentPool::<FakeManager>::builder;
    let refused = [
        ("max_threads", pool().max_threads(usize::MAX), "from 1 to 1048576"),
        ("max_threads", pool().max_threads(0), "from 1 to 1048576"),
        ("max_overflow", pool().max_overflow(usize::MAX), "at most 1048576"),
        ("validation_timeout", pool().validation_timeout(Duration::ZERO), "is zero"),
    ];
    for (expected, settings, words) in refused {
        let Err(BuildError::Setting { name, problem }) = settings.build_lazy(FakeManager) else {
            panic!("{expected}")
        };
        assert!(name == expected && problem.contains(words), "{name}: {problem}");
    }
    let pool = pool()
        .max_threads(1 << 20)
        .max_overflow(1 << 20)
        .max_lifetime(Duration::MAX)
        .idle_timeout(Duration::MAX)
        .max_uses(u64::MAX)
        .get_timeout(Duration::MAX)
        .validation_timeout(Duration::MAX)
        .validation(Validation::IdleLongerThan(Duration::MAX))
        .build(FakeManager)
        .unwrap();
    let own = pool.get().unwrap();
    drop(pool.get_timeout(Duration::MAX).unwrap());
    drop(own);
    assert_eq!((pool.state().max_size, pool.state().open), (Some(1 << 21), 1));
}

/// Panics when it is dropped, unless the thread is panicking already.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !thread::panicking() {
            resume_unwind(Box::new("as planned"));
        }
    }
}

/// A manager that panics in the call that `at` names, with a payload that panics when it is dropped. May
/// also panic when it is dropped itself.
#[derive(Default)]
struct Hostile {
    at: Arc<Mutex<&'static str>>,
    _bomb: Option<Bomb>,
}

impl Hostile {
    fn come_to(&self, call: &'static str) {
        if *self.at.lock().unwrap() == call {
            panic_any(Bomb);
        }
    }
}

impl ManageConnection for Hostile {
    type Connection = FakeConnection;
    type Error = std::convert::Infallible;

    fn connect(&self) -> Result<FakeConnection, Self::Error> {
        self.come_to("connect");
        FakeManager.connect()
    }

    fn is_valid(&self, _: &mut FakeConnection) -> Result<(), Self::Error> {
        self.come_to("is_valid");
        Ok(())
    }

    fn has_broken(&self, _: &mut FakeConnection) -> bool {
        self.come_to("has_broken");
        false
    }

    fn reset(&self, _: &mut FakeConnection) -> Result<(), Self::Error> {
        self.come_to("reset");
        Ok(())
    }

    fn close(&self, _: FakeConnection) {
        self.come_to("close");
    }
}

#[test]
fn a_panic_whose_payload_panics_costs_no_capacity() {
    let manager = Hostile::default();
    let at = Arc::clone(&manager.at);
    let (acquired, returned) = (Arc::clone(&at), Arc::clone(&at));
    let pool =
        PersistentPool::builder()
            .max_threads(1)
            .max_overflow(1)
            .validation(Validation::OnCheckout)
            .reset(Reset::Always)
            .get_timeout(Duration::ZERO)
            .on_acquire(move |_| {
                if *acquired.lock().unwrap() == "on_acquire" { panic_any(Bomb) } else { Ok(()) }
            })
            .on_return(move |_| {
                if *returned.lock().unwrap() == "on_return" { panic_any(Bomb) } else { Ok(()) }
            })
            .build_lazy(manager)
            .unwrap();
    let calls = ["connect", "is_valid", "has_broken", "reset", "close", "on_acquire", "on_return"];
    for call in calls {
        let own = pool.get().unwrap();
        let beside = pool.get().unwrap();
        *at.lock().unwrap() = call;
        let ended = panic::catch_unwind(AssertUnwindSafe(|| {
            drop(beside);
            drop(own);
            let _ = pool.get();
            if let Ok(conn) = pool.get() {
                conn.discard();
            }
        }));
        assert!(ended.is_ok(), "{call}");
        *at.lock().unwrap() = "";
        drop(pool.get().expect(call));
        let state = pool.state();
        assert_eq!((state.open, state.idle, state.connecting), (1, 1, 0), "{call}");
        let elsewhere = thread::scope(|scope| scope.spawn(|| pool.try_get().is_err()).join());
        assert!(elsewhere.unwrap(), "{call}: the limit is exact");
    }
}

#[test]
fn a_manager_that_panics_when_it_is_dropped_does_not_end_the_process_with_a_thread() {
    let manager = Hostile { _bomb: Some(Bomb), ..Hostile::default() };
    let at = Arc::clone(&manager.at);
    let pool = PersistentPool::builder().build_lazy(manager).unwrap();
    // A thread forgets its guard, so that its slot and its connection outlive the pool.
    let [forgotten, dropped] = [(); 2].map(|()| Arc::new(Barrier::new(2)));
    let thread = thread::spawn({
        let (pool, forgotten, dropped) =
            (pool.clone(), Arc::clone(&forgotten), Arc::clone(&dropped));
        move || {
            std::mem::forget(pool.get().unwrap());
            drop(pool);
            forgotten.wait();
            dropped.wait();
        }
    });
    forgotten.wait();
    let _ = panic::catch_unwind(AssertUnwindSafe(|| drop(pool)));
    *at.lock().unwrap() = "close";
    dropped.wait();
    thread.join().unwrap();
}

#[test]
fn another_thread_can_read_the_state_while_a_hook_runs() {
    let rig = Arc::new(std::sync::OnceLock::<common::Rig>::new());
    let asks = Arc::clone(&rig);
    let made = common::rig(|pool| {
        pool.on_acquire(move |_| {
            let rig = Arc::clone(&asks);
            thread::spawn(move || rig.get().map(|rig| rig.pool.state().open)).join().unwrap();
            Ok(())
        })
    });
    assert!(rig.set(made).is_ok());
    let rig = rig.get().unwrap();
    assert_eq!(rig.id(), 1);
}
