//! Lines in, answers out.
//!
//! | a client sends | and means |
//! |---|---|
//! | `some text` | store it; if this connection is lost before the answer, I do not know whether it was |
//! | `@sensor-4:17 some text` | store it as number 17 of mine: once, however often I send it |
//!
//! | the answer | and means |
//! |---|---|
//! | `ok @sensor-4:17` | it is committed |
//! | `again @sensor-4:17: why` | it is not known to be: send it again |
//! | `error @sensor-4:17: why` | it was not stored, and sending it again does not help |
//!
//! Answers come in the order of the lines. Those to lines without a number name none.

use std::fmt;

/// The key of a line. The server stores one line for each key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) client: String,
    pub(crate) number: i64,
}

/// The outcome of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Stored,
    Again(String),
    Refused(String),
}

/// The longest name of a client, in bytes.
pub(crate) const MAX_NAME: usize = 32;

/// Splits a line into its key, if it has one, and its text.
pub(crate) fn parse(line: &str) -> Result<(Option<Key>, &str), String> {
    let Some(rest) = line.strip_prefix('@') else {
        return if line.is_empty() {
            Err("the line is empty".to_owned())
        } else {
            Ok((None, line))
        };
    };
    let (key, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let key = key.split_once(':').and_then(|(client, number)| {
        (is_name(client) && is_number(number)).then_some(())?;
        Some(Key { client: client.to_owned(), number: number.parse().ok()? })
    });
    let key = key.ok_or_else(|| {
        format!(
            "after `@` comes CLIENT:NUMBER and a space; CLIENT is a letter or digit and then up to \
             {} of those, `.`, `_` or `-`; NUMBER is at most {}",
            MAX_NAME - 1,
            i64::MAX
        )
    })?;
    if text.is_empty() { Err("the text is empty".to_owned()) } else { Ok((Some(key), text)) }
}

/// Whether this is a valid name. It must not begin with one of `._-`, because the workers' own
/// names do.
fn is_name(client: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    client.len() <= MAX_NAME
        && client.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && client.bytes().all(is_good)
}

/// Whether this is a number without a sign. `parse` alone would accept a sign.
fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The answer to a line.
pub(crate) fn answer(key: Option<&Key>, outcome: &Outcome) -> String {
    let (word, why) = match outcome {
        Outcome::Stored => ("ok", None),
        Outcome::Again(why) => ("again", Some(why)),
        Outcome::Refused(why) => ("error", Some(why)),
    };
    let key = key.map(|key| format!(" {key}")).unwrap_or_default();
    // A database's words may have several lines.
    let why = why.map(|why| format!(": {}", why.replace(['\r', '\n'], " "))).unwrap_or_default();
    format!("{word}{key}{why}")
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}:{}", self.client, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(client: &str, number: i64) -> Option<Key> {
        Some(Key { client: client.to_owned(), number })
    }

    #[test]
    fn a_line_has_a_key_if_it_begins_with_an_at_sign() {
        assert_eq!(parse("hello: world"), Ok((None, "hello: world")));
        assert_eq!(parse("@a:0 text of it"), Ok((key("a", 0), "text of it")));
        assert_eq!(parse("@a.b-c_D:9223372036854775807  x"), Ok((key("a.b-c_D", i64::MAX), " x")));
    }

    #[test]
    fn an_answer_is_one_line() {
        let key = key("a", 1);
        assert_eq!(answer(None, &Outcome::Stored), "ok");
        assert_eq!(answer(key.as_ref(), &Outcome::Stored), "ok @a:1");
        let why = Outcome::Refused("two\r\nlines".to_owned());
        assert_eq!(answer(key.as_ref(), &why), "error @a:1: two  lines");
        assert_eq!(answer(None, &Outcome::Again("busy".to_owned())), "again: busy");
    }
}
