//! The limits of time and size.

use std::time::Duration;

/// The limits of a connection. A server may be slow, hang, or send forever, and a pool cannot
/// interrupt the thread that waits for it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The time to open a connection, for all addresses of the host together.
    pub connect: Duration,
    /// The time to wait for the next bytes.
    pub read: Duration,
    /// The time to wait until the socket accepts the next bytes.
    pub write: Duration,
    /// The time for a request and its answer, from the first byte to the last. A server that sends
    /// a byte now and then never reaches `read`.
    pub exchange: Duration,
    /// The most bytes of an answer's status line and headers.
    pub head: usize,
    /// The most bytes of an answer's body.
    pub body: u64,
    /// The most bytes of a body that the client reads and throws away after its user has stopped
    /// reading. For fewer bytes that is cheaper than another connection.
    pub rest: u64,
    /// The time for those bytes.
    pub rest_within: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(10),
            write: Duration::from_secs(10),
            exchange: Duration::from_secs(30),
            head: 32 * 1024,
            body: 16 * 1024 * 1024,
            rest: 64 * 1024,
            rest_within: Duration::from_millis(100),
        }
    }
}
