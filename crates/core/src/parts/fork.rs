//! Tells pools that the process was forked.
//!
//! A forked child has a copy of each pool. The copied connections use the parent's sockets, and the
//! threads that may have held a lock of the pool do not exist in the child. The child can therefore
//! use nothing of such a pool except single atomic operations. POSIX calls a program back in the child
//! before `fork` returns (`pthread_atfork`); this module passes that call on to every pool. On systems
//! without `fork` it does nothing.
//!
//! The child also must not trust memory that other threads were writing at the moment of the fork. The
//! system copies memory page by page while those threads run, so the child may see the later of two
//! writes without the earlier one.
#![cfg_attr(unix, allow(unsafe_code))]

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

#[cfg(not(all(unix, not(loom))))]
use nowhere as system;
#[cfg(all(unix, not(loom)))]
use unix as system;

/// A pool that receives fork notifications.
pub trait ForkAware: Send + Sync {
    /// Marks the pool as the parent's: this process is a forked child.
    ///
    /// The system calls this in the child, on its only thread, before `fork` returns, and again in each
    /// child of a child. The method may do atomic operations only: a thread that does not exist in the
    /// child may hold any lock, and the child may be about to run another program.
    ///
    /// The child never drops the pool afterwards, so nothing that the pool holds is closed there.
    fn forked(&self);
}

/// Registers `pool` for fork notification until it is dropped.
#[must_use]
pub fn watched<P: ForkAware + 'static>(pool: Arc<P>) -> Arc<P> {
    let weak = Arc::downgrade(&pool);
    system::hold_off(|pools| system::add(pools, weak));
    pool
}

/// Runs `act` while no other thread can fork the process.
///
/// A child therefore finds every lock free that `act` takes, and finds all or nothing of what `act`
/// writes. Threads that call `fork` wait meanwhile, so `act` must be short and must not fork.
pub fn hold_off<R>(act: impl FnOnce() -> R) -> R {
    system::hold_off(|_| act())
}

/// Wraps the work of a new pool thread, so that the process is not forked while the thread starts or
/// ends.
///
/// The standard library takes a lock at both moments. After a fork in between, that lock would stay
/// held in the child, and the child could start no thread. A `fork` waits for a starting or ending
/// thread, for one second at most. Threads that the program starts itself have the same problem; only
/// the program can avoid it, by not forking while one of them starts or ends.
pub fn apart_from_forks<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let starts = system::Transition::begin();
    move || {
        drop(starts);
        let _ends = AtEnd(system::Transition::until_this_thread_has_ended);
        work()
    }
}

struct AtEnd(fn());

impl Drop for AtEnd {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// The pool that replaces the parent's pool in a forked child; a field of every pool.
pub struct ChildPool<P> {
    is_due: AtomicBool,
    pool: OnceLock<Arc<P>>,
}

impl<P: ForkAware + 'static> ChildPool<P> {
    /// The value for a pool that this process has made.
    #[must_use]
    pub const fn new() -> Self {
        Self { is_due: AtomicBool::new(false), pool: OnceLock::new() }
    }

    /// Notes that the pool is the parent's; for [`ForkAware::forked`].
    pub fn set_due(&self) {
        // Relaxed: the child's only thread stores it, before it starts another.
        self.is_due.store(true, Ordering::Relaxed);
    }

    /// Whether the pool is the parent's, so that callers must use the child pool.
    #[inline]
    pub fn is_due(&self) -> bool {
        self.is_due.load(Ordering::Relaxed) // see `set_due`
    }

    /// The child pool, if a caller has asked for one already.
    pub fn get(&self) -> Option<&Arc<P>> {
        self.pool.get()
    }

    /// The child pool. The first call makes it and registers it for fork notification.
    ///
    /// Forks wait while it is made. A child's child therefore never finds it half made by a thread that
    /// does not exist there.
    pub fn get_or_make(&self, make: impl FnOnce() -> Arc<P>) -> &Arc<P> {
        self.pool.get().unwrap_or_else(|| {
            system::hold_off(|pools| {
                self.pool.get_or_init(|| {
                    let child = make();
                    let weak = Arc::downgrade(&child);
                    system::add(pools, weak);
                    child
                })
            })
        })
    }
}

