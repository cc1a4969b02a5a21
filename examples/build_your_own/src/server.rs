//! What the pools connect to, and all that a pool has to know of it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

// ANCHOR: manage
/// How connections are opened and looked at. They are closed by dropping them.
pub trait Manage {
    /// What is pooled.
    type Connection: Send;

    /// Opens one. May take long: never call it under a lock.
    ///
    /// # Errors
    ///
    /// When the server lets nobody in.
    fn connect(&self) -> Result<Self::Connection, Refused>;

    /// Whether it is known to be dead, without asking the server.
    fn is_broken(&self, conn: &mut Self::Connection) -> bool;
}
// ANCHOR_END: manage

/// The server let nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// The server hung up; whether it has done what was asked, nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server refused the connection")
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is lost")
    }
}

impl std::error::Error for Refused {}
impl std::error::Error for Lost {}

/// A server that is here, in this process, and counts. Clones are handles to the same one.
#[derive(Clone, Default)]
pub struct Server(Arc<Counts>);

#[derive(Default)]
struct Counts {
    opened: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    restarts: AtomicUsize,
    refuses: AtomicBool,
}

impl Server {
    /// Connections that were opened so far.
    #[must_use]
    pub fn opened(&self) -> usize {
        self.0.opened.load(SeqCst)
    }

    /// Connections that are open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.0.open.load(SeqCst)
    }

    /// The most that ever were open at once.
    #[must_use]
    pub fn most_open(&self) -> usize {
        self.0.most_open.load(SeqCst)
    }

    /// Hangs up on everybody: what is open now is dead.
    pub fn restart(&self) {
        self.0.restarts.fetch_add(1, SeqCst);
    }

    /// Whether to let nobody in from now on.
    pub fn refuse(&self, refuses: bool) {
        self.0.refuses.store(refuses, SeqCst);
    }
}

impl Manage for Server {
    type Connection = Conn;

    fn connect(&self) -> Result<Conn, Refused> {
        if self.0.refuses.load(SeqCst) {
            return Err(Refused);
        }
        let open = self.0.open.fetch_add(1, SeqCst) + 1;
        self.0.most_open.fetch_max(open, SeqCst);
        Ok(Conn {
            number: self.0.opened.fetch_add(1, SeqCst) + 1,
            restarts: self.0.restarts.load(SeqCst),
            server: Self::clone(self),
        })
    }

    fn is_broken(&self, conn: &mut Conn) -> bool {
        conn.restarts != self.0.restarts.load(SeqCst)
    }
}

/// A connection: the first that was opened is number 1.
pub struct Conn {
    number: usize,
    restarts: usize,
    server: Server,
}

impl Conn {
    /// Which one it is.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Asks the server something.
    ///
    /// # Errors
    ///
    /// When the server has hung up since the connection was opened.
    pub fn query(&mut self) -> Result<&'static str, Lost> {
        let server = self.server.clone();
        if server.is_broken(self) { Err(Lost) } else { Ok("an answer") }
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        self.server.0.open.fetch_sub(1, SeqCst);
    }
}
