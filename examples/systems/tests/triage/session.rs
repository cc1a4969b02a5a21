//! A client's side of the protocol.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// A client of `triage_server`.
pub(crate) struct Session {
    stream: TcpStream,
    answers: BufReader<TcpStream>,
}

impl Session {
    pub(crate) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        // A test that waits longer than this has failed.
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        stream.set_nodelay(true).expect("a setting");
        let answers = BufReader::new(stream.try_clone().expect("a handle"));
        Self { stream, answers }
    }

    pub(crate) fn stream(&self) -> TcpStream {
        self.stream.try_clone().expect("a handle")
    }

    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("a server that reads");
    }

    /// Returns the next line; `None` when the server has closed.
    pub(crate) fn hear(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(line.strip_suffix('\n').expect("a whole line").to_owned()),
            Err(error) => panic!("no answer: {error}; so far {line:?}"),
        }
    }

    pub(crate) fn ask(&mut self, line: &str) -> String {
        self.say(format!("{line}\n"));
        self.hear().unwrap_or_else(|| panic!("the server closed instead of answering {line:?}"))
    }

    /// Sends a case, and expects that it is saved. Returns its number.
    pub(crate) fn save(&mut self, line: &str) -> i64 {
        case_of(&self.ask(line))
    }

    /// Ends the input.
    pub(crate) fn end(&self) {
        self.stream.shutdown(Shutdown::Write).expect("a connection");
    }

    /// Returns all lines up to the end.
    pub(crate) fn rest(mut self) -> Vec<String> {
        std::iter::from_fn(|| self.hear()).collect()
    }
}

/// The number of the case in `saved PATIENT;CASE;CATEGORY;PROBABILITY`.
pub(crate) fn case_of(answer: &str) -> i64 {
    let fields: Vec<_> = answer.split(';').collect();
    assert!(answer.starts_with("saved ") && fields.len() == 4, "{answer:?} instead of `saved …`");
    fields[1].parse().expect("a number")
}
