//! A pool costs by how many connections are open; a load that needs few lets the others go; and extreme
//! settings are refused with a message or work.

mod common;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::{SECOND, rig};
use threadwise_core::{BuildError, Validation};
use threadwise_shared::SharedPool;
use threadwise_testkit::{FakeManager, wait};

#[test]
fn threads_that_come_one_after_the_other_after_a_burst_let_the_pool_shrink() {
    let rig = rig(|pool| pool.max_size(8).idle_timeout(SECOND));
    thread::scope(|scope| {
        let pollers: Vec<_> = (0..8)
            .map(|_| {
                let (poll, polls) = mpsc::channel::<Option<mpsc::Sender<()>>>();
                let rig = &rig;
                scope.spawn(move || {
                    let burst = rig.get(); // so that each thread has a last connection
                    let mut held = Some(burst);
                    while let Ok(Some(done)) = polls.recv() {
                        match held.take() {
                            Some(burst) => drop(burst),
                            None => drop(rig.get()),
                        }
                        done.send(()).unwrap();
                    }
                });
                poll
            })
            .collect();
        wait::until("the burst", || rig.pool.state().borrowed == 8);
        let poll_in_turn = || {
            for poller in &pollers {
                let (done, is_done) = mpsc::channel();
                poller.send(Some(done)).unwrap();
                is_done.recv().unwrap();
            }
        };
        let turned = rig.turn_until(SECOND / 100, || {
            poll_in_turn();
            rig.pool.state().open == 1
        });
        // The clock goes on while the housekeeper is late. Without the rule it would go on forever.
        assert!(turned < 200 * SECOND, "{turned:?}");
        pollers.iter().for_each(|poller| poller.send(None).unwrap());
    });
    assert_eq!(rig.ledger.opened(), 8, "none was opened anew");
}

#[test]
fn a_max_size_that_is_too_high_is_refused_by_name() {
    for max_size in [usize::MAX, u32::MAX as usize, (1 << 20) + 1] {
        let error = SharedPool::builder().max_size(max_size).build(FakeManager).err();
        assert!(matches!(error, Some(BuildError::Setting { name: "max_size", .. })), "{error:?}");
        let pool = SharedPool::builder().max_size(1).build(FakeManager).unwrap();
        let error = pool.resize(max_size).err();
        assert!(matches!(error, Some(BuildError::Setting { name: "max_size", .. })), "{error:?}");
        assert_eq!(pool.state().max_size, Some(1));
    }
}

#[test]
fn a_high_limit_that_is_never_reached_costs_nothing() {
    let pool = SharedPool::builder().max_size(1_000_000).build(FakeManager).unwrap();
    // If each of these looked through a million slots, they would take minutes.
    for _ in 0..10_000 {
        drop(pool.get().unwrap());
        assert_eq!(pool.state().open, 1);
    }
    for _ in 0..100 {
        pool.get().unwrap().discard();
    }
    pool.resize(1 << 20).unwrap();
}

#[test]
fn a_pool_opens_as_many_as_it_may_though_it_begins_with_few_slots() {
    let pool = SharedPool::builder().max_size(300).build_lazy(FakeManager).unwrap();
    let mut held: Vec<_> = (0..300).map(|_| pool.get().unwrap()).collect();
    assert!(pool.try_get().is_err());
    assert_eq!(pool.state().borrowed, 300);
    pool.resize(1000).unwrap();
    held.extend((300..1000).map(|_| pool.get().unwrap()));
    assert_eq!(pool.state().open, 1000);
    drop(held);
    assert_eq!(pool.state().idle, 1000);
    pool.evict();
    wait::until("all to be closed", || pool.state().open == 0);
}

#[test]
fn extreme_settings_neither_panic_nor_overflow() {
    let (long, short) = (Duration::MAX, Duration::from_nanos(1));
    let all_long = SharedPool::builder()
        .get_timeout(long)
        .fair_after(long)
        .max_waiters(usize::MAX)
        .max_idle(usize::MAX)
        .max_sharing(usize::MAX)
        .max_uses(u64::MAX)
        .connect_concurrency(usize::MAX)
        .connect_backoff(long, long)
        .connect_patience(long)
        .max_lifetime(long)
        .lifetime_jitter(1.0)
        .idle_timeout(long)
        .keepalive(long)
        .leak_threshold(long)
        .slow_get(long)
        .validation(Validation::IdleLongerThan(long))
        .validation_timeout(long);
    let all_short = SharedPool::builder()
        .fair_after(Duration::ZERO)
        .max_waiters(0)
        .max_idle(0)
        .max_uses(1)
        .connect_backoff(short, short)
        .connect_patience(short)
        .max_lifetime(short)
        .lifetime_jitter(1.0)
        .idle_timeout(short)
        .keepalive(short)
        .leak_threshold(short)
        .slow_get(short)
        .validation(Validation::IdleLongerThan(Duration::ZERO))
        .validation_timeout(short);
    for builder in [all_long, all_short] {
        let pool = builder.build(FakeManager).unwrap();
        wait::until("a connection", || pool.get().is_ok());
        wait::until("a connection", || pool.get_timeout(long).is_ok());
        assert!(pool.close_and_wait(20 * SECOND).is_ok(), "{}", pool.state());
    }
}

/// `build` waits for its first connection. If that one is closed before `build` looks, the wait must
/// end all the same.
#[test]
fn build_succeeds_although_its_connection_is_closed_at_once() {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !is_over.load(Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let short = Duration::from_nanos(1);
        let failed = (0..1_000).find_map(|_| {
            let builder = SharedPool::builder()
                .connect_backoff(short, short)
                .connect_patience(short)
                .max_lifetime(short)
                .idle_timeout(short)
                .keepalive(short)
                .get_timeout(wait::PATIENCE);
            builder.build(FakeManager).err()
        });
        is_over.store(true, Relaxed);
        assert!(failed.is_none(), "{failed:?}");
    });
}
