//! Which statements certainly leave their session as it was.
//!
//! Certain is one `SELECT`, `INSERT`, `REPLACE`, `UPDATE` or `DELETE`, with or without `WITH`, one
//! `SHOW` or `EXPLAIN`, in which nothing is called but functions of the server's own that are known
//! to change nothing, no variable of the user's occurs, and every relation is a base table of the
//! default database, without triggers if anything is written. And certain are the begin and the end
//! of a transaction and its savepoints. The text shows all but what the names mean, which is a matter
//! of the server's catalog: a view or a trigger may call stored functions. A text that is not
//! understood is not certain; it costs a reset, and nothing else.

use std::collections::HashSet;

use crate::functions::{self, Since};
use crate::tokens::{Token, Tokens};

/// What the text of a statement tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is certain.
    Unknown,
    /// Certainly clean if none of the names is more than that of a column or a base table.
    Plain(Names),
    /// Certainly clean as far as the session goes, but for the transaction.
    Bound(Bound),
}

/// Where a transaction begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Begin,
    End,
    /// `SET autocommit`.
    Autocommit(bool),
    /// A savepoint, which has no effect outside a transaction and ends with it.
    Savepoint,
}

/// The names in a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// In lower case, each once, each with a zero byte behind it.
    all: String,
    /// What qualifies the names of relations, as it is written.
    databases: String,
    /// Whether it writes, so that triggers may fire.
    pub(crate) write: bool,
    /// Since which version of the server the functions exist.
    pub(crate) since: Since,
}

/// The most bytes of names that are looked into.
const MOST_NAMES: usize = 16 << 10;
/// The deepest brackets that are looked into.
const DEEPEST: usize = 100;
/// Every server has this database, and no user defines anything in it.
const INFORMATION: &str = "information_schema";

impl Names {
    /// In lower case.
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        self.all.split_terminator('\0')
    }

    /// The databases of relations whose names are qualified.
    pub(crate) fn databases(&self) -> impl Iterator<Item = &str> {
        self.databases.split_terminator('\0')
    }

    /// How much memory they take.
    pub(crate) fn size(&self) -> usize {
        self.all.len() + self.databases.len()
    }

    fn add_database(&mut self, name: &str) {
        if !name.eq_ignore_ascii_case(INFORMATION) && self.databases().all(|other| other != name) {
            self.databases.push_str(name);
            self.databases.push('\0');
        }
    }
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
    "default",
    "distinct",
    "div",
    "else",
    "exists",
    "from",
    "having",
    "in",
    "index",
    "interval",
    "join",
    "key",
    "like",
    "limit",
    "match",
    "mod",
    "not",
    "on",
    "or",
    "partition",
    "regexp",
    "rlike",
    "select",
    "straight_join",
    "then",
    "union",
    "using",
    "values",
    "when",
    "where",
    "xor",
];

/// What the text of a statement tells. `no_backslash_escape` is whether the session takes a backslash
/// in a string for an ordinary character.
pub(crate) fn judge(sql: &str, no_backslash_escape: bool) -> Verdict {
    let tokens = Tokens::new(sql, no_backslash_escape);
    if let Some(bound) = bound(tokens.clone()) {
        return Verdict::Bound(bound);
    }
    Reader::new(tokens).read().map_or(Verdict::Unknown, Verdict::Plain)
}

/// Whether the text begins with a verb that defines nothing, sets nothing and begins no transaction,
/// whatever stands behind it, and is one statement.
pub(crate) fn leaves_definitions(sql: &str) -> bool {
    let sql = sql.trim_end_matches(|c: char| c == ';' || c.is_ascii_whitespace());
    // Also in strings, since what a string is depends on the session.
    if [";", "/*!", "/*M!"].iter().any(|sign| sql.contains(sign)) {
        return false;
    }
    let is_open = |token: &_| matches!(token, Ok(Token::Sign(b'(')));
    match Tokens::new(sql, false).find(|token| !is_open(token)) {
        Some(Ok(Token::Word(verb))) => {
            let is = |word: &&str| verb.eq_ignore_ascii_case(word);
            ["select", "insert", "update", "delete", "replace", "with", "show"].iter().any(is)
        }
        _ => false,
    }
}

