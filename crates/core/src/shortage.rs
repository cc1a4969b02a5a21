//! Recognizes the system's errors for a process that lacks descriptors, threads or memory.

use std::error::Error;
use std::io;

/// Whether `error`, or one of its sources, is an [`io::Error`] that says that this process or machine has
/// no file descriptor, thread, memory or local port left. For managers: it is the default of
/// [`ManageConnection::is_shortage`](crate::ManageConnection::is_shortage).
///
/// ```
/// use std::io::{Error, ErrorKind};
///
/// assert!(threadwise_core::is_shortage(&Error::from(ErrorKind::OutOfMemory)));
/// assert!(!threadwise_core::is_shortage(&Error::from(ErrorKind::ConnectionRefused)));
/// ```
#[must_use]
pub fn is_shortage(error: &(dyn Error + 'static)) -> bool {
    let mut chain = std::iter::successors(Some(error), |error| (*error).source());
    chain.any(|error| {
        // The `source` of an `io::Error` skips the error that it wraps.
        error.downcast_ref::<io::Error>().is_some_and(|error| {
            is_lack(error) || error.get_ref().is_some_and(|inner| is_shortage(inner))
        })
    })
}

/// Whether this error itself has such a code.
fn is_lack(error: &io::Error) -> bool {
    #[cfg(unix)]
    let is_lack = matches!(
        error.raw_os_error(),
        Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::ENOBUFS | libc::EADDRNOTAVAIL)
    );
    #[cfg(not(unix))]
    let is_lack = false;
    is_lack || error.kind() == io::ErrorKind::OutOfMemory
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Wrapped(io::Error);

    impl std::fmt::Display for Wrapped {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("cannot connect")
        }
    }

    impl Error for Wrapped {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_shortage_is_found_behind_every_kind_of_wrapper() {
        let lack = || io::Error::from_raw_os_error(libc::EMFILE);
        assert!(is_shortage(&lack()));
        assert!(is_shortage(&Wrapped(lack())));
        assert!(is_shortage(&io::Error::other(Wrapped(lack()))));
    }

    #[test]
    fn an_error_of_the_server_is_no_shortage() {
        assert!(!is_shortage(&Wrapped(io::ErrorKind::ConnectionRefused.into())));
        assert!(!is_shortage(&io::Error::from_raw_os_error(libc::EAGAIN)));
    }
}
