//! A child process that can only compute: its first system call, or its first look at the clock, ends it.
//!
//! A read of the clock usually needs no system call, because the kernel shares a page with the process. It
//! does need the processor's time-stamp counter, and the kernel can forbid a process to read that.
#![allow(unsafe_code)]

use std::io::Error;

/// What is forbidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seal {
    Calls,
    #[cfg(target_arch = "x86_64")]
    CallsAndClock,
}

/// How the child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With its result.
    Returned(bool),
    /// By a signal.
    Killed(i32),
    /// The child could not be sealed: the kernel has no seccomp filters, or does not allow them.
    NotSealed,
}

const NO: i32 = 1;
const NOT_SEALED: i32 = 2;

/// Forks, runs `before` in the child, seals it, and runs `then`.
///
/// Other threads of this process do not exist in the child, but the locks that they held are still held
/// there: neither closure may need a lock of this program.
pub(crate) fn run(seal: Seal, before: impl FnOnce() -> bool, then: impl FnOnce() -> bool) -> End {
    // SAFETY: the child runs only the given closures; see above for what they may do.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "no child process: {}", Error::last_os_error());
    if child == 0 {
        let status = match before() && close_door(seal) {
            false => NOT_SEALED,
            true if then() => 0,
            true => NO,
        };
        exit(status);
    }
    let mut status = 0;
    // SAFETY: the pointer is to a local variable.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(waited, child, "the child is lost: {}", Error::last_os_error());
    match libc::WIFSIGNALED(status) {
        true => End::Killed(libc::WTERMSIG(status)),
        false => match libc::WEXITSTATUS(status) {
            NOT_SEALED => End::NotSealed,
            status => End::Returned(status != NO),
        },
    }
}

/// Calls the system, whatever the C library does about it.
pub(crate) fn call() -> bool {
    // SAFETY: the call has no arguments and no effect.
    unsafe { libc::syscall(libc::SYS_getppid) > 0 }
}

/// The one call that is still allowed. Nothing is flushed or destroyed.
fn exit(status: i32) -> ! {
    loop {
        // SAFETY: the call ends the process, with the threads that a pool has started in it.
        unsafe { libc::syscall(libc::SYS_exit_group, status) };
    }
}

/// Forbids all calls but `exit`. Returns whether that worked.
fn close_door(seal: Seal) -> bool {
    // No core file for the planned end; and a filter needs a process without privileges.
    control(libc::PR_SET_DUMPABLE, 0)
        && control(libc::PR_SET_NO_NEW_PRIVS, 1)
        && (seal == Seal::Calls || close_clock())
        && filter_calls()
}

fn filter_calls() -> bool {
    let step = |code: u32, k: u32, jf: u8| libc::sock_filter { code: code as u16, jt: 0, jf, k };
    let number = 0; // of the call: the first field of what a filter sees
    let mut filter = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, number, 0),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, libc::SYS_exit_group as u32, 1),
        step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0),
        step(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_KILL_PROCESS, 0),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the kernel copies the filter, which lives until then.
    let failed =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    failed == 0
}

#[cfg(target_arch = "x86_64")]
fn close_clock() -> bool {
    control(libc::PR_SET_TSC, libc::PR_TSC_SIGSEGV)
}

#[cfg(not(target_arch = "x86_64"))]
fn close_clock() -> bool {
    false
}

fn control(option: i32, value: i32) -> bool {
    let (value, zero) = (value as libc::c_ulong, 0 as libc::c_ulong);
    // SAFETY: the options used here take numbers only.
    unsafe { libc::prctl(option, value, zero, zero, zero) == 0 }
}
