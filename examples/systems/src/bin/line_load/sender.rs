//! One client of `line_ingest`. It resends each line until the server acknowledges it.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use threadwise_systems::Figures;

/// A client's lines and limits.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    pub(crate) address: SocketAddr,
    pub(crate) name: String,
    /// How many lines to send. They are numbered from 1.
    pub(crate) lines: u64,
    /// The most lines that wait for an acknowledgement.
    pub(crate) window: usize,
    /// Bytes of text in each line.
    pub(crate) length: usize,
    /// How long the client continues without an acknowledgement.
    pub(crate) patience: Duration,
}

/// The result of a client.
#[derive(Default)]
pub(crate) struct Report {
    /// How long each line took, from the first attempt.
    pub(crate) figures: Figures,
    /// How many lines were sent again. Each repetition counts.
    pub(crate) repeated: u64,
    pub(crate) connections: u64,
}

/// The lines that wait for an acknowledgement.
struct Course {
    to_send: VecDeque<u64>,
    /// Lines that were sent on this connection and have no answer.
    sent: VecDeque<u64>,
    /// When each line was sent first. The acknowledgement removes it.
    begun: BTreeMap<u64, Instant>,
    last_success: Instant,
    report: Report,
}

impl Sender {
    /// Sends all lines, and resends them as needed. Returns when all are acknowledged.
    pub(crate) fn run(&self) -> io::Result<Report> {
        let mut course = Course {
            to_send: (1..=self.lines).collect(),
            sent: VecDeque::new(),
            begun: BTreeMap::new(),
            last_success: Instant::now(),
            report: Report::default(),
        };
        while let Err(error) = self.send_over_a_connection(&mut course) {
            if course.last_success.elapsed() > self.patience
                || error.kind() == ErrorKind::InvalidData
            {
                return Err(error);
            }
            // It is unknown which of these are stored. Their numbers make it safe to send all
            // again.
            while let Some(number) = course.sent.pop_back() {
                course.to_send.push_front(number);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(course.report)
    }

    fn send_over_a_connection(&self, course: &mut Course) -> io::Result<()> {
        let mut stream = TcpStream::connect_timeout(&self.address, self.patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        course.report.connections += 1;
        let mut answers = BufReader::new(stream.try_clone()?);
        while !(course.to_send.is_empty() && course.sent.is_empty()) {
            self.fill_window(course, &mut stream)?;
            self.take_answer(course, &mut answers)?;
        }
        Ok(())
    }

    fn fill_window(&self, course: &mut Course, stream: &mut TcpStream) -> io::Result<()> {
        let mut text = String::new();
        while course.sent.len() < self.window {
            let Some(number) = course.to_send.pop_front() else { break };
            text.push_str(&self.line(number));
            course.report.repeated += u64::from(course.begun.contains_key(&number));
            course.begun.entry(number).or_insert_with(Instant::now);
            course.sent.push_back(number);
        }
        stream.write_all(text.as_bytes())
    }

    /// The text of a line. It must be the same each time, because the server refuses another text
    /// under the same number.
    fn line(&self, number: u64) -> String {
        let text = format!("line {number} of {}", self.name);
        format!("@{}:{number} {text:.<1$}\n", self.name, self.length)
    }

    fn take_answer(&self, course: &mut Course, answers: &mut impl BufRead) -> io::Result<()> {
        let mut line = String::new();
        if answers.read_line(&mut line)? == 0 || !line.ends_with('\n') {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let key = rest.split(": ").next().unwrap_or(rest);
        let number = key.strip_prefix('@').and_then(|key| key.split_once(':'));
        let number = number.and_then(|(_, number)| number.parse::<u64>().ok());
        match (word, number) {
            ("again:", None) => return Err(io::Error::other(line)), // no place for another client
            ("again", _) if course.last_success.elapsed() > self.patience => {
                return Err(io::Error::other(line));
            }
            ("ok" | "again", Some(number)) if course.sent.front() == Some(&number) => {
                course.sent.pop_front();
                if word == "again" {
                    course.to_send.push_back(number);
                } else if let Some(begun) = course.begun.remove(&number) {
                    course.report.figures.done(begun);
                    course.last_success = Instant::now();
                }
            }
            _ => {
                return Err(io::Error::new(ErrorKind::InvalidData, format!("the answer {line:?}")));
            }
        }
        Ok(())
    }
}
