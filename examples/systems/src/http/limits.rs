//! How long and how large.

use std::time::Duration;

/// What a connection bears before it gives up. A server may be slow, hang, or send forever; a
/// pool cannot interrupt the thread that waits for it.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Opening a connection, all addresses of the host together.
    pub connect: Duration,
    /// Waiting for the next bytes.
    pub read: Duration,
    /// Waiting until the next bytes can be sent.
    pub write: Duration,
    /// A request and its answer, from the first byte to the last: a server that sends a byte now
    /// and then never reaches `read`.
    pub exchange: Duration,
    /// The bytes of an answer's status line and headers.
    pub head: usize,
    /// The bytes of an answer's body.
    pub body: u64,
    /// The bytes of a body that are read and thrown away when its user has stopped reading. Up to
    /// here that is cheaper than another connection.
    pub rest: u64,
    /// How long that may take.
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
