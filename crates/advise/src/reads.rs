//! Whether the text of a query can only read.
//!
//! This check protects the user's data first, and says in words why it refuses a query. The
//! database itself protects the data, too (see [`address`](crate::address)). This check also
//! refuses what the database would allow: files that the server writes, locks that make other
//! clients wait, and functions with side effects. It refuses every text that it does not
//! understand.

use std::collections::BTreeSet;

use crate::address::Kind;

/// The names of the functions that the text calls, in lower case. The caller must look them up,
/// because a stored or loaded function can do anything.
pub(crate) type Calls = BTreeSet<String>;

/// The words that a query may begin with.
const MYSQL_HEADS: [&str; 5] = ["select", "with", "values", "table", "show"];
const SQLITE_HEADS: [&str; 3] = ["select", "with", "values"];

/// Built-in functions that take locks or advance sequences. (`SLEEP` and `BENCHMARK` only take
/// time, so they are allowed.)
const ACTING: [&str; 6] =
    ["get_lock", "release_lock", "release_all_locks", "nextval", "setval", "load_extension"];

/// How the server reads quotes, which depends on its `sql_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quoting {
    /// Off with `NO_BACKSLASH_ESCAPES`.
    pub(crate) backslash_escapes: bool,
    /// With `ANSI_QUOTES`, double quotes enclose a name, and a backslash in them is an ordinary
    /// character.
    pub(crate) ansi_quotes: bool,
}

impl Quoting {
    pub(crate) const SQLITE: Self = Self { backslash_escapes: false, ansi_quotes: true };

    /// From the value of `sql_mode`.
    pub(crate) fn of(sql_mode: &str) -> Self {
        let has = |mode| sql_mode.split(',').any(|it| it.trim().eq_ignore_ascii_case(mode));
        Self {
            backslash_escapes: !has("NO_BACKSLASH_ESCAPES"),
            ansi_quotes: has("ANSI_QUOTES") || has("ANSI"),
        }
    }

    fn escapes_in(self, quote: char) -> bool {
        self.backslash_escapes && (quote == '\'' || (quote == '"' && !self.ansi_quotes))
    }
}

/// Checks that a query's text only reads, and returns the functions that it calls.
///
/// # Errors
///
/// The reason why it may do more than read. It continues a sentence that begins with "the query".
pub(crate) fn only(text: &str, kind: Kind, quoting: Quoting) -> Result<Calls, String> {
    let mut tokens = tokens(text, kind, quoting)?;
    while tokens.last() == Some(&Token::Sign(';')) {
        tokens.pop();
    }
    if tokens.contains(&Token::Sign(';')) {
        return Err("has several statements: give one".into());
    }
    let head = tokens.iter().find(|token| **token != Token::Sign('('));
    let heads = if kind == Kind::Mysql { &MYSQL_HEADS[..] } else { &SQLITE_HEADS };
    match head {
        Some(Token::Word(head)) if heads.contains(&&**head) => {}
        None => return Err("is empty".into()),
        _ => {
            let heads = heads.join(", ").to_uppercase();
            return Err(format!("may only read, so it must begin with one of {heads}"));
        }
    }
    let mut calls = Calls::new();
    let (mut before, mut rest) = (None, &tokens[..]);
    while let [token, after @ ..] = rest {
        if let Token::Word(word) = token {
            let is_call = after.first() == Some(&Token::Sign('('));
            let is_column = before == Some(&Token::Sign('.')) && !is_call;
            if !is_column {
                check(word, is_call, after)?;
            }
            if is_call {
                calls.insert(word.clone());
            }
        } else if let Token::Quoted(name) = token
            && after.first() == Some(&Token::Sign('('))
        {
            calls.insert(name.clone());
        }
        (before, rest) = (Some(token), after);
    }
    Ok(calls)
}

