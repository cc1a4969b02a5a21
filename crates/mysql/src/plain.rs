//! Which statements certainly leave their session as it was.
//!
//! Certain is one `SELECT`, `INSERT`, `REPLACE`, `UPDATE` or `DELETE` in which nothing is called but
//! functions of the server's own that are known to change nothing, no variable occurs, and every
//! relation is a base table of the default database, without triggers if anything is written. The
//! text shows all but the last, which is a matter of the names in it and the server's catalog: a view
//! or a trigger may call stored functions. Whatever is not understood is not certain; it costs a
//! reset, and nothing else.

use std::collections::HashSet;

/// What the text of a statement tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is certain.
    Unknown,
    /// Certainly clean if none of the names is more than that of a column or a base table.
    Plain(Names),
}

/// The names in a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// In lower case.
    pub(crate) all: HashSet<Box<str>>,
    /// Whether it writes, so that triggers may fire.
    pub(crate) write: bool,
}

/// Words that may stand before a bracket and call nothing. All are reserved on all servers that are
/// supported: no function has such a name.
const KEYWORDS: &[&str] = &[
    "all",
    "and",
    "as",
    "between",
    "by",
    "case",
    "distinct",
    "div",
    "else",
    "exists",
    "from",
    "having",
    "in",
    "join",
    "like",
    "limit",
    "mod",
    "not",
    "on",
    "or",
    "partition",
    "regexp",
    "rlike",
    "select",
    "then",
    "union",
    "using",
    "values",
    "when",
    "where",
    "xor",
];

/// Functions of the server's own, and types, that change nothing in the session and exist on all
/// servers that are supported. A stored function cannot go by the name of one, unless it is
/// qualified, quoted, or (for some) kept apart from its bracket.
const FUNCTIONS: &[&str] = &[
    "abs",
    "adddate",
    "ascii",
    "avg",
    "binary",
    "bit_and",
    "bit_count",
    "bit_length",
    "bit_or",
    "cast",
    "ceil",
    "ceiling",
    "char",
    "char_length",
    "character_length",
    "coalesce",
    "concat",
    "concat_ws",
    "conv",
    "convert",
    "count",
    "crc32",
    "curdate",
    "current_date",
    "current_time",
    "current_timestamp",
    "curtime",
    "database",
    "date",
    "date_add",
    "date_format",
    "date_sub",
    "datediff",
    "day",
    "dayname",
    "dayofmonth",
    "dayofweek",
    "dayofyear",
    "decimal",
    "elt",
    "exp",
    "extract",
    "field",
    "find_in_set",
    "floor",
    "format",
    "from_days",
    "from_unixtime",
    "greatest",
    "group_concat",
    "hex",
    "hour",
    "if",
    "ifnull",
    "inet_aton",
    "inet_ntoa",
    "instr",
    "isnull",
    "json_array",
    "json_contains",
    "json_extract",
    "json_length",
    "json_object",
    "json_unquote",
    "last_day",
    "lcase",
    "least",
    "left",
    "length",
    "ln",
    "locate",
    "log",
    "log10",
    "log2",
    "lower",
    "lpad",
    "ltrim",
    "match",
    "max",
    "md5",
    "microsecond",
    "mid",
    "min",
    "minute",
    "mod",
    "month",
    "monthname",
    "now",
    "nullif",
    "octet_length",
    "ord",
    "pi",
    "position",
    "pow",
    "power",
    "quarter",
    "rand",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "rpad",
    "rtrim",
    "sec_to_time",
    "second",
    "sha1",
    "sha2",
    "sign",
    "space",
    "sqrt",
    "std",
    "stddev",
    "str_to_date",
    "strcmp",
    "subdate",
    "substr",
    "substring",
    "substring_index",
    "sum",
    "sysdate",
    "time",
    "time_format",
    "time_to_sec",
    "timediff",
    "timestamp",
    "timestampadd",
    "timestampdiff",
    "to_days",
    "trim",
    "truncate",
    "ucase",
    "unhex",
    "unix_timestamp",
    "upper",
    "utc_date",
    "utc_time",
    "utc_timestamp",
    "uuid",
    "varchar",
    "variance",
    "version",
    "week",
    "weekday",
    "weekofyear",
    "year",
    "yearweek",
];

