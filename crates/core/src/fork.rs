//! Noticing that the process was forked.
//!
//! A forked child has a copy of each pool, and of its connections' sockets, which are its parent's
//! still; and none of the threads that may have held a lock of it. So nothing of such a pool can be
//! used there but what a single atomic operation can tell. POSIX lets a program be called in the
//! child before anything else happens there (`pthread_atfork`); here that call tells every pool.
//! Where there is no `fork` there is nothing to notice.
//!
//! What other threads were writing at that moment is not to be trusted either: the child's memory is
//! copied page by page while they go on, so it may have the later of two writes and not the earlier.
#![cfg_attr(unix, allow(unsafe_code))]

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

#[cfg(not(all(unix, not(loom))))]
use nowhere as system;
#[cfg(all(unix, not(loom)))]
use unix as system;

/// A pool that must not go on in a forked child as if nothing had happened.
pub trait Orphan: Send + Sync {
    /// The process is a forked child now. Called in the child, on its only thread, before `fork`
    /// returns; once in each child of a child. May do no more than atomic operations: any lock may be
    /// held by a thread that is not there, and the child may be about to run another program.
    ///
    /// The pool is never dropped in the child from now on, so that what it holds is not closed there.
    fn orphan(&self);
}

/// Has `pool` told when the process was forked, for as long as it lives.
pub fn watched<P: Orphan + 'static>(pool: Arc<P>) -> Arc<P> {
    let weak = Arc::downgrade(&pool);
    system::hold_off(|pools| system::add(pools, weak));
    pool
}

/// Runs `act` while no other thread forks the process: what `act` locks, nobody has locked in a
/// child; what it writes, a child has all of or nothing. Others wait meanwhile, so be quick, and call
/// nothing that may fork.
pub fn hold_off<R>(act: impl FnOnce() -> R) -> R {
    system::hold_off(|_| act())
}

/// What a new thread of a pool's is to do, so wrapped that the process is not forked while that thread
/// starts or ends. A thread of Rust's takes a lock of the standard library's then; if a fork comes
/// between, it is held for ever in the child, where no other thread can start any more. (Threads of
/// the program's own do the same. Against those only their program can help, by forking while none of
/// them starts or ends.) A fork waits for that, for a second at most.
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

/// The pool that takes an orphan's place in a forked child; a part of every pool.
pub struct Heir<P> {
    is_due: AtomicBool,
    heir: OnceLock<Arc<P>>,
}

impl<P: Orphan + 'static> Heir<P> {
    /// For a pool that is no orphan.
    #[must_use]
    pub const fn new() -> Self {
        Self { is_due: AtomicBool::new(false), heir: OnceLock::new() }
    }

    /// The pool is an orphan from now on; for [`Orphan::orphan`].
    pub fn set_due(&self) {
        // Relaxed: stored by the child's only thread, before it starts another.
        self.is_due.store(true, Ordering::Relaxed);
    }

    /// Whether the pool is an orphan: whoever wants it has to go to its heir.
    #[inline]
    pub fn is_due(&self) -> bool {
        self.is_due.load(Ordering::Relaxed) // see `set_due`
    }

    /// The heir, if anybody has asked for one.
    pub fn get(&self) -> Option<&Arc<P>> {
        self.heir.get()
    }

    /// The heir, which the first to ask makes, and which is told of forks itself. Forks wait
    /// meanwhile: a child never finds the place half-filled, by a thread that it does not have.
    pub fn get_or_make(&self, make: impl FnOnce() -> Arc<P>) -> &Arc<P> {
        self.heir.get().unwrap_or_else(|| {
            system::hold_off(|pools| {
                self.heir.get_or_init(|| {
                    let heir = make();
                    let weak = Arc::downgrade(&heir);
                    system::add(pools, weak);
                    heir
                })
            })
        })
    }
}

/// A pool that another stands for in a forked child: one with the same settings and nothing open.
pub trait Inherited: Orphan + Sized + 'static {
    /// Where its heir is kept.
    fn inheritance(&self) -> &Heir<Self>;

    /// Makes the heir, closed if this pool was. The orphan's locks may be held for ever, by threads
    /// that the child does not have: no more may be read of it than atomics and what never changes.
    fn make_heir(&self) -> Arc<Self>;

    /// Ends the pool, which is no orphan: nobody has a handle any more.
    fn end(&self);

    /// Whether this process is a forked child, and the pool its parent's.
    #[inline]
    fn is_orphan(&self) -> bool {
        self.inheritance().is_due()
    }

    /// The pool that this process may use: this one, or its heir. One load where it is this one.
    #[inline]
    fn living(self: &Arc<Self>) -> &Arc<Self> {
        if self.is_orphan() { self.heir() } else { self }
    }

    /// An orphan's heir, or the heir's own in a child's child; made by the first to ask.
    #[cold]
    fn heir(&self) -> &Arc<Self> {
        self.inheritance().get_or_make(|| self.make_heir()).living()
    }

    /// The last handle of this process is gone. (Those of threads that only the parent has are never
    /// dropped here; an heir that they keep open ends with the process.)
    fn last_handle_dropped(&self) {
        match self.inheritance().get() {
            _ if !self.is_orphan() => self.end(),
            Some(heir) => heir.last_handle_dropped(),
            None => {}
        }
    }
}

impl<P: Orphan + 'static> Default for Heir<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> fmt::Debug for Heir<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heir").field("is_due", &self.is_due).finish_non_exhaustive()
    }
}

#[cfg(not(all(unix, not(loom))))]
mod nowhere {
    use std::sync::Weak;

    use super::Orphan;