/// A pool that a forked child replaces by a new one with the same settings and no connections.
pub trait AfterFork: ForkAware + Sized + 'static {
    /// The field that holds the child pool.
    fn child_pool_cell(&self) -> &ChildPool<Self>;

    /// Makes the child pool; a closed one if this pool is closed.
    ///
    /// A thread that does not exist in the child may hold the parent pool's locks. The method may
    /// therefore read only its atomics and what never changes.
    fn make_child_pool(&self) -> Arc<Self>;

    /// Ends a pool of this process after its last handle was dropped.
    fn end(&self);

    /// Whether this process is a forked child and the pool is its parent's.
    #[inline]
    fn is_forked(&self) -> bool {
        self.child_pool_cell().is_due()
    }

    /// The pool that this process may use: this one or, in a forked child, its child pool. Costs one
    /// load in the process that built the pool.
    #[inline]
    fn current(self: &Arc<Self>) -> &Arc<Self> {
        if self.is_forked() { self.child_pool() } else { self }
    }

    /// The child pool; in a child's child, the child pool of that one. The first call makes it.
    #[cold]
    fn child_pool(&self) -> &Arc<Self> {
        self.child_pool_cell().get_or_make(|| self.make_child_pool()).current()
    }

    /// Ends the pool of this process, because its last handle here was dropped.
    ///
    /// A child never drops the handles of threads that exist only in the parent. A child pool that such
    /// a handle keeps open ends with the process.
    fn last_handle_dropped(&self) {
        if !self.is_forked() {
            self.end();
        } else if let Some(child) = self.child_pool_cell().get() {
            child.last_handle_dropped();
        }
    }
}

impl<P: ForkAware + 'static> Default for ChildPool<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> fmt::Debug for ChildPool<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildPool").field("is_due", &self.is_due).finish_non_exhaustive()
    }
}

#[cfg(not(all(unix, not(loom))))]
mod nowhere {
    use std::sync::Weak;

    use super::ForkAware;

    pub(super) fn hold_off<R>(act: impl FnOnce(&mut ()) -> R) -> R {
        act(&mut ())
    }

    pub(super) fn add((): &mut (), pool: Weak<dyn ForkAware>) {
        drop(pool);
    }

    pub(super) struct Transition;

    impl Transition {
        pub(super) fn begin() -> Self {
            Self
        }

        pub(super) fn until_this_thread_has_ended() {}
    }
}

#[cfg(all(unix, not(loom)))]
mod unix {
    use std::cell::RefCell;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, Weak};
    use std::time::Duration;

    use super::ForkAware;

    pub(super) struct Process {
        pools: Vec<Weak<dyn ForkAware>>,
        /// Threads that are starting or ending.
        in_transition: usize,
    }

    static PROCESS: Mutex<Process> = Mutex::new(Process { pools: Vec::new(), in_transition: 0 });
    /// Notified when no thread is starting or ending any more.
    static SETTLED: Condvar = Condvar::new();
    /// How long a fork waits for that. Starting and ending take microseconds.
    const PATIENCE: Duration = Duration::from_secs(1);

    thread_local! {
        /// The lock on `PROCESS` while this thread is in `fork`.
        static HELD: RefCell<Option<MutexGuard<'static, Process>>> = const { RefCell::new(None) };
        /// Set while this thread is ending. Destructors of thread-local values run after Rust's own
        /// part of the thread, so the transition ends then.
        static ENDING: RefCell<Option<Transition>> = const { RefCell::new(None) };
    }

    pub(super) fn hold_off<R>(act: impl FnOnce(&mut Process) -> R) -> R {
        install();
        act(&mut lock())
    }

    pub(super) fn add(process: &mut Process, pool: Weak<dyn ForkAware>) {
        process.pools.retain(|pool| pool.strong_count() > 0); // removes dropped pools
        process.pools.push(pool);
    }

    fn lock() -> MutexGuard<'static, Process> {
        PROCESS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the lock when no thread is starting or ending, or after `PATIENCE`.
    fn lock_when_settled() -> MutexGuard<'static, Process> {
        let is_busy = |process: &mut Process| process.in_transition > 0;
        let settled = SETTLED.wait_timeout_while(lock(), PATIENCE, is_busy);
        settled.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Counts a thread as starting or ending until it is dropped.
    pub(super) struct Transition(());

    impl Transition {
        pub(super) fn begin() -> Self {
            hold_off(|process| process.in_transition += 1);
            Self(())
        }

        pub(super) fn until_this_thread_has_ended() {
            let _ = ENDING.try_with(|ending| *ending.borrow_mut() = Some(Self::begin()));
        }
    }

    impl Drop for Transition {
        fn drop(&mut self) {
            let mut process = lock();
            // A child sets the count to zero, also if the fork did not wait long enough.
            process.in_transition = process.in_transition.saturating_sub(1);
            if process.in_transition == 0 {
                SETTLED.notify_all();
            }
        }
    }

    /// Registers the three functions with the system. Two threads may do so at once: that does no
    /// harm. A `Once` would do harm: a child that is forked meanwhile would wait forever for a
    /// thread that does not exist there.
    fn install() {
        static INSTALLED: AtomicBool = AtomicBool::new(false);
        // Acquire: pairs with the store below. A thread that sees `true` knows that the functions are
        // registered.
        if INSTALLED.load(Ordering::Acquire) {
            return;
        }
        // SAFETY: the three functions live as long as the process and do not unwind. In the child they
        // do only what is allowed there: they take no lock that another thread could hold, and
        // allocate nothing. (In the parent, waiting for a lock and for threads is allowed.)
        let result = unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
        assert_eq!(result, 0, "no memory to register for fork notification");
        // Release: pairs with the load above.
        INSTALLED.store(true, Ordering::Release);
    }

    extern "C" fn prepare() {
        // It fails in a thread that is ending. Then `child` tries to take the lock.
        let _ = HELD.try_with(|held| {
            held.borrow_mut().get_or_insert_with(lock_when_settled);
        });
    }

    extern "C" fn parent() {
        let _ = HELD.try_with(|held| held.borrow_mut().take());
    }

    extern "C" fn child() {
        let held = HELD.try_with(|held| held.borrow_mut().take()).ok().flatten();
        let Some(mut process) = held.or_else(|| PROCESS.try_lock().ok()) else { return };
        process.in_transition = 0; // those threads exist only in the parent
        for pool in process.pools.iter().filter_map(Weak::upgrade) {
            pool.forked();
            std::mem::forget(pool); // its connections belong to the parent
        }
    }
}

