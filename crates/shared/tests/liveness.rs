//! A decision about all connections applies to those that are replaced meanwhile. A call that hangs
//! gives its capacity back in time. If a thread goes away without a connection, the pool opens one
//! for the next thread.

mod common;

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use common::{Rig, SECOND, rig};
use threadwise_core::{CloseReason, GetError, ManageConnection, Validation};
use threadwise_shared::SharedPool;
use threadwise_testkit::{Call, FakeManager, Gate, Scripted, Step, wait};

/// Replaces a holder's connection, and calls `meanwhile` while the new one is being opened. Returns the
/// connection and then drops it. The result has the numbers of both.
fn replace_beside(rig: &Rig, meanwhile: impl FnOnce()) -> (u64, u64) {
    let mut conn = rig.get();
    let lost = conn.id();
    let gate = rig.script.hang_next(Call::Connect);
    thread::scope(|scope| {
        let open_at_end = gate.open_at_end();
        let holder = scope.spawn(move || {
            let mut runs = 0;
            let answer = conn.steady(|conn| {
                runs += 1;
                if runs == 1 { Err(lost_error()) } else { Ok(conn.id()) }
            });
            answer.expect("the second run")
        });
        gate.await_arrivals(1);
        meanwhile();
        drop(open_at_end);
        (lost, holder.join().unwrap())
    })
}

fn lost_error() -> <common::Manager as ManageConnection>::Error {
    threadwise_testkit::ScriptedError::Scripted { call: Call::IsValid, for_good: false }
}

#[test]
fn a_connection_that_was_replaced_while_the_pool_closed_is_closed() {
    let rig = rig(|pool| pool.max_size(1));
    replace_beside(&rig, || rig.pool.close());
    assert!(rig.pool.close_and_wait(20 * SECOND).is_ok(), "{}", rig.pool.state());
    assert!(matches!(rig.pool.get().err(), Some(GetError::Closed)));
    assert_eq!(rig.ledger.open(), 0);
}

#[test]
fn a_connection_that_was_replaced_while_the_pool_was_evicted_is_not_lent_again() {
    let rig = rig(|pool| pool.max_size(1));
    let (_, second) = replace_beside(&rig, || rig.pool.evict());
    rig.await_closed(CloseReason::Evicted, 1);
    assert!(rig.get().id() > second);
}

#[test]
fn a_connection_that_was_replaced_while_its_generation_was_evicted_is_not_lent_again() {
    let rig = rig(|pool| pool.max_size(1));
    let (_, second) = replace_beside(&rig, || {
        rig.pool.evict_generation(rig.pool.state().generation);
    });
    rig.await_closed(CloseReason::Evicted, 1);
    assert!(rig.get().id() > second);
}

#[test]
fn a_connection_that_was_replaced_while_the_limit_was_lowered_counts_as_surplus() {
    let rig = rig(|pool| pool.max_size(2));
    let other = rig.get();
    replace_beside(&rig, || rig.pool.resize(1).unwrap());
    rig.await_closed(CloseReason::Surplus, 1);
    assert_eq!(rig.pool.state().open, 1);
    drop(other);
}

#[test]
fn a_connection_that_was_replaced_while_the_pool_was_suspended_is_not_lent_before_resume() {
    let rig = rig(|pool| pool.max_size(1));
    let (_, second) = replace_beside(&rig, || rig.pool.suspend());
    assert!(matches!(rig.pool.try_get().err(), Some(GetError::Exhausted(_))));
    rig.pool.resume();
    assert_eq!(rig.get().id(), second);
}

#[test]
fn a_connection_that_was_replaced_while_others_were_found_dead_is_validated_before_its_next_use() {
    let rig = rig(|pool| pool.max_size(2));
    let (_, second) = replace_beside(&rig, || {
        // The loss began a generation; a connection of it is found dead meanwhile.
        drop(rig.get());
        rig.script.next(Call::HasBroken, Step::Fail);
        drop(rig.pool.try_get());
        wait::until("it to be closed", || rig.closed(CloseReason::Broken) == 1);
    });
    for asked in [1, 1] {
        let both = [rig.get(), rig.get()];
        assert!(both.iter().any(|conn| conn.id() == second));
        assert_eq!(rig.script.made(Call::IsValid), asked, "once");
    }
}

