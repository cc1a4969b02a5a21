//! The connected clients.

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Counts a server's clients, refuses clients beyond the limit, and releases all at the end.
pub struct Clients {
    max: usize,
    state: Mutex<State>,
    gone: Condvar,
}

#[derive(Default)]
struct State {
    next: u64,
    open: HashMap<u64, TcpStream>,
    is_closing: bool,
}

/// A client's place. Dropping it frees the place.
pub struct Client {
    id: u64,
    clients: Arc<Clients>,
}

impl Clients {
    /// Room for `max` clients.
    #[must_use]
    pub fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, state: Mutex::default(), gone: Condvar::new() })
    }

    /// A place for the client behind `stream`; `None` if all places are taken, or the server is
    /// closing.
    ///
    /// # Errors
    ///
    /// If the system has no further handle for the socket.
    pub fn enter(self: &Arc<Self>, stream: &TcpStream) -> io::Result<Option<Client>> {
        let stream = stream.try_clone()?;
        let mut state = self.lock();
        if state.is_closing || state.open.len() >= self.max {
            return Ok(None);
        }
        let id = state.next;
        state.next += 1;
        state.open.insert(id, stream);
        Ok(Some(Client { id, clients: Arc::clone(self) }))
    }

    /// How many clients are connected.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().open.len()
    }

    /// Accepts no more clients. Threads that wait for input from a client find its end, and can
    /// still answer the lines that they have read. (Linux still delivers later input, so a thread
    /// whose client never stops must also look at the [`Shutdown`](crate::Shutdown).)
    pub fn close(&self) {
        let mut state = self.lock();
        state.is_closing = true;
        for stream in state.open.values() {
            let _ = stream.shutdown(Shutdown::Read); // one that is gone already is fine too
        }
    }

    /// Waits until all clients are gone, for `limit` at most. Returns whether they are.
    #[must_use]
    pub fn wait(&self, limit: Duration) -> bool {
        let state = self.lock();
        let gone = self.gone.wait_timeout_while(state, limit, |state| !state.open.is_empty());
        gone.unwrap_or_else(PoisonError::into_inner).0.open.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let mut state = self.clients.lock();
        state.open.remove(&self.id);
        if state.open.is_empty() {
            self.clients.gone.notify_all();
        }
    }
}