/// Whether the statement is the begin or the end of a transaction, and does nothing else.
fn bound(tokens: Tokens<'_>) -> Option<Bound> {
    const MOST_WORDS: usize = 9;
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
        if has_ended || words.len() == MOST_WORDS {
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
        ["begin"] | ["begin", "work"] => Some(Bound::Begin),
        ["start", "transaction", characteristics @ ..] => {
            are_characteristics(characteristics).then_some(Bound::Begin)
        }
        ["savepoint", _] | ["release", "savepoint", _] => Some(Bound::Savepoint),
        ["rollback", "to", rest @ ..] | ["rollback", "work", "to", rest @ ..] => {
            matches!(rest, [_] | ["savepoint", _]).then_some(Bound::Savepoint)
        }
        ["commit" | "rollback", rest @ ..] => is_plain_end(rest).then_some(Bound::End),
        ["set", "autocommit", "=", value] => match *value {
            "1" | "on" | "true" => Some(Bound::Autocommit(true)),
            "0" | "off" | "false" => Some(Bound::Autocommit(false)),
            _ => None,
        },
        _ => None,
    }
}

fn are_characteristics(words: &[&str]) -> bool {
    words.is_empty()
        || words.split(|word| *word == ",").all(|one| {
            matches!(one, ["read", "only" | "write"] | ["with", "consistent", "snapshot"])
        })
}

fn is_plain_end(words: &[&str]) -> bool {
    let words = words.strip_prefix(&["work"]).unwrap_or(words);
    let words = words.strip_prefix(&["and", "no", "chain"]).unwrap_or(words);
    matches!(words, [] | ["no", "release"])
}

/// What a name with a point before it may be the relation of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clause {
    /// Names are those of columns; what qualifies them is a relation that stands elsewhere.
    Columns,
    /// Names are those of relations; what qualifies them is a database.
    Tables,
    /// The condition of a join: of columns until the next comma.
    Condition,
    /// The arguments of a function, in which FROM is no clause.
    Arguments,
    /// Between `WITH` and the statement.
    With,
}

/// What stands between two brackets.
#[derive(Clone, Copy, Debug)]
struct Frame {
    clause: Clause,
    /// Whether `OVER` has to follow.
    is_window: bool,
}

/// Reads one statement, and gives up where anything is not certain.
struct Reader<'s> {
    tokens: Tokens<'s>,
    frames: Vec<Frame>,
    /// The last two tokens.
    before: [Token<'s>; 2],
    names: Names,
    seen: HashSet<&'s str>,
    /// Whether what the statement does is explained instead of done.
    explains: bool,
    /// For `SHOW`: how many more databases or relations it may name.
    sources: Option<u8>,
}

impl<'s> Reader<'s> {
    fn new(tokens: Tokens<'s>) -> Self {
        Self {
            tokens,
            frames: vec![Frame { clause: Clause::Columns, is_window: false }],
            before: [Token::Sign(b'('); 2],
            names: Names::default(),
            seen: HashSet::new(),
            explains: false,
            sources: None,
        }
    }

    fn read(mut self) -> Option<Names> {
        self.read_verb()?;
        while let Some(token) = self.tokens.next() {
            let token = token.ok()?;
            match token {
                Token::Word(word) => self.read_word(word)?,
                Token::Quoted(name) => self.add(name)?,
                Token::Text => {}
                Token::Sign(b';') => {
                    return self.tokens.all(is_semicolon).then_some(()).and_then(|()| self.end());
                }
                Token::Sign(sign) => self.read_sign(sign)?,
            }
            self.before = [self.before[1], token];
        }
        self.end()
    }

    fn end(mut self) -> Option<Names> {
        self.names.all.shrink_to_fit();
        self.names.databases.shrink_to_fit();
        (self.frames.len() == 1).then_some(self.names)
    }

