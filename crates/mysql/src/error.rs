//! What an error of the driver or the server means for its connection and for the next attempt.
//!
//! This is the one table of the crate; everything else asks [`classify`] or [`breaks`].

use std::error::Error as _;
use std::io::{self, ErrorKind};

use mysql::{DriverError, Error, MySqlError};

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
/// | `Permanent` | access denied 1044, 1045, 1698, SQLSTATE 28…; unknown database 1049; host refused 1129, 1130; authentication method 1251, 1524, 2061; TLS required 3159; password expired 1820, 1862; account locked 3118, 4151, or blocked 4150 | unusable URL or settings, no address, no right to use the socket, authentication or protocol not supported |
/// | `Transient` | too many connections 1040, 1203, 1226; out of threads, memory, disk or room 1021, 1037, 1038, 1041, 1114, 1135, 1461; not ready 1047 (a Galera node without its cluster), 3168; offline 3032; read-only 1290, 1836; lock time-out 1205, 3572; deadlock 1213, SQLSTATE 40… | no server at the address, connect time-out |
/// | `Ordinary` | all others; of SQLSTATE 08… what is about a server's own connections to others: 1189, 1190, 1218 | parameters or types that do not fit, statement larger than `max_allowed_packet` |
///
/// The classes `Permanent` and `Transient` are meant for errors of `connect`. A statement can meet
/// some of the same answers (1044 or 1049 from `USE`, 1205 or 1213 from any); its connection
/// then goes on working. So does one whose server answers 1047, but its reset fails while that
/// lasts: a pool replaces it, which may lead to another node.
#[must_use]
pub fn classify(error: &Error) -> ErrorClass {
    match error {
        Error::MySqlError(answer) => classify_answer(answer),
        Error::DriverError(error) => classify_driver(error),
        Error::UrlError(_) => ErrorClass::Permanent,
        Error::IoError(error) if is_setting(error) => ErrorClass::Permanent,
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

fn is_setting(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<Setting>())
}

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
