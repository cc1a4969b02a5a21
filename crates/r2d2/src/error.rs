//! The error of an r2d2 manager, as the pools need it.

use std::error::Error as StdError;
use std::sync::Arc;
use std::{fmt, iter};

use threadwise_core::chain;

/// The most sources that are kept, so that a chain without an end is cut.
const LONGEST_CHAIN: usize = 32;

/// What is left of an error of an r2d2 manager: its text, the texts of its sources, and what
/// [`FromR2d2`](crate::FromR2d2) said of it. r2d2 does not ask its managers for errors that are
/// `Send + Sync`, and the pools do.
///
/// The text leaves out the source, also where the manager's own text repeats it at its end.
/// [`chain()`] prints both, and so does `Debug`. A clone shares the texts.
#[derive(Clone)]
pub struct Error {
    first: Arc<Link>,
    meaning: Meaning,
}

/// What an error means to a pool, decided while the manager's own error still existed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Meaning {
    pub(crate) is_lost: bool,
    pub(crate) is_permanent: bool,
    pub(crate) is_shortage: bool,
}

/// The text of one error, and the error behind it.
struct Link {
    text: Box<str>,
    source: Option<Arc<Link>>,
}

impl Error {
    /// Keeps the texts of `error` and its sources.
    pub(crate) fn new(error: &(dyn StdError + 'static), meaning: Meaning) -> Self {
        Self { first: Link::of(error), meaning }
    }

    /// An error of this crate, with `source` behind it.
    pub(crate) fn with_source(text: &str, source: &(dyn StdError + 'static)) -> Self {
        let meaning =
            Meaning { is_shortage: threadwise_core::is_shortage(source), ..Meaning::default() };
        let first = Arc::new(Link { text: text.into(), source: Some(Link::of(source)) });
        Self { first, meaning }
    }

    /// The reset was not enough for the manager.
    pub(crate) fn broken_after_reset() -> Self {
        let text = "the manager's `has_broken` returned `true` after the reset".into();
        Self { first: Arc::new(Link { text, source: None }), meaning: Meaning::default() }
    }

    /// The same error, with the reason why no new connection could be opened in its text.
    pub(crate) fn not_reconnected(self, cause: &(dyn StdError + 'static)) -> Self {
        let text = format!("{self}; the pool could not open a new connection: {}", chain(cause));
        let source = self.first.source.clone();
        Self { first: Arc::new(Link { text: text.into(), source }), ..self }
    }

    pub(crate) fn meaning(&self) -> Meaning {
        self.meaning
    }
}

impl Link {
    /// The texts of `error` and its sources.
    fn of(error: &(dyn StdError + 'static)) -> Arc<Self> {
        let errors = iter::successors(Some(error), |error| (*error).source()).take(LONGEST_CHAIN);
        let texts: Vec<String> = errors.map(ToString::to_string).collect();
        let mut last: Option<Arc<Self>> = None;
        for (at, text) in texts.iter().enumerate().rev() {
            let text = without_source(text, texts.get(at + 1));
            last = Some(Arc::new(Self { text: text.into(), source: last }));
        }
        last.expect("an error has at least its own text")
    }
}

/// Cuts the source's text off the end of `text`. Leaves a text alone that has nothing else.
fn without_source<'t>(text: &'t str, source: Option<&String>) -> &'t str {
    let own = source
        .filter(|source| !source.is_empty())
        .and_then(|source| text.strip_suffix(source.as_str()));
    let own = own.map(|own| own.trim_end_matches([':', ' ']));
    own.filter(|own| !own.is_empty()).unwrap_or(text)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", chain(self))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.first.source()
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", chain(self))
    }
}

impl StdError for Link {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&**self.source.as_ref()?)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// An error with a source, whose text may repeat it.
    #[derive(Debug)]
    struct Outer(&'static str, io::Error);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl StdError for Outer {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.1)
        }
    }

    fn kept(text: &'static str, source: &str) -> Error {
        Error::new(&Outer(text, io::Error::other(source.to_string())), Meaning::default())
    }

    #[test]
    fn the_texts_of_an_error_and_its_sources_are_kept() {
        let error = kept("cannot log in", "connection reset");
        assert_eq!(error.to_string(), "cannot log in");
        assert_eq!(error.source().unwrap().to_string(), "connection reset");
        assert_eq!(format!("{error:?}"), "cannot log in: connection reset");
    }

    #[test]
    fn a_text_that_repeats_its_source_is_printed_once() {
        let error = kept("cannot log in: connection reset", "connection reset");
        assert_eq!(error.to_string(), "cannot log in");
        assert_eq!(format!("{error:?}"), "cannot log in: connection reset");
        let error = kept("connection reset", "connection reset");
        assert_eq!(error.to_string(), "connection reset");
        assert_eq!(format!("{error:?}"), "connection reset");
    }

    #[test]
    fn the_reason_why_no_connection_could_be_opened_stands_behind_the_error() {
        let refused = io::Error::other("refused");
        let error = kept("the server has gone away", "broken pipe").not_reconnected(&refused);
        let all = "the server has gone away; the pool could not open a new connection: refused: broken pipe";
        assert_eq!(format!("{error:?}"), all);
    }
}
