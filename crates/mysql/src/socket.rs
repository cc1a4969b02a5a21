//! A look at a connection's socket, its time-outs, and its exchange for another. The only `unsafe` of this crate.
#![allow(unsafe_code)]

use std::io;
use std::time::Duration;

use mysql::Conn;

/// How long one read from, and one write to, a server's socket may take; `None` is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeouts {
    pub(crate) read: Option<Duration>,
    pub(crate) write: Option<Duration>,
}

impl Timeouts {
    /// The same, but no longer than `limit`.
    pub(crate) fn within(self, limit: Duration) -> Self {
        Self { read: Some(clip(self.read, limit)), write: Some(clip(self.write, limit)) }
    }
}

/// The shorter of the two; never zero, which would be no time-out at all.
pub(crate) fn clip(timeout: Option<Duration>, limit: Duration) -> Duration {
    timeout.unwrap_or(Duration::MAX).min(limit).max(Duration::from_millis(1))
}

/// Whether the server has neither sent anything unasked nor closed the connection, as far as this
/// machine knows. One system call, some 0.4 µs; never waits.
///
/// Between statements a server has nothing to say, so a byte that lies ready is a late answer to an
/// earlier statement or a farewell. That holds for compressed and for encrypted connections too.
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

/// Sets how long reads and writes may take from now on.
#[cfg(unix)]
pub(crate) fn set_timeouts(conn: &Conn, timeouts: Timeouts) -> io::Result<()> {
    use std::net::TcpStream;
    use std::os::fd::{AsRawFd, BorrowedFd};

    // SAFETY: the descriptor belongs to `conn`, whose borrow outlives this one.
    let socket = unsafe { BorrowedFd::borrow_raw(conn.as_raw_fd()) };
    // A duplicate is the same socket, so what is set on it holds for the original. These two
    // options are those of any socket, also of one that is not TCP.
    let socket = TcpStream::from(socket.try_clone_to_owned()?);
    socket.set_read_timeout(timeouts.read)?;
    socket.set_write_timeout(timeouts.write)
}

/// Puts a new socket in the place of the server's, which this process has no descriptor of from now
/// on. The other end of the new one is returned: what the driver writes goes there, as long as it is
/// open, and never waits.
#[cfg(unix)]
pub(crate) fn part(conn: &Conn) -> io::Result<std::os::unix::net::UnixStream> {
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    let (ours, nobodys) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    // SAFETY: the call touches no memory. The descriptor that it takes over belongs to `conn`, which
    // goes on owning it, and closes in it what is put there now; `ours` closes its own.
    let put = unsafe { libc::dup2(ours.as_raw_fd(), conn.as_raw_fd()) };
    if put == -1 { Err(io::Error::last_os_error()) } else { Ok(nobodys) }
}

/// There is no `fork` here.
#[cfg(not(unix))]
pub(crate) fn part(_conn: &Conn) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The driver gives no access to the socket here: only the next statement tells.
#[cfg(not(unix))]
pub(crate) fn is_quiet(_conn: &Conn) -> bool {
    true
}

/// The driver gives no access to the socket here: time-outs stay as they were at connect.
#[cfg(not(unix))]
pub(crate) fn set_timeouts(_conn: &Conn, _timeouts: Timeouts) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_shortens_time_outs_and_never_lengthens_them() {
        let (short, long) = (Duration::from_secs(1), Duration::from_secs(9));
        assert_eq!(clip(Some(long), short), short);
        assert_eq!(clip(Some(short), long), short);
        assert_eq!(clip(None, short), short);
    }

    #[test]
    fn a_limit_of_zero_is_not_no_limit() {
        assert!(clip(None, Duration::ZERO) > Duration::ZERO);
    }
}
