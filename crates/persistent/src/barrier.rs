//! A barrier whose price is paid by one side alone.
//!
//! Two threads each write a word and then read the other's. That at least one sees the other takes a
//! full barrier between write and read on both sides, some 5 ns each time. Where one side comes
//! along millions of times a second and the other once in a pool's life, the rare one can have the
//! system make every running thread of the process pass a barrier (membarrier(2), Linux 4.14), so
//! that the frequent one only has to keep the compiler from reordering. Where the system does not
//! offer that, both sides pay.
//!
//! Nothing is remembered here between two calls: each pool registers anew, which is harmless. A
//! `Once` would be found running forever by a child that is forked while another thread registers.
#![allow(unsafe_code)]

use threadwise_core::sync::atomic::{Ordering, fence};

/// The frequent side's part, if [`register`] says that it suffices; otherwise [`full`] has to follow.
#[inline]
pub(crate) fn light() {
    if cfg!(loom) {
        full(); // the model knows no other
    } else {
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
    }
}

/// A barrier of the calling thread's own.
pub(crate) fn full() {
    fence(Ordering::SeqCst);
}

/// Tells the system that this process will call [`heavy`]. Returns whether it may: then [`light`]
/// suffices on the frequent side. Some microseconds; milliseconds for the first pool of a process
/// that has threads.
pub(crate) fn register() -> bool {
    #[cfg(all(target_os = "linux", not(loom)))]
    return linux::register();
    #[cfg(not(all(target_os = "linux", not(loom))))]
    cfg!(loom) // where the light one is full
}

/// The rare side's part: what other threads have written before their last [`light`] can be seen
/// afterwards, and they see after their next one what this thread has written before. Two system
/// calls' time and an interrupt on each busy processor.
///
/// `false` if the system refuses: a sandbox that came after [`register`] may forbid the call. Then
/// nothing is known of other threads.
#[must_use]
pub(crate) fn heavy() -> bool {
    full();
    #[cfg(all(target_os = "linux", not(loom)))]
    return linux::barrier();
    #[cfg(not(all(target_os = "linux", not(loom))))]
    true // no code relies on it: `register` said no, or the light one is full
}

#[cfg(all(target_os = "linux", not(loom)))]
mod linux {
    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: the call takes three numbers and touches no memory of this process.
        let result = unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
        result == 0
    }

    /// A forked child has registered if its parent had.
    pub(super) fn register() -> bool {
        membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
    }

    pub(super) fn barrier() -> bool {
        membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
            // A sandbox may forbid the one and not the other; this one is slower, and needs no
            // registration.
            || membarrier(libc::MEMBARRIER_CMD_GLOBAL)
    }
}
