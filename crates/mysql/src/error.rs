//! What an error of the driver or the server means for its connection and for the next attempt.
//!
//! This is the one table of the crate; everything else asks [`classify`] or [`breaks`].

use std::error::Error as _;
use std::io::{self, ErrorKind};

use mysql::{DriverError, Error, MySqlError};

use threadwise_core::chain;

use crate::statements::Misplaced;

/// A login went well, and allows for nothing but to change the password.
const PASSWORD_EXPIRED: u16 = 1820;

/// What an error means; see [`classify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The connection is gone, or out of step with its server. Another one may work at once.
    Lost,
    /// The same attempt fails again until somebody changes a setting or the server's accounts.
    Permanent,
    /// The same attempt may succeed later: the server is down, full, busy or not ready, or two
    /// transactions were in each other's way.
    Transient,
    /// An answer to this one statement, or a wrong use of the driver. Says nothing about the
    /// connection.
    Ordinary,
}

/// Sorts an error.
///
/// | class | server's answers | driver's errors |
/// |---|---|---|
/// | `Lost` | shutting down 1053, 1077–1080; connection aborted 1152, 1184; network and protocol 1043, 1153–1161, 1835; killed 1927, 3169; idle too long 4031; a proxy that lost its server 2006, 2013; any other of SQLSTATE 08… | I/O, codec and protocol errors, time-outs, broken TLS |
/// | `Permanent` | access denied 1044, 1045, 1698, SQLSTATE 28…; unknown database 1049; host refused 1129, 1130; authentication method 1251, 1524, 2061; TLS required 3159; password expired 1820, 1862; account locked 3118, 4151, or blocked 4150 | unusable URL or settings, a file that they name is missing, no address, no right to use the socket, authentication or protocol not supported, a certificate that has expired, is for another name or from an unknown authority |
/// | `Transient` | too many connections 1040, 1203, 1226; out of threads, memory, disk or room 1021, 1037, 1038, 1041, 1114, 1135, 1461; not ready 1047 (a Galera node without its cluster), 3168; offline 3032; read-only 1290, 1836; lock time-out 1205, 3572; deadlock 1213, SQLSTATE 40… | no server at the address, connect time-out |
/// | `Ordinary` | all others; of SQLSTATE 08… what is about a server's own connections to others: 1189, 1190, 1218 | parameters or types that do not fit, a prepared statement of another connection, statement larger than `max_allowed_packet` |
///
/// The classes `Permanent` and `Transient` are meant for errors of `connect`. A statement can meet
/// some of the same answers (1044 or 1049 from `USE`, 1205 or 1213 from any); its connection
/// then goes on working. So does one whose server answers that it is not ready (1047) or only reads (1290
/// with such a text, 1836, 1792 where the user did not ask for that); but a pool closes it when it comes back, since
/// another one may lead to another server. So as not to make a storm, a connection is kept for a second after
/// it was opened.
#[must_use]
pub fn classify(error: &Error) -> ErrorClass {
    match error {
        Error::MySqlError(answer) => classify_answer(answer),
        Error::DriverError(error) => classify_driver(error),
        Error::UrlError(_) => ErrorClass::Permanent,
        Error::IoError(error) if is::<Setting>(error) => ErrorClass::Permanent,
        Error::IoError(error) if is::<Unreconnected>(error) => ErrorClass::Lost,
        Error::IoError(error) if is::<Misplaced>(error) => ErrorClass::Ordinary,
        error if is_refused_certificate(error) => ErrorClass::Permanent,
        // Nothing was sent, or a row was too large to be read: the connection has to show which.
        error if leaves_doubt(error) => ErrorClass::Ordinary,
        Error::FromValueError(_) | Error::FromRowError(_) => ErrorClass::Ordinary,
        // I/O, the codec, TLS where it is compiled in, and whatever a new driver may add.
        _ => ErrorClass::Lost,
    }
}

/// Whether the connection that this error was met on must not be used again.
pub(crate) fn breaks(error: &Error) -> bool {
    match classify(error) {
        ErrorClass::Lost => true,
        ErrorClass::Ordinary => false,
        // The server's answers leave a connection in step; anything else does not. With a password
        // that has expired it is in step, and good for nothing.
        ErrorClass::Permanent | ErrorClass::Transient => match error {
            Error::MySqlError(answer) => answer.code == PASSWORD_EXPIRED,
            _ => true,
        },
    }
}

