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
    let mut words = text_words(text);
    while let Some(word) = words.next() {
        if !names_character_set(word.as_bytes()) {
            continue;
        }
        let is_two_words = word.eq_ignore_ascii_case("CHARACTER"); // `CHARACTER SET name`
        let name = if is_two_words { words.nth(1) } else { words.next() };
        if !name.is_some_and(is_ascii_compatible) {
            return false;
        }
    }
    true
}

/// The words of a text, numbers included.
fn text_words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

fn names_character_set(word: &[u8]) -> bool {
    [&b"NAMES"[..], b"CHARACTER", b"CHARSET", b"character_set_client"]
        .iter()
        .any(|one| word.eq_ignore_ascii_case(one))
}

/// Whether this is a character set in which an ASCII byte is always that ASCII character.
fn is_ascii_compatible(name: &str) -> bool {
    ["utf8", "utf8mb3", "utf8mb4", "latin1"].iter().any(|one| name.eq_ignore_ascii_case(one))
}

/// Whether each value for `sql_mode` is one plain string or one word, so that the text shows all
/// modes. A number means modes, too, and strings beside each other are one.
fn shows_modes(text: &str) -> bool {
    const MODE: &str = "sql_mode";
    let lower = text.to_ascii_lowercase();
    lower.split(MODE).skip(1).all(|rest| {
        let value =
            rest.trim_start().trim_start_matches(':').strip_prefix('=').map(str::trim_start);
        let Some(value) = value else { return false };
        let end = match value.strip_prefix('\'') {
            Some(string) if !string.contains('\\') => {
                string.find('\'').map(|end| &string[end + 1..])
            }
            Some(_) => None,
            None => {
                let word = value.find(|c: char| !c.is_ascii_alphabetic() && c != '_');
                let end = word.unwrap_or(value.len());
                (end > 0).then(|| &value[end..])
            }
        };
        end.is_some_and(|end| matches!(end.trim_start().as_bytes(), [] | [b',' | b';', ..]))
    })
}

/// Whether setting something with this name changes what later texts mean, or what the session
/// holds.
fn changes_meaning(word: &[u8], text: &str) -> bool {
    let is = |one: &str| word.eq_ignore_ascii_case(one.as_bytes());
    ["role", "password", "global", "persist", "persist_only", "statement", "oracle", "mssql"]
        .into_iter()
        .any(is)
        || names_character_set(word) && !keeps_ascii(text)
        || is("sql_mode") && !shows_modes(text)
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
            "SET sql_mode := ANSI, @app = 'x'",
            "SET sql_mode = DEFAULT; ",
            "SET CHARACTER SET utf8, character_set_client = 'latin1'",
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
        for text in [
            "SET sql_mode = 'ORACLE'",
            "SET sql_mode = @mode",
            "SET sql_mode = 512",
            "SET sql_mode=0x200, @a = 'x'",
            "SET sql_mode = x'0200'",
            "SET sql_mode = 'ORA' 'CLE'",
            "SET sql_mode = '' + 512",
            "SET sql_mode = 'ORACL\\E'",
            "SET sql_mode = '', sql_mode = 512",
            "SET sql_mode = @@session.auto_increment_increment",
            "SET NAMES utf8mb4, character_set_client = gbk",
            "SET character_set_client = 28, @latin1 = 1",
            "SET CHARACTER SET gbk",
            "SET ROLE boss",
        ] {
            assert!(!keeps_meaning(text), "{text}");
        }
        assert!(
            init_keeps_meaning("SET sql_mode = 'ORACLE'"),
            "the server's answer about `sql_mode` shows it"
        );
        assert!(init_keeps_meaning("DO 1") == keeps_meaning("DO 1"));
    }
}
