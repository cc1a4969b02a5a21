//! The system's barrier. With it, a use needs no barrier of its own. The process may fork while a
//! pool registers for it, and a sandbox may forbid it at any time.
//!
//! All tests run in forked children, since the registration for the barrier and the sandbox last until a
//! process ends.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

mod common;

use std::panic::{self, AssertUnwindSafe};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::{io, thread};

use threadwise_core::{CloseReason, GetError};
use threadwise_persistent::PersistentPool;
use threadwise_testkit::FakeManager;
use threadwise_testkit::forked::{self, End};
use threadwise_testkit::wait::{self, AtEnd};

use common::rig;

/// Makes the system refuse membarrier(2) to this thread and to the threads that it starts afterwards.
fn forbid_membarrier() {
    const NUMBER: libc::c_long = libc::SYS_membarrier;
    let instruction = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut program = [
        // The number of the call is the first word of `seccomp_data`.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, NUMBER as u32),
        instruction(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
        ),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the call takes numbers, and touches no memory of this process.
    let renounced = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(renounced, 0, "{}", io::Error::last_os_error());
    // SAFETY: the system copies the filter, and the four instructions that it points to, before the
    // call returns.
    let set =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) };
    assert_eq!(set, 0, "{}", io::Error::last_os_error());
}

#[test]
fn a_child_that_is_forked_while_another_thread_builds_pools_can_build_and_use_its_own() {
    forked::alone(|| {
        for _ in 0..50 {
            // A process that has never built a pool, so that the forks meet the first one being built.
            forked::run(End::AtOnce, || {
                let is_over = AtomicBool::new(false);
                let begun = Barrier::new(2);
                thread::scope(|scope| {
                    scope.spawn(|| {
                        begun.wait();
                        while !is_over.load(SeqCst) {
                            drop(PersistentPool::builder().build(FakeManager).unwrap());
                        }
                    });
                    let _end = AtEnd(|| is_over.store(true, SeqCst));
                    begun.wait();
                    for _ in 0..4 {
                        forked::run(End::AtOnce, || {
                            // SAFETY: the call takes a number. It ends this child if it hangs.
                            unsafe { libc::alarm(30) };
                            let pool = PersistentPool::builder().build(FakeManager).unwrap();
                            drop(pool.get().unwrap());
                            pool.close();
                        });
                    }
                });
            });
        }
    });
}

#[test]
fn a_close_without_the_barrier_wakes_the_waiters_and_leaves_idle_connections_to_their_threads() {
    forked::alone(|| {
        forked::run(End::AtOnce, || {
            let rig = rig(|pool| pool.max_threads(2));
            let [used, closed] = [(); 2].map(|()| Barrier::new(2));
            thread::scope(|scope| {
                let other = scope.spawn(|| {
                    drop(rig.get());
                    used.wait();
                    closed.wait();
                    assert_eq!(rig.ledger.open(), 1, "its own");
                    assert!(matches!(rig.pool.get(), Err(GetError::Closed)));
                    assert_eq!(rig.ledger.open(), 0, "this thread has closed it");
                });
                used.wait();
                drop(rig.get());
                let waiter = scope.spawn(|| matches!(rig.pool.get(), Err(GetError::Closed)));
                wait::until("a thread to wait", || rig.pool.state().waiting == 1);
                forbid_membarrier();
                rig.pool.close();
                assert!(waiter.join().unwrap(), "close wakes the waiter");
                assert!(rig.pool.state().closed);
                assert!(matches!(rig.pool.get(), Err(GetError::Closed)));
                rig.pool.close();
                closed.wait();
                other.join().unwrap();
            });
            assert_eq!((rig.ledger.open(), rig.closed(CloseReason::PoolClosed)), (0, 2));
            rig.ledger.assert_in_order();
        });
    });
}

#[test]
fn the_last_handles_drop_closes_every_connection_whatever_a_sandbox_forbids() {
    forked::alone(|| {
        for unwinds in [false, true] {
            for is_closed in [false, true] {
                forked::run(End::AtOnce, || {
                    let common::Rig { pool, ledger, .. } = rig(|pool| pool);
                    let [used, dropped] = [(); 2].map(|()| Barrier::new(3));
                    thread::scope(|scope| {
                        for pool in [pool.clone(), pool.clone()] {
                            let (used, dropped) = (&used, &dropped);
                            scope.spawn(move || {
                                drop(pool.get().unwrap());
                                drop(pool);
                                used.wait();
                                dropped.wait();
                            });
                        }
                        used.wait();
                        drop(pool.get().unwrap());
                        assert_eq!(ledger.open(), 3);
                        forbid_membarrier();
                        if is_closed {
                            pool.close();
                            assert_eq!(ledger.open(), 2, "this thread's connection is closed");
                        }
                        let ended = panic::catch_unwind(AssertUnwindSafe(|| {
                            let _pool = pool;
                            if unwinds {
                                panic::resume_unwind(Box::new("as planned"));
                            }
                        }));
                        assert_eq!(ended.is_err(), unwinds);
                        let open = ledger.open();
                        dropped.wait();
                        assert_eq!(open, 0);
                    });
                    ledger.assert_in_order();
                });
            }
        }
    });
}

#[test]
fn a_pool_that_is_built_where_the_barrier_is_forbidden_closes_idle_connections_at_once() {
    forked::alone(|| {
        for was_registered in [false, true] {
            forked::run(End::AtOnce, || {
                if was_registered {
                    drop(rig(|pool| pool));
                }
                forbid_membarrier();
                let rig = rig(|pool| pool);
                let [used, closed] = [(); 2].map(|()| Barrier::new(2));
                thread::scope(|scope| {
                    scope.spawn(|| {
                        drop(rig.get());
                        used.wait();
                        closed.wait();
                    });
                    used.wait();
                    drop(rig.get());
                    rig.pool.close();
                    let open = rig.ledger.open();
                    closed.wait();
                    assert_eq!(open, 0, "both connections are closed at once");
                });
                rig.ledger.assert_in_order();
            });
        }
    });
}
