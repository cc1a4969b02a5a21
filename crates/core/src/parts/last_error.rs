//! Why the latest attempt to open a connection failed.

use std::fmt;
use std::mem;
use std::sync::{Mutex, PoisonError};

use crate::ConnectError;
use crate::parts::foreign;

/// The error of the latest attempt to open a connection, until an attempt succeeds; for writers of
/// pools. Every borrower that finds no connection meanwhile gets a copy.
pub struct LastError<E>(Mutex<Option<ConnectError<E>>>);

impl<E> Default for LastError<E> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<E> LastError<E> {
    /// Notes the outcome of an attempt.
    pub fn note<T>(&self, outcome: &Result<T, ConnectError<E>>) {
        let error = outcome.as_ref().err().cloned();
        let earlier =
            mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), error);
        foreign::dispose(earlier); // after the lock: its destructor is foreign
    }

    /// The error; `None` if the latest attempt succeeded or there was none.
    #[must_use]
    pub fn get(&self) -> Option<ConnectError<E>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<E: std::error::Error + 'static> fmt::Debug for LastError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LastError").field(&self.get()).finish()
    }
}

impl<E> Drop for LastError<E> {
    fn drop(&mut self) {
        foreign::dispose(self.0.get_mut().unwrap_or_else(PoisonError::into_inner).take());
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn an_error_is_kept_until_an_attempt_succeeds() {
        let last = LastError::default();
        assert!(last.get().is_none());
        last.note::<()>(&Err(ConnectError::failed(Error::from(ErrorKind::ConnectionRefused))));
        let kept = last.get().expect("an error");
        assert_eq!(kept.error().map(Error::kind), Some(ErrorKind::ConnectionRefused));
        last.note(&Ok(()));
        assert!(last.get().is_none());
    }
}
