//! Threads of every kind end: before and after the pool, and while a connection is borrowed.
#![allow(unsafe_code)] // `pthread_create`

mod common;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::{ptr, thread};

use thread_local::ThreadLocal;
use threadwise_core::{CloseReason, GetError, ManageConnection};
use threadwise_mysql::MysqlManager;
use threadwise_persistent::{PersistentPool, PooledConnection};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::{FakeManager, Ledger, Scripted, wait};

use common::{Manager, Rig, rig};

/// The connection is closed when `join` returns, and not some milliseconds later.
fn assert_closed(ledger: &Ledger) {
    assert_eq!(ledger.open(), 0, "the connection of an ended thread is open");
}

/// A pool that is never dropped, for thread-local values to borrow from.
fn forever() -> &'static Rig {
    Box::leak(Box::new(rig(|pool| pool)))
}

#[test]
fn the_connection_of_a_std_thread_is_closed_when_it_is_joined() {
    let rig = Arc::new(rig(|pool| pool));
    for _ in 0..20 {
        let user = Arc::clone(&rig);
        thread::spawn(move || drop(user.get())).join().unwrap();
        assert_closed(&rig.ledger);
    }
    assert_eq!(rig.closed(CloseReason::ThreadEnded), 20);
    rig.ledger.assert_in_order();
}

#[test]
fn the_connection_of_a_scoped_thread_is_closed_when_it_is_joined() {
    let rig = rig(|pool| pool);
    for _ in 0..20 {
        thread::scope(|scope| scope.spawn(|| drop(rig.get())).join().unwrap());
        assert_closed(&rig.ledger);
    }
    assert_eq!(rig.closed(CloseReason::ThreadEnded), 20);
}

#[test]
fn the_connections_of_rayons_threads_are_closed_when_these_end() {
    let rig = rig(|pool| pool);
    let ended = Arc::new(AtomicUsize::new(0));
    let workers = {
        let ended = Arc::clone(&ended);
        let count = move |_| {
            ended.fetch_add(1, SeqCst);
        };
        rayon::ThreadPoolBuilder::new().num_threads(4).exit_handler(count).build().unwrap()
    };
    let ids: BTreeSet<u64> = workers.broadcast(|_| rig.id()).into_iter().collect();
    assert_eq!((ids.len(), rig.ledger.open()), (4, 4));
    drop(workers); // does not join them
    wait::until("the threads to end", || ended.load(SeqCst) == 4);
    wait::until("their connections to be closed", || rig.ledger.open() == 0);
    assert_eq!(rig.closed(CloseReason::ThreadEnded), 4);
}

#[test]
fn the_connection_of_a_thread_that_rust_did_not_start_is_closed_when_it_is_joined() {
    extern "C" fn borrow(rig: *mut c_void) -> *mut c_void {
        // SAFETY: the test owns it and joins this thread before it ends.
        let rig = unsafe { &*rig.cast::<Rig>() };
        drop(rig.get());
        drop(rig.get());
        ptr::null_mut()
    }
    let rig = rig(|pool| pool);
    for number in 1..=20 {
        let mut foreign = 0;
        let argument = (&raw const rig).cast_mut().cast();
        // SAFETY: the argument is what the function expects, and outlives the thread.
        let created =
            unsafe { libc::pthread_create(&raw mut foreign, ptr::null(), borrow, argument) };
        assert_eq!(created, 0);
        // SAFETY: the thread was created above and is joined once.
        assert_eq!(unsafe { libc::pthread_join(foreign, ptr::null_mut()) }, 0);
        assert_closed(&rig.ledger);
        assert_eq!(rig.closed(CloseReason::ThreadEnded), number);
    }
}

#[test]
fn a_thread_that_panics_leaves_no_connection_open() {
    let rig = rig(|pool| pool);
    thread::scope(|scope| {
        let idle = scope.spawn(|| {
            drop(rig.get());
            std::panic::resume_unwind(Box::new("as planned"));
        });
        assert!(idle.join().is_err());
        let borrowed = scope.spawn(|| {
            let _conn = rig.get();
            std::panic::resume_unwind(Box::new("as planned"));
        });
        assert!(borrowed.join().is_err());
    });
    assert_eq!(rig.ledger.open(), 0);
    assert_eq!(rig.closed(CloseReason::ThreadEnded), 1);
    assert_eq!(rig.closed(CloseReason::Panicked), 1);
}

