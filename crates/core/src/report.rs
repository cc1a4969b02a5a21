//! An error and its causes as one text.

use std::error::Error;
use std::fmt;

/// The most causes that [`chain`] prints, so that a chain without an end is cut.
const LONGEST_CHAIN: usize = 32;

/// The text of `error`, followed by the text of each of its causes, with `: ` between them.
///
/// The [`Display`](fmt::Display) of threadwise's errors leaves their `source` out, as is the custom:
/// programs that print whole chains then print each cause once. A program that prints an error itself
/// calls this function to print the causes too:
///
/// ```
/// use threadwise_core::{chain, ConnectError, GetError};
///
/// let refused = std::io::Error::other("connection refused");
/// let error = GetError::ConnectFailed(ConnectError::failed(refused));
/// assert_eq!(chain(&error).to_string(), "cannot open a connection: connection refused");
/// ```
///
/// Many drivers repeat a cause in their own text. This function leaves out a cause whose text is
/// already printed, as whole words, and a cause without a text.
pub fn chain<'a>(error: &'a (dyn Error + 'a)) -> impl fmt::Display + 'a {
    Chain(error)
}

struct Chain<'a>(&'a (dyn Error + 'a));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printed = self.0.to_string();
        let mut cause = self.0.source();
        for _ in 0..LONGEST_CHAIN {
            let Some(error) = cause else { break };
            let text = error.to_string();
            if !is_in(&text, &printed) {
                if !printed.is_empty() {
                    printed.push_str(": ");
                }
                printed.push_str(&text);
            }
            cause = error.source();
        }
        f.write_str(&printed)
    }
}

/// Whether `printed` contains `text` as whole words. Every text contains the empty one.
fn is_in(text: &str, printed: &str) -> bool {
    let text = text.trim();
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let starts_with_word = is_word(text.chars().next());
    let ends_with_word = is_word(text.chars().next_back());
    text.is_empty()
        || printed.match_indices(text).any(|(at, _)| {
            let before = printed[..at].chars().next_back();
            let after = printed[at + text.len()..].chars().next();
            !(starts_with_word && is_word(before) || ends_with_word && is_word(after))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&**self.1.as_ref()?)
        }
    }

    /// Layers with these texts, the first one outermost.
    fn layers(texts: &[&'static str]) -> Layer {
        let (first, rest) = texts.split_first().expect("at least one layer");
        Layer(first, (!rest.is_empty()).then(|| Box::new(layers(rest))))
    }

    fn printed(texts: &[&'static str]) -> String {
        chain(&layers(texts)).to_string()
    }

    #[test]
    fn each_cause_is_printed_once_in_order() {
        assert_eq!(printed(&["cannot start", "no server", "refused"]), {
            "cannot start: no server: refused"
        });
        assert_eq!(printed(&["alone"]), "alone");
    }

    #[test]
    fn a_cause_that_an_earlier_text_contains_is_left_out() {
        assert_eq!(printed(&["IoError { refused }", "refused"]), "IoError { refused }");
        assert_eq!(printed(&["a: b: c", "b: c", "c"]), "a: b: c");
        assert_eq!(printed(&["a: c", "b", "c"]), "a: c: b");
        assert_eq!(printed(&["same", "same", "same"]), "same");
    }

    #[test]
    fn a_cause_that_is_only_part_of_another_word_is_printed() {
        assert_eq!(printed(&["port 33061", "3306"]), "port 33061: 3306");
        assert_eq!(printed(&["notable", "table"]), "notable: table");
        assert_eq!(printed(&["é1", "1"]), "é1: 1");
    }

    #[test]
    fn a_cause_without_a_text_is_left_out() {
        assert_eq!(printed(&["a", "", "b"]), "a: b");
        assert_eq!(printed(&["", "b"]), "b");
        assert_eq!(printed(&["a", " "]), "a");
    }

    #[test]
    fn boxed_errors_are_printed_too() {
        let error: Box<dyn Error + Send + Sync> = Box::new(layers(&["a", "b"]));
        assert_eq!(chain(&*error).to_string(), "a: b");
    }

    #[test]
    fn a_chain_without_an_end_is_cut() {
        #[derive(Debug)]
        struct Endless(std::sync::atomic::AtomicUsize);
        impl fmt::Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                // Relaxed: only one thread counts.
                write!(f, "{}", self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
            }
        }
        impl Error for Endless {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(self)
            }
        }
        let text = chain(&Endless(0.into())).to_string();
        assert_eq!(text.split(": ").count(), LONGEST_CHAIN + 1, "{text}");
    }
}
