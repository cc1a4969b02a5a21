//! What statements of the setting `init` and of `on_connect` hooks may do to a session without making
//! its later statements mean something else.

use crate::plain::{self, Verdict};
use crate::traces::words;

/// Whether a session on which this ran first is understood as one on which it did not.
pub(crate) fn is_usual(text: &str) -> bool {
    is_set(text) && !words(text.as_bytes()).any(|word| changes_meaning(word, text))
}

/// As [`is_usual`], for a statement that the manager's own session runs too, so that the server's
/// answer about its settings is about sessions with it.
pub(crate) fn is_usual_init(text: &str) -> bool {
    let is_known = plain::judge(text, false) != Verdict::Unknown;
    is_known || is_set(text) && has_usual_characters(text)
}

/// Whether it is one `SET` of values that are written out.
fn is_set(text: &str) -> bool {
    let text = text.trim_end_matches(|c: char| c == ';' || c.is_ascii_whitespace());
    let mut first = words(text.as_bytes());
    let has_sign = text.contains(['(', ';', '#', '`', '"']) || text.contains("--");
    let is_one = !has_sign && !text.contains("/*");
    is_one && first.next().is_some_and(|word| word.eq_ignore_ascii_case(b"SET"))
}

fn has_usual_characters(text: &str) -> bool {
    !words(text.as_bytes()).any(names_characters) || are_usual_characters(text)
}

fn names_characters(word: &[u8]) -> bool {
    [&b"NAMES"[..], b"CHARACTER", b"CHARSET", b"character_set_client"]
        .iter()
        .any(|one| word.eq_ignore_ascii_case(one))
}

/// Whether a byte of ASCII is always the character that it is in ASCII.
fn are_usual_characters(text: &str) -> bool {
    words(text.as_bytes()).any(|word| {
        [&b"utf8"[..], b"utf8mb3", b"utf8mb4", b"latin1"]
            .iter()
            .any(|one| word.eq_ignore_ascii_case(one))
    })
}

/// Whether a setting with this word changes what later texts mean, or what a session holds.
fn changes_meaning(word: &[u8], text: &str) -> bool {
    let is = |one: &str| word.eq_ignore_ascii_case(one.as_bytes());
    let from_variable = || text.replace("@@", "").contains('@');
    ["role", "password", "global", "persist", "persist_only", "statement", "oracle", "mssql"]
        .into_iter()
        .any(is)
        || names_characters(word) && !are_usual_characters(text)
        || is("sql_mode") && from_variable()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_change_no_meaning_are_usual() {
        for text in [
            "SET time_zone = '+02:00'",
            "SET NAMES utf8mb4 COLLATE utf8mb4_bin;",
            "SET SESSION transaction_isolation = 'READ-COMMITTED', autocommit = 0",
            "SET sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES'",
            "SET @app = 'x'",
        ] {
            assert!(is_usual(text) && is_usual_init(text), "{text}");
        }
        for text in [
            "SET NAMES gbk",
            "SET @a = mine(1)",
            "SET @a = 1; USE other",
            "CREATE TEMPORARY TABLE x (i INT)",
            "USE other",
            "SELECT GET_LOCK('a', 0)",
        ] {
            assert!(!is_usual(text) && !is_usual_init(text), "{text}");
        }
        for text in ["SET sql_mode = 'ORACLE'", "SET sql_mode = @mode", "SET ROLE boss"] {
            assert!(!is_usual(text), "{text}");
        }
        assert!(is_usual_init("SET sql_mode = 'ORACLE'"), "the server says so");
        assert!(is_usual_init("DO 1") == is_usual("DO 1"));
    }
}