/// Words with which a query does more than to read. `next` and `previous` are of sequences.
const DOES_MORE: &[&str] = &["into", "procedure", "sql_calc_found_rows", "next", "previous"];

/// What the text of a statement tells.
pub(crate) fn judge(sql: &str) -> Verdict {
    let end = sql.trim().trim_end_matches(';').trim_end();
    let is_bound = |text: &str| end.eq_ignore_ascii_case(text);
    if ["BEGIN", "START TRANSACTION", "COMMIT", "ROLLBACK"].into_iter().any(is_bound) {
        return Verdict::Plain(Names::default()); // as far as the session goes, once it has ended
    }
    names(end).map_or(Verdict::Unknown, Verdict::Plain)
}

/// The names in a statement that certainly does nothing but read or write rows, as far as its text
/// tells.
fn names(sql: &str) -> Option<Names> {
    let mut tokens = Tokens { rest: sql, follows_space: false };
    let Token::Word(verb) = tokens.next()?.ok()? else { return None };
    let mut names = Names::default();
    match &*lower(verb) {
        "select" => {}
        "update" | "delete" => names.write = true,
        "insert" | "replace" => {
            names.write = true;
            tokens.skip_target(&mut names)?;
        }
        _ => return None,
    }
    let mut before = [Token::Sign('('); 2]; // the last two
    while let Some(token) = tokens.next() {
        let token = token.ok()?;
        match token {
            Token::Word(word) if DOES_MORE.contains(&&*lower(word)) => return None,
            Token::Word(name) | Token::Quoted(name) => {
                names.all.insert(lower(name));
            }
            Token::Sign('(') if is_call_of_others(before, tokens.follows_space) => return None,
            Token::Sign(';' | '@' | '{') => return None,
            Token::Sign('=') if matches!(before[1], Token::Sign(':')) => return None,
            Token::Sign(_) => {}
        }
        before = [before[1], token];
    }
    Some(names)
}

