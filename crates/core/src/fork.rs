//! Noticing that the process was forked.
//!
//! A forked child has a copy of each pool, and of its connections' sockets, which are its parent's
//! still; and none of the threads that may have held a lock of it. So nothing of such a pool can be
//! used there but what a single atomic operation can tell. POSIX lets a program be called in the
//! child before anything else happens there (`pthread_atfork`); here that call tells every pool.
//! Where there is no `fork` there is nothing to notice.
#![cfg_attr(unix, allow(unsafe_code))]

use std::sync::Weak;

/// A pool that must not go on in a forked child as if nothing had happened.
pub trait Orphan: Send + Sync {
    /// The process is a forked child now. Called once, in the child, on its only thread, before
    /// `fork` returns. May do no more than atomic operations: any lock may be held by a thread that
    /// is not there, and the child may be about to run another program.
    ///
    /// The pool is never dropped in the child from now on, so that what it holds is not closed there.
    fn orphan(&self);
}

/// Has `pool` told when the process was forked.
pub fn watch(pool: Weak<dyn Orphan>) {
    #[cfg(all(unix, not(loom)))]
    unix::watch(pool);
    #[cfg(not(all(unix, not(loom))))]
    drop(pool);
}

#[cfg(all(unix, not(loom)))]
mod unix {
    use std::cell::RefCell;
    use std::sync::{Mutex, MutexGuard, Once, PoisonError, Weak};

    use super::Orphan;

    type Pools = Vec<Weak<dyn Orphan>>;

    static POOLS: Mutex<Pools> = Mutex::new(Vec::new());

    thread_local! {
        /// The list, while this thread is in `fork`: nobody else is writing to it then.
        static HELD: RefCell<Option<MutexGuard<'static, Pools>>> = const { RefCell::new(None) };
    }

    pub(super) fn watch(pool: Weak<dyn Orphan>) {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(install);
        let mut pools = lock();
        pools.retain(|pool| pool.strong_count() > 0); // pools come and go
        pools.push(pool);
    }

    fn lock() -> MutexGuard<'static, Pools> {
        POOLS.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn install() {
        // SAFETY: the three functions live as long as the process, do not unwind, and do in the child
        // what may be done there: they take no lock that another thread could hold, and allocate
        // nothing.
        let result = unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) };
        assert_eq!(result, 0, "no memory to be told of forks");
    }

    extern "C" fn prepare() {
        // It fails in a thread that is ending; then `child` looks whether the list is free.
        let _ = HELD.try_with(|held| *held.borrow_mut() = Some(lock()));
    }

    extern "C" fn parent() {
        let _ = HELD.try_with(|held| held.borrow_mut().take());
    }

    extern "C" fn child() {
        let held = HELD.try_with(|held| held.borrow_mut().take()).ok().flatten();
        let Some(pools) = held.or_else(|| POOLS.try_lock().ok()) else { return };
        for pool in pools.iter().filter_map(Weak::upgrade) {
            pool.orphan();
            std::mem::forget(pool); // its connections are the parent's
        }
    }
}

#[cfg(all(test, unix, not(loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    use super::*;

    #[derive(Default)]
    struct Pool(AtomicBool);

    impl Orphan for Pool {
        fn orphan(&self) {
            self.0.store(true, SeqCst);
        }
    }

    #[test]
    fn a_child_is_told_and_its_parent_is_not() {
        let pool = Arc::new(Pool::default());
        let orphan: Arc<dyn Orphan> = Arc::clone(&pool) as Arc<dyn Orphan>;
        watch(Arc::downgrade(&orphan));
        // SAFETY: the child does no more than to read an atomic and to end.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let code = i32::from(!pool.0.load(SeqCst));
            // SAFETY: ends the child at once, without anything of its parent's being run.
            unsafe { libc::_exit(code) };
        }
        let mut status = -1;
        // SAFETY: `status` is writable.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!((waited, status), (child, 0), "the child was told");
        assert!(!pool.0.load(SeqCst), "the parent was not");
    }
}
