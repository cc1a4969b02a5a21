//! The stream between the driver and the server.

use std::fmt;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use postgres::tls::{ChannelBinding, TlsStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep_until};

use super::tls::Transport;
use super::{EMPTY_QUERY, Look, Wire};
use crate::connection::GOODBYE;

/// Passes bytes on, shows them to the [`WireState`](super::WireState), and ends waits that last too
/// long.
pub(crate) struct WatchedStream {
    transport: Box<dyn Transport>,
    wire: Wire,
    /// Wakes the thread when a wait may have to end. Armed again only when it fires, or for an earlier
    /// moment: most answers come long before.
    timer: Option<Pin<Box<Sleep>>>,
    /// The part of an answer to a look that the driver has not read yet.
    unread: &'static [u8],
}

impl WatchedStream {
    pub(crate) fn new(transport: Box<dyn Transport>, wire: Wire) -> Self {
        Self { transport, wire, timer: None, unread: &[] }
    }

    /// Ends a wait that has lasted too long. Returns `Pending` if it may go on.
    fn limit_wait<T>(&mut self, cx: &mut Context<'_>, is_writing: bool) -> Poll<io::Result<T>> {
        loop {
            let Some(due) = self.wire.lock().due(is_writing) else { return Poll::Pending };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due.into())));
            if timer.deadline() > due.into() {
                timer.as_mut().reset(due.into());
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if Instant::now() >= due {
                self.timer = None;
                return Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, Waited)));
            }
            timer.as_mut().reset(due.into());
        }
    }

    /// Answers a look, now that the socket has nothing more. The answer is the server's last status.
    fn answer_look(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let mut wire = self.wire.lock();
        if wire.unanswered_looks > 0 {
            wire.unanswered_looks -= 1;
            self.unread = match wire.status {
                b'T' => b"I\0\0\0\x04Z\0\0\0\x05T",
                b'E' => b"I\0\0\0\x04Z\0\0\0\x05E",
                _ => b"I\0\0\0\x04Z\0\0\0\x05I",
            };
        }
        drop(wire);
        self.give_unread(buf)
    }

    fn give_unread(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let (now, later) = self.unread.split_at(self.unread.len().min(buf.remaining()));
        buf.put_slice(now);
        self.unread = later;
        !now.is_empty()
    }
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.give_unread(buf) {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        match Pin::new(&mut this.transport).poll_read(cx, buf) {
            Poll::Ready(outcome) => {
                let bytes = &buf.filled()[before..];
                if !bytes.is_empty() {
                    this.wire.lock().server_sent(bytes);
                }
                Poll::Ready(outcome)
            }
            Poll::Pending if this.answer_look(buf) => Poll::Ready(Ok(())),
            Poll::Pending => this.limit_wait(cx, false),
        }
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut wire = this.wire.lock();
        if matches!(wire.look, Look::Wanted | Look::WantedAgain) && bytes == EMPTY_QUERY {
            // The runtime asks the system about the socket before it calls `poll_read` again.
            cx.waker().wake_by_ref();
            if wire.outstanding.is_empty() {
                wire.look = Look::None;
                wire.unanswered_looks += 1;
                return Poll::Ready(Ok(bytes.len()));
            } else if wire.look == Look::Wanted {
                wire.look = Look::WantedAgain;
                return Poll::Pending;
            }
            wire.look = Look::None; // so the server answers it, after what it owes
        }
        drop(wire);
        match Pin::new(&mut this.transport).poll_write(cx, bytes) {
            Poll::Ready(Ok(count)) => {
                this.wire.lock().client_sent(&bytes[..count]);
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => this.limit_wait(cx, true),
        }
    }

    /// Also ends a wait that has lasted too long. The driver stops reading while rows wait for a reader
    /// that has been forgotten, but it flushes each time.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.transport).poll_flush(cx);
        match this.limit_wait::<()>(cx, flushed.is_pending()) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => flushed,
        }
    }

    /// Waits no longer than [`GOODBYE`], or than the present deadline.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.transport).poll_shutdown(cx) {
            Poll::Pending => {
                let mut wire = this.wire.lock();
                if wire.until.is_none() {
                    wire.until = Instant::now().checked_add(GOODBYE);
                }
                drop(wire);
                this.limit_wait(cx, true)
            }
            outcome => outcome,
        }
    }
}

impl TlsStream for WatchedStream {
    fn channel_binding(&self) -> ChannelBinding {
        self.transport.channel_binding()
    }
}

/// The server did not answer in time.
#[derive(Debug)]
struct Waited;

impl fmt::Display for Waited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the server has not answered within the read timeout, or the limit of the check, reset or \
             connect",
        )
    }
}

impl std::error::Error for Waited {}
