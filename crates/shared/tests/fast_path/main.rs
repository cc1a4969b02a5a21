//! While a connection is idle, a `get` and its drop do not allocate, call the system or read the clock.

mod counting;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod sealed;

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use threadwise_core::{Reset, Validation};
use threadwise_shared::SharedPool;
use threadwise_testkit::FakeManager;

/// A pool with the defaults, except that no connection has to be validated during a test on a busy
/// machine: that is off the fast path.
fn pool() -> SharedPool<FakeManager> {
    let validation = Validation::IdleLongerThan(Duration::from_secs(3600));
    SharedPool::builder().max_size(4).validation(validation).build(FakeManager).unwrap()
}

/// Borrows and returns `times` times. Returns whether each `get` succeeded.
fn get_and_drop(pool: &SharedPool<FakeManager>, times: u32) -> bool {
    (0..times).all(|_| pool.get().is_ok())
}

#[test]
fn a_get_and_its_drop_allocate_nothing() {
    for reset in [Reset::Always, Reset::WhenChanged, Reset::Never] {
        for validation in [Validation::Never, Validation::OnCheckout, Validation::OnReturn] {
            let builder = SharedPool::builder().validation(validation).reset(reset);
            let pool = builder.build(FakeManager).unwrap();
            assert!(get_and_drop(&pool, 1)); // so that the thread has a last slot
            let allocated = counting::allocations(|| assert!(get_and_drop(&pool, 1_000)));
            assert_eq!(allocated, 0, "{validation:?}, {reset:?}");
        }
    }
}

#[test]
fn threads_with_a_connection_each_allocate_nothing() {
    let pool = pool();
    let all_have_one = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let conn = pool.get().unwrap();
                all_have_one.wait(); // so that each thread has a last slot of its own
                drop(conn);
                let allocated = counting::allocations(|| assert!(get_and_drop(&pool, 1_000)));
                assert_eq!(allocated, 0);
            });
        }
    });
}

#[test]
fn only_the_allocations_of_this_thread_are_counted() {
    assert_eq!(counting::allocations(|| drop(black_box(Box::new(1)))), 1);
    let both_ready = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            both_ready.wait();
            drop(black_box(Box::new(1)));
            both_ready.wait();
        });
        let allocated = counting::allocations(|| {
            both_ready.wait();
            both_ready.wait();
        });
        assert_eq!(allocated, 0, "those of another thread");
    });
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod in_a_sealed_process {
    use std::cell::OnceCell;
    use std::time::Instant;

    use threadwise_testkit::forked;

    use super::sealed::{self, End, Seal};
    use super::{Duration, FakeManager, SharedPool, black_box, get_and_drop, pool};

    type Pool = SharedPool<FakeManager>;

    /// Builds a pool in another process, uses it once, seals the process, and runs `then`.
    fn run(pool: impl FnOnce() -> Pool, seal: Seal, then: impl FnOnce(&Pool) -> bool) -> End {
        let made = OnceCell::new();
        let warm_up = || get_and_drop(made.get_or_init(pool), 10);
        sealed::run(seal, warm_up, || made.get().is_some_and(then))
    }

    #[test]
    fn a_get_and_its_drop_make_no_system_call() {
        forked::alone(|| {
            let end = run(pool, Seal::Calls, |pool| get_and_drop(pool, 100_000));
            assert_eq!(end, End::Returned(true));
        });
    }

    #[test]
    fn in_a_forked_child_they_make_none_either() {
        forked::alone(|| {
            let parents = pool();
            let end = run(|| parents.clone(), Seal::Calls, |pool| get_and_drop(pool, 100_000));
            assert_eq!(end, End::Returned(true));
        });
    }

    #[test]
    fn a_system_call_ends_a_sealed_process() {
        forked::alone(|| {
            let end = run(pool, Seal::Calls, |pool| sealed::call() && get_and_drop(pool, 1));
            assert_eq!(end, End::Killed(libc::SIGSYS));
        });
    }

    #[test]
    fn a_get_that_waits_ends_a_sealed_process() {
        forked::alone(|| {
            let pool = || SharedPool::builder().max_size(1).build(FakeManager).unwrap();
            let end = run(pool, Seal::Calls, |pool| {
                let _held = pool.get();
                pool.get_timeout(Duration::from_millis(10)).is_err()
            });
            assert_eq!(end, End::Killed(libc::SIGSYS));
        });
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn a_get_and_its_drop_do_not_read_the_clock() {
        forked::alone(|| {
            let end = run(pool, Seal::CallsAndClock, |pool| get_and_drop(pool, 1_000));
            assert_eq!(end, End::Returned(true));
        });
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn a_look_at_the_clock_ends_a_sealed_process() {
        forked::alone(|| {
            let end = run(pool, Seal::CallsAndClock, |pool| {
                black_box(Instant::now());
                get_and_drop(pool, 1)
            });
            assert!(matches!(end, End::Killed(_)), "{end:?}");
        });
    }
}
