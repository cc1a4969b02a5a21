//! A pool in a forked child: a child pool with the same settings and no connections, whatever the parent's
//! threads were doing; and what happens to the guards that the child has inherited. (The tests at the
//! workspace's root show that the server sees the same.)
#![cfg(unix)]

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use threadwise_core::{ConnectionInfo, Events, GetError, ManageConnection};
use threadwise_shared::{Builder, SharedPool};
use threadwise_testkit::Gate;
use threadwise_testkit::forked::{self, End};
use threadwise_testkit::wait::{self, AtEnd};

/// Counts the calls of the manager, the hooks and the events.
#[derive(Clone, Default)]
struct Manager(Arc<Calls>);

#[derive(Default)]
struct Calls {
    opened: AtomicUsize,
    closed: AtomicUsize,
    forgotten: AtomicUsize,
    /// Checks, resets, hooks and events.
    others: AtomicUsize,
    /// The gate at which `connect` hangs.
    gate: Mutex<Option<Arc<Gate>>>,
}

struct Connection {
    id: usize,
    calls: Arc<Calls>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.calls.closed.fetch_add(1, Relaxed);
    }
}

impl Calls {
    fn other(&self) {
        self.others.fetch_add(1, Relaxed);
    }

    /// How many connections were closed, how many forgotten, and how many other calls there were.
    fn so_far(&self) -> [usize; 3] {
        [&self.closed, &self.forgotten, &self.others].map(|count| count.load(Relaxed))
    }
}

impl ManageConnection for Manager {
    type Connection = Connection;
    type Error = io::Error;

    fn connect(&self) -> io::Result<Connection> {
        let gate = self.0.gate.try_lock().ok().and_then(|gate| gate.clone());
        gate.inspect(|gate| assert!(gate.pass(None)));
        let id = self.0.opened.fetch_add(1, Relaxed) + 1;
        Ok(Connection { id, calls: Arc::clone(&self.0) })
    }

    fn is_valid(&self, _: &mut Connection) -> io::Result<()> {
        self.0.other();
        Ok(())
    }

    fn has_broken(&self, _: &mut Connection) -> bool {
        self.0.other();
        false
    }

    fn reset(&self, _: &mut Connection) -> io::Result<()> {
        self.0.other();
        Ok(())
    }

    fn is_lost(&self, _: &io::Error) -> bool {
        true
    }

    fn forget_in_child(&self, conn: Connection) {
        self.0.forgotten.fetch_add(1, Relaxed);
        std::mem::forget(conn);
    }
}

impl Events for Manager {
    fn opened(&self, _: &ConnectionInfo<'_>, _: Duration) {
        self.0.other();
    }

    fn acquired(&self, _: &ConnectionInfo<'_>, _: Duration) {
        self.0.other();
    }

    fn returned(&self, _: &ConnectionInfo<'_>, _: Duration) {
        self.0.other();
    }
}

type Pool = SharedPool<Manager>;

fn pool(settings: impl FnOnce(Builder<Manager>) -> Builder<Manager>) -> (Pool, Arc<Calls>) {
    let manager = Manager::default();
    let calls = Arc::clone(&manager.0);
    (settings(SharedPool::builder().max_size(3)).build_lazy(manager).unwrap(), calls)
}

/// A pool with every setting that watches uses.
fn watched() -> (Pool, Arc<Calls>) {
    let manager = Manager::default();
    let calls = Arc::clone(&manager.0);
    let (hooked, returned) = (Arc::clone(&calls), Arc::clone(&calls));
    let settings = SharedPool::builder()
        .max_size(3)
        .max_uses(100)
        .trace_holders(true)
        .events(manager.clone())
        .on_acquire(move |_| {
            hooked.other();
            Ok(())
        })
        .on_return(move |_| {
            returned.other();
            Ok(())
        });
    (settings.build_lazy(manager).unwrap(), calls)
}

#[test]
fn an_inherited_guard_is_forgotten_without_a_call_or_an_event() {
    for (pool, calls) in [pool(|pool| pool), watched()] {
        let mut plain = Some((pool.get().unwrap(), pool.get().unwrap()));
        let mut owned = Some(pool.get_owned().unwrap());
        forked::run(End::AtOnce, || {
            let [closed, forgotten, others] = calls.so_far();
            let (dropped, discarded) = plain.take().unwrap();
            drop(dropped);
            discarded.discard();
            drop(owned.take());
            assert_eq!(calls.so_far(), [closed, forgotten + 3, others]);
            assert_eq!(pool.state().counters, Default::default(), "counted nowhere");
        });
        drop((plain, owned));
        let state = pool.state();
        assert_eq!((state.open, state.borrowed, state.counters.closed_total()), (3, 0, 0));
    }
}

#[test]
fn an_inherited_guard_is_detached_as_it_is() {
    let (pool, calls) = watched();
    let mut conn = Some(pool.get_owned().unwrap());
    forked::run(End::AtOnce, || {
        let before = calls.so_far();
        let conn = conn.take().unwrap().detach();
        assert_eq!((conn.id, calls.so_far()), (1, before));
        std::mem::forget(conn); // it is the parent's
        assert_eq!(pool.state().counters.closed_total(), 0);
    });
}

#[test]
fn an_inherited_guard_that_is_lost_is_not_replaced() {
    let (pool, calls) = pool(|pool| pool);
    let (mut conn, mut owned) = (pool.get().unwrap(), pool.get_owned().unwrap());
    forked::run(End::AtOnce, || {
        let mut times = 0;
        let mut lose = |_: &mut Connection| {
            times += 1;
            Err::<(), _>(io::Error::other("lost"))
        };
        assert!(conn.steady(&mut lose).is_err());
        assert!(owned.steady(&mut lose).is_err());
        assert_eq!((times, calls.opened.load(Relaxed)), (2, 2));
    });
}