#[test]
fn a_full_queue_has_a_connection_opened_for_the_next_thread() {
    for (max_waiters, waiting) in [(0, 0), (1, 1)] {
        let rig = rig(|pool| pool.max_size(3).max_waiters(max_waiters));
        let held = thread::scope(|scope| {
            // The dial for the waiter hangs; the one for the threads that the queue refuses does not.
            let gates: Vec<_> = (0..waiting).map(|_| rig.script.hang_next(Call::Connect)).collect();
            let _open_at_end: Vec<_> = gates.iter().map(Gate::open_at_end).collect();
            let waiters: Vec<_> = (0..waiting).map(|_| scope.spawn(|| drop(rig.get()))).collect();
            wait::until("the queue to be full", || rig.pool.state().waiting == waiting);
            gates.iter().for_each(|gate| gate.await_arrivals(1));
            let mut held = None;
            let mut refused = 0;
            wait::until("a connection", || match rig.pool.get_timeout(SECOND) {
                Ok(conn) => {
                    held = Some(conn);
                    true
                }
                Err(GetError::QueueFull { .. }) => {
                    refused += 1;
                    rig.pool.state().waiting == 0 // served by the connection that was opened for the others
                }
                Err(error) => panic!("{error}"),
            });
            assert!(refused > 0, "the first finds nothing");
            gates.iter().for_each(|gate| gate.open());
            waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
            held
        });
        drop(held);
    }
}

#[test]
fn with_a_queue_of_zero_each_refused_thread_finds_a_connection_soon() {
    let rig = rig(|pool| pool.max_size(4).max_waiters(0));
    let mut held = Vec::new();
    wait::until("all four", || {
        held.extend(rig.pool.get());
        held.len() == 4
    });
    assert_eq!(rig.ledger.opened(), 4);
    for _ in 0..20 {
        assert!(matches!(rig.pool.get().err(), Some(GetError::QueueFull { .. })));
    }
    assert_eq!(rig.ledger.most_open(), 4);
}

#[test]
fn a_deadline_too_short_for_a_dial_has_a_connection_opened_for_the_next_thread() {
    let pool = SharedPool::builder().build_lazy(FakeManager).unwrap();
    for timeout in [Duration::from_nanos(1), Duration::from_micros(1)] {
        pool.evict();
        wait::until("a connection", || pool.get_timeout(timeout).is_ok());
    }
}

/// Waits until the housekeeper of the pool with this name sleeps. Only Linux shows that.
fn await_sleeping_housekeeper(pool: &str) {
    let sleeps = |task: std::io::Result<std::fs::DirEntry>| {
        let stat = std::fs::read_to_string(task.ok()?.path().join("stat")).ok()?;
        Some(stat.contains(&format!("({pool}-keep) S")))
    };
    if cfg!(target_os = "linux") {
        wait::until("the housekeeper to sleep", || {
            std::fs::read_dir("/proc/self/task").unwrap().filter_map(sleeps).any(|sleeps| sleeps)
        });
    }
}

/// `validation_timeout` is 300 ms. A close that hangs begins while the housekeeper sleeps.
fn is_served_beside_a_close_that_hangs(
    name: &str,
    settings: impl FnOnce(
        threadwise_shared::Builder<Scripted<FakeManager>>,
    ) -> threadwise_shared::Builder<Scripted<FakeManager>>,
    close: impl FnOnce(&SharedPool<Scripted<FakeManager>>),
) {
    let manager = Scripted::new(FakeManager);
    let script = manager.script();
    let pool = SharedPool::builder().max_size(1).validation_timeout(Duration::from_millis(300));
    let pool = settings(pool.name(name)).build(manager).unwrap();
    await_sleeping_housekeeper(name);
    let gate = script.hang_next(Call::Close);
    let _open_at_end = gate.open_at_end();
    close(&pool);
    gate.await_arrivals(1);
    drop(pool.get_timeout(20 * SECOND).expect("served once the close has taken too long"));
}

#[test]
fn a_hanging_close_gives_its_capacity_back_after_validation_timeout() {
    is_served_beside_a_close_that_hangs("evicted", |pool| pool, SharedPool::evict);
    // No connection ages, so that the housekeeper has no other reason to wake.
    let still = |pool: threadwise_shared::Builder<Scripted<FakeManager>>| {
        pool.max_lifetime(None).idle_timeout(None).keepalive(None).validation(Validation::Never)
    };
    is_served_beside_a_close_that_hangs("still", still, SharedPool::evict);
    is_served_beside_a_close_that_hangs(
        "discarded",
        |pool| pool.validation(Validation::OnCheckout),
        |pool| pool.get().unwrap().discard(),
    );
}

