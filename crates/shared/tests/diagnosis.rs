//! What a pool reports about its users: leaks, slow waits, deadlocks, names.

mod common;

use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use threadwise_core::{CloseReason, Events, GetError, Report, TimedOut};
use threadwise_shared::{NestedGet, SharedPool};
use threadwise_testkit::{Call, Heard, Step, wait};

use common::{MINUTE, Manager, Rig, SECOND, rig};

#[test]
fn a_leak_is_reported_with_its_holder_and_again_when_it_ends() {
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
    let count = || heard.count("has not come back");
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
fn borrows_and_forgets(pool: &SharedPool<Manager>) {
    std::mem::forget(pool.get().unwrap());
}

/// How long each connection that was reported as leaked had been held.
#[derive(Clone, Default)]
struct Leaks(Arc<Mutex<Vec<Duration>>>);

impl Events for Leaks {
    fn report(&self, report: &Report<'_>) {
        if let Report::Leaked { held, .. } = report {
            self.0.lock().unwrap().push(*held);
        }
    }
}

#[test]
fn a_leak_is_reported_after_leak_threshold_and_not_before() {
    let leaks = Leaks::default();
    let rig = rig(|pool| pool.leak_threshold(MINUTE).events(leaks.clone()));
    for uses in 1..=3 {
        drop(rig.get());
        rig.clock.advance(MINUTE); // while it is idle
        let held = rig.get();
        rig.turn_until(SECOND, || leaks.0.lock().unwrap().len() == uses);
        drop(held);
    }
    let held = leaks.0.lock().unwrap().clone();
    assert!(held.iter().all(|held| *held >= MINUTE), "{held:?}");
}

#[test]
fn without_leak_threshold_no_leak_is_reported() {
    let heard = Heard::default();
    let rig = rig(|pool| {
        // No check is overdue, however far the clock turns before it ends.
        let pool = pool.keepalive(MINUTE).validation_timeout(None);
        pool.trace_holders(true).events(heard.clone())
    });
    let (held, _idle) = (rig.get(), drop(rig.get()));
    rig.turn_until(MINUTE, || rig.script.made(Call::IsValid) >= 3); // after several sweeps
    drop(held);
    assert!(!heard.has("come back"), "{:?}", heard.all());
}

#[test]
fn the_end_of_a_leak_is_reported_after_a_discard_or_a_detach() {
    let heard = Heard::default();
    let rig = rig(|pool| pool.leak_threshold(MINUTE).events(heard.clone()));
    let ends: [fn(Guard<'_>); 2] = [|conn| conn.discard(), |conn| drop(conn.detach())];
    for (ended, end) in ends.into_iter().enumerate() {
        let held = rig.get();
        rig.turn_until(SECOND, || heard.count("has not come back") == ended + 1);
        end(held);
        assert_eq!(heard.count("reported as leaked"), ended + 1, "{:?}", heard.all());
    }
}

type Guard<'p> = threadwise_shared::PooledConnection<'p, Manager>;

/// The error of a `get` that waits for a minute and gets no connection.
fn times_out(rig: &Rig) -> Box<TimedOut<<Manager as threadwise_core::ManageConnection>::Error>> {
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.pool.get_timeout(MINUTE).err().unwrap());
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        rig.clock.advance(MINUTE);
        let GetError::TimedOut(error) = waiter.join().unwrap() else { panic!("timed out") };
        error
    })
}

#[test]
fn backtraces_are_recorded_only_with_leak_threshold() {
    for leaks in [true, false] {
        let rig = rig(|pool| match leaks {
            true => pool.max_size(1).leak_threshold(60 * MINUTE),
            false => pool.max_size(1).trace_holders(true),
        });
        let _held = rig.get();
        let holders = times_out(&rig).holders;
        assert_eq!(holders.len(), 1);
        assert_eq!(holders[0].backtrace().is_some(), leaks);
        assert_eq!(holders[0].thread, thread::current().id());
    }
}

#[test]
fn a_timeout_names_the_eight_holders_that_have_held_theirs_longest() {
    let rig = rig(|pool| pool.max_size(10).trace_holders(true));
    let held: Vec<_> = (0..10)
        .map(|number| {
            rig.clock.advance(SECOND);
            let pool = rig.pool.clone();
            let borrows = move || pool.get_owned().unwrap();
            thread::Builder::new().name(format!("user-{number}")).spawn(borrows).unwrap()
        })
        .map(|borrower| borrower.join().unwrap())
        .collect();
    let error = times_out(&rig);
    let names: Vec<_> = error.holders.iter().map(|holder| holder.name.as_deref()).collect();
    let expected: Vec<_> = (0..10).map(|number| format!("user-{number}")).collect();
    assert_eq!(names, expected.iter().map(|name| Some(&**name)).collect::<Vec<_>>());
    let text = error.to_string();
    assert!(text.contains("`user-0`") && text.contains("`user-7`"), "{text}");
    assert!(!text.contains("`user-8`"), "{text}");
    drop(held);
}