/// Whether this error leaves open if the connection is in step with the server.
///
/// The codec's error type has no name in the driver's public API, only its variants show. A variant
/// that was called otherwise would be taken for a lost connection, which is safe.
pub(crate) fn leaves_doubt(error: &Error) -> bool {
    matches!(error, Error::CodecError(error) if format!("{error:?}") == "PacketTooLarge")
}

/// Whether a wait for the server's bytes ended without them.
pub(crate) fn is_timeout(error: &Error) -> bool {
    let io = match error {
        Error::IoError(error) => Some(error),
        Error::CodecError(error) => error.source().and_then(<dyn std::error::Error>::downcast_ref),
        _ => None,
    };
    io.is_some_and(|io| matches!(io.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

/// A setting that no attempt to connect can succeed with.
pub(crate) fn unusable_setting(text: String) -> Error {
    Error::IoError(io::Error::new(ErrorKind::InvalidInput, Setting(text)))
}

/// Says of a server's error in which setting the statement is that met it.
pub(crate) fn in_setting(setting: &str, error: Error) -> Error {
    match error {
        Error::MySqlError(MySqlError { state, message, code }) => {
            let message = format!("in the setting `{setting}`: {message}");
            Error::MySqlError(MySqlError { state, message, code })
        }
        other => other,
    }
}

fn classify_answer(answer: &MySqlError) -> ErrorClass {
    match answer.code {
        1189 | 1190 | 1218 => ErrorClass::Ordinary,
        1053 | 1077..=1080 | 1152..=1161 | 1184 | 1835 | 1927 | 2006 | 2013 | 3169 | 4031 => {
            ErrorClass::Lost
        }
        1044 | 1045 | 1049 | 1129 | 1130 | 1251 | 1524 | 1698 | 1820 | 1862 | 2061 | 3118
        | 3159 | 4150 | 4151 => ErrorClass::Permanent,
        1021 | 1037 | 1038 | 1040 | 1041 | 1047 | 1114 | 1135 | 1203 | 1205 | 1213 | 1226
        | 1290 | 1461 | 1836 | 3032 | 3168 | 3572 => ErrorClass::Transient,
        _ => match answer.state.get(..2) {
            Some("08") => ErrorClass::Lost,
            Some("28") => ErrorClass::Permanent,
            Some("40") => ErrorClass::Transient,
            _ => ErrorClass::Ordinary,
        },
    }
}

fn classify_driver(error: &DriverError) -> ErrorClass {
    match error {
        DriverError::MismatchedStmtParams(..)
        | DriverError::Params(_)
        | DriverError::MixedParams
        | DriverError::BulkExecute(_)
        | DriverError::ReadOnlyTransNotSupported => ErrorClass::Ordinary,

        DriverError::CouldNotConnect(None | Some((_, _, ErrorKind::PermissionDenied)))
        | DriverError::UnsupportedProtocol(_)
        | DriverError::Protocol41NotSet
        | DriverError::TlsNotSupported
        | DriverError::UnknownAuthPlugin(_)
        | DriverError::OldMysqlPasswordDisabled
        | DriverError::CleartextPluginDisabled
        | DriverError::InvalidPoolConstraints => ErrorClass::Permanent,

        DriverError::CouldNotConnect(Some(_)) | DriverError::ConnectTimeout => {
            ErrorClass::Transient
        }

        DriverError::PacketOutOfSync
        | DriverError::PacketTooLarge
        | DriverError::UnexpectedPacket
        | DriverError::SetupError
        | DriverError::CouldNotParseVersion
        | DriverError::InvalidParsecSalt
        | DriverError::Timeout
        // A handler of local files panicked while the server waited for the file.
        | DriverError::PoisonedPoolMutex => ErrorClass::Lost,
    }
}

/// Tells this crate's own errors apart from the system's of the same kind.
#[derive(Debug)]
struct Setting(String);

impl std::fmt::Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Setting {}

/// Whether an error of ours is of this type.
fn is<T: std::error::Error + 'static>(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<T>())
}

/// Whether encryption failed for a reason that stays until a file or a setting is changed: the
/// server's certificate has expired, is for another name or from an authority that is not known, or the
/// server refuses ours.
///
/// The types of these errors are there only where the driver was built with TLS, and differ by its
/// features; so this goes by the words of the libraries.
fn is_refused_certificate(error: &Error) -> bool {
    const WORDS: [&str; 12] = [
        "invalid peer certificate", // rustls
        "InvalidCertificate",
        "CertificateExpired",
        "invalid dns name",
        "UnknownCA",
        "BadCertificate",
        "CertificateRequired",
        "HandshakeFailure",
        "certificate verify failed",  // OpenSSL
        "certificate is not trusted", // macOS
        "certificate chain",
        "no trust anchors",
    ];
    if matches!(error, Error::MySqlError(_) | Error::DriverError(_) | Error::UrlError(_)) {
        return false;
    }
    let text = error.to_string();
    WORDS.iter().any(|word| text.contains(word))
}

/// A server's answer that another server, or the same one later, would not give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not ready, as a Galera node without its cluster.
    NotReady,
    /// It only reads, as a replica.
    ReadOnlyServer,
    /// The transaction only reads: because of the server, or because its user asked for that.
    ReadOnlyTransaction,
}

/// Which of them this answer is.
pub(crate) fn refusal(answer: &MySqlError) -> Option<Refusal> {
    match answer.code {
        1047 => Some(Refusal::NotReady),
        1290 if is_about_read_only(&answer.message) => Some(Refusal::ReadOnlyServer),
        1836 => Some(Refusal::ReadOnlyServer),
        1792 => Some(Refusal::ReadOnlyTransaction),
        _ => None,
    }
}

/// The answer 1290 has other meanings too; in each language, its text names the server's option.
fn is_about_read_only(message: &str) -> bool {
    ["read-only", "read_only"].iter().any(|option| message.contains(option))
}

/// Whether the text of a statement may ask for a transaction, or a session, that only reads.
pub(crate) fn asks_for_read_only(text: &str) -> bool {
    let mut bytes = text.bytes().map(|byte| byte.to_ascii_lowercase());
    match [bytes.next(), bytes.next(), bytes.next()].map(Option::unwrap_or_default) {
        // SELECT, INSERT, REPLACE, UPDATE and DELETE do not; and most statements are such.
        [b's', b'e', b'l'] | [b'i' | b'r' | b'u' | b'd', ..] => return false,
        _ => {}
    }
    let text = text.to_ascii_lowercase();
    text.contains("read") && text.contains("only")
}

/// Whether an error says that this process, or this machine, lacks something. The driver turns some of the
/// system's errors into texts, which end with their number.
pub(crate) fn is_shortage(error: &Error) -> bool {
    match error {
        Error::IoError(error) => is_lack(error),
        Error::CodecError(error) => error
            .source()
            .and_then(|source| source.downcast_ref::<io::Error>())
            .is_some_and(is_lack),
        Error::DriverError(DriverError::CouldNotConnect(Some((_, text, kind)))) => {
            *kind == ErrorKind::OutOfMemory
                || *kind == ErrorKind::AddrNotAvailable
                || numbers(text).any(|number| is_lack(&io::Error::from_raw_os_error(number)))
        }
        // TLS, where it is compiled in.
        Error::MySqlError(_) | Error::DriverError(_) | Error::UrlError(_) => false,
        Error::FromValueError(_) | Error::FromRowError(_) => false,
        #[allow(unreachable_patterns)] // unless the driver was built with TLS
        other => {
            numbers(&other.to_string()).any(|number| is_lack(&io::Error::from_raw_os_error(number)))
        }
    }
}

/// The system's numbers of the errors that a text names.
fn numbers(text: &str) -> impl Iterator<Item = i32> {
    text.split("(os error ").skip(1).filter_map(|rest| rest.split_once(')')?.0.parse().ok())
}

#[cfg(unix)]
fn is_lack(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    matches!(
        number,
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS | libc::EADDRNOTAVAIL)
    ) || error.kind() == ErrorKind::OutOfMemory
        || error.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>()).is_some_and(is_lack)
}