#[test]
fn a_hanging_check_gives_its_capacity_back_after_validation_timeout() {
    let rig = rig(|pool| pool.max_size(2).validation(Validation::Never).validation_timeout(SECOND));
    rig.fill(2);
    let gate = Arc::new(Gate::default());
    let _open_at_end = gate.open_at_end();
    // One is found broken; the pool checks the other one and gets no answer.
    rig.script.next(Call::IsValid, Step::Hang(Arc::clone(&gate)));
    rig.script.next(Call::HasBroken, Step::Fail);
    let first = rig.get();
    rig.turn_until(SECOND / 4, || {
        rig.closed(CloseReason::CheckTimedOut) == 1 || { rig.closed(CloseReason::Invalid) == 1 }
    });
    let second = rig.get();
    drop((first, second));
}

#[test]
fn a_lone_waiter_beside_hanging_dials_is_served_when_they_are_overdue() {
    // The first dials of each round hang; the next one does not. Whatever the housekeeper is doing when
    // the last hanging dial begins, it notices when that dial is overdue.
    for _ in 0..60 {
        let manager = Scripted::new(FakeManager);
        let script = manager.script();
        let pool = SharedPool::builder()
            .max_size(5)
            .connect_patience(Duration::from_millis(2))
            .max_lifetime(None)
            .idle_timeout(None)
            .keepalive(None)
            .validation(Validation::Never)
            .build_lazy(manager)
            .unwrap();
        let gate = Arc::new(Gate::default());
        let _open_at_end = gate.open_at_end();
        (0..3).for_each(|_| script.next(Call::Connect, Step::Hang(Arc::clone(&gate))));
        let got = pool.get_timeout(20 * SECOND);
        assert!(got.is_ok(), "{}", got.err().unwrap());
    }
}

/// An error whose destructor asks the pool for its state.
#[derive(Debug)]
struct Asks;

static POOL: OnceLock<SharedPool<Refusing>> = OnceLock::new();
static IS_DOWN: AtomicBool = AtomicBool::new(false);

impl Drop for Asks {
    fn drop(&mut self) {
        let _ = POOL.get().map(|pool| (pool.state(), pool.try_get().is_ok()));
    }
}

impl std::fmt::Display for Asks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Asks {}

struct Refusing;

impl ManageConnection for Refusing {
    type Connection = u32;
    type Error = Asks;
    fn connect(&self) -> Result<u32, Asks> {
        if IS_DOWN.load(SeqCst) { Err(Asks) } else { Ok(1) }
    }
    fn is_valid(&self, _: &mut u32) -> Result<(), Asks> {
        Ok(())
    }
    fn has_broken(&self, _: &mut u32) -> bool {
        false
    }
}

#[test]
fn an_error_whose_destructor_calls_the_pool_does_not_hang() {
    let done = Arc::new(Mutex::new(false));
    let is_done = Arc::clone(&done);
    thread::spawn(move || {
        let pool = SharedPool::builder().max_size(1).build_lazy(Refusing).unwrap();
        let pool = POOL.get_or_init(|| pool);
        for _ in 0..3 {
            pool.evict();
            IS_DOWN.store(true, SeqCst);
            // Several failures, each of which replaces the one before; then a success.
            let failures = pool.state().counters.connect_failures;
            while pool.state().counters.connect_failures < failures + 3 {
                drop(pool.get_timeout(Duration::from_millis(5)));
                pool.evict(); // those that were opened before the server went down
            }
            IS_DOWN.store(false, SeqCst);
            drop(pool.get().unwrap());
        }
        *is_done.lock().unwrap() = true;
    });
    wait::until("all of that", || *done.lock().unwrap());
}

#[test]
fn steady_replaces_a_lost_connection_when_get_timeout_is_zero() {
    let rig = rig(|pool| pool.max_size(1).get_timeout(Duration::ZERO));
    wait::until("a connection", || rig.pool.get().is_ok());
    let (lost, second) = replace_beside(&rig, || {});
    assert!(second > lost);
}
