//! A child: it accepts clients from the listener that all workers share, and stores their lines.

use std::io::{self, ErrorKind, PipeReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use threadwise::{AnyPool, Pool};
use threadwise_systems::{Client, Clients, Connection, Database, Error, Shutdown, note, say};

use crate::batch::Batching;
use crate::client::{Manners, Numbers, Service};
use crate::protocol::{Outcome, answer};
use crate::supervisor::Post;

/// The settings of all workers.
pub(crate) struct Orders {
    pub(crate) listener: TcpListener,
    pub(crate) writers: usize,
    pub(crate) max_clients: usize,
    pub(crate) batching: Batching,
    pub(crate) manners: Manners,
    /// How long clients may take to get their last answers.
    pub(crate) drain: Duration,
}

impl Orders {
    /// Works until the lifeline ends. Then it stores and answers the lines that it has read.
    /// Returns whether this succeeded.
    pub(crate) fn work(&self, pool: &AnyPool<Database>, post: &Post) -> bool {
        if let Err(error) = introduce(pool, post.number) {
            note!("worker {}: {error}", post.number);
            return false; // another one is forked, later
        }
        let clients = Clients::new(self.max_clients);
        let shutdown = Shutdown::default();
        // The queue has room for one chunk of each client. Further input stays in the sockets.
        let (queue, chunks) = bounded(self.max_clients);
        let service = Service { queue, numbers: Numbers::new(), manners: self.manners };

        thread::scope(|threads| {
            for _ in 0..self.writers {
                threads.spawn(|| self.batching.write(&chunks, pool));
            }
            let service = service; // its queue closes with it, and that ends the writers
            thread::scope(|threads| {
                let (service, shutdown) = (&service, &shutdown);
                self.accept(&post.lifeline, |stream| {
                    let Some(place) = enter(&clients, &stream) else { return };
                    let serve = move || {
                        let _ = service.serve(stream, shutdown); // its client may go at any time
                        drop(place);
                    };
                    if let Err(error) = thread::Builder::new().spawn_scoped(threads, serve) {
                        note!("no thread for a client: {error}");
                    }
                });
                shutdown.begin();
                clients.close();
                if !clients.wait(self.drain) {
                    note!("worker {}: {} clients were cut off", post.number, clients.count());
                    std::process::exit(0); // what they were not told is not acknowledged
                }
            });
        });
        pool.close();
        true
    }

    /// Takes clients until the lifeline ends.
    fn accept(&self, lifeline: &PipeReader, mut serve: impl FnMut(TcpStream)) {
        loop {
            let mut doors = [self.listener.as_fd(), lifeline.as_fd()]
                .map(|door| PollFd::new(door, PollFlags::POLLIN));
            match poll(&mut doors, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return note!("a worker cannot wait for clients: {error}"),
            }
            if doors[1].any() != Some(false) {
                return;
            }
            // Each client wakes every worker, and one worker gets it, because the listener does not
            // block.
            match self.listener.accept() {
                Ok((stream, _)) => serve(stream),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => {
                    note!("a client could not be accepted: {error}");
                    thread::sleep(Duration::from_millis(50)); // until a handle may be free
                }
            }
        }
    }
}

/// Adds a client, unless the limit is reached.
fn enter(clients: &Arc<Clients>, mut stream: &TcpStream) -> Option<Client> {
    let entered = stream.set_nonblocking(false).and_then(|()| clients.enter(stream));
    if let Ok(None) = entered {
        let why = "this worker has all the clients that it may have (--max-clients)".to_owned();
        let _ = stream.write_all(answer(None, &Outcome::Again(why)).as_bytes());
    }
    entered.unwrap_or_else(|error: io::Error| {
        note!("a client could not be taken: {error}");
        None
    })
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
