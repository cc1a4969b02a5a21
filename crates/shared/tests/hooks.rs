//! The hooks: a program's own functions, which the pool calls with each connection.

mod common;

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use threadwise_core::{CloseReason, ConnectError, GetError, Validation, chain};
use threadwise_shared::HookError;
use threadwise_testkit::{Call, Step, wait};

use common::{Connection, MINUTE, SECOND, rig};

/// The connections that a hook has seen, and the threads on which it ran.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(u64, thread::Thread)>>>);

impl Seen {
    fn hook(&self) -> impl Fn(&mut Connection) -> Result<(), HookError> + use<> {
        let seen = Arc::clone(&self.0);
        move |conn| {
            seen.lock().unwrap().push((conn.id(), thread::current()));
            Ok(())
        }
    }

    fn ids(&self) -> Vec<u64> {
        self.0.lock().unwrap().iter().map(|(id, _)| *id).collect()
    }

    fn threads(&self) -> Vec<thread::Thread> {
        self.0.lock().unwrap().iter().map(|(_, thread)| thread.clone()).collect()
    }
}

fn refuses_or_panics(panics: bool) -> Result<(), HookError> {
    if panics {
        panic_quietly()
    }
    Err("not this one".into())
}

fn panic_quietly() -> ! {
    panic::resume_unwind(Box::new("as planned")) // resumes without the hook that prints
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
    drop(conn); // the hook sees it before the reset
    let conn = rig.get();
    assert_eq!(conn.id(), 1);
    drop(conn);
    rig.await_closed(CloseReason::Vetoed, 1);
}

#[test]
fn hooks_are_called_once_for_each_session_each_borrower_and_each_return() {
    let [connected, acquired, returned] = [(); 3].map(|()| Seen::default());
    let rig = rig(|pool| {
        let pool = pool.max_size(1).on_connect(connected.hook());
        pool.on_acquire(acquired.hook()).on_return(returned.hook())
    });
    drop(rig.get());
    thread::scope(|scope| {
        let held = rig.get();
        let waiter = scope.spawn(|| drop(rig.get()));
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        drop(held);
        waiter.join().unwrap(); // a connection that is handed off counts too
    });
    rig.get().discard(); // does not come back
    rig.await_closed(CloseReason::Discarded, 1);
    drop(rig.get().detach()); // neither does this
    assert_eq!(connected.ids(), [1, 1, 1, 1, 2], "a connection that was opened, or reset");
    assert_eq!(acquired.ids(), [1, 1, 1, 1, 2]);
    assert_eq!(returned.ids(), [1, 1, 1]);
}

#[test]
fn each_hook_runs_on_the_thread_that_the_documentation_names() {
    let [connected, acquired, returned] = [(); 3].map(|()| Seen::default());
    let rig = rig(|pool| {
        let pool = pool.name("plum").on_connect(connected.hook());
        pool.on_acquire(acquired.hook()).on_return(returned.hook())
    });
    let conn = rig.pool.get_owned().unwrap();
    let returner = thread::spawn(move || drop(conn));
    let returner_id = returner.thread().id();
    returner.join().unwrap();
    assert_eq!(connected.threads()[0].name(), Some("plum-dial"), "a thread of the pool");
    assert_eq!(acquired.threads()[0].id(), thread::current().id(), "the borrower's");
    assert_eq!(returned.threads()[0].id(), returner_id, "the returning thread");
}

#[test]
fn a_connection_that_fails_validation_is_not_shown_to_on_acquire() {
    let acquired = Seen::default();
    let rig =
        rig(|pool| pool.max_size(1).validation(Validation::OnCheckout).on_acquire(acquired.hook()));
    rig.fill(1);
    rig.script.next(Call::IsValid, Step::Fail);
    assert_eq!(rig.get().id(), 2);
    assert_eq!(acquired.ids(), [1, 2]);
}

#[test]
fn a_veto_or_a_panic_on_connect_is_a_failure_to_connect() {
    for (panics, text) in [(false, "not this one"), (true, "as planned")] {
        let refuses = Arc::new(AtomicBool::new(true));
        let rig = rig(|pool| {
            let refuses = Arc::clone(&refuses);
            pool.max_size(1).on_connect(move |_| match refuses.load(Ordering::SeqCst) {
                true => refuses_or_panics(panics),
                false => Ok(()),
            })
        });
        thread::scope(|scope| {
            let waiter = scope.spawn(|| rig.pool.get_timeout(MINUTE).err().unwrap());
            rig.await_failure();
            rig.clock.advance(MINUTE);
            let error = waiter.join().unwrap();
            let told = chain(&error).to_string();
            assert!(told.contains(text), "{told}");
            let GetError::TimedOut(error) = error else { panic!("timed out") };
            assert!(matches!(error.cause, Some(ConnectError::Vetoed(_))));
        });
        wait::until("it to be closed", || rig.ledger.open() == 0);
        refuses.store(false, Ordering::SeqCst);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| drop(rig.get()));
            rig.turn_until(SECOND / 100, || waiter.is_finished());
        });
        assert_eq!(rig.ledger.most_open(), 1);
        assert_eq!(rig.pool.state().counters.opened, 1, "a refused connection does not count");
    }
}

