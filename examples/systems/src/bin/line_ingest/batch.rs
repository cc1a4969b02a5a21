//! Many clients' lines in one transaction.
//!
//! While a batch is being committed, the next one gathers: the slower the database, the larger the
//! batches. So no waiting time has to be guessed.

use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use threadwise::{AnyPool, Pool};
use threadwise_systems::{Database, note};

use crate::protocol::Outcome;
use crate::store::{Entry, blames_a_line, store};

/// Lines of one client. The client's thread waits for their outcomes before it sends more.
pub(crate) struct Chunk {
    pub(crate) entries: Vec<Entry>,
    pub(crate) done: Sender<Vec<Outcome>>,
}

/// The size of batches, and how long the writer retries them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batching {
    /// The most lines of a transaction. The last chunk may exceed it.
    pub(crate) lines: usize,
    /// The most bytes of text. The last chunk may exceed it.
    pub(crate) bytes: usize,
    /// How long a batch waits for more lines when the database could take it.
    pub(crate) linger: Duration,
    /// How long the writer retries a batch before it tells the clients to send it again.
    pub(crate) patience: Duration,
}

// The database's message goes to the log only, because it may name hosts, users and tables.
const NOT_TAKEN: &str = "the database does not take this line";
const AWAY: &str = "the database is away or busy";

/// Why one attempt to store a batch failed.
enum Failure {
    /// One of its lines caused the error.
    Line(String),
    /// The database cannot do it now.
    Database(String),
}

impl Batching {
    /// Stores the chunks of the queue, until the queue is closed and empty.
    pub(crate) fn write(&self, queue: &Receiver<Chunk>, pool: &AnyPool<Database>) {
        while let Some(chunks) = self.next(queue) {
            let mut entries = Vec::new();
            let mut waiting = Vec::new();
            for chunk in chunks {
                waiting.push((chunk.entries.len(), chunk.done));
                entries.extend(chunk.entries);
            }
            let mut outcomes = self.commit(pool, &entries).into_iter();
            for (count, done) in waiting {
                let _ = done.send(outcomes.by_ref().take(count).collect()); // or its client is gone
            }
        }
    }

    /// Takes the next batch: the chunks in the queue, up to the limits.
    fn next(&self, queue: &Receiver<Chunk>) -> Option<Vec<Chunk>> {
        let mut next = queue.recv().ok();
        let end = Instant::now() + self.linger;
        let (mut batch, mut lines, mut bytes) = (Vec::new(), 0, 0);
        while let Some(chunk) = next {
            lines += chunk.entries.len();
            bytes += chunk.entries.iter().map(|entry| entry.text.len()).sum::<usize>();
            batch.push(chunk);
            let has_room = lines < self.lines && bytes < self.bytes;
            next = has_room.then(|| queue.recv_deadline(end).ok()).flatten();
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// Retries the batch until it is committed, or its time is up.
    fn commit(&self, pool: &AnyPool<Database>, entries: &[Entry]) -> Vec<Outcome> {
        let end = Instant::now() + self.patience;
        let mut pause = Duration::from_millis(5);
        loop {
            let why = match attempt(pool, entries, end) {
                Ok(outcomes) => return outcomes,
                Err(Failure::Line(why)) if entries.len() == 1 => {
                    note!("a line was refused: {why}");
                    return vec![Outcome::Refused(NOT_TAKEN.to_owned())];
                }
                Err(Failure::Line(_)) => {
                    let (left, right) = entries.split_at(entries.len() / 2);
                    let left = self.commit(pool, left);
                    return [left, self.commit(pool, right)].concat(); // all but the bad one are stored
                }
                Err(Failure::Database(why)) => why,
            };
            if Instant::now() + pause >= end {
                note!("{} lines were given up: {why}", entries.len());
                return vec![Outcome::Again(AWAY.to_owned()); entries.len()];
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(250));
        }
    }
}

/// Runs one transaction on its own connection, so that it delays no other batch.
fn attempt(
    pool: &AnyPool<Database>,
    entries: &[Entry],
    end: Instant,
) -> Result<Vec<Outcome>, Failure> {
    let left = end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let away = |error| Failure::Database(threadwise::chain(&error).to_string());
    let mut conn = pool.get_timeout(left).map_err(away)?;
    store(&mut conn, entries).map_err(|error| {
        let why = threadwise::chain(&error).to_string();
        if blames_a_line(&error) { Failure::Line(why) } else { Failure::Database(why) }
    })
}
