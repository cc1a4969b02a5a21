//! Signals to a child process, which the standard library lacks except for `SIGKILL`.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::process::Child;

/// Sends `signal` to a child that has not been waited for. Until then the id is the child's own,
/// even if it has ended.
///
/// # Panics
///
/// If the kernel refuses, which it does only if the child has been waited for.
pub(crate) fn send(child: &Child, signal: libc::c_int) {
    let pid = pid(child);
    // SAFETY: `kill` touches no memory of this process.
    let result = unsafe { libc::kill(pid, signal) };
    assert_eq!(result, 0, "signal {signal} to {pid}: {}", io::Error::last_os_error());
}

/// Sends `signal` to a process that may have ended. Its parent, which the caller has stopped or is about
/// to kill, has not reaped it before, so its id is not another process's.
pub(crate) fn send_to(id: u32, signal: libc::c_int) {
    let pid = libc::pid_t::try_from(id).expect("the kernel's process ids are of this type");
    // SAFETY: `kill` touches no memory of this process.
    let _ = unsafe { libc::kill(pid, signal) }; // fails if the process is gone
}

/// Whether all threads of the child have been stopped by a signal. Does not wait.
pub(crate) fn is_stopped(child: &Child) -> bool {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // WNOWAIT leaves the report where it is, so that freezing twice finds it again.
    let options = libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `info` is valid for writes, and without WEXITED the call never takes the child's
    // exit status away from `Child`.
    let result = unsafe { libc::waitid(libc::P_PID, child.id(), info.as_mut_ptr(), options) };
    // SAFETY: `siginfo_t` is integers and pointers, for which all bits zero is a valid value.
    let info = unsafe { info.assume_init() };
    result == 0 && info.si_signo == libc::SIGCHLD
}

fn pid(child: &Child) -> libc::pid_t {
    libc::pid_t::try_from(child.id()).expect("the kernel's process ids are of this type")
}
