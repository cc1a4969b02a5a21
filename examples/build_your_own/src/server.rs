//! The server that the pools connect to, and the trait that a pool needs.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

// ANCHOR: manage
/// Opens and checks connections. Dropping a connection closes it.
pub trait Manage {
    /// The type of the connections.
    type Connection: Send;

    /// Opens a connection. It may take long: never call it under a lock.
    ///
    /// # Errors
    ///
    /// If the server refuses the connection.
    fn connect(&self) -> Result<Self::Connection, Refused>;

    /// Whether the connection is known to be dead, without asking the server.
    fn is_broken(&self, conn: &mut Self::Connection) -> bool;
}
// ANCHOR_END: manage

/// The server refused the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// The server closed the connection. It may or may not have run the query.
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

/// A server in this process, which counts its connections. Clones are handles to the same server.
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

    /// The most connections that were ever open at once.
    #[must_use]
    pub fn most_open(&self) -> usize {
        self.0.most_open.load(SeqCst)
    }

    /// Closes all connections: those that are open now are dead.
    pub fn restart(&self) {
        self.0.restarts.fetch_add(1, SeqCst);
    }

    /// Whether to refuse all connections from now on.
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

/// A connection. The first one that was opened is number 1.
pub struct Conn {
    number: usize,
    restarts: usize,
    server: Server,
}

impl Conn {
    /// The connection's number.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Sends a query, and returns the answer.
    ///
    /// # Errors
    ///
    /// If the server has closed the connection.
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
