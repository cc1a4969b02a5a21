//! The lines of many clients in one transaction.
//!
//! While a batch is being committed, the next one gathers: the slower the database, the larger the
//! batches. So no waiting time has to be guessed.

use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use threadwise::{AnyPool, Pool};
use threadwise_systems::args::{count, millis, seconds};
use threadwise_systems::{Database, Job, note};

use crate::protocol::{Outcome, answer};
use crate::store::{Entry, blames_a_line, store};

/// The size of batches, and how long the writer retries them.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Batching {
    /// Lines in a transaction.
    #[arg(long = "batch", value_name = "N", default_value_t = 500, value_parser = count(5000))]
    pub(crate) lines: usize,

    /// Milliseconds that a batch waits for more lines while the database could already take it.
    #[arg(long, value_name = "MS", default_value = "0", value_parser = millis(..=1000))]
    linger: Duration,

    /// Seconds for which a batch is retried while the database is away. Then its clients have to
    /// send it again.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds(1..=300))]
    pub(crate) patience: Duration,
}

/// The most bytes of text in a transaction. The last line may exceed it.
const BYTES: usize = 1 << 20;

// The database's message goes to the log only, because it may name hosts, users and tables.
const NOT_TAKEN: &str = "the database does not take this line";
const AWAY: &str = "the database is away or busy";
const UNKNOWN: &str = "the database was lost while it committed this line: it may be stored or not";

/// Why one attempt to store a batch failed.
enum Failure {
    /// One of its lines caused the error.
    Line(String),
    /// The database cannot do it now.
    Database(String),
    /// The database failed while it may have been committing.
    Unknown(String),
}

impl Batching {
    /// Stores and answers the lines of the queue, until the queue is closed and empty.
    pub(crate) fn write(&self, queue: &Receiver<Job<Entry>>, pool: &AnyPool<Database>) {
        while let Some(jobs) = self.next(queue) {
            let (entries, replies): (Vec<_>, Vec<_>) =
                jobs.into_iter().map(|job| (job.request, job.reply)).unzip();
            let outcomes = self.commit(pool, &entries);
            for ((entry, reply), outcome) in entries.iter().zip(replies).zip(outcomes) {
                reply.send(answer(entry.clients_key(), &outcome));
            }
        }
    }

    /// Takes the next batch: the lines in the queue, up to the limits.
    fn next(&self, queue: &Receiver<Job<Entry>>) -> Option<Vec<Job<Entry>>> {
        let mut next = queue.recv().ok();
        let end = Instant::now() + self.linger;
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(job) = next {
            bytes += job.request.text.len();
            batch.push(job);
            let has_room = batch.len() < self.lines && bytes < BYTES;
            next = has_room.then(|| queue.recv_deadline(end).ok()).flatten();
        }
        (!batch.is_empty()).then_some(batch)
    }

    /// Retries the batch until it is committed, or its time is up.
    fn commit(&self, pool: &AnyPool<Database>, entries: &[Entry]) -> Vec<Outcome> {
        let end = Instant::now() + self.patience;
        let mut pause = Duration::from_millis(5);
        let mut is_unknown = false;
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
                // The next attempt finds out: it stores what is not there.
                Err(Failure::Unknown(why)) => {
                    is_unknown = true;
                    why
                }
            };
            if Instant::now() + pause >= end {
                note!("{} lines were given up: {why}", entries.len());
                let what = if is_unknown { UNKNOWN } else { AWAY };
                return vec![Outcome::Again(what.to_owned()); entries.len()];
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
        match conn.outcome(&error) {
            threadwise::Outcome::Unknown => Failure::Unknown(why),
            _ if blames_a_line(&error) => Failure::Line(why),
            _ => Failure::Database(why),
        }
    })
}
