//! A ping with a deadline, whose answer can be read later.
//!
//! The driver writes a command and reads its answer in one call, and starts the read again after
//! each signal. A ping is five bytes and its answer one packet, so on a plain socket this crate
//! sends and reads them itself, with a deadline of its own. An answer that does not come in the
//! caller's time stays outstanding, and the next use of the connection reads it first.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use mysql::{Conn, Error, MySqlError, Result};

use crate::socket;

/// The longest answer to read. An answer to a ping is a dozen bytes, and an error message a few
/// hundred.
const LONGEST: usize = 1 << 14;

/// A ping without an answer yet.
pub(crate) struct Ping {
    /// The bytes of the answer so far.
    answer: Vec<u8>,
    /// When the answer is too late.
    overdue: Option<Instant>,
}

impl Ping {
    /// Sends a ping. The server may take `limit` for its answer.
    pub(crate) fn send(conn: &Conn, limit: Option<Duration>) -> Result<Self> {
        socket::send_ping(conn)?;
        let overdue = limit.and_then(|limit| Instant::now().checked_add(limit));
        Ok(Self { answer: Vec::new(), overdue })
    }

    /// Whether the answer is too late.
    pub(crate) fn is_overdue(&self) -> bool {
        self.overdue.is_some_and(|overdue| overdue <= Instant::now())
    }

    /// Reads the answer if it comes before `patient_until`. `None` means that it may still come.
    ///
    /// # Errors
    ///
    /// The server's own error. Any other error means that the connection has ended, that the server
    /// sent something other than an answer to a ping, or that the answer is too late.
    pub(crate) fn finish(
        &mut self,
        conn: &Conn,
        patient_until: Option<Instant>,
    ) -> Result<Option<()>> {
        loop {
            if self.read_ready(conn)? {
                return self.parse().map(Some);
            }
            let until = patient_until.into_iter().chain(self.overdue).min();
            if !socket::wait_readable(conn, until)? {
                return if self.is_overdue() {
                    Err(Error::IoError(ErrorKind::TimedOut.into()))
                } else {
                    Ok(None)
                };
            }
        }
    }

    /// Reads the bytes that are ready. Returns whether the answer is complete.
    fn read_ready(&mut self, conn: &Conn) -> io::Result<bool> {
        loop {
            let missing = self.missing()?;
            if missing == 0 {
                return Ok(true);
            }
            let before = self.answer.len();
            self.answer.resize(before + missing, 0);
            let read = socket::read_ready(conn, &mut self.answer[before..]);
            self.answer.truncate(before + read.as_ref().map_or(0, |read| read.unwrap_or(0)));
            match read? {
                None => return Ok(false),
                Some(0) => {
                    let text = "the server closed the connection";
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, text));
                }
                Some(_) => {}
            }
        }
    }

    /// How many bytes to read next: only those of the answer, so that the bytes after it are left
    /// to the driver.
    fn missing(&self) -> io::Result<usize> {
        let [low, middle, high, number, payload @ ..] = &self.answer[..] else {
            return Ok(4 - self.answer.len());
        };
        let length = usize::from(*low) | usize::from(*middle) << 8 | usize::from(*high) << 16;
        if *number != 1 || length == 0 || length > LONGEST {
            return Err(no_answer());
        }
        Ok(length - payload.len())
    }

    fn parse(&self) -> Result<()> {
        match &self.answer[4..] {
            [0, rest @ ..] if rest.len() >= 6 => Ok(()),
            [0xff, low, high, rest @ ..] => {
                let (state, message) = match rest {
                    [b'#', rest @ ..] if rest.len() >= 5 => rest.split_at(5),
                    rest => (&b"HY000"[..], rest),
                };
                let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
                let code = u16::from_le_bytes([*low, *high]);
                let (state, message) = (text(state), text(message));
                Err(Error::MySqlError(MySqlError { state, message, code }))
            }
            _ => Err(no_answer().into()),
        }
    }
}

fn no_answer() -> io::Error {
    io::Error::new(
        ErrorKind::InvalidData,
        "the server sent something other than an answer to a ping",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(bytes: &[u8]) -> Ping {
        Ping { answer: bytes.to_vec(), overdue: None }
    }

    #[test]
    fn no_byte_after_the_answer_is_read() {
        let ok = [7, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0];
        for read in 0..ok.len() {
            let missing = answered(&ok[..read]).missing().unwrap();
            assert_eq!(missing, if read < 4 { 4 - read } else { ok.len() - read });
        }
        assert_eq!(answered(&ok).missing().unwrap(), 0);
        answered(&ok).parse().unwrap();
    }

    #[test]
    fn an_error_of_the_server_is_returned() {
        let error = answered(b"\x0b\0\0\x01\xff\x17\x04#08S01no").parse().unwrap_err();
        let Error::MySqlError(error) = error else { panic!("{error}") };
        assert_eq!((error.code, &*error.state, &*error.message), (1047, "08S01", "no"));
    }

    #[test]
    fn another_packet_is_refused() {
        for bytes in [[7, 0, 0, 2], [0, 0, 0, 1], [0, 0, 9, 1]] {
            assert!(answered(&bytes).missing().is_err(), "{bytes:?}");
        }
        assert!(answered(&[1, 0, 0, 1, 0xfe]).parse().is_err());
    }
}
