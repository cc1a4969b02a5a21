//! A session at the line server. It can leave an answer outstanding and read it later.

use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::Failure;

/// The session, and what the manager must know of it.
pub struct Session {
    pub id: u64,
    pub is_broken: bool,
    pub has_changed: bool,
    /// Atomic, because threads that share the connection read it.
    pub in_transaction: AtomicBool,
    pub is_committing: bool,
    pub is_leaving: bool,
    pub last_answer: Instant,
    stream: BufReader<TcpStream>,
    /// How many answers are outstanding.
    unread: usize,
    /// What has come of the next one.
    begun: String,
}

impl Session {
    pub fn open(address: SocketAddr, id: u64, limit: Duration) -> io::Result<Self> {
        let stream = BufReader::new(TcpStream::connect_timeout(&address, limit)?);
        Ok(Self {
            id,
            is_broken: false,
            has_changed: false,
            in_transaction: AtomicBool::new(false),
            is_committing: false,
            is_leaving: false,
            last_answer: Instant::now(),
            stream,
            unread: 0,
            begun: String::new(),
        })
    }

    /// Sends a line, and returns its answer. Reads outstanding answers first.
    pub fn ask(&mut self, line: &str, limit: Duration) -> Result<String, Failure> {
        let command = line.split(' ').next().unwrap_or_default();
        self.has_changed |= command != "echo";
        *self.in_transaction.get_mut() |= command == "begin";
        self.is_committing = command == "commit";
        let answer = self.exchange(line, limit);
        self.is_broken |= answer.is_err();
        let answer = answer?;
        if self.is_committing {
            *self.in_transaction.get_mut() = false;
            self.is_committing = false;
        }
        match answer.strip_prefix("ok ") {
            Some(answer) => Ok(answer.to_owned()),
            None => Err(io::Error::new(ErrorKind::InvalidInput, answer).into()),
        }
    }

    /// Asks the server whether it is there. `None` if the answer has not come within `patience`.
    pub fn ask_patiently(&mut self, patience: Duration) -> Option<Result<(), Failure>> {
        if self.unread == 0
            && let Err(error) = self.begin_to_ask("echo")
        {
            return Some(Err(error.into()));
        }
        while self.unread > 0 {
            match self.receive(patience) {
                Ok(_) => {}
                Err(error) if is_timeout(&error) => return None,
                Err(error) => {
                    self.is_broken = true;
                    return Some(Err(error.into()));
                }
            }
        }
        Some(Ok(()))
    }

    fn exchange(&mut self, line: &str, limit: Duration) -> io::Result<String> {
        while self.unread > 0 {
            self.receive(limit)?;
        }
        self.begin_to_ask(line)?;
        self.receive(limit)
    }

    /// Sends a line, and leaves its answer outstanding.
    pub fn begin_to_ask(&mut self, line: &str) -> io::Result<()> {
        self.send(line)?;
        self.unread += 1;
        Ok(())
    }

    /// Sends a line. A faulty manager forgets that an answer is to come.
    pub fn send(&mut self, line: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(format!("{line}\n").as_bytes())
    }

    fn receive(&mut self, limit: Duration) -> io::Result<String> {
        let limit = limit.max(Duration::from_millis(1));
        self.stream.get_ref().set_read_timeout(Some(limit))?;
        self.stream.read_line(&mut self.begun)?;
        let answer = std::mem::take(&mut self.begun);
        let Some(answer) = answer.strip_suffix('\n') else {
            return Err(ErrorKind::ConnectionReset.into());
        };
        self.unread -= 1;
        self.last_answer = Instant::now();
        Ok(answer.to_owned())
    }

    /// Whether the server has hung up. Does not wait.
    pub fn has_hung_up(&self) -> bool {
        let stream = self.stream.get_ref();
        let look = || {
            stream.set_nonblocking(true)?;
            let seen = stream.peek(&mut [0]);
            stream.set_nonblocking(false).and(seen)
        };
        match look() {
            Ok(length) => length == 0,
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }

    /// A copy of the socket.
    pub fn socket(&self) -> io::Result<TcpStream> {
        self.stream.get_ref().try_clone()
    }

    /// Ends the session at the server.
    pub fn hang_up(&self) {
        let _ = self.stream.get_ref().shutdown(Shutdown::Both);
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