/// Many pools keep their table of connections with the crate `thread_local`, which reuses thread ids: a new
/// thread finds the value of a thread that has ended.
#[test]
fn a_thread_that_gets_the_id_of_an_ended_one_opens_its_own_connection() {
    let rig = rig(|pool| pool);
    let by_id: ThreadLocal<Mutex<u64>> = ThreadLocal::new();
    let mut inherited = 0;
    let mut ids = BTreeSet::new();
    for _ in 0..50 {
        thread::scope(|scope| {
            let borrows = || {
                let id = rig.id();
                let found = std::mem::replace(&mut *by_id.get_or_default().lock().unwrap(), id);
                assert_eq!(rig.ledger.open(), 1);
                (id, found)
            };
            let (id, found) = scope.spawn(borrows).join().unwrap();
            assert_ne!(id, found);
            inherited += usize::from(found != 0);
            assert!(ids.insert(id), "{id} is the connection of an ended thread");
        });
    }
    assert!(inherited > 0, "no thread id was reused, so the test shows nothing");
    assert_eq!((rig.ledger.open(), rig.ledger.opened()), (0, 50));
}

#[test]
fn ten_thousand_short_lived_threads_leave_nothing_open_on_the_server() {
    const THREADS: usize = 10_000;
    const AT_ONCE: usize = 8;
    let server = MariaDb::shared();
    let database = server.create_database("short_lived");
    let manager = Scripted::new(MysqlManager::from_url(&server.url_for(&database)).unwrap());
    let ledger = manager.ledger();
    let pool = PersistentPool::builder().build_lazy(manager).unwrap();
    let begun = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while begun.fetch_add(1, SeqCst) < THREADS {
                    thread::scope(|scope| {
                        scope.spawn(|| drop(pool.get().unwrap())).join().unwrap();
                    });
                }
            });
        }
    });
    assert_eq!((ledger.opened(), ledger.open()), (THREADS as u64, 0));
    assert!(ledger.most_open() <= AT_ONCE);
    let state = pool.state();
    assert_eq!((state.open, state.counters.gets), (0, THREADS as u64));
    assert_eq!(state.counters.closed(CloseReason::ThreadEnded), THREADS as u64);
    wait::until("the server to notice", || server.process_count(Some(&database)) == 0);
    ledger.assert_in_order();
}

#[test]
fn the_connection_of_the_thread_that_drops_the_pool_is_closed_with_it() {
    let Rig { pool, ledger, .. } = rig(|pool| pool);
    drop(pool.get().unwrap());
    let handle = pool.clone();
    drop(pool);
    assert_eq!(ledger.open(), 1, "one handle is left");
    drop(handle);
    assert_eq!(ledger.open(), 0);
}

/// Runs a function when it is dropped, at the end of the thread.
struct AtEnd(Option<Box<dyn FnOnce()>>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        if let Some(work) = self.0.take() {
            work();
        }
    }
}

thread_local! {
    static AT_END: RefCell<AtEnd> = const { RefCell::new(AtEnd(None)) };
}

/// Registers `work` to run in the destructor of a thread-local value. (On Linux, the value that is
/// registered first is destroyed last.)
fn at_end(work: impl FnOnce() + 'static) {
    AT_END.with(|at_end| at_end.borrow_mut().0 = Some(Box::new(work)));
}

fn outcome(
    result: Result<PooledConnection<'_, Manager>, GetError<impl std::error::Error>>,
) -> &'static str {
    match result {
        Ok(_) => "lent",
        Err(GetError::ThreadEnding) => "ending",
        Err(GetError::AlreadyBorrowed) => "already borrowed",
        Err(GetError::Closed) => "closed",
        Err(_) => "another error",
    }
}

/// Starts a thread that runs `first`, and then registers `last` to run in a destructor. Returns what `last`
/// returned.
fn in_a_destructor(
    first: impl FnOnce() + Send + 'static,
    last: impl FnOnce() -> Vec<&'static str> + Send + 'static,
) -> Vec<&'static str> {
    let (said, hears) = mpsc::channel();
    thread::spawn(move || {
        first();
        at_end(move || said.send(last()).unwrap());
    })
    .join()
    .unwrap();
    hears.recv().unwrap()
}

/// A driver that needs a thread-local value of its own, which its first connect makes, to close a
/// connection. PostgreSQL's needs tokio's.
struct Driver(mpsc::Sender<bool>);

impl ManageConnection for Driver {
    type Connection = ();
    type Error = Infallible;

    fn connect(&self) -> Result<(), Infallible> {
        OF_THE_DRIVER.with(|_| ());
        Ok(())
    }

