//! The output to one chatter: the bytes that wait, and the thread that writes them.
//!
//! A sender must not wait for the slowest reader. So only this thread writes to the socket, and a
//! chatter that is too far behind is dropped.

use std::io::{self, Read, Write};
use std::mem;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

/// The most bytes that may wait for one chatter. A chatter with more is too slow.
const LIMIT: usize = 1 << 20;

/// How long a chatter may accept no byte while the thread writes to it.
const STALLED: Duration = Duration::from_secs(10);

/// The bytes that wait for one chatter.
#[derive(Clone)]
pub(crate) struct Outbox(Arc<Shared>);

struct Shared {
    limit: usize,
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    frames: Vec<u8>, // one after the other, as they will be written
    is_closed: bool,
}

/// The thread that writes. When this value is dropped, the thread writes the rest and ends.
pub(crate) struct Writer {
    outbox: Outbox,
    thread: Option<JoinHandle<()>>,
}

/// Too many bytes wait already, or the chatter is gone.
#[derive(Debug)]
pub(crate) struct TooSlow;

impl Outbox {
    /// Starts the thread.
    pub(crate) fn start(stream: TcpStream) -> io::Result<(Self, Writer)> {
        stream.set_write_timeout(Some(STALLED))?;
        let outbox = Self::new(LIMIT);
        let frames = outbox.clone();
        let thread = thread::Builder::new().name("writer".to_owned());
        let thread = thread.spawn(move || frames.write_to(stream))?;
        Ok((outbox.clone(), Writer { outbox, thread: Some(thread) }))
    }

    pub(crate) fn new(limit: usize) -> Self {
        Self(Arc::new(Shared { limit, waiting: Mutex::default(), changed: Condvar::new() }))
    }

    /// Adds a frame. It never waits.
    pub(crate) fn send(&self, frame: &[u8]) -> Result<(), TooSlow> {
        self.put(self.0.waiting.lock(), frame)
    }

    /// Adds a frame, and waits for room. Only the chatter's own thread may call it: that thread
    /// holds nothing that others need.
    pub(crate) fn send_patiently(&self, frame: &[u8]) -> Result<(), TooSlow> {
        let has_no_room =
            |waiting: &mut Waiting| !waiting.is_closed && !self.has_room(waiting, frame);
        let mut waiting = self.0.waiting.lock();
        self.0.changed.wait_while_for(&mut waiting, has_no_room, STALLED);
        self.put(waiting, frame)
    }

    fn put(&self, mut waiting: MutexGuard<'_, Waiting>, frame: &[u8]) -> Result<(), TooSlow> {
        if waiting.is_closed || !self.has_room(&waiting, frame) {
            return Err(TooSlow);
        }
        waiting.frames.extend_from_slice(frame);
        drop(waiting);
        self.0.changed.notify_all();
        Ok(())
    }

    /// The loop of the thread that writes.
    fn write_to(&self, mut stream: TcpStream) {
        while let Some(frames) = self.next() {
            if stream.write_all(&frames).is_err() {
                self.close();
                let _ = stream.shutdown(Shutdown::Both); // its reader finds the end
                return;
            }
        }
        let _ = stream.shutdown(Shutdown::Write);
    }

    /// Waits until there are bytes, and takes all of them. Returns `None` at the end.
    fn next(&self) -> Option<Vec<u8>> {
        let is_idle = |waiting: &mut Waiting| waiting.frames.is_empty() && !waiting.is_closed;
        let mut waiting = self.0.waiting.lock();
        self.0.changed.wait_while(&mut waiting, is_idle);
        let frames = mem::take(&mut waiting.frames);
        drop(waiting);
        self.0.changed.notify_all(); // there is room
        (!frames.is_empty()).then_some(frames)
    }

    fn has_room(&self, waiting: &Waiting, frame: &[u8]) -> bool {
        waiting.frames.len() + frame.len() <= self.0.limit
    }

    fn close(&self) {
        self.0.waiting.lock().is_closed = true;
        self.0.changed.notify_all();
    }

    /// The bytes that the thread would have written, for a test.
    #[cfg(test)]
    pub(crate) fn take(&self) -> Vec<u8> {
        mem::take(&mut self.0.waiting.lock().frames)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.outbox.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The stream that the WebSocket protocol works on. It reads from the socket. Its own answers
/// (pongs, the reply to a close) go through the outbox, like everything else.
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
    /// Always accepts all bytes. The protocol writes whole frames.
    fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        let sent = self.outbox.send(frames);
        sent.map_err(|TooSlow| io::Error::other("the chatter does not read what it is sent"))?;
        Ok(frames.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
