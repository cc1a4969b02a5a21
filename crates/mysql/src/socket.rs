//! What this crate does on the driver's socket without the driver: look at it, set its timeouts,
//! ping, shut it down, and replace it in a forked child. Also holds signals back while a connection
//! is opened. The only `unsafe` code of this crate.
#![allow(unsafe_code)]

use std::io;
use std::time::{Duration, Instant};

use mysql::Conn;

/// The limits of one read from a socket and of one write to it; `None` is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    pub(crate) read: Option<Duration>,
    pub(crate) write: Option<Duration>,
}

impl Timeouts {
    /// The same, but at most `limit`.
    pub(crate) fn within(self, limit: Duration) -> Self {
        Self { read: Some(clip(self.read, limit)), write: Some(clip(self.write, limit)) }
    }
}

/// The shorter of the two limits. It is never zero, because zero means no timeout to the system.
pub(crate) fn clip(timeout: Option<Duration>, limit: Duration) -> Duration {
    timeout.unwrap_or(Duration::MAX).min(limit).max(Duration::from_millis(1))
}

/// Whether the server has neither closed the connection nor sent anything without a question, as
/// far as this machine knows. One system call, about 0.4 µs; never waits.
///
/// Between statements a server has nothing to say. So a byte that is ready is a late answer to an
/// earlier statement, or a good-bye. That holds for compressed and encrypted connections too.
#[cfg(unix)]
pub(crate) fn is_quiet(conn: &Conn) -> bool {
    use std::os::fd::AsRawFd;

    let mut byte = 0_u8;
    loop {
        // SAFETY: `byte` is one writable byte that outlives the call, and one byte is asked for.
        // The descriptor belongs to `conn`, which is borrowed, so it is open; were it not, `recv`
        // would report that.
        let received = unsafe {
            libc::recv(
                conn.as_raw_fd(),
                (&raw mut byte).cast(),
                1,
                libc::MSG_PEEK | libc::MSG_DONTWAIT,
            )
        };
        if received >= 0 {
            return false;
        }
        match io::Error::last_os_error().kind() {
            io::ErrorKind::Interrupted => {}
            kind => return kind == io::ErrorKind::WouldBlock,
        }
    }
}

/// Sets how long reads and writes may take from now on. Needs no new file descriptor, so it works
/// in a process that has none left.
#[cfg(unix)]
pub(crate) fn set_timeouts(conn: &Conn, timeouts: Timeouts) -> io::Result<()> {
    set_timeout(conn, libc::SO_RCVTIMEO, timeouts.read)?;
    set_timeout(conn, libc::SO_SNDTIMEO, timeouts.write)
}

/// Sets one of a socket's two timeouts. To the system, zero is no timeout.
#[cfg(unix)]
fn set_timeout(conn: &Conn, option: libc::c_int, timeout: Option<Duration>) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    let timeout = timeout.map_or(Duration::ZERO, |timeout| timeout.max(Duration::from_micros(1)));
    let value = libc::timeval {
        tv_sec: timeout.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_usec: timeout.subsec_micros() as libc::suseconds_t,
    };
    // SAFETY: the pointer and the length are those of `value`, which outlives the call. The
    // descriptor belongs to `conn`, which is borrowed, so it is open.
    let outcome = unsafe {
        libc::setsockopt(
            conn.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            (&raw const value).cast(),
            size_of::<libc::timeval>() as libc::socklen_t,
        )
    };
    if outcome == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends a ping without the driver. Never waits: between two statements the socket's buffer has
/// room for it.
#[cfg(unix)]
pub(crate) fn send_ping(conn: &Conn) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    /// A packet of one byte, the first of its exchange: the command `COM_PING`.
    const PING: [u8; 5] = [1, 0, 0, 0, 14];
    loop {
        // SAFETY: the pointer and the length are those of a constant. The descriptor belongs to
        // `conn`, which is borrowed, so it is open.
        let sent = unsafe {
            libc::send(
                conn.as_raw_fd(),
                PING.as_ptr().cast(),
                PING.len(),
                libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            )
        };
        match usize::try_from(sent) {
            Ok(sent) if sent == PING.len() => return Ok(()),
            Ok(_) => return Err(io::ErrorKind::WriteZero.into()),
            Err(_) => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    }
}