    fn read_verb(&mut self) -> Option<()> {
        let verb = loop {
            match self.tokens.next()?.ok()? {
                Token::Sign(b'(') => self.push(Clause::Columns, false)?,
                Token::Word(verb) => break verb,
                _ => return None,
            }
        };
        let is_in_brackets = self.frames.len() > 1;
        let verb_is = |word: &str| verb.eq_ignore_ascii_case(word);
        if verb_is("select") {
            self.before[1] = Token::Word("select");
            return Some(());
        }
        if is_in_brackets {
            return None;
        }
        if verb_is("insert") || verb_is("replace") {
            self.names.write = true;
            return self.skip_target();
        }
        let clause = if verb_is("update") || verb_is("delete") {
            self.names.write = true;
            Clause::Tables
        } else if verb_is("with") {
            Clause::With
        } else if verb_is("show") {
            self.sources = Some(1);
            Clause::Columns
        } else if verb_is("explain") || verb_is("describe") || verb_is("desc") {
            self.explains = true;
            self.names.write = true;
            Clause::Tables
        } else {
            return None;
        };
        self.frames[0].clause = clause;
        self.before[1] = Token::Word("with");
        Some(())
    }

    /// Reads over `[LOW_PRIORITY | HIGH_PRIORITY] [IGNORE] [INTO] [database.]table`, behind which a
    /// bracket holds columns.
    fn skip_target(&mut self) -> Option<()> {
        let mut may_be_word = true;
        loop {
            let (name, is_quoted) = match self.tokens.next()?.ok()? {
                Token::Word(word) => (word, false),
                Token::Quoted(name) => (name, true),
                Token::Text | Token::Sign(_) => return None,
            };
            let is = |word: &str| may_be_word && !is_quoted && name.eq_ignore_ascii_case(word);
            if is("delayed") {
                return None;
            }
            if is("low_priority") || is("high_priority") || is("ignore") {
                continue;
            }
            if is("into") {
                may_be_word = false;
                continue;
            }
            self.add(name)?;
            if self.tokens.peek() == Some(b'.') {
                self.names.add_database(name);
                self.tokens.next();
                may_be_word = false;
                continue;
            }
            // A bracket behind this opens columns.
            self.before[1] = Token::Word("into");
            return Some(());
        }
    }

    fn read_word(&mut self, word: &'s str) -> Option<()> {
        const LONGEST: usize = 20;
        let mut space = [0; LONGEST];
        if let Some(lower) = lower(word, &mut space) {
            self.read_keyword(lower)?;
        }
        self.add(word)
    }

    fn read_keyword(&mut self, word: &str) -> Option<()> {
        let before_is =
            |one: &str| matches!(self.before[1], Token::Word(w) if w.eq_ignore_ascii_case(one));
        // A qualifier makes a name of any word. (A point behind a number does not.)
        if let [Token::Word(qualifier), Token::Sign(b'.')] = self.before
            && !is_number(qualifier)
            && !matches!(word, "into" | "from")
        {
            return Some(());
        }
        if matches!(self.before, [Token::Quoted(_), Token::Sign(b'.')]) {
            return Some(());
        }
        // `SHOW COLUMNS FROM relation FROM database`
        if let ("from" | "in", Some(sources)) = (word, &mut self.sources) {
            *sources = sources.checked_sub(1)?;
        }
        let clause = self.frames.last()?.clause;
        let next = match word {
            "into" | "procedure" | "sql_calc_found_rows" => return None,
            // Of sequences.
            "value" if before_is("next") || before_is("previous") => return None,
            "insert" | "replace" | "values" | "value" if clause == Clause::With => return None,
            "update" | "delete" if clause == Clause::With => {
                self.names.write = true;
                Clause::Tables
            }
            "update" | "delete" if self.explains => Clause::Tables,
            "select" => Clause::Columns,
            "from" if clause != Clause::Arguments => Clause::Tables,
            "table" => Clause::Tables,
            "join" | "straight_join" if clause == Clause::Condition => Clause::Tables,
            "on" if clause == Clause::Tables => Clause::Condition,
            // `FOR ORDER BY` is part of a hint to a table.
            "order" | "group" if before_is("for") => return Some(()),
            "where" | "group" | "having" | "order" | "limit" | "set" | "values"
                if matches!(clause, Clause::Tables | Clause::Condition) =>
            {
                Clause::Columns
            }
            _ => return Some(()),
        };
        self.frames.last_mut()?.clause = next;
        Some(())
    }