#[test]
fn inherited_shares_end_silently_and_the_child_can_share_others() {
    forked::alone(|| {
        let (pool, calls) = pool(|pool| pool.max_sharing(1));
        let share = || pool.share().unwrap();
        let mut all = Some((share(), share(), share()));
        forked::run(End::AtOnce, || {
            let before = calls.so_far();
            let (one, other, third) = all.take().unwrap();
            let transaction = third.transaction();
            drop(one);
            other.discard();
            drop(transaction);
            drop(third);
            assert_eq!(calls.so_far(), before);
            let (mine, too) = (share(), share());
            assert_eq!((mine.id, too.id), (2, 2));
        });
        drop(all);
        assert_eq!((pool.state().idle, calls.so_far()[0]), (1, 0));
    });
}

#[test]
fn a_child_pool_has_the_settings_and_the_limit_of_its_parent() {
    forked::alone(|| {
        let manager = Manager::default();
        let calls = Arc::clone(&manager.0);
        let hooked = Arc::clone(&calls);
        let settings =
            SharedPool::builder().name("orders").max_size(1).min_idle(1).on_connect(move |_| {
                hooked.other();
                Ok(())
            });
        let pool = settings.build(manager).unwrap();
        pool.resize(5).unwrap();
        pool.suspend(); // by a thread that a child may not have
        forked::run(End::AtOnce, || {
            let state = pool.state();
            assert_eq!((state.name.as_deref(), state.max_size), (Some("orders"), Some(5)));
            let others = calls.so_far()[2];
            let conn = pool.get().unwrap();
            assert!(calls.so_far()[2] > others, "the hook was called");
            wait::until("another idle one", || pool.state().idle == 1);
            drop(conn);
        });
    });
}

#[test]
fn a_child_pools_housekeeper_closes_idle_connections() {
    forked::alone(|| {
        let (pool, calls) = pool(|pool| pool.idle_timeout(Duration::from_millis(20)));
        drop(pool.get().unwrap());
        forked::run(End::AtOnce, || {
            let before = calls.so_far()[0]; // the parent's may be closed by now
            drop(pool.get().unwrap());
            wait::until("the idle connection to be closed", || pool.state().open == 0);
            wait::until("the close to be counted", || calls.so_far()[0] == before + 1);
        });
    });
}

/// The number of threads of this process.
#[cfg(target_os = "linux")]
fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[cfg(target_os = "linux")]
#[test]
fn a_child_that_only_looks_at_its_pool_or_drops_it_has_no_pool_threads() {
    let (pool, calls) = pool(|pool| pool.min_idle(1));
    drop(pool.get().unwrap());
    let mut pool = Some(pool);
    forked::run(End::Exit, || {
        let pool = pool.take().unwrap();
        assert_eq!(pool.state().open, 0);
        pool.evict();
        pool.suspend();
        assert_eq!(threads(), 1);
        drop(pool);
        assert_eq!(calls.so_far()[..2], [0, 0]);
    });
}

#[test]
fn the_last_handle_of_a_child_closes_the_childs_connections() {
    forked::alone(|| {
        let (pool, calls) = pool(|pool| pool);
        drop(pool.get().unwrap());
        let mut pool = Some(pool);
        forked::run(End::Exit, || {
            let pool = pool.take().unwrap();
            let (other, conn) = (pool.clone(), pool.get_owned().unwrap());
            drop(pool);
            drop(other.get().unwrap());
            drop(other);
            wait::until("the close of the idle one", || calls.so_far()[0] == 1);
            drop(conn);
            wait::until("the close of the borrowed one", || calls.so_far()[0] == 2);
            assert_eq!(calls.so_far()[1], 0, "none is forgotten");
        });
    });
}

#[test]
fn a_child_does_not_wait_for_its_parents_dialer() {
    forked::alone(|| {
        let (pool, calls) = pool(|pool| pool.max_size(1));
        let gate = Arc::new(Gate::default());
        let _end = gate.open_at_end();
        *calls.gate.lock().unwrap() = Some(Arc::clone(&gate));
        assert!(matches!(pool.try_get(), Err(GetError::Exhausted(_))));
        gate.await_arrivals(1);
        assert_eq!(pool.state().connecting, 1);
        *calls.gate.lock().unwrap() = None;
        forked::run(End::AtOnce, || assert_eq!(pool.get().unwrap().id, 1));
    });
}

#[test]
fn a_child_can_call_every_method_whatever_other_threads_were_doing() {
    forked::alone(|| {
        let (pool, calls) = pool(|pool| pool.max_sharing(1).trace_holders(true));
        let is_over = AtomicBool::new(false);
        let verbs: [&(dyn Fn() + Sync); 6] = [
            &|| drop(pool.get().unwrap()),
            &|| pool.get().unwrap().discard(),
            &|| drop(pool.share().unwrap()),
            &|| pool.resize(3).unwrap(),
            &|| pool.evict(),
            &|| assert!(pool.state().open <= 3),
        ];
        thread::scope(|scope| {
            for verb in verbs {
                let is_over = &is_over;
                scope.spawn(move || {
                    while !is_over.load(Relaxed) {
                        verb();
                    }
                });
            }
            let _end = AtEnd(|| is_over.store(true, Relaxed));
            for _ in 0..100 {
                forked::run(End::AtOnce, || {
                    assert_eq!(pool.state().open, 0);
                    verbs.iter().for_each(|verb| verb());
                    pool.suspend();
                    pool.resume();
                    pool.close_and_wait(wait::PATIENCE).unwrap();
                });
            }
        });
        assert_eq!(calls.forgotten.load(Relaxed), 0);
    });
}