#[cfg(all(test, unix, not(loom)))]
mod tests {
    use std::sync::atomic::Ordering::SeqCst;
    use std::thread;

    use super::*;

    #[derive(Default)]
    struct Pool {
        notified: AtomicBool,
        child_pool: ChildPool<Self>,
    }

    impl Pool {
        fn watched() -> Arc<Self> {
            watched(Arc::default())
        }
    }

    impl ForkAware for Pool {
        fn forked(&self) {
            self.notified.store(true, SeqCst);
            self.child_pool.set_due();
        }
    }

    /// Whether `act` returns true in a forked child.
    fn in_child(act: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child only runs the closures below: it allocates, which the C library allows
        // there, and prints nothing.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let code = i32::from(!act());
            // SAFETY: ends the child at once, without running anything of its parent.
            unsafe { libc::_exit(code) };
        }
        let mut status = -1;
        // SAFETY: `status` is writable.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(waited, child);
        status == 0
    }

    #[test]
    fn a_child_is_notified_and_its_parent_is_not() {
        let pool = Pool::watched();
        assert!(in_child(|| pool.notified.load(SeqCst)), "the child is notified");
        assert!(!pool.notified.load(SeqCst), "the parent is not");
    }

    #[test]
    fn a_child_pool_is_notified_of_the_next_fork() {
        let pool = Pool::watched();
        let notified = in_child(|| {
            let child = pool.child_pool.get_or_make(Arc::default);
            pool.child_pool.is_due()
                && !child.child_pool.is_due()
                && in_child(|| pool.child_pool.get().is_some_and(|child| child.child_pool.is_due()))
        });
        assert!(notified);
    }

    #[test]
    fn a_child_forked_while_other_threads_make_child_pools_can_make_its_own() {
        let is_over = &AtomicBool::new(false);
        thread::scope(|scope| {
            let make = || Pool::default().child_pool.get_or_make(Arc::default).child_pool.is_due();
            scope.spawn(move || while !is_over.load(SeqCst) && !make() {});
            let all = (0..200).all(|_| in_child(|| !make() && hold_off(|| true)));
            is_over.store(true, SeqCst);
            assert!(all);
        });
    }

    #[test]
    fn a_fork_waits_for_threads_that_start_or_end_but_not_for_running_ones() {
        let (begun, go_on) = std::sync::mpsc::channel::<()>();
        let work = apart_from_forks(move || go_on.recv().is_err());
        let starter = thread::spawn(move || thread::spawn(work).join().unwrap());
        assert!(in_child(|| true), "a thread that runs does not delay the fork");
        drop(begun);
        assert!(starter.join().unwrap());
        assert!(in_child(|| true));
    }
}