    fn read_sign(&mut self, sign: u8) -> Option<()> {
        match sign {
            b'(' => self.open()?,
            b')' => self.close()?,
            b'{' => return None,
            b'=' if self.before[1] == Token::Sign(b':') => return None,
            b'@' => {
                // Of the server's settings, which this does not change.
                let Token::Sign(b'@') = self.tokens.next()?.ok()? else { return None };
                if self.tokens.follows_space {
                    return None;
                }
            }
            b'.' => self.read_point()?,
            b',' => {
                let frame = self.frames.last_mut()?;
                if frame.clause == Clause::Condition {
                    frame.clause = Clause::Tables;
                }
            }
            _ => {}
        }
        Some(())
    }

    /// A point behind the name of a database, where relations are named.
    fn read_point(&mut self) -> Option<()> {
        if self.frames.last()?.clause != Clause::Tables {
            return Some(());
        }
        let (Token::Word(name) | Token::Quoted(name)) = self.before[1] else { return None };
        if self.tokens.peek() == Some(b'*') {
            return Some(()); // `DELETE t.* FROM t`: a relation's name
        }
        self.names.add_database(name);
        Some(())
    }

    fn open(&mut self) -> Option<()> {
        let outer = self.frames.last()?.clause;
        // What stands in a bracket among relations are relations.
        let same = if outer == Clause::Tables { outer } else { Clause::Columns };
        let [earlier, last] = self.before;
        let earlier_is =
            |one: &str| matches!(earlier, Token::Word(w) if w.eq_ignore_ascii_case(one));
        let is_alias = earlier_is("as")
            || outer == Clause::With
                && (earlier_is("with") || earlier_is("recursive") || earlier == Token::Sign(b','));
        let word = match last {
            Token::Sign(b'.') => return None,
            Token::Sign(_) => return self.push(same, false),
            Token::Text => return None,
            // The columns of a derived relation, or a type with a length.
            Token::Word(word) if is_alias && !word.eq_ignore_ascii_case("as") => {
                return self.push(Clause::Columns, false);
            }
            Token::Quoted(_) if is_alias => return self.push(Clause::Columns, false),
            Token::Quoted(_) => return None,
            Token::Word(word) => word,
        };
        if earlier == Token::Sign(b'.') {
            return None;
        }
        let mut space = [0; 20];
        let word = lower(word, &mut space)?;
        match word {
            "into" => return self.push(Clause::Columns, false), // behind the target of an INSERT
            "using" | "index" | "key" | "partition" | "on" => {
                return self.push(Clause::Columns, false);
            }
            "over" | "against" | "except" | "intersect" if earlier == Token::Sign(b')') => {
                return self.push(Clause::Columns, false);
            }
            _ => {}
        }
        if KEYWORDS.binary_search(&word).is_ok() {
            return self.push(same, false);
        }
        // After a space the name of a function of the server's own may be that of a stored one.
        if self.tokens.follows_space {
            return None;
        }
        if functions::is_window(word) {
            return self.push(Clause::Arguments, true);
        }
        let since = functions::since(word)?;
        self.names.since = self.names.since.later(since);
        // With an argument it sets what it returns.
        if word == "last_insert_id"
            && !matches!(self.tokens.clone().next(), Some(Ok(Token::Sign(b')'))))
        {
            return None;
        }
        self.push(Clause::Arguments, false)
    }

    fn close(&mut self) -> Option<()> {
        let frame = self.frames.pop()?;
        if self.frames.is_empty() {
            return None;
        }
        let is_over = |token| matches!(token, Some(Ok(Token::Word(word))) if word.eq_ignore_ascii_case("over"));
        (!frame.is_window || is_over(self.tokens.clone().next())).then_some(())
    }

    fn push(&mut self, clause: Clause, is_window: bool) -> Option<()> {
        if self.frames.len() == DEEPEST {
            return None;
        }
        self.frames.push(Frame { clause, is_window });
        Some(())
    }

