//! Errors that say that this process or this machine lacks descriptors or memory.

use std::error::Error as _;
use std::io::{self, ErrorKind};

use mysql::{DriverError, Error};

/// Whether an error says that this process or this machine lacks something. The driver turns some
/// of the system's errors into texts, which end with the system's number.
pub(crate) fn is_shortage(error: &Error) -> bool {
    match error {
        Error::IoError(error) => is_system_shortage(error),
        Error::CodecError(error) => error
            .source()
            .and_then(|source| source.downcast_ref::<io::Error>())
            .is_some_and(is_system_shortage),
        Error::DriverError(DriverError::CouldNotConnect(Some((_, text, kind)))) => {
            *kind == ErrorKind::OutOfMemory
                || *kind == ErrorKind::AddrNotAvailable
                || numbers(text)
                    .any(|number| is_system_shortage(&io::Error::from_raw_os_error(number)))
        }
        // Only TLS errors remain, if the driver has TLS.
        Error::MySqlError(_) | Error::DriverError(_) | Error::UrlError(_) => false,
        Error::FromValueError(_) | Error::FromRowError(_) => false,
        #[allow(unreachable_patterns)] // reachable if the driver was built with TLS
        other => numbers(&other.to_string())
            .any(|number| is_system_shortage(&io::Error::from_raw_os_error(number))),
    }
}

/// The numbers of the system's errors that a text names.
fn numbers(text: &str) -> impl Iterator<Item = i32> {
    text.split("(os error ").skip(1).filter_map(|rest| rest.split_once(')')?.0.parse().ok())
}

#[cfg(unix)]
fn is_system_shortage(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    matches!(
        number,
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS | libc::EADDRNOTAVAIL)
    ) || error.kind() == ErrorKind::OutOfMemory
        || error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<io::Error>())
            .is_some_and(is_system_shortage)
}

#[cfg(not(unix))]
fn is_system_shortage(error: &io::Error) -> bool {
    error.kind() == ErrorKind::OutOfMemory
}

#[cfg(all(test, unix))]
mod tests {
    use mysql::MySqlError;

    use super::*;
    use crate::error::{ErrorClass, classify};

    fn answer(code: u16, state: &str) -> Error {
        Error::MySqlError(MySqlError { code, state: state.into(), message: "…".into() })
    }

    fn io(kind: ErrorKind) -> io::Error {
        io::Error::new(kind, "…")
    }

    #[test]
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
            told("…", ErrorKind::ConnectionRefused),
            told("Connection refused (os error 111)", ErrorKind::ConnectionRefused),
            Error::IoError(io(ErrorKind::TimedOut)),
            answer(1040, "08004"),
            answer(1135, "HY000"),
        ] {
            assert!(!is_shortage(&error), "{error}");
        }
    }
}
