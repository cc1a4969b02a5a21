//! Whether a statement of the setting `init`, or of an `on_connect` hook, changes what later texts
//! in the session mean.

use super::effects::words;
use super::statement::{SideEffects, side_effects};

/// Whether later texts mean the same in a session in which this statement ran first.
pub(crate) fn keeps_meaning(text: &str) -> bool {
    is_literal_set(text) && !words(text.as_bytes()).any(|word| changes_meaning(word, text))
}

/// Like [`keeps_meaning`], for a statement of `init`. The manager's own session runs these too, so
/// the server's answer about settings already includes them.
pub(crate) fn init_keeps_meaning(text: &str) -> bool {
    let is_known = side_effects(text, false) != SideEffects::Possible;
    is_known || is_literal_set(text) && keeps_ascii(text)
}

/// Whether the text is one `SET` whose values are literals.
fn is_literal_set(text: &str) -> bool {
    let text = text.trim_end_matches(|c: char| c == ';' || c.is_ascii_whitespace());
    let mut first = words(text.as_bytes());
    let has_sign = text.contains(['(', ';', '#', '`', '"']) || text.contains("--");
    let is_one = !has_sign && !text.contains("/*");
    is_one && first.next().is_some_and(|word| word.eq_ignore_ascii_case(b"SET"))
}

fn keeps_ascii(text: &str) -> bool {
    !words(text.as_bytes()).any(names_character_set) || is_ascii_compatible(text)
}

fn names_character_set(word: &[u8]) -> bool {
    [&b"NAMES"[..], b"CHARACTER", b"CHARSET", b"character_set_client"]
        .iter()
        .any(|one| word.eq_ignore_ascii_case(one))
}

/// Whether the text names a character set in which an ASCII byte is always that ASCII character.
fn is_ascii_compatible(text: &str) -> bool {
    words(text.as_bytes()).any(|word| {
        [&b"utf8"[..], b"utf8mb3", b"utf8mb4", b"latin1"]
            .iter()
            .any(|one| word.eq_ignore_ascii_case(one))
    })
}

/// Whether setting something with this name changes what later texts mean, or what the session
/// holds.
fn changes_meaning(word: &[u8], text: &str) -> bool {
    let is = |one: &str| word.eq_ignore_ascii_case(one.as_bytes());
    let from_variable = || text.replace("@@", "").contains('@');
    ["role", "password", "global", "persist", "persist_only", "statement", "oracle", "mssql"]
        .into_iter()
        .any(is)
        || names_character_set(word) && !is_ascii_compatible(text)
        || is("sql_mode") && from_variable()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_change_no_later_text_are_recognised() {
        for text in [
            "SET time_zone = '+02:00'",
            "SET NAMES utf8mb4 COLLATE utf8mb4_bin;",
            "SET SESSION transaction_isolation = 'READ-COMMITTED', autocommit = 0",
            "SET sql_mode = 'STRICT_ALL_TABLES,NO_BACKSLASH_ESCAPES'",
            "SET @app = 'x'",
        ] {
            assert!(keeps_meaning(text) && init_keeps_meaning(text), "{text}");
        }
        for text in [
            "SET NAMES gbk",
            "SET @a = mine(1)",
            "SET @a = 1; USE other",
            "CREATE TEMPORARY TABLE x (i INT)",
            "USE other",
            "SELECT GET_LOCK('a', 0)",
        ] {
            assert!(!keeps_meaning(text) && !init_keeps_meaning(text), "{text}");
        }
        for text in ["SET sql_mode = 'ORACLE'", "SET sql_mode = @mode", "SET ROLE boss"] {
            assert!(!keeps_meaning(text), "{text}");
        }
        assert!(
            init_keeps_meaning("SET sql_mode = 'ORACLE'"),
            "the server's answer about `sql_mode` shows it"
        );
        assert!(init_keeps_meaning("DO 1") == keeps_meaning("DO 1"));
    }
}