    fn is_valid(&self, (): &mut ()) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, (): &mut ()) -> bool {
        false
    }

    fn close(&self, (): ()) {
        self.0.send(OF_THE_DRIVER.try_with(|_| ()).is_ok()).expect("the test listens");
    }
}

thread_local! {
    static OF_THE_DRIVER: AtEnd = const { AtEnd(None) };
}

/// Only Linux promises the order.
#[test]
#[cfg(target_os = "linux")]
fn a_connection_is_closed_before_the_thread_local_values_of_its_driver_are_destroyed() {
    let (says, hears) = mpsc::channel();
    let pool = PersistentPool::builder().build_lazy(Driver(says)).unwrap();
    let user = pool.clone();
    thread::spawn(move || drop(user.get().unwrap())).join().unwrap();
    assert!(hears.recv().unwrap(), "the driver can no longer close its connection");
}

#[test]
fn a_destructor_that_runs_before_the_pools_own_can_borrow() {
    let rig = forever();
    let said = in_a_destructor(|| drop(rig.get()), || vec![outcome(rig.pool.get())]);
    assert_eq!(said, ["lent"]);
    assert_eq!((rig.ledger.opened(), rig.ledger.open()), (1, 0));
}

#[test]
fn a_destructor_that_runs_after_the_pools_own_gets_thread_ending() {
    let rig = forever();
    let (said, hears) = mpsc::channel();
    thread::spawn(move || {
        at_end(move || {
            let shared = matches!(rig.pool.share(), Err(GetError::ThreadEnding));
            said.send((outcome(rig.pool.get()), outcome(rig.pool.try_get()), shared)).unwrap();
        });
        drop(rig.get());
    })
    .join()
    .unwrap();
    assert_eq!(hears.recv().unwrap(), ("ending", "ending", true));
    assert_eq!((rig.ledger.opened(), rig.ledger.open()), (1, 0));
    assert_eq!(rig.pool.state().open, 0);
}

#[test]
fn a_destructor_that_is_the_first_to_use_the_pool_leaves_nothing_open() {
    let rig = forever();
    let said = in_a_destructor(|| (), || vec![outcome(rig.pool.get()), outcome(rig.pool.get())]);
    assert_eq!(said, ["lent", "lent"]);
    assert_eq!((rig.ledger.opened(), rig.ledger.open()), (1, 0));
}

#[test]
fn a_destructor_that_runs_after_those_of_the_thread_local_crate_does_not_crash() {
    // The crate registers its destructor at its first use on a thread, and cannot be used afterwards.
    let (one, other) = (forever(), forever());
    other.pool.close();
    let used: &'static ThreadLocal<Cell<u32>> = Box::leak(Box::default());
    let (said, hears) = mpsc::channel();
    thread::spawn(move || {
        assert!(other.pool.get().is_err()); // the pool's own destructor is registered now
        at_end(move || said.send(outcome(one.pool.get())).unwrap());
        used.get_or_default().set(1);
    })
    .join()
    .unwrap();
    assert!(["lent", "ending"].contains(&hears.recv().unwrap()));
    assert_eq!(one.ledger.open(), 0);
}

#[test]
fn a_guard_in_a_thread_local_works_until_its_drop_which_closes_its_connection() {
    // The guard is destroyed after the pools' own destructor, and before it.
    for is_last in [true, false] {
        let rig = forever();
        let (said, hears) = mpsc::channel();
        thread::spawn(move || {
            let keep = |conn: PooledConnection<'static, Manager>| {
                at_end(move || {
                    let open = rig.ledger.is_open(conn.id());
                    drop(conn.hold());
                    drop(conn);
                    said.send((open, outcome(rig.pool.get()))).unwrap();
                });
            };
            if is_last {
                at_end(|| ());
            }
            keep(rig.get());
        })
        .join()
        .unwrap();
        let expected = if is_last { "ending" } else { "lent" };
        assert_eq!(hears.recv().unwrap(), (true, expected));
        let state = rig.pool.state();
        assert_eq!((rig.ledger.opened(), rig.ledger.open(), state.open), (1, 0, 0), "{state}");
        assert_eq!(rig.closed(CloseReason::ThreadEnded), 1);
        rig.ledger.assert_in_order();
    }
}

#[test]
fn a_guard_in_a_thread_local_can_be_discarded_and_detached_after_the_threads_end() {
    for detaches in [true, false] {
        let rig = forever();
        thread::spawn(move || {
            at_end(|| ());
            let conn = rig.get();
            at_end(move || if detaches { drop(conn.detach()) } else { conn.discard() });
        })
        .join()
        .unwrap();
        assert_eq!((rig.ledger.open(), rig.pool.state().open), (0, 0));
        rig.ledger.assert_in_order();
    }
}