/// Waits until there is something to read or the connection has ended. Returns `false` if the
/// deadline passes first. Signals do not move the deadline. Without a deadline it waits without a
/// limit; with one that has passed it looks once.
#[cfg(unix)]
pub(crate) fn wait_readable(conn: &Conn, deadline: Option<Instant>) -> io::Result<bool> {
    use std::os::fd::AsRawFd;

    let mut poll = libc::pollfd { fd: conn.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // Rounded up, so that the wait does not end too early.
        let millis = left.map_or(-1, |left| {
            left.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(libc::c_int::MAX)
        });
        // SAFETY: the pointer is that of one `pollfd`, as the count says, and outlives the call. The
        // descriptor in it belongs to `conn`, which is borrowed, so it is open.
        match unsafe { libc::poll(&raw mut poll, 1, millis) } {
            0 if millis != libc::c_int::MAX => return Ok(false),
            0 => {}
            1.. => return Ok(true),
            _ => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            },
        }
    }
}

/// Reads the bytes that are ready, without waiting: `Ok(None)` if there are none yet, `Ok(Some(0))`
/// at the end of the connection.
#[cfg(unix)]
pub(crate) fn read_ready(conn: &Conn, into: &mut [u8]) -> io::Result<Option<usize>> {
    use std::os::fd::AsRawFd;

    loop {
        // SAFETY: the pointer and the length are those of `into`, which outlives the call. The
        // descriptor belongs to `conn`, which is borrowed, so it is open.
        let received = unsafe {
            libc::recv(conn.as_raw_fd(), into.as_mut_ptr().cast(), into.len(), libc::MSG_DONTWAIT)
        };
        if let Ok(received) = usize::try_from(received) {
            return Ok(Some(received));
        }
        match io::Error::last_os_error() {
            error if error.kind() == io::ErrorKind::Interrupted => {}
            error if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            error => return Err(error),
        }
    }
}

/// Ends a socket's traffic in both directions. A thread that reads from it continues at once.
///
/// The caller makes sure that `fd` is still the socket that it means.
#[cfg(unix)]
pub(crate) fn shut_down(fd: std::os::fd::RawFd) {
    // SAFETY: the call touches no memory. The caller makes sure that `fd` is an open socket.
    let _ = unsafe { libc::shutdown(fd, libc::SHUT_RDWR) };
}

/// Whether this process or machine has no file descriptor left.
#[cfg(unix)]
pub(crate) fn lacks_descriptors() -> bool {
    use std::os::fd::{FromRawFd, OwnedFd};

    // SAFETY: the call touches no memory.
    let fd = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    if fd == -1 {
        let error = io::Error::last_os_error();
        return matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE));
    }
    // SAFETY: the descriptor was made a moment ago, and belongs to no other value.
    drop(unsafe { OwnedFd::from_raw_fd(fd) });
    false
}

/// Holds back most signals of this thread until it is dropped.
///
/// Each time a signal handler interrupts a read, the driver starts it again with its whole timeout.
/// So a signal that comes again and again makes a read last without a limit, and while a connection
/// is being opened nothing else can end such a read. Signals of faults, and those that ask a
/// program to end or to stop, are not held back.
#[cfg(unix)]
pub(crate) struct SignalsHeld(libc::sigset_t);

#[cfg(unix)]
impl SignalsHeld {
    pub(crate) fn hold() -> Option<Self> {
        use std::mem::MaybeUninit;

        const NEVER: [libc::c_int; 13] = [
            libc::SIGINT,
            libc::SIGTERM,
            libc::SIGQUIT,
            libc::SIGHUP,
            libc::SIGTSTP,
            libc::SIGCONT,
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGILL,
            libc::SIGTRAP,
            libc::SIGABRT,
            libc::SIGSYS,
        ];
        let (mut held, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
        // SAFETY: `held` is room for one set, which the call fills.
        unsafe { libc::sigfillset(held.as_mut_ptr()) };
        for signal in NEVER {
            // SAFETY: the call before has filled the set.
            unsafe { libc::sigdelset(held.as_mut_ptr(), signal) };
        }
        // SAFETY: the first set is filled, the second is room for one, which the call fills.
        let outcome =
            unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, held.as_ptr(), before.as_mut_ptr()) };
        // SAFETY: the call has filled the set if it returned zero.
        (outcome == 0).then(|| Self(unsafe { before.assume_init() }))
    }
}

#[cfg(unix)]
impl Drop for SignalsHeld {
    fn drop(&mut self) {
        // SAFETY: the set is the one that the system gave for this thread: the value cannot move to
        // another thread between `hold` and here, since only `connect` has it, on its stack.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut())
        };
    }
}

/// A second handle of the same socket, to shut it down with.
#[cfg(unix)]
pub(crate) fn duplicate(conn: &Conn) -> Option<std::net::TcpStream> {
    use std::os::fd::{AsRawFd, BorrowedFd};

    // SAFETY: the descriptor belongs to `conn`, whose borrow outlives this one.
    let socket = unsafe { BorrowedFd::borrow_raw(conn.as_raw_fd()) };
    // Shutting down is the same for any socket, also for one that is not TCP.
    socket.try_clone_to_owned().ok().map(std::net::TcpStream::from)
}

