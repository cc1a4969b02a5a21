//! The error of `get` and `build`, which prints as r2d2's does.

use std::error::Error as StdError;
use std::fmt;

use threadwise_core::{BuildError, ConnectError, GetError, chain};

/// Why [`Pool::get`](super::Pool::get) or [`Builder::build`](super::Builder::build) failed.
///
/// It prints "timed out waiting for connection", and the manager's last error behind it if there is
/// one, as r2d2's error does. All waiters get that error. `source` returns what is behind it.
pub struct Error(Why);

enum Why {
    /// The time was up. With the last error since a connection was opened.
    TimedOut(Option<ConnectError<crate::Error>>),
    /// Something that r2d2 does not know: the pool is closed, or cannot be made.
    Other(String),
}

impl Error {
    /// Translates an error of `get`. `last` is the manager's last error.
    pub(super) fn of_get(error: GetError<crate::Error>, last: Option<crate::Error>) -> Self {
        let cause = match error {
            GetError::TimedOut(timed_out) => timed_out.cause,
            GetError::Exhausted(exhausted) => exhausted.cause,
            GetError::ConnectFailed(error) => Some(error),
            other => return Self(Why::Other(chain(&other).to_string())),
        };
        Self(Why::TimedOut(cause.or_else(|| last.map(ConnectError::failed))))
    }

    pub(super) fn of_build(error: BuildError<crate::Error>) -> Self {
        match error {
            BuildError::ConnectFailed(error) => Self(Why::TimedOut(Some(error))),
            BuildError::TimedOut { .. } => Self(Why::TimedOut(None)),
            other => Self(Why::Other(chain(&other).to_string())),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Why::TimedOut(cause) => {
                f.write_str("timed out waiting for connection")?;
                cause.as_ref().map_or(Ok(()), |cause| write!(f, ": {cause}"))
            }
            Why::Other(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", chain(self))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.0 {
            Why::TimedOut(cause) => cause.as_ref()?.source(),
            Why::Other(_) => None,
        }
    }
}
