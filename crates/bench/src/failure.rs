//! Why something could not be measured.

use std::fmt;

use threadwise_core::chain;

/// What went wrong, as one line for people. Whatever a driver or a pool reports ends up as this:
/// the harness shows and counts errors, it does not act on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(Box<str>);

impl Failure {
    /// Takes a text.
    #[cold]
    pub fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string().into())
    }

    /// Takes an error's text and those of its causes.
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
