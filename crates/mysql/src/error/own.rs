//! Errors that this crate makes, and what it adds to those of the driver.

use std::error::Error as _;
use std::fmt;
use std::io::{self, ErrorKind};

use mysql::{Error, MySqlError};
use threadwise_core::chain;

/// An error type that is one text. It marks this crate's own errors among I/O errors.
macro_rules! text_error {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name(pub(crate) String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::error::Error for $name {}
    };
}

text_error! {
    /// A setting makes every connect fail.
    UnusableSetting
}
text_error! {
    /// A connection was lost, and no other one could be opened.
    NotReconnected
}
text_error! {
    /// The connection was lost while the server may have committed.
    UnknownOutcome
}
text_error! {
    /// A prepared statement was used on another connection or after a reset. The connection is fine.
    WrongStatement
}

/// The program's function has supplied no credentials.
#[derive(Debug)]
pub(crate) struct NoCredentials(Box<dyn std::error::Error + Send + Sync>);

impl fmt::Display for NoCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`credentials_from` returned no login: {}", self.0)
    }
}

impl std::error::Error for NoCredentials {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

/// The error of a connect for which the program has supplied no credentials.
pub(crate) fn no_credentials(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::IoError(io::Error::other(NoCredentials(error)))
}

/// An error of a setting with which no connect can succeed.
pub(crate) fn unusable_setting(text: String) -> Error {
    Error::IoError(io::Error::new(ErrorKind::InvalidInput, UnusableSetting(text)))
}

/// An error of a prepared statement that is used in the wrong place.
pub(crate) fn wrong_statement(text: String) -> Error {
    Error::IoError(io::Error::new(ErrorKind::InvalidInput, WrongStatement(text)))
}

/// Adds to a server's error the name of the setting whose statement failed.
pub(crate) fn in_setting(setting: &str, error: Error) -> Error {
    match error {
        Error::MySqlError(MySqlError { state, message, code }) => {
            let message = format!("in the setting `{setting}`: {message}");
            Error::MySqlError(MySqlError { state, message, code })
        }
        other => other,
    }
}

/// Adds to the error of a lost connection why no other one could be opened. The result still counts
/// as the error of a lost connection.
pub(crate) fn not_reconnected(error: Error, cause: &(dyn std::error::Error + 'static)) -> Error {
    let why = format!("; no new connection could be opened: {}", chain(cause));
    match error {
        Error::MySqlError(MySqlError { state, message, code }) => {
            Error::MySqlError(MySqlError { state, message: message + &why, code })
        }
        Error::IoError(error) => {
            let text = format!("{error}{why}");
            Error::IoError(io::Error::new(error.kind(), NotReconnected(text)))
        }
        other => {
            let text = format!("{other}{why}");
            Error::IoError(io::Error::new(ErrorKind::ConnectionAborted, NotReconnected(text)))
        }
    }
}

/// The SQLSTATE "transaction resolution unknown".
pub(super) const RESOLUTION_UNKNOWN: &str = "08007";

const LOOK_FIRST: &str = "; it is unknown whether the server has committed the changes: look for them \
     before you make them again";

/// Marks an error as one after which the server may have committed, and adds that to its message.
/// An answer of the server keeps its code.
pub(crate) fn unknown_outcome(error: Error) -> Error {
    match error {
        Error::MySqlError(MySqlError { message, code, .. }) => {
            let state = RESOLUTION_UNKNOWN.to_owned();
            Error::MySqlError(MySqlError { state, message: message + LOOK_FIRST, code })
        }
        other => {
            let kind = io_cause(&other).map_or(ErrorKind::ConnectionAborted, io::Error::kind);
            let text = match other {
                Error::IoError(error) => format!("{error}{LOOK_FIRST}"),
                other => format!("{other}{LOOK_FIRST}"),
            };
            Error::IoError(io::Error::new(kind, UnknownOutcome(text)))
        }
    }
}

/// The system's error, also if the codec met it.
pub(super) fn io_cause(error: &Error) -> Option<&io::Error> {
    match error {
        Error::IoError(error) => Some(error),
        Error::CodecError(error) => error.source().and_then(<dyn std::error::Error>::downcast_ref),
        _ => None,
    }
}

/// Whether an I/O error is this crate's own error of this type.
pub(super) fn is<T: std::error::Error + 'static>(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<T>())
}
