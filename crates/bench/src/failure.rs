//! The error type: why a measurement failed.

use std::fmt;

use threadwise_core::chain;

/// An error as one line of text. All errors of drivers and pools become this type, because the
/// harness shows and counts errors, and does not act on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(Box<str>);

impl Failure {
    /// Creates an error from a text.
    #[cold]
    pub fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string().into())
    }

    /// Creates an error from the texts of another error and its causes.
    #[cold]
    pub fn of(error: impl std::error::Error) -> Self {
        Self::new(chain(&error))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}