    pub(super) fn hold_off<R>(act: impl FnOnce(&mut ()) -> R) -> R {
        act(&mut ())
    }

    pub(super) fn add((): &mut (), pool: Weak<dyn Orphan>) {
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

    use super::Orphan;

    pub(super) struct Process {
        pools: Vec<Weak<dyn Orphan>>,
        /// Threads that are starting or ending.
        in_transition: usize,
    }

    static PROCESS: Mutex<Process> = Mutex::new(Process { pools: Vec::new(), in_transition: 0 });
    /// No thread is starting or ending any more.
    static SETTLED: Condvar = Condvar::new();
    /// For so long a fork waits for that. Threads take microseconds for it, unless something is wrong.
    const PATIENCE: Duration = Duration::from_secs(1);

    thread_local! {
        /// The lock, while this thread is in `fork`.
        static HELD: RefCell<Option<MutexGuard<'static, Process>>> = const { RefCell::new(None) };
        /// This thread is ending. Destructors of thread-local values run when Rust's own part in the
        /// thread is over, so the transition ends then.
        static ENDING: RefCell<Option<Transition>> = const { RefCell::new(None) };
    }

    pub(super) fn hold_off<R>(act: impl FnOnce(&mut Process) -> R) -> R {
        install();
        act(&mut lock())
    }

    pub(super) fn add(process: &mut Process, pool: Weak<dyn Orphan>) {
        process.pools.retain(|pool| pool.strong_count() > 0); // pools come and go
        process.pools.push(pool);
    }

    fn lock() -> MutexGuard<'static, Process> {
        PROCESS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Once no thread is starting or ending.
    fn lock_when_settled() -> MutexGuard<'static, Process> {
        let is_busy = |process: &mut Process| process.in_transition > 0;
        let settled = SETTLED.wait_timeout_while(lock(), PATIENCE, is_busy);
        settled.unwrap_or_else(PoisonError::into_inner).0
    }

    /// A thread is starting or ending for as long as this lives.
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
            // In a child that was forked though it was not settled, the count began anew.
            process.in_transition = process.in_transition.saturating_sub(1);
            if process.in_transition == 0 {
                SETTLED.notify_all();
            }
        }
    }

    /// Twice does no harm. A `Once` would: a child that is forked meanwhile would wait for ever for
    /// a thread that it does not have.
    fn install() {
        static INSTALLED: AtomicBool = AtomicBool::new(false);
        // Acquire: pairs with the store below; who sees it may rely on being called.
        if INSTALLED.load(Ordering::Acquire) {
            return;
        }
        // SAFETY: the three functions live as long as the process, do not unwind, and do in the child
        // what may be done there: they take no lock that another thread could hold, and allocate
        // nothing. (In the parent, before the fork, waiting for a lock and for threads is allowed.)
        let result = unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
        assert_eq!(result, 0, "no memory to be told of forks");
        INSTALLED.store(true, Ordering::Release);
    }

    extern "C" fn prepare() {
        // It fails in a thread that is ending; then `child` looks whether the list is free.
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
        process.in_transition = 0; // those threads are the parent's
        for pool in process.pools.iter().filter_map(Weak::upgrade) {
            pool.orphan();
            std::mem::forget(pool); // its connections are the parent's
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
        told: AtomicBool,
        heir: Heir<Self>,
    }

    impl Pool {
        fn watched() -> Arc<Self> {
            watched(Arc::default())
        }
    }

    impl Orphan for Pool {
        fn orphan(&self) {
            self.told.store(true, SeqCst);
            self.heir.set_due();
        }
    }

    /// Whether `act` returned true in a forked child.
    fn in_child(act: impl FnOnce() -> bool) -> bool {
        // SAFETY: the child does no more than the tests below ask for: it allocates, which the C
        // library allows there, and prints nothing.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let code = i32::from(!act());
            // SAFETY: ends the child at once, without anything of its parent's being run.
            unsafe { libc::_exit(code) };
        }
        let mut status = -1;
        // SAFETY: `status` is writable.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(waited, child);
        status == 0
    }

    #[test]
    fn a_child_is_told_and_its_parent_is_not() {
        let pool = Pool::watched();
        assert!(in_child(|| pool.told.load(SeqCst)), "the child was told");
        assert!(!pool.told.load(SeqCst), "the parent was not");
    }

    #[test]
    fn an_heir_is_told_of_the_next_fork() {
        let pool = Pool::watched();
        let told = in_child(|| {
            let heir = pool.heir.get_or_make(Arc::default);
            pool.heir.is_due()
                && !heir.heir.is_due()
                && in_child(|| pool.heir.get().is_some_and(|heir| heir.heir.is_due()))
        });
        assert!(told);
    }

    #[test]
    fn a_child_that_is_forked_while_others_make_heirs_can_make_its_own() {
        let is_over = &AtomicBool::new(false);
        thread::scope(|scope| {
            let make = || Pool::default().heir.get_or_make(Arc::default).heir.is_due();
            scope.spawn(move || while !is_over.load(SeqCst) && !make() {});
            let all = (0..200).all(|_| in_child(|| !make() && hold_off(|| true)));
            is_over.store(true, SeqCst);
            assert!(all);
        });
    }

    #[test]
    fn a_fork_waits_for_threads_that_start_or_end_and_no_longer() {
        let (begun, go_on) = std::sync::mpsc::channel::<()>();
        let work = apart_from_forks(move || go_on.recv().is_err());
        let starter = thread::spawn(move || thread::spawn(work).join().unwrap());
        assert!(in_child(|| true), "a thread that has started does not hold it up");
        drop(begun);
        assert!(starter.join().unwrap());
        assert!(in_child(|| true));
    }
}
