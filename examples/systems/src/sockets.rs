//! One thread for the sockets of all clients, with tokio. It reads and writes, and waits for none of
//! them; other threads do what blocks, such as borrowing a connection.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{Shutdown as Half, shutdown};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{sleep, timeout};

use crate::{Shutdown, note};

/// The most clients beyond the limit that get an error at the same time. The server hangs up on any
/// others.
const TURNED_AWAY: usize = 64;

/// The most bytes that a client may send after its last answer.
const IGNORED: usize = 1 << 20;

/// Runs `future` on this thread. At most `workers` other threads run what it gives to
/// `spawn_blocking`.
///
/// # Errors
///
/// If the system refuses what an event loop needs.
pub fn block_on<F: Future>(workers: usize, future: F) -> io::Result<F::Output> {
    let runtime =
        Builder::new_current_thread().enable_all().max_blocking_threads(workers.max(1)).build()?;
    Ok(LocalSet::new().block_on(&runtime, future))
}

/// Whether there is room for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// The client may stay.
    Yes,
    /// There are too many clients: this one gets an error.
    No,
}

/// Hands each client to `serve`, each in a task of its own, until the shutdown begins. Then it waits
/// for the tasks. At most `max` clients have [`Room`]. If it cannot accept a client (for example
/// because no file handles are left), it reports that and waits for the next one.
///
/// # Errors
///
/// If the system cannot watch the listener.
pub async fn accept<F: Future<Output = ()> + 'static>(
    listener: TcpListener,
    max: usize,
    stop: &Shutdown,
    serve: impl Fn(TcpStream, Room) -> F,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (room, lobby) = (Arc::new(Semaphore::new(max)), Arc::new(Semaphore::new(TURNED_AWAY)));
    let mut clients = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.begun() => break,
            Some(_) = clients.join_next() => continue, // a panic has printed its message
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                note!("a client could not be accepted: {error}");
                sleep(Duration::from_millis(50)).await; // until a handle may be free
                continue;
            }
        };
        let _ = stream.set_nodelay(true); // answers are small, and a client waits for each
        let place = |semaphore: &Arc<Semaphore>| Arc::clone(semaphore).try_acquire_owned();
        let (place, is_in) = match place(&room) {
            Ok(place) => (place, Room::Yes),
            Err(_) => match place(&lobby) {
                Ok(place) => (place, Room::No),
                Err(_) => continue,
            },
        };
        let served = serve(stream, is_in);
        clients.spawn_local(async move {
            served.await;
            drop(place);
        });
    }
    drop(listener);
    while clients.join_next().await.is_some() {}
    Ok(())
}

/// Ends the output, and ignores input until the client closes, for `limit` at most. If the server
/// closed a socket with unread input, the system would throw away the last bytes that it sent.
pub async fn hang_up(stream: &TcpStream, limit: Duration) {
    let _ = shutdown(stream.as_raw_fd(), Half::Write); // the client may have gone
    let mut bytes = [0; 4096];
    let mut ignored = 0;
    let ignore = async {
        while ignored < IGNORED && stream.readable().await.is_ok() {
            match stream.try_read(&mut bytes) {
                Ok(0) => return,
                Ok(read) => ignored += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    let _ = timeout(limit, ignore).await;
}