#[test]
fn after_a_veto_or_a_panic_on_acquire_the_borrower_gets_another_connection() {
    for panics in [false, true] {
        let rig = rig(|pool| {
            pool.max_size(1).on_acquire(move |conn| match conn.id() {
                1 => refuses_or_panics(panics),
                _ => Ok(()),
            })
        });
        assert_eq!(rig.get().id(), 2);
        rig.await_closed(CloseReason::Vetoed, 1);
        assert_eq!(rig.ledger.most_open(), 1, "the capacity of the first came back first");
    }
}

#[test]
fn a_borrower_that_meets_only_vetoes_gives_up_at_its_deadline() {
    let rig = rig(|pool| pool.max_size(1).on_acquire(|_| Err("none at all".into())));
    thread::scope(|scope| {
        let borrower = scope.spawn(|| rig.pool.get_timeout(MINUTE).err().unwrap());
        wait::until("the first to be closed", || rig.closed(CloseReason::Vetoed) == 1);
        assert!(!borrower.is_finished());
        rig.clock.advance(MINUTE);
        let error = borrower.join().unwrap();
        assert!(matches!(error, GetError::TimedOut(_)), "{error}");
        assert!(chain(&error).to_string().contains("none at all"), "{error:?}");
    });
    let Err(error) = rig.pool.try_get() else { panic!("nothing but vetoes") };
    assert!(matches!(error, GetError::Exhausted(_)), "{error}");
    assert_eq!(rig.ledger.most_open(), 1);
}

#[test]
fn a_veto_or_a_panic_on_return_closes_the_connection_and_serves_a_waiter() {
    for panics in [false, true] {
        let rig = rig(|pool| {
            pool.max_size(1).on_return(move |conn| match conn.id() {
                1 => refuses_or_panics(panics),
                _ => Ok(()),
            })
        });
        let held = rig.get();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| rig.get().id());
            wait::until("a waiter", || rig.pool.state().waiting == 1);
            drop(held);
            assert_eq!(waiter.join().unwrap(), 2);
        });
        rig.await_closed(CloseReason::Vetoed, 1);
        assert_eq!(rig.ledger.most_open(), 1);
    }
}

#[test]
fn on_return_is_not_called_for_a_holder_that_panics() {
    let returned = Seen::default();
    let rig = rig(|pool| pool.max_size(1).on_return(returned.hook()));
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
        let _conn = rig.get();
        panic_quietly();
    }));
    assert!(panicked.is_err());
    rig.await_closed(CloseReason::Panicked, 1);
    assert!(returned.ids().is_empty());
    drop(rig.get());
    assert_eq!(returned.ids(), [2]);
}

#[test]
fn threads_that_share_a_connection_call_each_hook_once() {
    let [acquired, returned] = [(); 2].map(|()| Seen::default());
    let rig = rig(|pool| {
        let pool = pool.max_size(1).max_sharing(1);
        pool.on_acquire(acquired.hook()).on_return(returned.hook())
    });
    let sharers = [rig.pool.share().unwrap(), rig.pool.share().unwrap()];
    assert_eq!(acquired.ids(), [1], "it is borrowed once");
    drop(sharers);
    assert_eq!(returned.ids(), [1], "and returned by its last holder");
}

#[test]
fn the_vetoes_of_one_caller_cost_one_connection_and_the_error_has_their_reason() {
    let vetoed = thread::spawn(|| {}).thread().id(); // no thread's, until it is set
    let vetoed = Arc::new(Mutex::new(vetoed));
    let is_vetoed = Arc::clone(&vetoed);
    let pool = threadwise_shared::SharedPool::builder()
        .max_size(4)
        .on_acquire(move |_: &mut Connection| {
            match *is_vetoed.lock().unwrap() == thread::current().id() {
                true => Err("not for you".into()),
                false => Ok(()),
            }
        })
        .build(threadwise_testkit::Scripted::new(threadwise_testkit::sessions::Driver::default()))
        .unwrap();
    *vetoed.lock().unwrap() = thread::current().id();
    let error = pool.get_timeout(SECOND / 2).err().unwrap();
    assert!(chain(&error).to_string().contains("not for you"), "{error:?}");
    assert!(matches!(&error, GetError::TimedOut(_)), "{error:?}");
    wait::until("a thread of the pool to close it", || pool.state().counters.closed_total() == 1);
    assert!(pool.state().counters.opened <= 2, "{:?}", pool.state());
    thread::scope(|scope| scope.spawn(|| drop(pool.get().unwrap())).join().unwrap());
}

#[test]
fn a_connection_that_is_broken_as_soon_as_it_is_lent_is_replaced_after_a_pause() {
    for at_once in [false, true] {
        let rig = rig(|pool| pool.get_timeout(None).clock(threadwise_core::Clock::SYSTEM));
        if at_once {
            rig.script.always(Call::HasBroken, Step::Fail);
        } else {
            // Each works when it is opened, and is broken before it is lent.
            (0..1000).for_each(|_| {
                rig.script.next(Call::HasBroken, Step::Pass);
                rig.script.next(Call::HasBroken, Step::Fail);
            });
        }
        assert!(rig.pool.get_timeout(SECOND).is_err());
        assert!(rig.script.made(Call::Connect) < 50, "{}", rig.script.made(Call::Connect));
    }
}
