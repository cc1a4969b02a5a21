//! The one call that needs `unsafe`.
#![allow(unsafe_code, reason = "`fork` is unsafe in a process with several threads")]

use nix::unistd::{ForkResult, Pid};

/// Forks the process: returns the child's id in the parent, and `None` in the child.
///
/// The child has a copy of its parent's memory, and only the thread that forked. A lock that
/// another thread held stays locked forever. So call this from a process with one thread.
pub(crate) fn fork() -> nix::Result<Option<Pid>> {
    // SAFETY: the parent starts no threads, so in the child no lock belongs to a thread that the
    // child does not have. (A pool that was built before may have threads. They handle the fork
    // themselves, and delay it while they start or end.)
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Some(child)),
        ForkResult::Child => Ok(None),
    }
}