    fn add(&mut self, name: &'s str) -> Option<()> {
        if is_number(name) || name.is_empty() {
            return Some(());
        }
        if name.contains('\0') {
            return None;
        }
        if self.seen.insert(name) {
            self.names.all.extend(name.chars().map(|c| c.to_ascii_lowercase()));
            self.names.all.push('\0');
        }
        (self.names.size() <= MOST_NAMES).then_some(())
    }
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_semicolon(token: Result<Token<'_>, crate::tokens::Unclear>) -> bool {
    matches!(token, Ok(Token::Sign(b';')))
}

/// `word` in lower case; `None` if it is longer than `space`.
fn lower<'a>(word: &str, space: &'a mut [u8]) -> Option<&'a str> {
    let lower = space.get_mut(..word.len())?;
    lower.copy_from_slice(word.as_bytes());
    lower.make_ascii_lowercase();
    str::from_utf8(lower).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(sql: &str) -> Verdict {
        super::judge(sql, false)
    }

    fn names(sql: &str) -> Vec<String> {
        let Verdict::Plain(names) = judge(sql) else { panic!("{sql}: {:?}", judge(sql)) };
        let mut names: Vec<_> = names.all().map(String::from).collect();
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
            assert!(matches!(judge(sql), Verdict::Plain(_)), "{sql}");
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
        for (sql, bound) in [
            ("BEGIN", Bound::Begin),
            ("start transaction;", Bound::Begin),
            ("START TRANSACTION READ ONLY, WITH CONSISTENT SNAPSHOT", Bound::Begin),
            (" COMMIT ", Bound::End),
            ("rollback", Bound::End),
            ("rollback work and no chain no release", Bound::End),
            ("SAVEPOINT `a`", Bound::Savepoint),
            ("release savepoint a", Bound::Savepoint),
            ("ROLLBACK TO a", Bound::Savepoint),
            ("ROLLBACK TO SAVEPOINT a", Bound::Savepoint),
            ("SET autocommit = 0", Bound::Autocommit(false)),
            ("set AUTOCOMMIT=ON;", Bound::Autocommit(true)),
        ] {
            assert_eq!(judge(sql), Verdict::Bound(bound), "{sql}");
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
            "SELECT RANK() FROM t",
            "SELECT over(1)",
            "SELECT 1 --get_lock('a', 0)\n, get_lock('a', 0)",
            "SELECT 1 -- \n, get_lock('a', 0)",
            "SELECT 1 # \n, get_lock('a', 0)",
            "SELECT '\\'', get_lock('a', 0), '",
            "SELECT '\u{e9}\\' , get_lock('a', 0), '",
            "SELECT '''', get_lock('a', 0)",
            "SELECT [mine](1)",
            "SELECT [mine]",
            "SELECT 1.5FROM o.v",
            "SELECT 1e5FROM o.v",
            "WITH x AS (SELECT mine(1)) SELECT * FROM x",
            "WITH x (a) AS (SELECT 1) INSERT INTO t SELECT 1",
            "(SELECT 1) UNION (SELECT mine(1))",
            "(DELETE FROM t)",
            "EXPLAIN SELECT mine(1)",
            "SHOW COLUMNS FROM v FROM other",
            "SHOW TABLES WHERE mine(1)",
            "SELECT @@x := 1",
            "SELECT @ @x",
            "SELECT @a",
            "SELECT 1; SELECT 2",
            "INSERT DELAYED t VALUES (1)",
            "SELECT JSON_TABLE('a', 1)",
            "SELECT a FROM t WHERE (b",
            "SELECT a) FROM t",
            "SELECT 1; SET @a = 1",
            "SELECT /*! get_lock('a', 0) */",
            "SELECT /*M!100100 get_lock('a', 0) */",
            "SELECT /*+ SET_VAR(sql_mode = '') */ 1",
            "SELECT 'a', 'b",
            "SELECT SQL_CALC_FOUND_ROWS 1",
            "SELECT 1 INTO OUTFILE 'x'",
            "SELECT \u{e9} FROM t",
            "INSERT DELAYED INTO t VALUES (1)",
            "INSERT INTO t VALUES (mine(1))",
            "INSERT INTO t VALUES (@a := 1)",
            "INSERT INTO t SELECT v FROM u INTO @a",
            "INSERT INTO t VALUES (NEXT VALUE FOR s)",
            "INSERT INTO t VALUES (1); SET @a = 1",
            "INSERT INTO t VALUES (LAST_INSERT_ID(5))",
            "UPDATE t SET v = mine (1)",
            "UPDATE t SET v = (@a := 1)",
            "DELETE FROM t WHERE GET_LOCK('a', 0)",
            "TRUNCATE t",
            "CREATE TABLE t (i INT)",
            "SELECTED",
            "COMMIT AND CHAIN",
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
        ] {
            assert_eq!(judge(sql), Verdict::Unknown, "{sql}");
        }
    }

    #[test]
    fn relations_of_other_databases_are_known_by_what_qualifies_them() {
        for (sql, databases) in [
            ("SELECT a.x, a.y FROM t AS a WHERE a.x = 1 ORDER BY a.y", ""),
            ("SELECT x FROM o.w", "o"),
            ("SELECT x FROM `o` . `w`", "o"),
            ("SELECT o.x FROM t o JOIN o.w ON o.a = w.a", "o"),
            ("SELECT x FROM t JOIN u ON t.a = u.a, o.w", "o"),
            ("SELECT x FROM t JOIN u ON t.a = 1. JOIN o.w", "o"),
            ("SELECT x FROM t JOIN u ON (t.a, t.b) = (u.a, u.b) LEFT JOIN o.w ON w.x = u.x", "o"),
            ("SELECT x FROM t USE INDEX FOR ORDER BY (i), o.w", "o"),
            ("SELECT x FROM t WHERE a IN (SELECT w.b FROM o.w)", "o"),
            ("SELECT x FROM (SELECT w.b FROM o.w) s", "o"),
            ("SELECT x FROM (t, o.w)", "o"),
            ("SELECT EXTRACT(YEAR FROM t.x), TRIM(LEADING 'a' FROM t.y) FROM t", ""),
            ("SELECT 1 UNION SELECT x FROM o.w", "o"),
            ("WITH c AS (SELECT x FROM o.w) SELECT c.x FROM c", "o"),
            ("INSERT INTO t SELECT x FROM o.w", "o"),
            ("INSERT INTO o.w (a) VALUES (1)", "o"),
            ("INSERT o.w SET a = 1", "o"),
            ("REPLACE INTO t TABLE o.w", "o"),
            ("UPDATE t, o.w SET t.a = w.a WHERE t.b = w.b", "o"),
            ("UPDATE t SET t.a = (SELECT w.a FROM o.w)", "o"),
            ("UPDATE t SET t.a = 1 WHERE t.b = 2", ""),
            ("DELETE FROM o.w", "o"),
            ("DELETE t.* FROM t WHERE t.a = 1", ""),
            ("DELETE FROM t USING t JOIN o.w WHERE t.a = w.a", "o"),
            ("DESC o.w", "o"),
            ("SHOW COLUMNS FROM o.w", "o"),
            ("SELECT x FROM t value, o.w", "o"),
            ("SELECT x FROM information_schema.tables t WHERE t.a = 1", ""),
        ] {
            let Verdict::Plain(names) = judge(sql) else { panic!("{sql}") };
            assert_eq!(names.databases().collect::<Vec<_>>().join(","), databases, "{sql}");
        }
    }

    #[test]
    fn a_backslash_is_read_as_the_session_reads_it() {
        let sql = r"SELECT 'a\\'";
        assert!(matches!(super::judge(sql, false), Verdict::Plain(_)));
        assert!(matches!(super::judge(sql, true), Verdict::Plain(_)));
        let sql = r"SELECT 'it\'s'";
        assert!(matches!(super::judge(sql, false), Verdict::Plain(_)));
        assert_eq!(super::judge(sql, true), Verdict::Unknown);
        let sql = r"SELECT '\', mine(1), '\'";
        assert_eq!(super::judge(sql, true), Verdict::Unknown);
    }

    #[test]
    fn keywords_are_found() {
        assert!(KEYWORDS.is_sorted());
    }

    #[test]
    fn a_text_that_only_reads_or_writes_rows_defines_nothing() {
        for sql in
            ["SELECT @a, 1 AS `trigger`", "(select view)", "/* x */ WITH sequence AS", "delete;"]
        {
            assert!(leaves_definitions(sql), "{sql}");
        }
        for sql in ["SELECT 1; CREATE VIEW v", "SELECT 1 /*! ; */", "CREATE VIEW", "CALL p()", ""] {
            assert!(!leaves_definitions(sql), "{sql}");
        }
    }
}
