//! What an error of the driver or the server means for its connection and for the next attempt.
//!
//! [`classify`] is the crate's only table of errors. Everything else asks it.

use std::error::Error as StdError;
use std::fmt;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use postgres::Error;
use postgres::error::{DbError, Severity};

use crate::wire::tls::Failed;

/// What an error means; see [`classify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The connection is gone. Another one may work at once.
    Lost,
    /// The same attempt fails again until a setting or an account of the server is changed.
    Permanent,
    /// The same attempt may succeed later: the server is down, full, busy or not ready, or two
    /// transactions were in conflict.
    Transient,
    /// An answer to one statement, or a wrong use of the driver. It says nothing about the
    /// connection.
    Ordinary,
}

/// The class of an error. The pools go by this table:
///
/// | class | server's answers (SQLSTATE) | driver's errors |
/// |---|---|---|
/// | `Lost` | session ended by an administrator, a crash or a dropped database 57P01, 57P02, 57P04; idle for too long 57P05, 25P03; transaction too long 25P04; connection errors 08…; any other answer that ends a session | connection closed, I/O, broken messages, no answer in time |
/// | `Permanent` | access denied 28…; unknown database 3D000; no right to connect 42501 and unusable settings 22…, 42… where they end the login | unusable settings, unknown way to authenticate, a refused certificate, no TLS where it is required |
/// | `Transient` | too many connections and other lacks 53…; starting up or shutting down 57P03; rejected 08004; read-only 25006; deadlock and conflict 40…; lock not available 55P03; I/O error 58030 | no server at the address, connect timeout, a server of another kind than `target_session_attrs` says |
/// | `Ordinary` | all others | parameters, columns or row counts that do not fit |
///
/// `Permanent` and `Transient` are meant for errors of `connect`. A statement can meet some of the
/// same answers, and its connection goes on working.
///
/// A connection also goes on working if its server answers that it is read-only (25006) where nothing
/// asked for that. But a pool closes it when it is returned, because another connection may reach
/// another server; not within the first second after it was opened, so that this makes no storm of
/// connects.
///
/// The class does not say whether the server has committed. Ask
/// [`outcome`](threadwise_core::Guard::outcome) of the guard for that.
///
/// ```
/// use threadwise_postgres::{ErrorClass, PostgresManager, classify};
/// use threadwise_core::ManageConnection;
///
/// # #[cfg(unix)] {
/// let manager = PostgresManager::from_url("postgres://app@%2Fno%2Fsuch%2Fdirectory/shop").unwrap();
/// let error = manager.connect().unwrap_err();
/// assert_eq!(classify(&error), ErrorClass::Transient); // the server may be started
/// # }
/// ```
#[must_use]
pub fn classify(error: &Error) -> ErrorClass {
    if let Some(answer) = error.as_db_error() {
        return classify_answer(answer);
    }
    if let Some(own) = cause::<Own>(error) {
        return own.class();
    }
    // The driver's kinds have no names in its API. Their texts are short and fixed.
    let text = error.to_string();
    match &*text {
        "invalid connection string" | "invalid configuration" | "authentication error" => {
            ErrorClass::Permanent
        }
        "error connecting to server" => ErrorClass::Transient,
        "error performing TLS handshake" => classify_tls(error),
        text if is_wrong_use(text) => ErrorClass::Ordinary,
        _ if cause::<crate::wire::connector::NoSocket>(error).is_some() => ErrorClass::Transient,
        _ => ErrorClass::Lost,
    }
}

fn is_wrong_use(text: &str) -> bool {
    ["error serializing", "error deserializing", "error encoding", "invalid column", "expected "]
        .iter()
        .any(|start| text.starts_with(start))
        || text.starts_with("query returned an unexpected number")
}

fn classify_answer(answer: &DbError) -> ErrorClass {
    let code = answer.code().code();
    let ends_session = matches!(answer.parsed_severity(), Some(Severity::Fatal | Severity::Panic))
        || matches!(answer.severity(), "FATAL" | "PANIC");
    match code {
        "57P01" | "57P02" | "57P04" | "57P05" | "25P03" | "25P04" => ErrorClass::Lost,
        "57P03" | "08004" | "25006" | "55P03" | "58030" => ErrorClass::Transient,
        "3D000" => ErrorClass::Permanent,
        _ => match code.get(..2) {
            Some("08") => ErrorClass::Lost,
            Some("28") => ErrorClass::Permanent,
            Some("53" | "40") => ErrorClass::Transient,
            Some("22" | "42" | "0A") if ends_session => ErrorClass::Permanent,
            _ if ends_session => ErrorClass::Lost,
            _ => ErrorClass::Ordinary,
        },
    }
}

