//! A barrier whose price is paid by one side alone.
//!
//! Two threads each write a word and then read the other's. That at least one sees the other takes a
//! full barrier between write and read on both sides, some 5 ns each time. Where one side comes
//! along millions of times a second and the other once in a pool's life, the rare one can have the
//! system make every running thread of the process pass a barrier (membarrier(2), Linux 4.14), so
//! that the frequent one only has to keep the compiler from reordering. Where that cannot be had,
//! both sides pay.
#![allow(unsafe_code)]

use threadwise_core::sync::atomic::{Ordering, fence};

/// The frequent side's part, if [`is_asymmetric`]; otherwise [`full`] has to follow.
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

/// The rare side's part: what other threads have written before their last [`light`] can be seen
/// afterwards, and they see after their next one what this thread has written before. Two system
/// calls' time and an interrupt on each busy processor.
pub(crate) fn heavy() {
    full();
    #[cfg(all(target_os = "linux", not(loom)))]
    linux::barrier();
}

/// Whether [`light`] suffices on the frequent side. Asks the system, once.
pub(crate) fn is_asymmetric() -> bool {
    #[cfg(all(target_os = "linux", not(loom)))]
    return linux::is_registered();
    #[cfg(not(all(target_os = "linux", not(loom))))]
    cfg!(loom) // where the light one is full
}

#[cfg(all(target_os = "linux", not(loom)))]
mod linux {
    use std::sync::OnceLock;

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: the call takes three numbers and touches no memory of this process.
        let result = unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
        result == 0
    }

    /// The process has to say beforehand that it will ask. A forked child has said so too.
    pub(super) fn is_registered() -> bool {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        *REGISTERED.get_or_init(|| membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED))
    }

    pub(super) fn barrier() {
        if is_registered() {
            let passed = membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
                // A sandbox that came later may forbid it; this one is slower, and needs no promise.
                || membarrier(libc::MEMBARRIER_CMD_GLOBAL);
            assert!(passed, "the system has taken back membarrier(2), which the pool relies on");
        }
    }
}