/// Checks that an unquoted word may appear in a query that only reads.
fn check(word: &str, is_call: bool, after: &[Token]) -> Result<(), String> {
    let next = |expected: &str| after.first() == Some(&Token::Word(expected.into()));
    let problem = match word {
        "into" => "has INTO, which writes a file or sets a variable",
        "for" if next("update") || next("share") => "has FOR UPDATE or FOR SHARE, which locks rows",
        "lock" if next("in") => "has LOCK IN SHARE MODE, which locks rows",
        "next" if next("value") => "has NEXT VALUE FOR, which advances a sequence",
        "update" | "delete" => "has UPDATE or DELETE in it",
        "insert" | "replace" if !is_call => "has INSERT or REPLACE in it",
        word if is_call && ACTING.contains(&word) => {
            return Err(format!("calls {}, which does more than read", word.to_uppercase()));
        }
        _ => return Ok(()),
    };
    Err(problem.into())
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// Unquoted, in lower case: a keyword, a name or a number.
    Word(String),
    /// In quotes that may enclose a name, in lower case.
    Quoted(String),
    /// A string.
    Text,
    Sign(char),
}

fn tokens(text: &str, kind: Kind, quoting: Quoting) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(sign) = rest.chars().next() {
        let after = &rest[sign.len_utf8()..];
        rest = if sign.is_whitespace() {
            after
        } else if let Some(comment) = comment(rest, kind)? {
            &rest[comment..]
        } else if let '\'' | '"' | '`' | '[' = sign
            && !(sign == '[' && kind == Kind::Mysql)
        {
            let (length, token) = quoted(rest, sign, quoting)?;
            tokens.push(token);
            &rest[length..]
        } else if is_of_word(sign) {
            let length = rest.find(|sign| !is_of_word(sign)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..length].to_lowercase()));
            &rest[length..]
        } else {
            tokens.push(Token::Sign(sign));
            after
        };
    }
    Ok(tokens)
}

fn is_of_word(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_' || sign == '$'
}

/// The length of the comment at the beginning of the text, if there is one.
fn comment(text: &str, kind: Kind) -> Result<Option<usize>, String> {
    let is_mysql = kind == Kind::Mysql;
    let to_line_end = Some(text.find('\n').unwrap_or(text.len()));
    if is_mysql && (text.starts_with("/*!") || text.starts_with("/*M!")) {
        return Err("has a comment that the server executes (/*! … */)".into());
    }
    if let Some(inside) = text.strip_prefix("/*") {
        let end = inside.find("*/").ok_or("has a comment that does not end")?;
        return Ok(Some(2 + end + 2));
    }
    // To MySQL, `1--1` is arithmetic.
    let spaced = text[2.min(text.len())..].chars().next().is_none_or(char::is_whitespace);
    let dashes = text.starts_with("--") && (!is_mysql || spaced);
    Ok(if dashes || (is_mysql && text.starts_with('#')) { to_line_end } else { None })
}

