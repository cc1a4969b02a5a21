//! The errors of the client, and whether a request may be sent again.

use std::time::Duration;
use std::{fmt, io};

use ureq_proto::http::Method;

/// Why there is no connection, or no answer.
#[non_exhaustive]
#[derive(Debug)]
pub enum Error {
    /// This client does not support it.
    Unsupported(String),
    /// The client could not reach the server.
    Unreachable {
        /// The server's host and port.
        server: String,
        /// The system's error.
        source: io::Error,
    },
    /// The connection was known to be unusable before the client sent anything.
    Spent(&'static str),
    /// The connection ended before a byte of an answer came. The server may or may not have carried
    /// out the request.
    Unanswered {
        /// The method of the request.
        method: Method,
        /// The system's error, unless the connection simply ended.
        source: Option<io::Error>,
    },
    /// The connection ended in the middle of the answer.
    Truncated(Option<io::Error>),
    /// The server sent or accepted nothing for too long.
    TimedOut {
        /// The field of [`Limits`](super::Limits) that sets the limit.
        limit: &'static str,
        /// The value of that limit.
        after: Duration,
    },
    /// The status line and headers are larger than this many bytes.
    HeadTooLarge(usize),
    /// The body is larger than this many bytes.
    BodyTooLarge(u64),
    /// The answer is not HTTP/1.
    Malformed(ureq_proto::Error),
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(what) => f.write_str(what),
            Self::Unreachable { server, .. } => {
                write!(f, "cannot connect to {server} (is the server running there?)")
            }
            Self::Spent(why) => write!(f, "the connection cannot be used again: {why}"),
            Self::Unanswered { method, .. } if method.is_idempotent() => {
                write!(f, "the server closed the connection without an answer to {method}")
            }
            Self::Unanswered { method, .. } => write!(
                f,
                "the server closed the connection without an answer to {method}: it may have been \
                 done or not, so it was not sent again"
            ),
            Self::Truncated(_) => f.write_str("the connection ended within the answer"),
            Self::TimedOut { limit, after } => {
                write!(f, "the server took longer than {after:?} (limit `{limit}`)")
            }
            Self::HeadTooLarge(max) => {
                write!(f, "the answer's headers are larger than {max} bytes (limit `head`)")
            }
            Self::BodyTooLarge(max) => {
                write!(f, "the answer's body is larger than {max} bytes (limit `body`)")
            }
            Self::Malformed(_) => f.write_str("the answer is not HTTP/1"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable { source, .. }
            | Self::Unanswered { source: Some(source), .. }
            | Self::Truncated(Some(source)) => Some(source),
            Self::Malformed(error) => Some(error),
            _ => None,
        }
    }
}
