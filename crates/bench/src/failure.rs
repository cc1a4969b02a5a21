//! The error type: why a measurement failed.

use std::fmt;

use threadwise_core::chain;

/// An error as one line of text. All errors of drivers and pools become this type, because the
/// harness shows and counts errors, and does not act on them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(Box<str>);

impl Failure {
    /// Creates an error from a text.
    #[cold]
    pub fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string().into())
    }

    /// Refuses a name that is not among those that are known.
    pub(crate) fn if_unknown(
        kind: &str,
        names: &[String],
        known: &[impl AsRef<str>],
    ) -> Result<(), Self> {
        let known: Vec<_> = known.iter().map(AsRef::as_ref).collect();
        match names.iter().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let known = known.join(", ");
                Err(Self::new(format_args!("no {kind} `{name}`; there are {known}")))
            }
        }
    }

    /// Creates an error from the texts of another error and its causes.
    #[cold]
    pub fn of(error: impl std::error::Error) -> Self {
        Self::new(chain(&error))
    }
}

/// A result whose error is a [`Failure`] if no other is named.
pub type Result<T, E = Failure> = std::result::Result<T, E>;
