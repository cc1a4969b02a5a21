//! Handles Ctrl-C.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::note;

/// Tells every part of a program to end.
#[derive(Default)]
pub struct Shutdown {
    state: Mutex<State>,
    begun: Condvar,
}

#[derive(Default)]
struct State {
    has_begun: bool,
    actions: Vec<Box<dyn FnOnce() + Send>>,
}

impl Shutdown {
    /// Begins the shutdown at Ctrl-C, `SIGTERM` or `SIGHUP`. A second signal ends the program at
    /// once, with code 130.
    ///
    /// # Errors
    ///
    /// If the signals have a handler already.
    pub fn on_signals() -> Result<Arc<Self>, ctrlc::Error> {
        let shutdown = Arc::new(Self::default());
        let begin = Arc::clone(&shutdown);
        ctrlc::set_handler(move || {
            if begin.has_begun() {
                std::process::exit(130);
            }
            begin.begin(); // first, because printing may fail
            note!("finishing running work; press Ctrl-C again to end at once");
        })?;
        Ok(shutdown)
    }

    /// Begins the shutdown, and runs the actions on the caller's thread. A second call does
    /// nothing.
    pub fn begin(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.has_begun = true;
        let actions = std::mem::take(&mut state.actions);
        drop(state); // an action may ask
        self.begun.notify_all();
        actions.into_iter().for_each(|act| act());
    }

    /// Whether the shutdown has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).has_begun
    }

    /// Waits until the shutdown begins.
    pub fn wait(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = self.begun.wait_while(state, |state| !state.has_begun);
        drop(begun.unwrap_or_else(PoisonError::into_inner));
    }

    /// Waits until the shutdown begins, for `limit` at most. Returns whether it has begun.
    #[must_use]
    pub fn wait_timeout(&self, limit: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = self.begun.wait_timeout_while(state, limit, |state| !state.has_begun);
        begun.unwrap_or_else(PoisonError::into_inner).0.has_begun
    }

    /// Runs `act` at the beginning of the shutdown, or now if it has begun.
    pub fn at_begin(&self, act: impl FnOnce() + Send + 'static) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.has_begun {
            drop(state);
            return act();
        }
        state.actions.push(Box::new(act));
    }

    /// Hands each client of `listener` to `serve`, on this thread, until the shutdown begins. If it
    /// cannot accept a client (for example because no file handles are left), it reports that and
    /// waits for the next one.
    ///
    /// # Errors
    ///
    /// If the listener has no address.
    pub fn accept(
        &self,
        listener: &TcpListener,
        mut serve: impl FnMut(TcpStream),
    ) -> io::Result<()> {
        let door = listener.local_addr()?;
        let (left, has_left) = mpsc::channel::<()>(); // ends when this function does
        self.at_begin(move || {
            thread::spawn(move || knock(door, &has_left));
        });
        loop {
            let client = listener.accept();
            if self.has_begun() {
                drop(left);
                return Ok(());
            }
            match client {
                Ok((stream, _)) => serve(stream),
                Err(error) => {
                    note!("a client could not be accepted: {error}");
                    thread::sleep(Duration::from_millis(50)); // until a handle may be free
                }
            }
        }
    }
}

/// Wakes the thread that waits for clients at `door`, which then looks at the flag. It tries again
/// until that thread has left, because there may be no file handle free for the connection.
fn knock(mut door: SocketAddr, has_left: &mpsc::Receiver<()>) {
    if door.ip().is_unspecified() {
        let loopback = if door.is_ipv4() { "127.0.0.1" } else { "::1" };
        door.set_ip(loopback.parse().expect("an address"));
    }
    loop {
        let _ = TcpStream::connect_timeout(&door, Duration::from_secs(1));
        if has_left.recv_timeout(Duration::from_millis(50)) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
    }
}
