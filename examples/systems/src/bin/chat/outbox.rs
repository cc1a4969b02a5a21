//! The way out to one chatter: a bounded queue, and the thread that empties it into the socket.
//!
//! Whoever has something to say to everybody must not wait for the slowest. So nobody but this
//! thread ever writes to the socket, and a chatter whose queue is full is dropped.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use tungstenite::Bytes;

/// Frames that wait for one chatter. Beyond, it is too slow.
const QUEUE: usize = 1024;

/// Bytes that go out at once.
const BATCH: usize = 64 * 1024;

/// How long a chatter may take none of them, while it is written to.
const STALLED: Duration = Duration::from_secs(10);

/// One chatter's queue.
#[derive(Clone)]
pub(crate) struct Outbox {
    queue: Sender<Bytes>,
}

/// It was full, or the chatter is gone.
#[derive(Debug)]
pub(crate) struct TooSlow;

impl Outbox {
    /// Starts the thread. It ends when the last clone of the outbox is dropped and all is written,
    /// or nothing can be.
    pub(crate) fn start(stream: TcpStream) -> io::Result<(Self, JoinHandle<()>)> {
        stream.set_write_timeout(Some(STALLED))?;
        let (queue, frames) = bounded(QUEUE);
        let thread = thread::Builder::new().name("writer".to_owned());
        Ok((Self { queue }, thread.spawn(move || write(&frames, stream))?))
    }

    /// One that a test reads.
    #[cfg(test)]
    pub(crate) fn for_test(size: usize) -> (Self, Receiver<Bytes>) {
        let (queue, frames) = bounded(size);
        (Self { queue }, frames)
    }

    /// Never waits.
    pub(crate) fn send(&self, frame: Bytes) -> Result<(), TooSlow> {
        self.queue.try_send(frame).map_err(|_: TrySendError<_>| TooSlow)
    }

    /// For a chatter's own thread, which holds nothing that others want: waits for room.
    pub(crate) fn send_patiently(&self, frame: Bytes) -> Result<(), TooSlow> {
        self.queue.send_timeout(frame, STALLED).map_err(|_| TooSlow)
    }
}

// ANCHOR: write
fn write(frames: &Receiver<Bytes>, mut stream: TcpStream) {
    let mut batch = Vec::new();
    while let Ok(first) = frames.recv() {
        batch.extend_from_slice(&first);
        while batch.len() < BATCH
            && let Ok(frame) = frames.try_recv()
        {
            batch.extend_from_slice(&frame);
        }
        if stream.write_all(&batch).is_err() {
            let _ = stream.shutdown(Shutdown::Both); // its reader finds the end
            return;
        }
        batch.clear();
    }
    let _ = stream.shutdown(Shutdown::Write);
}
// ANCHOR_END: write

/// What the protocol's machine reads from and answers to: it reads the socket, and its own answers
/// (pongs, the reply to a close) take the same way out as everything else.
pub(crate) struct Duplex {
    pub(crate) stream: TcpStream,
    pub(crate) outbox: Outbox,
}

impl Read for Duplex {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Duplex {
    /// Whole frames: the machine writes what it has at once, and it is all taken.
    fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        let sent = self.outbox.send(Bytes::copy_from_slice(frames));
        sent.map_err(|TooSlow| io::Error::other("the chatter does not read what it is sent"))?;
        Ok(frames.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
