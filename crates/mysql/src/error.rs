//! What an error of the driver or the server means for its connection and for the next attempt.
//!
//! [`classify`] is the crate's only table of errors. Everything else asks it, or [`breaks`].
//!
//! | file | holds |
//! |---|---|
//! | [`own`] | this crate's own errors, and what it adds to those of the driver |
//! | [`outcome`] | errors after which the server may have committed |
//! | [`mod@refusal`] | answers of a server that cannot do now what another one could |
//! | [`shortage`] | errors that say that the process or the machine lacks something |

mod outcome;
mod own;
mod refusal;
mod shortage;

use std::io::ErrorKind;

use mysql::{DriverError, Error, MySqlError};

use self::own::{
    NoCredentials, NotReconnected, UnknownOutcome, UnusableSetting, WrongStatement, is,
};

pub(crate) use self::outcome::{ending, is_outcome_unknown};
pub(crate) use self::own::{
    in_setting, no_credentials, not_reconnected, unknown_outcome, unusable_setting, wrong_statement,
};
pub(crate) use self::refusal::{Refusal, asks_for_read_only, refusal};
pub(crate) use self::shortage::is_shortage;

/// The server accepts the login, but no statement except one that changes the password.
const PASSWORD_EXPIRED: u16 = 1820;

/// The commit met an error. On a Galera cluster that loses its quorum, some of these transactions
/// are in the tables.
const ERROR_DURING_COMMIT: u16 = 1180;

/// What an error means; see [`classify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// The connection is gone, or out of step with its server. Another connection may work at once.
    Lost,
    /// The server may have committed the statement or its transaction, or not. Look for the changes
    /// before you make them again, or make them so that it does no harm to make them twice. The
    /// connection may be gone, too.
    Unknown,
    /// The same attempt fails again until a setting or an account of the server is changed.
    Permanent,
    /// The same attempt may succeed later: the server is down, full, busy or not ready, or two
    /// transactions were in conflict.
    Transient,
    /// An answer to one statement, or a wrong use of the driver. It says nothing about the
    /// connection.
    Ordinary,
}

/// The class of an error. The pools use this table:
///
/// | class | server's answers | driver's errors |
/// |---|---|---|
/// | `Lost` | shutting down 1053, 1077–1080; connection aborted 1152, 1184; network and protocol 1043, 1153–1161, 1835; killed 1927, 3169; idle too long 4031; a proxy that lost its server 2006, 2013; any other of SQLSTATE 08… | I/O, codec and protocol errors, timeouts, broken TLS |
/// | `Unknown` | transaction resolution unknown, SQLSTATE 08007, which this crate also gives to the answers of the next paragraph; error during commit 1180 | any error of the class `Lost`, where the server may have committed |
/// | `Permanent` | access denied 1044, 1045, 1698, SQLSTATE 28…; unknown database 1049; host refused 1129, 1130; authentication method 1251, 1524, 2061; TLS required 3159; password expired 1820, 1862; account locked 3118, 4151, or blocked 4150 | unusable URL or settings, a missing file that they name, no address, no right to use the socket, authentication or protocol not supported, a certificate that has expired, is for another name or from an unknown authority |
/// | `Transient` | too many connections 1040, 1203, 1226; out of threads, memory, disk or room 1021, 1037, 1038, 1041, 1114, 1135, 1461; not ready 1047 (a Galera node without its cluster), 3168; offline 3032; read-only 1290, 1836; lock timeout 1205, 3572; deadlock 1213, SQLSTATE 40… | no server at the address, connect timeout, no credentials from the program's function |
/// | `Ordinary` | all others; of SQLSTATE 08… those about the server's own connections to others: 1189, 1190, 1218 | parameters or types that do not fit, a prepared statement of another connection, statement larger than `max_allowed_packet` |
///
/// `Permanent` and `Transient` are meant for errors of `connect`. A statement can meet some of the
/// same answers (1044 or 1049 from `USE`, 1205 or 1213 from any), and its connection still works.
///
/// A [`Connection`](crate::Connection) knows when its server may be committing: while a `COMMIT`
/// runs, while a change runs outside of a transaction, and while a statement runs that commits by
/// itself, such as `CREATE TABLE`. It gives the class `Unknown` to each error of the class `Lost`
/// that comes then, and to the answers after which the server may have committed all the same. To a
/// `COMMIT`, these are all but those that say that it did not happen (SQLSTATE 40…, such as the
/// deadlock 1213 of a Galera cluster; 1205, 1047, 1290, 1836). To a statement that commits the open
/// transaction before it begins, they are the interruptions (1317, 1969, 3024). The error's message
/// then says so. A connection that the server has closed before a statement is sent is only `Lost`.
///
/// A connection also still works if its server answers that it is not ready (1047) or read-only
/// (1290 with such a text, 1836, and 1792 where the user did not ask for that). But a pool closes
/// it when it is returned, because another connection may reach another server. A pool keeps each
/// connection for at least a second after it was opened, so that this does not cause a storm of
/// connects.
///
/// ```
/// use threadwise_mysql::{ErrorClass, classify, mysql};
///
/// let error = mysql::Error::IoError(std::io::ErrorKind::BrokenPipe.into());
/// assert_eq!(classify(&error), ErrorClass::Lost);
/// ```
#[must_use]
pub fn classify(error: &Error) -> ErrorClass {
    match error {
        Error::MySqlError(answer) => classify_answer(answer),
        Error::DriverError(error) => classify_driver(error),
        Error::UrlError(_) => ErrorClass::Permanent,
        Error::IoError(error) if is::<UnknownOutcome>(error) => ErrorClass::Unknown,
        Error::IoError(error) if is::<UnusableSetting>(error) => ErrorClass::Permanent,
        Error::IoError(error) if is::<NoCredentials>(error) => ErrorClass::Transient,
        Error::IoError(error) if is::<NotReconnected>(error) => ErrorClass::Lost,
        Error::IoError(error) if is::<WrongStatement>(error) => ErrorClass::Ordinary,
        error if is_refused_certificate(error) => ErrorClass::Permanent,
        // Either nothing was sent, or a row was too large to be read: the connection must prove
        // which.
        error if makes_sync_unknown(error) => ErrorClass::Ordinary,
        Error::FromValueError(_) | Error::FromRowError(_) => ErrorClass::Ordinary,
        // I/O, the codec, TLS where the driver has it, and whatever a new driver adds.
        _ => ErrorClass::Lost,
    }
}