#[test]
fn a_shared_guard_in_a_thread_local_closes_the_connection() {
    let rig = forever();
    thread::spawn(move || {
        at_end(|| ());
        let sharers = [rig.pool.share().unwrap(), rig.pool.share().unwrap()];
        at_end(move || drop(sharers));
    })
    .join()
    .unwrap();
    assert_eq!((rig.ledger.open(), rig.pool.state().open), (0, 0));
    assert_eq!(rig.closed(CloseReason::ThreadEnded), 1);
}

#[test]
fn a_forgotten_guard_does_not_affect_later_threads_and_pools() {
    let Rig { pool, ledger, .. } = rig(|pool| pool);
    thread::scope(|scope| scope.spawn(|| std::mem::forget(pool.get().unwrap())).join().unwrap());
    std::mem::forget(pool.get().unwrap());
    assert!(matches!(pool.get(), Err(GetError::AlreadyBorrowed)));
    thread::scope(|scope| scope.spawn(|| drop(pool.get().unwrap())).join().unwrap());
    drop(pool);
    drop(rig(|pool| pool).get()); // this thread forgets the dropped pool
    assert_eq!(ledger.open(), 0);
    ledger.assert_in_order();
}

#[test]
fn threads_that_outlive_the_pool_have_no_connection() {
    let Rig { pool, ledger, .. } = rig(|pool| pool);
    let (used, dropped) = (Barrier::new(9), Barrier::new(9));
    thread::scope(|scope| {
        for _ in 0..8 {
            let handle = pool.clone();
            scope.spawn(|| {
                drop(handle.get().unwrap());
                drop(handle);
                used.wait();
                dropped.wait();
            });
        }
        used.wait();
        assert_eq!(ledger.open(), 8);
        drop(pool);
        assert_eq!(ledger.open(), 0);
        dropped.wait();
    });
    assert_eq!(ledger.closed(), 8);
    ledger.assert_in_order();
}

#[test]
fn a_pool_that_is_dropped_while_another_handles_guard_lives_is_closed_by_that_handle() {
    let Rig { pool, ledger, .. } = rig(|pool| pool);
    let (borrowed, dropped) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        let handle = pool.clone();
        scope.spawn(|| {
            let handle = handle;
            let conn = handle.get().unwrap();
            borrowed.wait();
            dropped.wait();
            assert!(ledger.is_open(conn.id()));
        });
        borrowed.wait();
        drop(pool);
        assert_eq!(ledger.open(), 1);
        dropped.wait();
    });
    assert_eq!(ledger.open(), 0);
}

#[test]
fn threads_and_the_pool_may_end_at_the_same_time() {
    for _ in 0..200 {
        let Rig { pool, ledger, .. } = rig(|pool| pool);
        let together = Barrier::new(3);
        thread::scope(|scope| {
            let together = &together;
            let threads = [pool.clone(), pool.clone()].map(|handle| {
                scope.spawn(move || {
                    drop(handle.get().unwrap());
                    together.wait();
                })
            });
            together.wait();
            drop(pool);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        assert_eq!(ledger.open(), 0);
        ledger.assert_in_order();
    }
}

#[test]
fn a_close_that_panics_does_not_disturb_a_thread_that_ends() {
    let rig = rig(|pool| pool);
    rig.script.next(threadwise_testkit::Call::Close, threadwise_testkit::Step::Panic);
    thread::scope(|scope| scope.spawn(|| drop(rig.get())).join().unwrap());
    assert_eq!((rig.ledger.open(), rig.pool.state().open), (0, 0));
}

#[test]
fn the_end_of_a_thread_wakes_a_waiter() {
    let manager = Scripted::new(FakeManager);
    let ledger = manager.ledger();
    let pool = PersistentPool::builder().max_threads(1).build_lazy(manager).unwrap();
    let (used, ends) = (Barrier::new(2), Barrier::new(2));
    thread::scope(|scope| {
        scope.spawn(|| {
            drop(pool.get().unwrap());
            used.wait();
            ends.wait();
        });
        used.wait();
        assert!(matches!(pool.try_get(), Err(GetError::Exhausted(_))));
        let waiter = scope.spawn(|| pool.get().unwrap().id());
        wait::until("a thread to wait", || pool.state().waiting == 1);
        ends.wait();
        assert_eq!(waiter.join().unwrap(), 2);
    });
    assert_eq!((ledger.most_open(), ledger.open()), (1, 0));
}
