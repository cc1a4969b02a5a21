//! A ping that waits no longer than its caller, and whose answer can be read later.
//!
//! The driver writes a command and reads its answer in one call, and begins the read anew after each
//! signal. A ping is five bytes, and its answer one packet: on a plain socket this crate sends and
//! reads both itself, with a deadline of its own. If the answer does not come before the caller's
//! patience is over, it stays outstanding, and whoever uses the connection next reads it first.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use mysql::{Conn, Error, MySqlError, Result};

use crate::socket;

/// An answer to a ping is a dozen bytes, and an error message a few hundred.
const LONGEST: usize = 1 << 14;

/// A ping that the server has not answered yet.
pub(crate) struct Ping {
    /// What has come of the answer.
    answer: Vec<u8>,
    /// When the server has been silent for too long.
    overdue: Option<Instant>,
}

impl Ping {
    /// Asks the server, which may take `limit` for its answer.
    pub(crate) fn send(conn: &Conn, limit: Option<Duration>) -> Result<Self> {
        socket::send_ping(conn)?;
        let overdue = limit.and_then(|limit| Instant::now().checked_add(limit));
        Ok(Self { answer: Vec::new(), overdue })
    }

    /// Whether the server has been silent for longer than it may.
    pub(crate) fn is_overdue(&self) -> bool {
        self.overdue.is_some_and(|overdue| overdue <= Instant::now())
    }

    /// Reads the answer if it comes before `patience` is over: `None` means that it may still come.
    ///
    /// # Errors
    ///
    /// The server's own error; and any other if the connection has ended, if what came is no answer
    /// to a ping, or if the server has been silent for longer than it may.
    pub(crate) fn finish(&mut self, conn: &Conn, patience: Option<Instant>) -> Result<Option<()>> {
        loop {
            if self.read_ready(conn)? {
                return self.parse().map(Some);
            }
            let until = match (patience, self.overdue) {
                (Some(patience), Some(overdue)) => Some(patience.min(overdue)),
                (one, other) => one.or(other),
            };
            if !socket::wait_readable(conn, until)? {
                return if self.is_overdue() {
                    Err(Error::IoError(ErrorKind::TimedOut.into()))
                } else {
                    Ok(None)
                };
            }
        }
    }

    /// Reads what there is. Whether the answer is complete.
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

    /// How many bytes to ask for next: no more than belong to the answer, so that what comes after it
    /// is left to the driver.
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
    io::Error::new(ErrorKind::InvalidData, "what the server sent is no answer to a ping")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(bytes: &[u8]) -> Ping {
        Ping { answer: bytes.to_vec(), overdue: None }
    }

    #[test]
    fn no_byte_behind_the_answer_is_asked_for() {
        let ok = [7, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0];
        for read in 0..ok.len() {
            let missing = answered(&ok[..read]).missing().unwrap();
            assert_eq!(missing, if read < 4 { 4 - read } else { ok.len() - read });
        }
        assert_eq!(answered(&ok).missing().unwrap(), 0);
        answered(&ok).parse().unwrap();
    }

    #[test]
    fn an_error_of_the_server_is_its_error() {
        let error = answered(b"\x0b\0\0\x01\xff\x17\x04#08S01no").parse().unwrap_err();
        let Error::MySqlError(error) = error else { panic!("{error}") };
        assert_eq!((error.code, &*error.state, &*error.message), (1047, "08S01", "no"));
    }

    #[test]
    fn an_answer_to_something_else_is_none() {
        for bytes in [[7, 0, 0, 2], [0, 0, 0, 1], [0, 0, 9, 1]] {
            assert!(answered(&bytes).missing().is_err(), "{bytes:?}");
        }
        assert!(answered(&[1, 0, 0, 1, 0xfe]).parse().is_err());
    }
}