/// Whether the server's own answer is that it may have committed or not.
pub(crate) fn says_unknown(error: &Error) -> bool {
    error.code().is_some_and(|state| matches!(state.code(), "08007" | "40003"))
}

/// Encryption failed: for good if a certificate or the settings are to blame.
fn classify_tls(error: &Error) -> ErrorClass {
    const WORDS: [&str; 9] = [
        "certificate", // each of the libraries names it
        "does not offer TLS",
        "no TLS implementation",
        "UnknownIssuer",
        "UnknownCA",
        "NotValidForName",
        "dns name",
        "CertificateRequired",
        "HandshakeFailure",
    ];
    let mut text = String::new();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    if WORDS.iter().any(|word| text.contains(word)) {
        ErrorClass::Permanent
    } else {
        ErrorClass::Transient
    }
}

/// The first cause of this type. An `io::Error` hides what it holds from `source`.
fn cause<T: StdError + 'static>(error: &Error) -> Option<&T> {
    let mut next = error.source();
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(inner) = inner
            && let Some(found) = inner.downcast_ref()
        {
            return Some(found);
        }
        next = inner.map(|inner| inner as &(dyn StdError + 'static)).or_else(|| cause.source());
    }
    None
}

/// An error of this crate.
#[derive(Debug)]
pub(crate) enum Own {
    /// The manager's user has not given the login in time, or has failed to.
    Credentials(Box<dyn StdError + Send + Sync>),
    /// The settings cannot work together.
    Setting(String),
    /// A statement of `init` failed.
    Init { number: usize, error: Box<Error> },
    /// `steady` found no new connection.
    NotReconnected { lost: String, cause: String },
    /// The time for a connect was over before it began.
    NoTime,
}

impl Own {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Credentials(_) | Self::NoTime => ErrorClass::Transient,
            Self::Setting(_) => ErrorClass::Permanent,
            Self::Init { error, .. } => match classify(error) {
                // The server's answer to the text of a setting stays the same.
                ErrorClass::Ordinary => ErrorClass::Permanent,
                class => class,
            },
            Self::NotReconnected { .. } => ErrorClass::Lost,
        }
    }
}

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials(error) => write!(f, "`credentials_from` returned no login: {error}"),
            Self::Setting(text) => f.write_str(text),
            Self::Init { number, error } => {
                write!(f, "statement {number} of the setting `init` failed: {}", explain(error))
            }
            Self::NotReconnected { lost, cause } => {
                write!(f, "{lost}; no new connection could be opened: {cause}")
            }
            Self::NoTime => f.write_str("the time for a connect is over"),
        }
    }
}

impl StdError for Own {}

/// An error with its causes: the driver's own text names only its kind.
pub(crate) fn explain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

/// This crate's error as the driver's type, which nothing but the driver can make: so the driver
/// meets it on a connection that is none.
pub(crate) fn own(error: Own) -> Error {
    let kind = match error {
        Own::NoTime => ErrorKind::TimedOut,
        _ => ErrorKind::Other,
    };
    from_io(io::Error::new(kind, error))
}

/// The same for an error of the system.
pub(crate) fn from_io(error: io::Error) -> Error {
    let mut config = tokio_postgres::Config::new();
    config.user("nobody");
    let mut connect = pin!(config.connect_raw(Failed(Some(error)), postgres::NoTls));
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        // The first write fails, so the first call is the last one.
        match connect.as_mut().poll(&mut cx) {
            Poll::Ready(Err(error)) => return error,
            Poll::Ready(Ok(_)) => unreachable!("nothing answers on a connection that is none"),
            Poll::Pending => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_errors_keep_their_text_and_have_a_class() {
        let error = own(Own::Setting("`a` and `b` cannot be set together".into()));
        assert_eq!(
            explain(&error),
            "error communicating with the server: `a` and `b` cannot be set together"
        );
        assert_eq!(classify(&error), ErrorClass::Permanent);
        assert_eq!(classify(&own(Own::NoTime)), ErrorClass::Transient);
        let reset = from_io(ErrorKind::ConnectionReset.into());
        assert_eq!(classify(&reset), ErrorClass::Lost);
    }

    #[test]
    fn wrong_texts_of_settings_are_permanent() {
        let error = "host="
            .parse::<postgres::Config>()
            .and_then(|config| config.connect(postgres::NoTls).map(drop));
        assert_eq!(classify(&error.unwrap_err()), ErrorClass::Permanent);
    }
}
