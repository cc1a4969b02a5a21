//! Sends and receives bytes, within limits of time.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};

use super::{Error, Limits};

/// A socket, and the received bytes that are not used yet.
pub(super) struct Socket {
    stream: TcpStream,
    limits: Limits,
    pub(super) input: Vec<u8>,
}

/// Why the socket sends or receives nothing more.
pub(super) enum Stuck {
    /// The other side is too slow.
    TimedOut(Error),
    /// The connection is gone.
    Failed(io::Error),
}

impl Socket {
    pub(super) fn new(stream: TcpStream, limits: Limits) -> io::Result<Self> {
        stream.set_nodelay(true)?; // requests are written in one piece
        stream.set_write_timeout(Some(limits.write))?;
        Ok(Self { stream, limits, input: Vec::new() })
    }

    // ANCHOR: quiet
    /// Whether there is nothing to read. An idle server has no request to answer. So an end of the
    /// stream means that it has closed, and a byte would be taken for a part of the next answer.
    pub(super) fn is_quiet(&self) -> bool {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        loop {
            match recv(self.stream.as_raw_fd(), &mut [0], flags) {
                Err(Errno::EINTR) => {}
                seen => return self.input.is_empty() && seen == Err(Errno::EAGAIN),
            }
        }
    }
    // ANCHOR_END: quiet

    /// Sends all bytes, before `end`.
    pub(super) fn write(&mut self, mut bytes: &[u8], end: Instant) -> Result<(), Stuck> {
        while !bytes.is_empty() {
            match self.stream.write(bytes) {
                Ok(0) => return Err(Stuck::Failed(ErrorKind::WriteZero.into())),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if is_timeout(&error) => return Err(self.write_timed_out()),
                Err(error) => return Err(Stuck::Failed(error)),
            }
            if !bytes.is_empty() && Instant::now() >= end {
                return Err(self.exchange_timed_out());
            }
        }
        Ok(())
    }

    /// Waits for more input, until `end`. Returns 0 if the input has ended.
    pub(super) fn fill(&mut self, end: Instant) -> Result<usize, Stuck> {
        let mut part = [0; 8 * 1024];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.exchange_timed_out());
            }
            let wait = left.min(self.limits.read);
            self.stream.set_read_timeout(Some(wait)).map_err(Stuck::Failed)?;
            match self.stream.read(&mut part) {
                Ok(read) => {
                    self.input.extend_from_slice(&part[..read]);
                    return Ok(read);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if !is_timeout(&error) => return Err(Stuck::Failed(error)),
                Err(_) if wait == self.limits.read => return Err(self.read_timed_out()),
                Err(_) => {} // the end is there
            }
        }
    }

    fn read_timed_out(&self) -> Stuck {
        Stuck::TimedOut(Error::TimedOut { limit: "read", after: self.limits.read })
    }

    fn write_timed_out(&self) -> Stuck {
        Stuck::TimedOut(Error::TimedOut { limit: "write", after: self.limits.write })
    }

    fn exchange_timed_out(&self) -> Stuck {
        Stuck::TimedOut(Error::TimedOut { limit: "exchange", after: self.limits.exchange })
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
