//! The driver: it speaks the protocol, and knows nothing of pools.

// ANCHOR: driver
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A session at the line server.
pub struct Connection {
    stream: BufReader<TcpStream>,
    /// Whether an answer is missing.
    pub is_broken: bool,
    /// Whether the session may differ from a new one.
    pub has_changed: bool,
    /// Whether a transaction may be open.
    pub in_transaction: bool,
}

impl Connection {
    /// Opens a connection, and waits for each answer no longer than `limit`.
    pub fn open(address: SocketAddr, limit: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, limit)?;
        stream.set_read_timeout(Some(limit))?;
        let stream = BufReader::new(stream);
        Ok(Self { stream, is_broken: false, has_changed: false, in_transaction: false })
    }

    /// Sends a line, and returns the answer. A refusal is an error of the kind `InvalidInput`.
    pub fn ask(&mut self, line: &str) -> io::Result<String> {
        let command = line.split(' ').next();
        self.has_changed |= command != Some("echo");
        self.in_transaction |= command == Some("begin"); // also if the answer is lost
        let answer = self.exchange(line);
        self.is_broken |= answer.is_err(); // a late answer must not answer the next line
        let answer = answer?;
        self.in_transaction &= command != Some("commit");
        match answer.strip_prefix("ok ") {
            Some(answer) => Ok(answer.to_owned()),
            None => Err(io::Error::new(ErrorKind::InvalidInput, answer)),
        }
    }

    fn exchange(&mut self, line: &str) -> io::Result<String> {
        let mut answer = String::new();
        self.stream.get_mut().write_all(format!("{line}\n").as_bytes())?;
        match self.stream.read_line(&mut answer)? {
            0 => Err(ErrorKind::ConnectionReset.into()),
            _ => Ok(answer.trim_end_matches('\n').to_owned()),
        }
    }

    /// From now on, waits for each answer no longer than `limit`.
    pub fn set_timeout(&self, limit: Duration) -> io::Result<()> {
        let shortest = Duration::from_millis(1); // the system refuses zero
        self.stream.get_ref().set_read_timeout(Some(limit.max(shortest)))
    }

    /// Whether the server has hung up, or has sent something without a question. Does not wait.
    pub fn has_hung_up(&self) -> bool {
        let stream = self.stream.get_ref();
        let look = || {
            stream.set_nonblocking(true)?;
            let seen = stream.peek(&mut [0]);
            stream.set_nonblocking(false).and(seen)
        };
        !look().is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}
// ANCHOR_END: driver
