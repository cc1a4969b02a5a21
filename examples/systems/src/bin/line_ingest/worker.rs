//! A child: it serves clients of the listener that all workers share, and stores their lines.

use std::io::{self, Read};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::SystemTime;

use crossbeam_channel::unbounded;
use threadwise::{AnyPool, Pool};
use threadwise_systems::{
    BadLine, Connection, Database, Error, Line, LineServer, Served, Shutdown, note, say,
};

use crate::batch::Batching;
use crate::protocol::{Key, Outcome, answer, parse};
use crate::store::Entry;
use crate::supervisor::Post;

/// The settings of all workers.
pub(crate) struct Orders {
    pub(crate) listener: TcpListener,
    pub(crate) writers: usize,
    pub(crate) batching: Batching,
    pub(crate) server: LineServer,
}

impl Orders {
    /// Works until the lifeline ends. Then it stores and answers the lines that it has read.
    /// Returns whether this succeeded.
    pub(crate) fn work(&self, pool: &AnyPool<Database>, post: Post) -> bool {
        let Post { number, mut lifeline } = post;
        if let Err(error) = introduce(pool, number) {
            note!("worker {number}: {error}");
            return false; // another one is forked, later
        }
        let shutdown = Arc::<Shutdown>::default();
        let end = Arc::clone(&shutdown);
        thread::spawn(move || {
            let _ = lifeline.read(&mut [0]); // it has nothing to read, and ends when this has to
            end.begin();
        });
        let served = self.serve(pool, &shutdown);
        pool.close();
        match served {
            Ok(Served { cut_off: 0, .. }) => return true,
            Ok(Served { cut_off, .. }) => note!("worker {number}: {cut_off} clients were cut off"),
            Err(error) => note!("worker {number} cannot serve clients: {error}"),
        }
        false
    }

    fn serve(&self, pool: &AnyPool<Database>, shutdown: &Arc<Shutdown>) -> io::Result<Served> {
        let listener = self.listener.try_clone()?;
        let (jobs, lines) = unbounded(); // the server limits it
        let numbers = Numbers::new();
        thread::scope(|threads| {
            for _ in 0..self.writers {
                threads.spawn(|| self.batching.write(&lines, pool));
            }
            let read = move |line| numbers.read(line);
            self.server.clone().run(listener, shutdown, jobs, read) // its end is that of the writers
        })
    }
}

/// Makes keys for lines without a key. Such a line, too, is stored once, however often its batch is
/// retried.
struct Numbers {
    worker: String,
    last: AtomicI64,
}

impl Numbers {
    /// Chooses a name that no other worker has, on this machine or any other. It must run after the
    /// fork: otherwise all workers would have the same name.
    fn new() -> Self {
        let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let worker = format!("-{:x}-{:x}", std::process::id(), since.as_nanos());
        Self { worker, last: AtomicI64::new(0) }
    }

    fn next(&self) -> Key {
        // Relaxed: threads share nothing but the number itself.
        let number = 1 + self.last.fetch_add(1, Ordering::Relaxed);
        Key { client: self.worker.clone(), number }
    }

    /// What a line asks for.
    fn read(&self, line: Result<String, BadLine>) -> Line<Entry> {
        let refused = |why| Line::Answered(answer(None, &Outcome::Refused(why)));
        let line = match line {
            Ok(line) => line,
            Err(BadLine::NoEnd) => return Line::Nothing, // its client knows that it is none
            Err(bad) => return refused(bad.to_string()),
        };
        match parse(&line) {
            Ok((key, text)) => {
                let key = key.unwrap_or_else(|| self.next());
                Line::Job(Entry { key, text: text.to_owned() })
            }
            Err(why) => refused(why),
        }
    }
}

/// Borrows a connection, to check that the pool works, and prints its number.
fn introduce(pool: &AnyPool<Database>, number: usize) -> Result<(), String> {
    let found = pool.state();
    let mut conn = pool.get().map_err(|error| threadwise::chain(&error).to_string())?;
    let name = name(&mut conn).map_err(|error| threadwise::chain(&error).to_string())?;
    say!("worker {number} begins with {} connections open, and uses {name}", found.open);
    Ok(())
}

fn name(conn: &mut Connection) -> Result<String, Error> {
    Ok(match conn {
        Connection::Sqlite(_) => "a SQLite of its own".to_owned(),
        Connection::Mysql(_) => {
            let rows = conn.query("SELECT CONNECTION_ID()", &[])?;
            format!("connection {}", rows[0].integer(0)?)
        }
    })
}
