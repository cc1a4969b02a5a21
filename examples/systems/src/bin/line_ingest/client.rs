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

/// What a worker grants its clients.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    /// The longest line, in bytes.
    pub(crate) max_line: usize,
    /// Lines of one client in a batch.
    pub(crate) max_chunk: usize,
    /// How long a client may take for a line, and to take an answer.
    pub(crate) idle: Duration,
}

/// What a client's thread needs of its worker.
pub(crate) struct Service {
    pub(crate) queue: Sender<Chunk>,
    pub(crate) numbers: Numbers,
    pub(crate) manners: Manners,
}

/// Keys for lines that have none: also these are stored once, however often their batch is tried.
pub(crate) struct Numbers {
    worker: String,
    last: AtomicI64,
}

impl Numbers {
    /// A name that no other worker has, on this machine or any other: made after the fork, or all
    /// workers would have the same.
    pub(crate) fn new() -> Self {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let worker = format!("-{:x}-{:x}", std::process::id(), since.as_nanos());
        Self { worker, last: AtomicI64::new(0) }
    }

    fn next(&self) -> Key {
        // Relaxed: nothing but the number itself is shared.
        let number = 1 + self.last.fetch_add(1, Ordering::Relaxed);
        Key { client: self.worker.clone(), number }
    }
}

/// A line on its way.
enum Line {
    /// Its answer is known.
    Answered(Outcome),
    /// It is in the chunk; the key is the client's, if it gave one.
    Sent(Option<Key>),
}

impl Service {
    /// Serves a client until it goes, or has to.
    pub(crate) fn serve(&self, mut stream: TcpStream, shutdown: &Shutdown) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(self.manners.idle))?;
        let mut lines = Lines::new(self.manners.max_line);
        // What was read is answered, also at the end.
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

    /// Reads until a line is there; `false` at the end of the input.
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

    /// Has lines stored, and puts together what their client is told.
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

    /// No outcomes at all if a writer is gone.
    fn store(&self, entries: Vec<Entry>) -> Vec<Outcome> {
        if entries.is_empty() {
            return Vec::new();
        }
        let (done, outcomes) = bounded(1);
        // It waits here, too, when the queue is full.
        match self.queue.send(Chunk { entries, done }) {
            Ok(()) => outcomes.recv().unwrap_or_default(),
            Err(_) => Vec::new(),
        }
    }
}
