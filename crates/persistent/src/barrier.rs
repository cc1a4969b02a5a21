//! An asymmetric memory barrier: one of the two sides pays for both.
//!
//! Two threads each write a word and then read the other's word. At least one of them sees the other's
//! write only if both sides have a full barrier between the write and the read, which costs about 5 ns
//! each time. Here, one side does this millions of times a second and the other side once in a pool's
//! life. So the rare side has the system make every running thread of the process pass a barrier
//! (membarrier(2), Linux 4.14), and the frequent side only has to keep the compiler from reordering.
//! Where the system does not offer this, both sides pay.
//!
//! This module keeps no state: each pool registers anew, which is harmless. A child that is forked while
//! another thread registers would find a `Once` running, and nothing would ever finish it.
#![allow(unsafe_code)]

use threadwise_core::parts::sync::atomic::{Ordering, fence};

/// The barrier of the frequent side. It suffices if [`register`] returned `true`; otherwise [`full`] has
/// to follow.
#[inline]
pub(crate) fn light() {
    if cfg!(loom) {
        full(); // loom knows no other barrier
    } else {
        std::sync::atomic::compiler_fence(Ordering::SeqCst);
    }
}

/// A barrier of the calling thread alone.
pub(crate) fn full() {
    fence(Ordering::SeqCst);
}

/// Tells the system that this process will call [`heavy`]. Returns whether it may do so; then [`light`]
/// suffices on the frequent side. Takes some microseconds, and milliseconds for the first pool of a
/// process that has threads.
pub(crate) fn register() -> bool {
    #[cfg(all(target_os = "linux", not(loom)))]
    return linux::register();
    #[cfg(not(all(target_os = "linux", not(loom))))]
    cfg!(loom) // where the light barrier is a full one
}

/// The barrier of the rare side. It orders the memory of all threads of the process: this thread
/// sees all writes that another thread made before its last [`light`], and that thread sees this
/// thread's earlier writes after its next [`light`]. Costs as much as two system calls, and an
/// interrupt on each busy processor.
///
/// Returns `false` if the system refuses: a sandbox that was set up after [`register`] may forbid the
/// call. Then this thread knows nothing of the other threads.
#[must_use]
pub(crate) fn heavy() -> bool {
    full();
    #[cfg(all(target_os = "linux", not(loom)))]
    return linux::barrier();
    #[cfg(not(all(target_os = "linux", not(loom))))]
    true // no code relies on it: `register` returned `false`, or the light barrier is a full one
}

#[cfg(all(target_os = "linux", not(loom)))]
mod linux {
    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: the call takes three numbers and touches no memory of this process.
        let result = unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
        result == 0
    }

    /// A forked child is registered if its parent was.
    pub(super) fn register() -> bool {
        membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
    }

    pub(super) fn barrier() -> bool {
        membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
            // A sandbox may forbid only that command. This one is slower and needs no registration.
            || membarrier(libc::MEMBARRIER_CMD_GLOBAL)
    }
}
