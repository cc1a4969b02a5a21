//! One client: its bytes become lines, the lines a chunk, the outcomes answers.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use threadwise_systems::{BadLine, Lines, Shutdown};

use crate::batch::Chunk;
use crate::protocol::{Key, Outcome, answer, parse};
use crate::store::Entry;

/// The limits that a worker sets for its clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    /// The longest line, in bytes.
    pub(crate) max_line: usize,
    /// Lines of one client in a batch.
    pub(crate) max_chunk: usize,
    /// How long a client may take to send a line, and to accept an answer.
    pub(crate) idle: Duration,
}

/// The parts of a worker that a client's thread uses.
pub(crate) struct Service {
    pub(crate) queue: Sender<Chunk>,
    pub(crate) numbers: Numbers,
    pub(crate) manners: Manners,
}

/// Makes keys for lines without a key. Such a line, too, is stored once, however often its batch is
/// retried.
pub(crate) struct Numbers {
    worker: String,
    last: AtomicI64,
}

impl Numbers {
    /// Chooses a name that no other worker has, on this machine or any other. It must run after the
    /// fork: otherwise all workers would have the same name.
    pub(crate) fn new() -> Self {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let worker = format!("-{:x}-{:x}", std::process::id(), since.as_nanos());
        Self { worker, last: AtomicI64::new(0) }
    }

    fn next(&self) -> Key {
        // Relaxed: threads share nothing but the number itself.
        let number = 1 + self.last.fetch_add(1, Ordering::Relaxed);
        Key { client: self.worker.clone(), number }
    }
}

/// The state of a line.
enum Line {
    /// The outcome is known.
    Answered(Outcome),
    /// The line is in the chunk. The key is the client's, if it gave one.
    Sent(Option<Key>),
}

impl Service {
    /// Serves a client until it leaves, or has to leave.
    pub(crate) fn serve(&self, mut stream: TcpStream, shutdown: &Shutdown) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(self.manners.idle))?;
        let mut lines = Lines::new(self.manners.max_line);
        // Also at the end, each line that was read gets an answer.
        while lines.ready() > 0 || !shutdown.has_begun() {
            // Reads nothing more while lines have no answer, so TCP slows down a client that sends
            // faster than the database stores.
            if lines.ready() == 0 && !self.read(&mut stream, &mut lines, shutdown)? {
                break;
            }
            let chunk = std::iter::from_fn(|| lines.next_line()).take(self.manners.max_chunk);
            let answers = self.answers(chunk.collect());
            stream.write_all(answers.as_bytes())?;
        }
        stream.shutdown(std::net::Shutdown::Write)
    }

    /// Reads until a line is complete; `false` at the end of the input.
    fn read(
        &self,
        stream: &mut TcpStream,
        lines: &mut Lines,
        shutdown: &Shutdown,
    ) -> io::Result<bool> {
        let end = Instant::now() + self.manners.idle; // also for a very slow client
        let mut bytes = [0; 16 * 1024];
        while lines.ready() == 0 {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return self.dismiss(stream);
            }
            stream.set_read_timeout(Some(left))?;
            match stream.read(&mut bytes) {
                Ok(0) => return Ok(false), // a line that was begun is none
                Ok(_) if shutdown.has_begun() => return Ok(false), // it is not read any more
                Ok(count) => lines.feed(&bytes[..count]),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    return self.dismiss(stream);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn dismiss(&self, stream: &mut TcpStream) -> io::Result<bool> {
        let why = format!("no line came for {:?} (--idle)", self.manners.idle);
        stream.write_all(answer(None, &Outcome::Refused(why)).as_bytes())?;
        Ok(false)
    }

    /// Stores the lines, and returns the client's answers.
    fn answers(&self, lines: Vec<Result<String, BadLine>>) -> String {
        let mut entries = Vec::new();
        let lines: Vec<_> = lines.into_iter().map(|line| self.take(line, &mut entries)).collect();
        let mut outcomes = self.store(entries).into_iter();
        let answers = lines.iter().map(|line| match line {
            Line::Answered(outcome) => answer(None, outcome),
            Line::Sent(key) => {
                let lost = || Outcome::Again("the worker lost track of it".to_owned());
                answer(key.as_ref(), &outcomes.next().unwrap_or_else(lost))
            }
        });
        answers.collect()
    }

    fn take(&self, line: Result<String, BadLine>, entries: &mut Vec<Entry>) -> Line {
        let line = match line {
            Ok(line) => line,
            Err(bad) => return Line::Answered(Outcome::Refused(bad.to_string())),
        };
        match parse(&line) {
            Ok((key, text)) => {
                let stored = key.clone().unwrap_or_else(|| self.numbers.next());
                entries.push(Entry { key: stored, text: text.to_owned() });
                Line::Sent(key)
            }
            Err(why) => Line::Answered(Outcome::Refused(why)),
        }
    }

    /// Stores the entries. Returns no outcomes at all if a writer is gone.
    fn store(&self, entries: Vec<Entry>) -> Vec<Outcome> {
        if entries.is_empty() {
            return Vec::new();
        }
        let (done, outcomes) = bounded(1);
        // This waits, also when the queue is full.
        match self.queue.send(Chunk { entries, done }) {
            Ok(()) => outcomes.recv().unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }
}