/// Whether a bracket after these two may be the call of a function that may do anything. After a
/// space the name of a function of the server's own may be that of a stored one.
fn is_call_of_others(before: [Token<'_>; 2], follows_space: bool) -> bool {
    match before {
        [Token::Sign('.'), _] | [_, Token::Quoted(_)] => true,
        [_, Token::Word(word)] => {
            let word = &*lower(word);
            !KEYWORDS.contains(&word) && (follows_space || !FUNCTIONS.contains(&word))
        }
        [_, Token::Sign(_)] => false,
    }
}

fn lower(name: &str) -> Box<str> {
    name.to_ascii_lowercase().into()
}

#[derive(Clone, Copy, Debug)]
enum Token<'s> {
    Word(&'s str),
    /// A name in quotes, or a string: which of them, depends on the session.
    Quoted(&'s str),
    Sign(char),
}

/// The tokens of a text; an error where what follows depends on settings of the session, or would
/// have to be looked into.
struct Tokens<'s> {
    rest: &'s str,
    /// Whether there was something between the last token and the one before.
    follows_space: bool,
}

struct Unclear;

impl<'s> Iterator for Tokens<'s> {
    type Item = Result<Token<'s>, Unclear>;

    fn next(&mut self) -> Option<Self::Item> {
        self.follows_space = false;
        loop {
            let before = self.rest.len();
            self.rest = self.rest.trim_ascii_start();
            self.follows_space |= self.rest.len() < before;
            let first = self.rest.chars().next()?;
            let starts = |sign: &str| self.rest.starts_with(sign);
            if starts("#") || starts("--") || ["/*!", "/*M!", "/*+"].into_iter().any(starts) {
                return Some(Err(Unclear));
            }
            if starts("/*") {
                match self.rest[2..].split_once("*/") {
                    Some((_, rest)) => (self.rest, self.follows_space) = (rest, true),
                    None => return Some(Err(Unclear)),
                }
                continue;
            }
            return Some(match first {
                '\'' => match self.quoted('\'') {
                    Ok(_) => Ok(Token::Sign('\'')), // what a string says is no name
                    Err(unclear) => Err(unclear),
                },
                '"' | '`' => self.quoted(first).and_then(|name| match name.is_ascii() {
                    true => Ok(Token::Quoted(name)),
                    false => Err(Unclear), // which names are the same depends on the collation
                }),
                _ if is_of_word(first) => self.word(),
                _ if first.is_ascii_control() => Err(Unclear), // a space, to the server
                _ => {
                    self.rest = &self.rest[first.len_utf8()..];
                    Ok(Token::Sign(first))
                }
            });
        }
    }
}

impl<'s> Tokens<'s> {
    /// Reads over `[LOW_PRIORITY | HIGH_PRIORITY] [IGNORE] INTO [database.]table`, behind which a
    /// bracket holds columns.
    fn skip_target(&mut self, names: &mut Names) -> Option<()> {
        loop {
            let Token::Word(word) = self.next()?.ok()? else { return None };
            match &*lower(word) {
                "into" => break,
                "low_priority" | "high_priority" | "ignore" => {}
                _ => return None,
            }
        }
        loop {
            match self.next()?.ok()? {
                Token::Word(name) | Token::Quoted(name) => names.all.insert(lower(name)),
                Token::Sign(_) => return None,
            };
            if !self.rest.starts_with('.') {
                return Some(());
            }
            self.next(); // the dot
        }
    }

    /// What stands between this sign and its next occurrence. With a backslash before that, or two
    /// of the signs, it may go on; whether it does depends on the session.
    fn quoted(&mut self, sign: char) -> Result<&'s str, Unclear> {
        let (text, rest) = self.rest[1..].split_once(sign).ok_or(Unclear)?;
        if text.contains('\\') || rest.starts_with(sign) {
            return Err(Unclear);
        }
        self.rest = rest;
        Ok(text)
    }

    fn word(&mut self) -> Result<Token<'s>, Unclear> {
        let end = self.rest.find(|c| !is_of_word(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        if word.is_ascii() { Ok(Token::Word(word)) } else { Err(Unclear) }
    }
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sql: &str) -> Vec<String> {
        let Verdict::Plain(names) = judge(sql) else { panic!("{sql}: {:?}", judge(sql)) };
        let mut names: Vec<_> = names.all.into_iter().map(String::from).collect();
        names.sort();
        names
    }

    #[test]
    fn plain_queries_are_known_by_their_names() {
        assert_eq!(names("SELECT v FROM t WHERE id = ?"), ["from", "id", "t", "v", "where"]);
        assert_eq!(names("select `V` from \"T\";"), ["from", "t", "v"]);
        for sql in [
            "SELECT 1",
            "SELECT COUNT(*), MAX( a ) FROM t /* of all */ WHERE b IN (1, 2) AND (c = 'it''s' OR 1)",
            "SELECT CAST(a AS CHAR(10)) FROM (SELECT a FROM t) s WHERE d < NOW() - INTERVAL 1 DAY",
            "SELECT a FROM t WHERE b = 'SELECT; @x, get_lock(' FOR UPDATE",
        ] {
            match judge(sql) {
                // Doubled quotes end a string, or do not: that depends.
                Verdict::Unknown => assert!(sql.contains("''"), "{sql}"),
                verdict => assert!(matches!(verdict, Verdict::Plain(_)), "{sql}"),
            }
        }
    }

    #[test]
    fn plain_changes_of_rows_are_known_by_their_names() {
        assert_eq!(names("INSERT INTO T (a, b) VALUES (?, ?)"), ["a", "b", "t", "values"]);
        for sql in [
            "insert ignore into `t`(a) values (1), (NOW())",
            "INSERT INTO d.t VALUES (1) ON DUPLICATE KEY UPDATE v = VALUES(v) + 1",
            "INSERT INTO t SET v = 1",
            "INSERT INTO t (v) SELECT v FROM u WHERE id IN (1, 2)",
            "REPLACE INTO t VALUES (1)",
            "UPDATE t SET v = v + 1 WHERE id = ?",
            "UPDATE t JOIN u ON (t.id = u.id) SET t.v = COALESCE(u.v, 0)",
            "DELETE FROM t WHERE id BETWEEN 1 AND 2 LIMIT 3",
        ] {
            assert!(matches!(judge(sql), Verdict::Plain(Names { write: true, .. })), "{sql}");
        }
        assert!(matches!(judge("SELECT 1"), Verdict::Plain(Names { write: false, .. })));
    }

    #[test]
    fn the_bounds_of_transactions_are_known() {
        for sql in ["BEGIN", "start transaction;", " COMMIT ", "rollback"] {
            assert_eq!(judge(sql), Verdict::Plain(Names::default()), "{sql}");
        }
    }

    #[test]
    fn what_may_leave_something_is_not_certain() {
        for sql in [
            "",
            "SET @a = 1",
            "SELECT @a := 1",
            "SELECT v INTO @a FROM t",
            "SELECT GET_LOCK('a', 0)",
            "SELECT get_lock /* and */ ('a', 0)",
            "SELECT any(1), some(1)",
            "SELECT RANK() OVER (ORDER BY v) FROM t",
            "SELECT mine(1)",
            "SELECT d.abs(1)",
            "SELECT `abs`(1)",
            "SELECT d . abs(1)",
            "SELECT abs (1)",
            "SELECT abs/**/(1)",
            "SELECT GET_LOCK\u{b}('a', 0)",
            "SELECT SLEEP(1), LAST_INSERT_ID(5)",
            "SELECT NEXT VALUE FOR s",
            "SELECT NEXTVAL(s)",
            "SELECT 1; SET @a = 1",
            "SELECT /*! get_lock('a', 0) */",
            "SELECT /*M!100100 get_lock('a', 0) */",
            "SELECT /*+ SET_VAR(sql_mode = '') */ 1",
            "SELECT 1 -- get_lock(",
            "SELECT 1 # get_lock(",
            "SELECT '\\', get_lock('a', 0), '",
            "SELECT 'a', 'b",
            "SELECT SQL_CALC_FOUND_ROWS 1",
            "SELECT 1 INTO OUTFILE 'x'",
            "SELECT \u{e9} FROM t",
            "INSERT DELAYED INTO t VALUES (1)",
            "INSERT t VALUES (1)",
            "INSERT INTO t VALUES (mine(1))",
            "INSERT INTO t VALUES (@a := 1)",
            "INSERT INTO t SELECT v FROM u INTO @a",
            "INSERT INTO t VALUES (NEXT VALUE FOR s)",
            "INSERT INTO t VALUES (1); SET @a = 1",
            "INSERT INTO t VALUES (LAST_INSERT_ID(5))",
            "UPDATE t SET v = mine (1)",
            "UPDATE t SET v = (@a := 1)",
            "DELETE FROM t WHERE GET_LOCK('a', 0)",
            "REPLACE t VALUES (1)",
            "TRUNCATE t",
            "CREATE TABLE t (i INT)",
            "WITH x AS (SELECT 1) SELECT * FROM x",
            "(SELECT 1)",
            "SELECTED",
            "COMMIT AND CHAIN",
            "START TRANSACTION READ ONLY",
            "BEGIN; SET @a = 1",
            "USE d",
            "HANDLER t OPEN",
            "PREPARE s FROM 'SELECT 1'",
            "EXECUTE s",
            "CALL p()",
            "LOAD DATA LOCAL INFILE 'x' INTO TABLE t",
            "XA START 'x'",
            "LOCK TABLES t READ",
            "FLUSH TABLES WITH READ LOCK",
            "EXPLAIN SELECT 1",
        ] {
            assert_eq!(judge(sql), Verdict::Unknown, "{sql}");
        }
    }
}