/// Whether the connection that met this error must not be used again.
pub(crate) fn breaks(error: &Error) -> bool {
    match classify(error) {
        ErrorClass::Lost => true,
        ErrorClass::Ordinary => false,
        // Before the connection has marked it, only an answer has this class. This SQLSTATE is one
        // of the class "connection exception".
        ErrorClass::Unknown => {
            matches!(error, Error::MySqlError(answer) if answer.state == own::RESOLUTION_UNKNOWN)
        }
        // An answer of the server leaves the connection in step; any other error does not. With an
        // expired password the connection is in step, but useless.
        ErrorClass::Permanent | ErrorClass::Transient => match error {
            Error::MySqlError(answer) => answer.code == PASSWORD_EXPIRED,
            _ => true,
        },
    }
}

/// Whether an ordinary error is an answer of the server about the text of the statement, which the
/// same text gets again.
pub(crate) fn is_about_text(error: &Error) -> bool {
    let Error::MySqlError(answer) = error else { return false };
    match answer.code {
        // Variables: unknown, global or not, read-only, of another type; an unknown time zone or
        // collation; a role that is not granted.
        1193 | 1228 | 1229 | 1232 | 1238 | 1273 | 1298 | 1621 | 1959 | 3530 => true,
        _ => matches!(answer.state.get(..2), Some("22" | "28" | "3D" | "42")),
    }
}

/// Whether it is unknown after this error if the connection is in step with the server.
///
/// The codec's error type has no name in the driver's public API; only its variants show. If a
/// variant gets another name, the connection counts as lost, which is safe.
pub(crate) fn makes_sync_unknown(error: &Error) -> bool {
    matches!(error, Error::CodecError(error) if format!("{error:?}") == "PacketTooLarge")
}

/// Whether a wait for the server's bytes ended by a timeout.
pub(crate) fn is_timeout(error: &Error) -> bool {
    let io = own::io_cause(error);
    io.is_some_and(|io| matches!(io.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

fn classify_answer(answer: &MySqlError) -> ErrorClass {
    if answer.state == own::RESOLUTION_UNKNOWN {
        return ErrorClass::Unknown;
    }
    match answer.code {
        ERROR_DURING_COMMIT => ErrorClass::Unknown,
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

/// Whether encryption failed for a reason that stays until a file or a setting changes: the
/// server's certificate has expired, is for another name or from an unknown authority, or the
/// server refuses the client's certificate.
///
/// The types of these errors exist only where the driver was built with TLS, and differ by its
/// features. So this function compares the texts of the libraries.
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

#[cfg(test)]
mod tests {
    use std::io;

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
    fn each_error_has_its_class() {
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
            (answer(1180, "HY000"), ErrorClass::Unknown),
            (answer(1317, "08007"), ErrorClass::Unknown),
            (answer(2013, "08007"), ErrorClass::Unknown),
            (unknown_outcome(Error::IoError(io(ErrorKind::BrokenPipe))), ErrorClass::Unknown),
            (unknown_outcome(answer(1053, "08S01")), ErrorClass::Unknown),
            (answer(1189, "08S01"), ErrorClass::Ordinary),
            (answer(9999, ""), ErrorClass::Ordinary),
            (Error::DriverError(DriverError::MismatchedStmtParams(1, 2)), ErrorClass::Ordinary),
        ];
        for (error, class) in table {
            assert_eq!(classify(&error), class, "{error}");
        }
    }

    #[test]
    fn an_answer_about_the_text_is_told_from_one_about_the_moment() {
        for (code, state) in [
            (1064, "42000"),
            (1146, "42S02"),
            (1231, "42000"),
            (1366, "22007"),
            (1046, "3D000"),
            (1193, "HY000"),
            (1298, "HY000"),
        ] {
            assert!(is_about_text(&answer(code, state)), "{code}");
        }
        for (code, state) in [
            (1317, "70100"),
            (1969, "70100"),
            (3024, "HY000"),
            (1180, "HY000"),
            (1105, "HY000"),
            (9001, "HY000"),
            (9999, ""),
        ] {
            assert!(!is_about_text(&answer(code, state)), "{code}");
        }
        assert!(!is_about_text(&Error::DriverError(DriverError::MixedParams)));
    }

    #[test]
    fn a_refused_certificate_is_permanent() {
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
    fn only_answers_of_the_server_and_wrong_use_leave_a_connection_usable() {
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