/// The length of the quoted text, including the quotes, and its token.
fn quoted(text: &str, open: char, quoting: Quoting) -> Result<(usize, Token), String> {
    let close = if open == '[' { ']' } else { open };
    let escapes = quoting.escapes_in(open);
    let mut inside = String::new();
    let mut signs = text.char_indices().skip(1).peekable();
    while let Some((at, sign)) = signs.next() {
        if escapes && sign == '\\' {
            signs.next();
        } else if sign != close {
            inside.push(sign);
        } else if open != '[' && signs.peek().is_some_and(|(_, next)| *next == close) {
            signs.next(); // a doubled quote stands for one
            inside.push(sign);
        } else {
            // Double quotes may enclose either; a name is checked more strictly.
            let token =
                if open == '\'' { Token::Text } else { Token::Quoted(inside.to_lowercase()) };
            return Ok((at + close.len_utf8(), token));
        }
    }
    Err(format!("has a quote ({open}) that does not end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mysql(text: &str) -> Result<Calls, String> {
        only(text, Kind::Mysql, Quoting::of("STRICT_TRANS_TABLES"))
    }

    #[test]
    fn queries_that_only_read_are_accepted() {
        for text in [
            "SELECT 1",
            "select name from item where id = 7;",
            "  -- a remark\n /* and another */ SELECT price FROM item; -- done\n",
            "(SELECT 1) UNION (SELECT 2)",
            "WITH cheap AS (SELECT * FROM item) SELECT count(*) FROM cheap",
            "SELECT 'INTO OUTFILE; DELETE', \"for update\", `into` FROM item # remark",
            "SELECT INSERT('abc', 1, 1, 'x'), REPLACE('abc', 'a', 'b')",
            "SELECT item.update FROM item",
            "SELECT * FROM item USE INDEX FOR JOIN (PRIMARY)",
            "SELECT 'it''s', 1--1",
            "SHOW STATUS",
            "VALUES ROW(1, 2)",
        ] {
            assert!(mysql(text).is_ok(), "{text}: {:?}", mysql(text));
        }
        assert!(only("SELECT [into], 1 -- ; DELETE", Kind::Sqlite, Quoting::SQLITE).is_ok());
    }

    #[test]
    fn queries_that_may_do_more_are_refused_with_a_reason() {
        for (text, reason) in [
            ("", "is empty"),
            (" ; ;", "is empty"),
            ("DELETE FROM item", "begin with one of SELECT"),
            ("SET GLOBAL max_connections = 1", "begin with"),
            ("CALL clean_up()", "begin with"),
            ("SELECT 1; DELETE FROM item", "several statements"),
            ("SELECT * FROM item INTO OUTFILE '/tmp/x'", "INTO"),
            ("SELECT price into @price FROM item", "INTO"),
            ("SELECT * FROM item FOR\n UPDATE", "locks rows"),
            ("SELECT * FROM item FOR SHARE", "locks rows"),
            ("SELECT * FROM item LOCK IN SHARE MODE", "locks rows"),
            ("WITH old AS (SELECT 1) DELETE FROM item", "DELETE"),
            ("WITH old AS (SELECT 1) UPDATE item SET price = 1", "UPDATE"),
            ("SELECT Get_Lock ('x', 1)", "GET_LOCK"),
            ("SELECT nextval(s)", "NEXTVAL"),
            ("SELECT NEXT VALUE FOR s", "sequence"),
            ("SELECT /*!50000 1 INTO OUTFILE '/tmp/x' */", "executes"),
            ("SELECT /*M!100000 1 */", "executes"),
            ("SELECT 'open", "does not end"),
            ("SELECT 1 /* open", "does not end"),
            ("SELECT 1 -- x\nINTO OUTFILE '/tmp/x'", "INTO"),
            ("SELECT 1 --1 INTO OUTFILE '/tmp/x'", "INTO"),
        ] {
            let problem = mysql(text).expect_err(text);
            assert!(problem.contains(reason), "{text}: {problem}");
        }
        let pragma = only("PRAGMA journal_mode = delete", Kind::Sqlite, Quoting::SQLITE);
        let problem = pragma.expect_err("a pragma");
        assert!(problem.contains("begin with one of SELECT, WITH, VALUES"), "{problem}");
    }

    #[test]
    fn strings_end_as_in_the_server_s_sql_mode() {
        let in_mode = |text, mode| only(text, Kind::Mysql, Quoting::of(mode));
        let text = r"SELECT '\' INTO OUTFILE ', '/tmp/x'";
        assert!(in_mode(text, "").is_ok());
        assert!(in_mode(text, "TRADITIONAL,NO_BACKSLASH_ESCAPES").is_err());
        let text = "SELECT \"\\\" INTO OUTFILE '/tmp/x' -- \"";
        assert!(in_mode(text, "").is_ok());
        assert!(in_mode(text, "ANSI_QUOTES").is_err());
        assert!(in_mode(r"SELECT 'it\'s'", "").is_ok());
    }

    #[test]
    fn called_functions_are_returned() {
        let calls = mysql("SELECT Max(price), shop.f(1), `g`(2), id IN (1, 2) FROM item").unwrap();
        let names: Vec<_> = calls.iter().map(String::as_str).collect();
        assert_eq!(names, ["f", "g", "in", "max"]);
    }
}
