//! The errors of the client, and whether a request may be sent again.

use std::io;
use std::time::Duration;

use ureq_proto::http::Method;

/// Why there is no connection, or no answer.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This client does not support it.
    #[error("{0}")]
    Unsupported(String),
    /// The client could not reach the server.
    #[error("cannot connect to {server} (is the server running there?)")]
    Unreachable {
        /// The server's host and port.
        server: String,
        /// The system's error.
        source: io::Error,
    },
    /// The connection was known to be unusable before the client sent anything.
    #[error("the connection cannot be used again: {0}")]
    Spent(&'static str),
    /// The connection ended before a byte of an answer came. The server may or may not have carried
    /// out the request.
    #[error("the server closed the connection without an answer to {method}{}", doubt(.method))]
    Unanswered {
        /// The method of the request.
        method: Method,
        /// The system's error, unless the connection simply ended.
        source: Option<io::Error>,
    },
    /// The connection ended in the middle of the answer.
    #[error("the connection ended within the answer")]
    Truncated(#[source] Option<io::Error>),
    /// The server sent or accepted nothing for too long.
    #[error("the server took longer than {after:?} (limit `{limit}`)")]
    TimedOut {
        /// The field of [`Limits`](super::Limits) that sets the limit.
        limit: &'static str,
        /// The value of that limit.
        after: Duration,
    },
    /// The status line and headers are larger than this many bytes.
    #[error("the answer's headers are larger than {0} bytes (limit `head`)")]
    HeadTooLarge(usize),
    /// The body is larger than this many bytes.
    #[error("the answer's body is larger than {0} bytes (limit `body`)")]
    BodyTooLarge(u64),
    /// The answer is not HTTP/1.
    #[error("the answer is not HTTP/1")]
    Malformed(#[source] ureq_proto::Error),
}

impl Error {
    // ANCHOR: is_lost
    /// Whether the request may be sent again on another connection: the old one is gone, and
    /// either nothing was sent on it, or what was sent may be done twice by HTTP's own rules
    /// (RFC 9110, 9.2.2). A `POST` that got no answer may have been done. It is never sent again.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        match self {
            Self::Spent(_) => true,
            Self::Unanswered { method, .. } => method.is_idempotent(),
            _ => false,
        }
    }
    // ANCHOR_END: is_lost
}

fn doubt(method: &Method) -> &'static str {
    match method.is_idempotent() {
        true => "",
        false => ": it may have been done or not, so it was not sent again",
    }
}