/// The driver gives no access to the socket here.
#[cfg(not(unix))]
pub(crate) fn duplicate(_conn: &Conn) -> Option<std::net::TcpStream> {
    None
}

/// Replaces the server's socket by a new one, in this process only. Returns the other end of the
/// new socket: the driver's bytes go there as long as it is open, and writing them never waits.
#[cfg(unix)]
pub(crate) fn part(conn: &Conn) -> io::Result<std::os::unix::net::UnixStream> {
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    let (ours, other_end) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    // `conn` still owns its descriptor and closes what is there now; `ours` closes its own.
    put_in_place(ours.as_raw_fd(), conn.as_raw_fd())?;
    Ok(other_end)
}

/// Replaces the descriptor `to`, which is closed, by a duplicate of `from`. Like any descriptor
/// that Rust opens, it is closed when the process runs another program.
#[cfg(unix)]
fn put_in_place(from: std::os::fd::RawFd, to: std::os::fd::RawFd) -> io::Result<()> {
    #[cfg(any(
        target_os = "android",
        target_os = "dragonfly",
        target_os = "freebsd",
        target_os = "linux",
        target_os = "netbsd",
        target_os = "openbsd"
    ))]
    // SAFETY: the call touches no memory. It takes over a descriptor whose owner asks for that.
    let put = unsafe { libc::dup3(from, to, libc::O_CLOEXEC) };
    #[cfg(not(any(
        target_os = "android",
        target_os = "dragonfly",
        target_os = "freebsd",
        target_os = "linux",
        target_os = "netbsd",
        target_os = "openbsd"
    )))]
    // SAFETY: as above; there is no one call for both here, and the child has one thread as a rule.
    let put = match unsafe { libc::dup2(from, to) } {
        -1 => -1,
        // SAFETY: the call touches no memory.
        to => unsafe { libc::fcntl(to, libc::F_SETFD, libc::FD_CLOEXEC) },
    };
    if put == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// A system that is not a Unix has no `fork`.
#[cfg(not(unix))]
pub(crate) fn part(_conn: &Conn) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// On this system the driver gives no access to the socket. Only the next statement shows whether
/// the connection works.
#[cfg(not(unix))]
pub(crate) fn is_quiet(_conn: &Conn) -> bool {
    true
}

/// On this system the driver gives no access to the socket, so the driver itself sends the pings.
#[cfg(not(unix))]
pub(crate) fn send_ping(_conn: &Conn) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Not supported on this system, like [`send_ping`].
#[cfg(not(unix))]
pub(crate) fn wait_readable(_conn: &Conn, _deadline: Option<Instant>) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Not supported on this system, like [`send_ping`].
#[cfg(not(unix))]
pub(crate) fn read_ready(_conn: &Conn, _into: &mut [u8]) -> io::Result<Option<usize>> {
    Err(io::ErrorKind::Unsupported.into())
}

/// This crate knows of no such limit on this system.
#[cfg(not(unix))]
pub(crate) fn lacks_descriptors() -> bool {
    false
}

/// On this system no signal interrupts a read.
#[cfg(not(unix))]
pub(crate) struct SignalsHeld;

#[cfg(not(unix))]
impl SignalsHeld {
    pub(crate) fn hold() -> Option<Self> {
        None
    }
}

/// On this system the driver gives no access to the socket, so the timeouts stay as they were at
/// connect.
#[cfg(not(unix))]
pub(crate) fn set_timeouts(_conn: &Conn, _timeouts: Timeouts) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_replaced_socket_is_closed_when_the_process_runs_another_program() {
        use std::os::fd::AsRawFd;
        use std::os::unix::net::UnixStream;

        let [(one, _), (other, _)] = [(); 2].map(|()| UnixStream::pair().unwrap());
        put_in_place(one.as_raw_fd(), other.as_raw_fd()).unwrap();
        // SAFETY: the call touches no memory, and `other` is open.
        let flags = unsafe { libc::fcntl(other.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    }

    #[test]
    fn a_limit_shortens_timeouts_and_never_lengthens_them() {
        let (short, long) = (Duration::from_secs(1), Duration::from_secs(9));
        assert_eq!(clip(Some(long), short), short);
        assert_eq!(clip(Some(short), long), short);
        assert_eq!(clip(None, short), short);
    }

    #[test]
    fn a_limit_of_zero_still_is_a_limit() {
        assert!(clip(None, Duration::ZERO) > Duration::ZERO);
    }
}