#[cfg(not(unix))]
fn is_lack(error: &io::Error) -> bool {
    error.kind() == ErrorKind::OutOfMemory
}

/// Adds to an error, which a lost connection met, why no other could be opened. It is still one of a lost
/// connection.
pub(crate) fn not_reconnected(error: Error, cause: &(dyn std::error::Error + 'static)) -> Error {
    let why = format!("; no new connection could be opened: {}", chain(cause));
    match error {
        Error::MySqlError(MySqlError { state, message, code }) => {
            Error::MySqlError(MySqlError { state, message: message + &why, code })
        }
        Error::IoError(error) => {
            let text = format!("{error}{why}");
            Error::IoError(io::Error::new(error.kind(), Unreconnected(text)))
        }
        other => {
            let text = format!("{other}{why}");
            Error::IoError(io::Error::new(ErrorKind::ConnectionAborted, Unreconnected(text)))
        }
    }
}

/// An error of a lost connection, whatever else its text tells of.
#[derive(Debug)]
struct Unreconnected(String);

impl std::fmt::Display for Unreconnected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreconnected {}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, state: &str) -> Error {
        Error::MySqlError(MySqlError { code, state: state.into(), message: "…".into() })
    }

    fn io(kind: ErrorKind) -> io::Error {
        io::Error::new(kind, "…")
    }

    fn refused(kind: ErrorKind) -> Error {
        Error::DriverError(DriverError::CouldNotConnect(Some(("h:3306".into(), "…".into(), kind))))
    }

    #[test]
    fn every_class_has_its_errors() {
        let table = [
            (answer(1053, "08S01"), ErrorClass::Lost),
            (answer(1927, "70100"), ErrorClass::Lost),
            (answer(4031, "HY000"), ErrorClass::Lost),
            (answer(1043, "08S01"), ErrorClass::Lost),
            (answer(1156, "08S01"), ErrorClass::Lost),
            (answer(1835, "HY000"), ErrorClass::Lost),
            (answer(2013, "HY000"), ErrorClass::Lost),
            (answer(9999, "08006"), ErrorClass::Lost),
            (Error::IoError(io(ErrorKind::BrokenPipe)), ErrorClass::Lost),
            (Error::CodecError(io(ErrorKind::WouldBlock).into()), ErrorClass::Lost),
            (Error::DriverError(DriverError::UnexpectedPacket), ErrorClass::Lost),
            (answer(1045, "28000"), ErrorClass::Permanent),
            (answer(9999, "28000"), ErrorClass::Permanent),
            (answer(1049, "42000"), ErrorClass::Permanent),
            (answer(4150, "HY000"), ErrorClass::Permanent),
            (answer(4151, "HY000"), ErrorClass::Permanent),
            (unusable_setting("…".into()), ErrorClass::Permanent),
            (refused(ErrorKind::PermissionDenied), ErrorClass::Permanent),
            (answer(1040, "08004"), ErrorClass::Transient),
            (answer(1047, "08S01"), ErrorClass::Transient),
            (answer(1114, "HY000"), ErrorClass::Transient),
            (answer(1135, "HY000"), ErrorClass::Transient),
            (answer(1213, "40001"), ErrorClass::Transient),
            (answer(9999, "40001"), ErrorClass::Transient),
            (refused(ErrorKind::ConnectionRefused), ErrorClass::Transient),
            (refused(ErrorKind::NotFound), ErrorClass::Transient),
            (answer(1062, "23000"), ErrorClass::Ordinary),
            (answer(1317, "70100"), ErrorClass::Ordinary),
            (answer(1969, "70100"), ErrorClass::Ordinary),
            (answer(3024, "HY000"), ErrorClass::Ordinary),
            (answer(1180, "HY000"), ErrorClass::Ordinary),
            (answer(1189, "08S01"), ErrorClass::Ordinary),
            (answer(9999, ""), ErrorClass::Ordinary),
            (Error::DriverError(DriverError::MismatchedStmtParams(1, 2)), ErrorClass::Ordinary),
        ];
        for (error, class) in table {
            assert_eq!(classify(&error), class, "{error}");
        }
    }

    #[test]
    fn a_certificate_that_is_refused_stays_refused() {
        for text in [
            "invalid peer certificate: Expired",
            "invalid peer certificate: certificate expired: verified at 5, not valid after 4",
            "invalid peer certificate: NotValidForName",
            "invalid peer certificate: UnknownIssuer",
            "received fatal alert: CertificateRequired",
            "error:0A000086:SSL routines::certificate verify failed: (self-signed certificate)",
        ] {
            let refused = io::Error::new(ErrorKind::InvalidData, text);
            let error = Error::CodecError(refused.into());
            assert_eq!(classify(&error), ErrorClass::Permanent, "{error}");
        }
        let error = Error::CodecError(io::Error::other("peer closed connection").into());
        assert_eq!(classify(&error), ErrorClass::Lost);
    }

    #[test]
    #[cfg(unix)]
    fn a_shortage_is_found_wherever_the_driver_puts_it() {
        let lack = || io::Error::from_raw_os_error(libc::EMFILE);
        let told = |text: &str, kind| {
            let details = ("h:3306".to_owned(), text.to_owned(), kind);
            Error::DriverError(DriverError::CouldNotConnect(Some(details)))
        };
        for error in [
            Error::IoError(lack()),
            Error::CodecError(lack().into()),
            Error::IoError(io::Error::other(lack())),
            told(&lack().to_string(), ErrorKind::Other),
            told(
                &format!(
                    "[::1]:3306: {}; 127.0.0.1:3306: {}",
                    io(ErrorKind::ConnectionRefused),
                    lack()
                ),
                ErrorKind::Other,
            ),
            told("Cannot assign requested address", ErrorKind::AddrNotAvailable),
        ] {
            assert!(is_shortage(&error), "{error}");
            assert_ne!(classify(&error), ErrorClass::Permanent, "{error}");
        }
        for error in [
            refused(ErrorKind::ConnectionRefused),
            told("Connection refused (os error 111)", ErrorKind::ConnectionRefused),
            Error::IoError(io(ErrorKind::TimedOut)),
            answer(1040, "08004"),
            answer(1135, "HY000"),
        ] {
            assert!(!is_shortage(&error), "{error}");
        }
    }

    #[test]
    fn only_what_another_server_would_not_say_is_a_refusal() {
        let says = |code, message: &str| {
            refusal(&MySqlError { code, state: "HY000".into(), message: message.into() })
        };
        for message in [
            "The MariaDB server is running with the --read-only option so it cannot execute this statement",
            "The MySQL server is running with the --super-read-only option",
            "Der MariaDB-Server laeuft mit der Option --read-only",
        ] {
            assert_eq!(says(1290, message), Some(Refusal::ReadOnlyServer));
        }
        assert_eq!(says(1290, "running with the --secure-file-priv option"), None);
        assert_eq!(says(1836, "Running in read-only mode"), Some(Refusal::ReadOnlyServer));
        assert_eq!(says(1792, ""), Some(Refusal::ReadOnlyTransaction));
        assert_eq!(says(1047, ""), Some(Refusal::NotReady));
        assert_eq!(says(1062, ""), None);
    }

    #[test]
    fn who_asks_to_read_only_is_told_by_the_text() {
        for text in [
            "START TRANSACTION READ ONLY",
            "set session transaction read only",
            "SET @@tx_read_only = 1",
            " SET transaction_read_only = ON",
        ] {
            assert!(asks_for_read_only(text), "{text}");
        }
        for text in ["SELECT 'read only'", "INSERT INTO only VALUES ('read')", "SET @a = 1", ""] {
            assert!(!asks_for_read_only(text), "{text}");
        }
    }

    #[test]
    fn only_the_server_s_answers_and_wrong_uses_leave_a_connection_whole() {
        for error in [
            answer(1205, "HY000"),
            answer(1049, "42000"),
            answer(1062, "23000"),
            answer(1047, "08S01"),
            answer(1114, "HY000"),
            Error::DriverError(DriverError::MixedParams),
        ] {
            assert!(!breaks(&error), "{error}");
        }
        for error in [
            answer(1053, "08S01"),
            Error::IoError(io(ErrorKind::TimedOut)),
            Error::IoError(io(ErrorKind::InvalidInput)),
            Error::DriverError(DriverError::TlsNotSupported),
        ] {
            assert!(breaks(&error), "{error}");
        }
    }
}