#[test]
fn a_timeout_does_not_name_threads_that_returned_detached_or_discarded() {
    let rig = rig(|pool| pool.max_size(3).trace_holders(true));
    let [mine, yours, lost] = [rig.get(), rig.get(), rig.get()];
    drop(yours);
    lost.discard();
    drop(mine.detach());
    rig.await_closed(CloseReason::Discarded, 1);
    rig.pool.suspend(); // so that a `get` waits
    assert!(times_out(&rig).holders.is_empty());
}

#[test]
fn a_timeout_names_the_holders_when_they_are_recorded() {
    for traced in [true, false] {
        let rig = rig(|pool| pool.max_size(1).name("orders").trace_holders(traced));
        let held = rig.get();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| rig.pool.get_timeout(MINUTE).err().unwrap());
            wait::until("a waiter", || rig.pool.state().waiting == 1);
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
fn a_nested_get_in_a_deadlock_fails_when_the_setting_asks_for_it() {
    let heard = Heard::default();
    let rig = rig(|pool| pool.max_size(1).nested_get(NestedGet::Error).events(heard.clone()));
    let held = rig.get();
    let error = rig.pool.get().err().unwrap();
    assert!(matches!(&error, GetError::Deadlock { holders } if holders.len() == 1), "{error}");
    assert!(heard.has("deadlock: every thread"), "{:?}", heard.all());
    assert_eq!(rig.pool.state().waiting, 0);
    drop(held);
    drop(rig.get());
}

#[test]
fn a_nested_get_is_no_deadlock_while_another_thread_can_return_a_connection() {
    let rig = rig(|pool| pool.max_size(2).nested_get(NestedGet::Error));
    rig.fill(2);
    let mine = rig.get();
    thread::scope(|scope| {
        let nested = scope.spawn(|| {
            let first = rig.get();
            let second = rig.pool.get().map(drop);
            drop(first);
            second
        });
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        // Now this thread would complete the deadlock. The other one is served when it does not.
        assert!(matches!(rig.pool.get(), Err(GetError::Deadlock { .. })));
        drop(mine);
        nested.join().unwrap().unwrap();
    });
}

#[test]
fn a_deadlock_of_two_threads_names_both_and_is_reported_by_the_second() {
    let heard = Heard::default();
    let rig = rig(|pool| {
        pool.max_size(2).name("orders").nested_get(NestedGet::Warn).events(heard.clone())
    });
    let both = Barrier::new(2);
    let nested = || {
        let first = rig.get();
        both.wait(); // until each has one
        let second = rig.pool.get_timeout(MINUTE);
        both.wait(); // until each has its error
        assert!(matches!(second, Err(GetError::TimedOut(_))));
        drop(first);
    };
    thread::scope(|scope| {
        for name in ["alice", "bob"] {
            let user = thread::Builder::new().name(name.into());
            user.spawn_scoped(scope, nested).unwrap();
        }
        wait::until("both to wait", || rig.pool.state().waiting == 2);
        wait::until("a report", || heard.has("deadlock: every thread"));
        rig.clock.advance(MINUTE);
    });
    assert_eq!(heard.count("deadlock: every thread"), 1, "{:?}", heard.all());
    for told in ["pool orders", "`alice`", "`bob`"] {
        assert!(heard.has(told), "{told}: {:?}", heard.all());
    }
    assert_eq!([rig.get(), rig.get()].len(), 2);
}

#[test]
fn a_nested_get_is_no_deadlock_while_a_connection_is_being_opened_or_is_idle() {
    let rig = rig(|pool| pool.max_size(2).nested_get(NestedGet::Error));
    let first = rig.get();
    let gate = rig.script.hang_next(Call::Connect);
    let _open_at_end = gate.open_at_end();
    thread::scope(|scope| {
        scope.spawn(|| {
            gate.await_arrivals(1);
            gate.open();
        });
        assert_eq!(rig.get().id(), 2); // waits for the connection that is being opened
    });
    assert_eq!(rig.get().id(), 2); // it is idle
    drop(first);
}

#[test]
fn a_nested_get_is_no_deadlock_while_another_thread_shares_the_connection() {
    let heard = Heard::default();
    let rig = rig(|pool| {
        let pool = pool.max_size(1).max_sharing(1);
        pool.nested_get(NestedGet::Error).events(heard.clone())
    });
    let mine = rig.pool.share().unwrap();
    thread::scope(|scope| {
        let (joined, has_joined) = mpsc::channel();
        let rig = &rig;
        scope.spawn(move || {
            let theirs = rig.pool.share().unwrap();
            joined.send(()).unwrap();
            wait::until("the other to wait", || {
                rig.pool.state().waiting == 1 || rig.pool.state().counters.waits > 1
            });
            drop(theirs);
        });
        has_joined.recv().unwrap();
        drop(mine); // the other thread still holds it and can return it
        let got = rig.pool.get();
        assert!(got.is_ok(), "{}", got.err().unwrap());
    });
}

#[test]
fn a_deadlock_error_names_the_holders_and_says_what_to_do() {
    let rig = rig(|pool| pool.max_size(1).nested_get(NestedGet::Error));
    let user = thread::Builder::new().name("carol".into());
    let error = thread::scope(|scope| {
        let nested = || {
            let _held = rig.get();
            rig.pool.get().err().unwrap().to_string()
        };
        user.spawn_scoped(scope, nested).unwrap().join().unwrap()
    });
    for told in ["thread `carol`", "`max_size`", "one connection at a time"] {
        assert!(error.contains(told), "{told}: {error}");
    }
}

#[test]
fn a_deadlock_is_only_reported_with_warn_and_ignored_by_default() {
    for (nested_get, reported) in [(NestedGet::Warn, true), (NestedGet::Off, false)] {
        let heard = Heard::default();
        let rig = rig(|pool| pool.max_size(1).nested_get(nested_get).events(heard.clone()));
        let (started, start) = mpsc::channel();
        thread::scope(|scope| {
            let nested = scope.spawn(|| {
                let _held = rig.get();
                started.send(()).unwrap();
                matches!(rig.pool.get_timeout(MINUTE), Err(GetError::TimedOut(_)))
            });
            start.recv().unwrap();
            wait::until("a waiter", || rig.pool.state().waiting == 1);
            rig.turn_until(SECOND, || rig.pool.state().waiting == 0);
            assert!(nested.join().unwrap());
        });
        assert_eq!(heard.has("deadlock: every thread"), reported);
    }
}

#[test]
fn a_slow_get_is_reported() {
    let heard = Heard::of_all_but_uses();
    let rig = rig(|pool| pool.max_size(1).slow_get(SECOND).events(heard.clone()));
    for (wait, slow) in [(SECOND / 2, false), (2 * SECOND, true)] {
        let held = rig.get();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| drop(rig.get()));
            wait::until("a waiter", || rig.pool.state().waiting == 1);
            rig.clock.advance(wait);
            drop(held);
            waiter.join().unwrap();
        });
        assert_eq!(heard.has("longer than `slow_get`"), slow);
    }
}

