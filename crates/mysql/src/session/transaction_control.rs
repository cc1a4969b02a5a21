//! Statements that begin or end a transaction, by their text.

use super::tokens::{Token, Tokens};

/// A statement that begins or ends a transaction, or sets a savepoint in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionControl {
    Begin,
    Commit,
    Rollback,
    /// `SET autocommit`.
    Autocommit(bool),
    /// `SAVEPOINT`, `RELEASE SAVEPOINT` or `ROLLBACK TO`. Outside a transaction it has no effect, and
    /// the savepoint ends with its transaction.
    Savepoint,
}

/// The transaction control that the whole statement is; `None` if it is, or does, anything else.
pub(super) fn read(tokens: Tokens<'_>) -> Option<TransactionControl> {
    const MAX_WORDS: usize = 9;
    let mut words = Vec::new();
    let mut has_ended = false;
    for token in tokens {
        let word = match token.ok()? {
            Token::Sign(b';') => {
                has_ended = true;
                continue;
            }
            Token::Word(word) => word.to_ascii_lowercase(),
            Token::Quoted(_) => "name".to_owned(),
            Token::Sign(b',') => ",".to_owned(),
            Token::Sign(b'=') => "=".to_owned(),
            Token::Sign(_) | Token::Text => return None,
        };
        if has_ended || words.len() == MAX_WORDS {
            return None;
        }
        match (words.first(), &*word) {
            (Some(_), _)
            | (None, "begin" | "start" | "commit" | "rollback" | "savepoint" | "release" | "set") =>
            {
                words.push(word);
            }
            _ => return None,
        }
    }
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match &words[..] {
        ["begin"] | ["begin", "work"] => Some(TransactionControl::Begin),
        ["start", "transaction", characteristics @ ..] => {
            are_characteristics(characteristics).then_some(TransactionControl::Begin)
        }
        ["savepoint", _] | ["release", "savepoint", _] => Some(TransactionControl::Savepoint),
        ["rollback", "to", rest @ ..] | ["rollback", "work", "to", rest @ ..] => {
            matches!(rest, [_] | ["savepoint", _]).then_some(TransactionControl::Savepoint)
        }
        ["commit", rest @ ..] => is_end_without_chain(rest).then_some(TransactionControl::Commit),
        ["rollback", rest @ ..] => {
            is_end_without_chain(rest).then_some(TransactionControl::Rollback)
        }
        ["set", "autocommit", "=", value] => match *value {
            "1" | "on" | "true" => Some(TransactionControl::Autocommit(true)),
            "0" | "off" | "false" => Some(TransactionControl::Autocommit(false)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether these are the options of `START TRANSACTION`, separated by commas.
fn are_characteristics(words: &[&str]) -> bool {
    words.is_empty()
        || words.split(|word| *word == ",").all(|one| {
            matches!(one, ["read", "only" | "write"] | ["with", "consistent", "snapshot"])
        })
}

/// Whether a `COMMIT` or `ROLLBACK` with this rest begins no new transaction.
fn is_end_without_chain(words: &[&str]) -> bool {
    let words = words.strip_prefix(&["work"]).unwrap_or(words);
    let words = words.strip_prefix(&["and", "no", "chain"]).unwrap_or(words);
    matches!(words, [] | ["no", "release"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transaction_control_is_recognised() {
        for (sql, control) in [
            ("BEGIN", TransactionControl::Begin),
            ("start transaction;", TransactionControl::Begin),
            ("START TRANSACTION READ ONLY, WITH CONSISTENT SNAPSHOT", TransactionControl::Begin),
            (" COMMIT ", TransactionControl::Commit),
            ("rollback", TransactionControl::Rollback),
            ("rollback work and no chain no release", TransactionControl::Rollback),
            ("SAVEPOINT `a`", TransactionControl::Savepoint),
            ("release savepoint a", TransactionControl::Savepoint),
            ("ROLLBACK TO a", TransactionControl::Savepoint),
            ("ROLLBACK TO SAVEPOINT a", TransactionControl::Savepoint),
            ("SET autocommit = 0", TransactionControl::Autocommit(false)),
            ("set AUTOCOMMIT=ON;", TransactionControl::Autocommit(true)),
        ] {
            assert_eq!(read(Tokens::new(sql, false)), Some(control), "{sql}");
        }
    }

    #[test]
    fn a_text_that_does_more_is_no_transaction_control() {
        for sql in ["COMMIT AND CHAIN", "BEGIN; SET @a = 1", "XA START 'x'", "SELECT 1", ""] {
            assert_eq!(read(Tokens::new(sql, false)), None, "{sql}");
        }
    }
}
