//! Why something could not be measured.

use std::fmt;

/// What went wrong, as one line for people. Whatever a driver or a pool reports ends up as this:
/// the harness shows and counts errors, it does not act on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(Box<str>);

impl Failure {
    /// Takes an error's text.
    #[cold]
    pub fn new(error: impl fmt::Display) -> Self {
        Self(error.to_string().into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}