#[test]
fn a_slow_get_is_reported_once_whatever_slowed_it() {
    let heard = Heard::default();
    let rig = rig(|pool| {
        let pool = pool.max_size(1).slow_get(SECOND).events(heard.clone());
        pool.on_acquire(|conn| if conn.id() == 1 { Err("not this one".into()) } else { Ok(()) })
    });
    rig.pool.suspend();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.get().id());
        wait::until("a waiter", || rig.pool.state().waiting == 1);
        rig.clock.advance(2 * SECOND);
        rig.pool.resume();
        assert_eq!(waiter.join().unwrap(), 2, "the first was refused");
    });
    assert_eq!(heard.count("longer than `slow_get`"), 1, "{:?}", heard.all());
}

#[test]
fn a_get_that_timed_out_is_not_reported_as_slow() {
    let heard = Heard::default();
    let rig = rig(|pool| pool.max_size(1).slow_get(SECOND).events(heard.clone()));
    let _held = rig.get();
    times_out(&rig);
    assert!(heard.has("timed out") && !heard.has("longer than `slow_get`"), "{:?}", heard.all());
}

#[test]
fn reports_of_a_pool_without_a_name_say_shared_pool() {
    let heard = Heard::default();
    let rig = rig(|pool| pool.max_size(1).nested_get(NestedGet::Error).events(heard.clone()));
    let _held = rig.get();
    assert!(rig.pool.get().is_err());
    assert!(heard.has("pool SharedPool: "), "{:?}", heard.all());
}

#[test]
fn a_pools_name_is_in_its_errors_and_its_state() {
    let rig = rig(|pool| pool.max_size(1).name("orders"));
    let _held = rig.get();
    let exhausted = rig.pool.try_get().err().unwrap().to_string();
    let timed_out = times_out(&rig).to_string();
    let state = rig.pool.state().to_string();
    for text in [exhausted, timed_out, state, format!("{:?}", rig.pool)] {
        assert!(text.contains("pool orders: 1 open of 1"), "{text}");
    }
}

#[test]
fn a_failing_server_is_named_before_the_holders() {
    let rig = rig(|pool| pool.max_size(2).trace_holders(true));
    let _held = rig.get();
    rig.script.always(Call::Connect, Step::Fail);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| rig.pool.get_timeout(MINUTE).err().unwrap().to_string());
        rig.await_failure();
        rig.clock.advance(MINUTE);
        let text = waiter.join().unwrap();
        let (cause, holder) =
            (text.find("attempt to open a connection failed"), text.find("held by"));
        assert!(cause.is_some() && cause < holder, "{text}");
    });
}
