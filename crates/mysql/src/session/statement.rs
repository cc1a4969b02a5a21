//! Whether a statement has side effects on its session, by its text.
//!
//! These have none: one `SELECT`, `INSERT`, `REPLACE`, `UPDATE` or `DELETE`, with or without
//! `WITH`; one `SHOW` or `EXPLAIN`. Such a statement must call only built-in functions that are
//! known to change nothing, must use no user variable, and each relation must be a base table of
//! the default database, without triggers if the statement writes. Transaction control is
//! recognised too.
//!
//! The text shows all of this except what the names mean: a view or a trigger may call stored
//! functions. [`schema`](super::schema) answers that question. If this module does not understand a
//! text, the statement counts as one with side effects. That costs a reset, and is never wrong.

use std::collections::HashSet;

use super::functions::{self, Since};
use super::tokens::{Token, Tokens, Unclear};
use super::transaction_control::{self, TransactionControl};

/// What a statement does to its session besides its result, as far as its text shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SideEffects {
    /// The statement may have side effects.
    Possible,
    /// No side effects if each name is a column or a base table.
    NoneIfTables(Names),
    /// No side effects but on the transaction.
    Transaction(TransactionControl),
}

/// The names that a statement uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// All names in lower case, each once, each followed by a zero byte.
    all: String,
    /// The qualifiers of the relations' names, as written. Each is followed by a zero byte.
    databases: String,
    /// Whether the statement writes, so that triggers may fire.
    pub(crate) write: bool,
    /// The server versions that have all functions of the statement.
    pub(crate) since: Since,
}

/// A statement with more bytes of names counts as one with side effects.
const MAX_NAME_BYTES: usize = 16 << 10;
/// A statement with deeper brackets counts as one with side effects.
const MAX_DEPTH: usize = 100;
/// Longer words are neither keywords nor built-in functions.
const LONGEST_KEYWORD: usize = 20;
/// Every server has this database, and no user defines anything in it.
const INFORMATION_SCHEMA: &str = "information_schema";

impl Names {
    /// The names, in lower case.
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        self.all.split_terminator('\0')
    }

    /// The databases of the relations with qualified names.
    pub(crate) fn databases(&self) -> impl Iterator<Item = &str> {
        self.databases.split_terminator('\0')
    }

    /// The bytes of all names.
    pub(crate) fn size(&self) -> usize {
        self.all.len() + self.databases.len()
    }

    fn add_database(&mut self, name: &str) {
        if !name.eq_ignore_ascii_case(INFORMATION_SCHEMA)
            && self.databases().all(|other| other != name)
        {
            self.databases.push_str(name);
            self.databases.push('\0');
        }
    }
}

/// Words that may precede a bracket without calling a function. All are reserved on every supported
/// server, so no function has such a name.
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

/// Whether a bracket after this word, in lower case, calls no function.
pub(crate) fn is_keyword(word: &str) -> bool {
    KEYWORDS.binary_search(&word).is_ok()
}

/// Whether the statement `sql` has side effects. `no_backslash_escape`: the session reads a
/// backslash in a string as an ordinary character.
pub(crate) fn side_effects(sql: &str, no_backslash_escape: bool) -> SideEffects {
    let tokens = Tokens::new(sql, no_backslash_escape);
    if let Some(control) = transaction_control::read(tokens.clone()) {
        return SideEffects::Transaction(control);
    }
    match Reader::new(tokens).read() {
        Some(names) => SideEffects::NoneIfTables(names),
        None => SideEffects::Possible,
    }
}

/// Whether `sql` is one statement that cannot define a name, change a setting or begin a
/// transaction, whatever follows its verb.
pub(crate) fn cannot_define(sql: &str) -> bool {
    let sql = sql.trim_end_matches(|c: char| c == ';' || c.is_ascii_whitespace());
    // Also inside strings: what is a string depends on the session.
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

/// What the names mean in a part of the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clause {
    /// Names are columns. A qualifier is a relation that the statement names elsewhere.
    Columns,
    /// Names are relations. A qualifier is a database.
    Tables,
    /// The condition of a join: columns until the next comma.
    Condition,
    /// The arguments of a function, where FROM begins no clause.
    Arguments,
    /// Between `WITH` and the statement itself.
    With,
}

/// The state inside one pair of brackets.
#[derive(Clone, Copy, Debug)]
struct Frame {
    clause: Clause,
    /// Whether `OVER` must follow the closing bracket.
    is_window: bool,
}

/// Reads one statement. Each step returns `None` where the statement may have side effects.
struct Reader<'s> {
    tokens: Tokens<'s>,
    frames: Vec<Frame>,
    /// The two tokens before the current one.
    previous: [Token<'s>; 2],
    names: Names,
    seen: HashSet<&'s str>,
    /// Whether the statement explains another one (`EXPLAIN`, `DESCRIBE`).
    explains: bool,
    /// For `SHOW`: how many more `FROM` may follow.
    targets_left: Option<u8>,
}

impl<'s> Reader<'s> {
    fn new(tokens: Tokens<'s>) -> Self {
        Self {
            tokens,
            frames: vec![Frame { clause: Clause::Columns, is_window: false }],
            previous: [Token::Sign(b'('); 2],
            names: Names::default(),
            seen: HashSet::new(),
            explains: false,
            targets_left: None,
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
                    let is_last = self.tokens.all(is_semicolon);
                    return if is_last { self.end() } else { None };
                }
                Token::Sign(sign) => self.read_sign(sign)?,
            }
            self.previous = [self.previous[1], token];
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
            self.previous[1] = Token::Word("select");
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
            self.targets_left = Some(1);
            Clause::Columns
        } else if verb_is("explain") || verb_is("describe") || verb_is("desc") {
            self.explains = true;
            self.names.write = true;
            Clause::Tables
        } else {
            return None;
        };
        self.frames[0].clause = clause;
        self.previous[1] = Token::Word("with");
        Some(())
    }

    /// Reads `[LOW_PRIORITY | HIGH_PRIORITY] [IGNORE] [INTO] [database.]table`. A bracket after it
    /// holds columns.
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
            if matches!(self.tokens.clone().next(), Some(Ok(Token::Sign(b'.')))) {
                self.names.add_database(name);
                self.tokens.next();
                may_be_word = false;
                continue;
            }
            // So that a bracket after this opens columns.
            self.previous[1] = Token::Word("into");
            return Some(());
        }
    }

    fn read_word(&mut self, word: &'s str) -> Option<()> {
        let follows_point = self.previous[1] == Token::Sign(b'.');
        if starts_with_digit(word) {
            // After a point it may be a name: `d.1`.
            return if is_number(word) && !follows_point { Some(()) } else { self.add(word) };
        }
        if follows_point && !self.tokens.follows_space && self.number_precedes() {
            return None; // `1.e5FROM` is a number and a word, `t.1.from` is a name
        }
        let mut space = [0; LONGEST_KEYWORD];
        if let Some(lower) = lower(word, &mut space) {
            self.read_keyword(lower)?;
        }
        self.add(word)
    }

    /// Whether the token before the last one is a number.
    fn number_precedes(&self) -> bool {
        matches!(self.previous[0], Token::Word(word) if is_number(word))
    }

    fn read_keyword(&mut self, word: &str) -> Option<()> {
        let previous_is =
            |one: &str| matches!(self.previous[1], Token::Word(w) if w.eq_ignore_ascii_case(one));
        // After a qualifier any word is a name. (A point after a number is no qualifier.)
        if let [Token::Word(_), Token::Sign(b'.')] = self.previous
            && !self.number_precedes()
            && !matches!(word, "into" | "from")
        {
            return Some(());
        }
        if matches!(self.previous, [Token::Quoted(_), Token::Sign(b'.')]) {
            return Some(());
        }
        // `SHOW COLUMNS FROM relation FROM database`
        if let ("from" | "in", Some(targets)) = (word, &mut self.targets_left) {
            *targets = targets.checked_sub(1)?;
        }
        let clause = self.frames.last()?.clause;
        let next = match word {
            "into" | "procedure" | "sql_calc_found_rows" => return None,
            // `EXPLAIN FOR SCHEMA name`: what it explains runs in another database.
            "schema" | "database" if self.explains && previous_is("for") => return None,
            // `NEXT VALUE` changes a sequence, and `PREVIOUS VALUE` reads its session state.
            "value" if previous_is("next") || previous_is("previous") => return None,
            "insert" | "replace" | "values" | "value" if clause == Clause::With => return None,
            "update" | "delete" if clause == Clause::With => {
                self.names.write = true;
                Clause::Tables
            }
            "update" | "delete" if self.explains => Clause::Tables,
            // `ON DUPLICATE KEY UPDATE`
            "update" if previous_is("key") && clause == Clause::Condition => Clause::Columns,
            "select" => Clause::Columns,
            "from" if clause != Clause::Arguments => Clause::Tables,
            "table" => Clause::Tables,
            "join" | "straight_join" if clause == Clause::Condition => Clause::Tables,
            "on" if clause == Clause::Tables => Clause::Condition,
            // `FOR ORDER BY` is part of a hint to a table.
            "order" | "group" if previous_is("for") => return Some(()),
            "where" | "group" | "having" | "order" | "limit" | "set"
                if matches!(clause, Clause::Tables | Clause::Condition) =>
            {
                Clause::Columns
            }
            _ => return Some(()),
        };
        if self.tokens.peek() == Some(b'.') {
            return None; // directly before a point it is a name: `where.a`
        }
        self.frames.last_mut()?.clause = next;
        Some(())
    }

    fn read_sign(&mut self, sign: u8) -> Option<()> {
        match sign {
            b'(' => self.open()?,
            b')' => self.close()?,
            b'{' => return None,
            b'=' if self.previous[1] == Token::Sign(b':') => return None,
            b'@' => {
                // `@@name` reads a setting. `@name` is a user variable.
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

    /// A point after a name. Among relations, that name is a database. Elsewhere it may also begin
    /// a number.
    fn read_point(&mut self) -> Option<()> {
        let is_among_tables = self.frames.last()?.clause == Clause::Tables;
        let name = match self.previous[1] {
            Token::Word(name) | Token::Quoted(name) => name,
            _ if !is_among_tables && self.tokens.peek().is_some_and(|b| b.is_ascii_digit()) => {
                return Some(());
            }
            _ => return None, // a name can begin with a point: `.where.a`
        };
        if !is_among_tables {
            return Some(());
        }
        if self.tokens.peek() == Some(b'*') {
            return Some(()); // `DELETE t.* FROM t`: the name is a relation
        }
        self.names.add_database(name);
        Some(())
    }

    fn open(&mut self) -> Option<()> {
        let outer = self.frames.last()?.clause;
        // A bracket among relations holds relations.
        let same = if outer == Clause::Tables { outer } else { Clause::Columns };
        let [earlier, last] = self.previous;
        let is_alias = self.previous_is_alias(outer);
        let word = match last {
            Token::Sign(b'.') => return None,
            Token::Sign(_) => {
                if outer == Clause::With {
                    // The statement itself, in brackets. What follows it may call functions.
                    self.frames.last_mut()?.clause = Clause::Columns;
                }
                return self.push(same, false);
            }
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
        let mut space = [0; LONGEST_KEYWORD];
        let word = lower(word, &mut space)?;
        match word {
            // `into` stands for the target of an INSERT.
            "into" | "index" | "key" | "partition" | "on" => self.push(Clause::Columns, false),
            "over" | "against" | "except" | "intersect" if earlier == Token::Sign(b')') => {
                self.push(Clause::Columns, false)
            }
            _ if is_keyword(word) => self.push(same, false),
            _ => self.open_call(word),
        }
    }

    /// Whether the word before the last one makes the last one an alias, or the name of a `WITH` query.
    fn previous_is_alias(&self, clause: Clause) -> bool {
        let earlier = self.previous[0];
        let earlier_is =
            |one: &str| matches!(earlier, Token::Word(w) if w.eq_ignore_ascii_case(one));
        let begins_query =
            earlier_is("with") || earlier_is("recursive") || earlier == Token::Sign(b',');
        earlier_is("as") || clause == Clause::With && begins_query
    }

    /// A bracket that holds the arguments of `function`, which is in lower case.
    fn open_call(&mut self, function: &str) -> Option<()> {
        // With a space before the bracket, the name of a built-in function may be that of a stored one.
        if self.tokens.follows_space {
            return None;
        }
        if functions::is_window(function) {
            return self.push(Clause::Arguments, true);
        }
        let since = functions::since(function)?;
        self.names.since = self.names.since.later(since);
        // `LAST_INSERT_ID(n)` sets what `LAST_INSERT_ID()` returns.
        let has_arguments = || !matches!(self.tokens.clone().next(), Some(Ok(Token::Sign(b')'))));
        if function == "last_insert_id" && has_arguments() {
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
        if self.frames.len() == MAX_DEPTH {
            return None;
        }
        self.frames.push(Frame { clause, is_window });
        Some(())
    }

    fn add(&mut self, name: &'s str) -> Option<()> {
        if name.is_empty() {
            return Some(());
        }
        if name.contains('\0') {
            return None;
        }
        if self.seen.insert(name) {
            self.names.all.extend(name.chars().map(|c| c.to_ascii_lowercase()));
            self.names.all.push('\0');
        }
        (self.names.size() <= MAX_NAME_BYTES).then_some(())
    }
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

fn starts_with_digit(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

fn is_semicolon(token: Result<Token<'_>, Unclear>) -> bool {
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

    fn side_effects(sql: &str) -> SideEffects {
        super::side_effects(sql, false)
    }

    fn names(sql: &str) -> Vec<String> {
        let SideEffects::NoneIfTables(names) = side_effects(sql) else {
            panic!("{sql}: {:?}", side_effects(sql))
        };
        let mut names: Vec<_> = names.all().map(String::from).collect();
        names.sort();
        names
    }

    #[test]
    fn a_query_without_side_effects_is_recognised() {
        assert_eq!(names("SELECT v FROM t WHERE id = ?"), ["from", "id", "t", "v", "where"]);
        assert_eq!(names("select `V` from \"T\";"), ["from", "t", "v"]);
        for sql in [
            "SELECT 1",
            "SELECT COUNT(*), MAX( a ) FROM t /* of all */ WHERE b IN (1, 2) AND (c = 'it''s' OR 1)",
            "SELECT CAST(a AS CHAR(10)) FROM (SELECT a FROM t) s WHERE d < NOW() - INTERVAL 1 DAY",
            "SELECT a FROM t WHERE b = 'SELECT; @x, get_lock(' FOR UPDATE",
            "SELECT a, .5, 1.5, 1.5e3, 1. FROM t WHERE b = :b AND c > :c",
            "WITH x (a, b) AS (SELECT 1, 2), y AS (SELECT 3) (SELECT a FROM x) ORDER BY ABS(a)",
        ] {
            assert!(matches!(side_effects(sql), SideEffects::NoneIfTables(_)), "{sql}");
        }
    }

    #[test]
    fn a_change_of_rows_without_side_effects_is_recognised() {
        assert_eq!(names("INSERT INTO T (a, b) VALUES (?, ?)"), ["a", "b", "t", "values"]);
        for sql in [
            "insert ignore into `t`(a) values (1), (NOW())",
            "INSERT INTO d.t VALUES (1) ON DUPLICATE KEY UPDATE v = VALUES(v) + 1",
            "INSERT INTO d.t SELECT v FROM u ON DUPLICATE KEY UPDATE v = VALUES(v), w = t.w",
            "INSERT INTO t SET v = 1",
            "INSERT INTO t (v) SELECT v FROM u WHERE id IN (1, 2)",
            "REPLACE INTO t VALUES (1)",
            "UPDATE t SET v = v + 1 WHERE id = ?",
            "UPDATE t JOIN u ON (t.id = u.id) SET t.v = COALESCE(u.v, 0)",
            "DELETE FROM t WHERE id BETWEEN 1 AND 2 LIMIT 3",
        ] {
            assert!(
                matches!(side_effects(sql), SideEffects::NoneIfTables(Names { write: true, .. })),
                "{sql}"
            );
        }
        assert!(matches!(
            side_effects("SELECT 1"),
            SideEffects::NoneIfTables(Names { write: false, .. })
        ));
    }

    #[test]
    fn a_statement_that_may_have_side_effects_is_recognised_as_such() {
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
            "SELECT \\NFROM o.v",
            "SELECT 1.e5FROM o.v",
            "SELECT 1.E5UNION SELECT x FROM o.v",
            "SELECT 1.e+5FROM o.v",
            "SELECT 1e+5FROM o.v",
            "SELECT .5e3FROM o.v",
            "SELECT .5FROM o.v",
            "SELECT 1.FROM o.v",
            "SELECT 0xAFROM o.v",
            "SELECT 0b1FROM o.v",
            "SELECT :aFROM o.v",
            "SELECT :a1UNION SELECT x FROM o.v",
            "SELECT /*m! get_lock('a', 0) */ 1",
            "SELECT 1 # \0, get_lock('a', 0)",
            "SELECT 1 FROM t JOIN u ON d.1.where = 1, o.v",
            "SELECT 1 FROM t JOIN u `where` ON where.a = 1, o.v",
            "SELECT 1 FROM t JOIN u `where` ON 1 = .where.a, o.v",
            "EXPLAIN FOR SCHEMA o SELECT x FROM v",
            "EXPLAIN FORMAT = TREE FOR DATABASE o SELECT x FROM v",
            "WITH x AS (SELECT a FROM t) (SELECT a FROM x) ORDER BY 1, GET_LOCK('q', 0)",
            "WITH x AS (SELECT 1) ((SELECT 1)) LIMIT 1, mine(1)",
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
            assert_eq!(side_effects(sql), SideEffects::Possible, "{sql}");
        }
    }

    #[test]
    fn a_name_of_digits_is_a_name() {
        assert_eq!(names("SELECT v FROM `1`"), ["1", "from", "v"]);
        assert_eq!(names("SELECT v FROM d.1"), ["1", "d", "from", "v"]);
        assert_eq!(names("INSERT `2` VALUES (3)"), ["2", "values"]);
        assert_eq!(names("SELECT 1 FROM t LIMIT 2, 3"), ["from", "limit", "t"], "numbers");
    }

    #[test]
    fn the_databases_of_qualified_relations_are_found() {
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
            ("INSERT INTO o .w SET a = 1", "o"),
            ("REPLACE `o` /* x */ . w SELECT 1", "o"),
            ("INSERT INTO t SELECT a FROM u ON DUPLICATE KEY UPDATE v = VALUES(v), w = t.w", ""),
            ("EXPLAIN INSERT t SELECT a FROM u ON DUPLICATE KEY UPDATE v = 1", ""),
            ("SELECT 1 FROM t JOIN u ON t.a = :limit, o.w", "o"),
            ("SELECT x'41'FROM o.w", "o"),
            ("SELECT 1 FROM t JOIN u ON VALUES(t.a) IS NULL, o.w", "o"),
            ("DELETE FROM t USING (t, o.w) WHERE t.a = 1", "o"),
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
            let SideEffects::NoneIfTables(names) = side_effects(sql) else { panic!("{sql}") };
            assert_eq!(names.databases().collect::<Vec<_>>().join(","), databases, "{sql}");
        }
    }

    #[test]
    fn a_backslash_is_read_as_the_session_reads_it() {
        let sql = r"SELECT 'a\\'";
        assert!(matches!(super::side_effects(sql, false), SideEffects::NoneIfTables(_)));
        assert!(matches!(super::side_effects(sql, true), SideEffects::NoneIfTables(_)));
        let sql = r"SELECT 'it\'s'";
        assert!(matches!(super::side_effects(sql, false), SideEffects::NoneIfTables(_)));
        assert_eq!(super::side_effects(sql, true), SideEffects::Possible);
        let sql = r"SELECT '\', mine(1), '\'";
        assert_eq!(super::side_effects(sql, true), SideEffects::Possible);
    }

    #[test]
    fn keywords_are_sorted_for_the_binary_search() {
        assert!(KEYWORDS.is_sorted());
    }

    #[test]
    fn a_text_that_only_reads_or_writes_rows_cannot_define_a_name() {
        for sql in
            ["SELECT @a, 1 AS `trigger`", "(select view)", "/* x */ WITH sequence AS", "delete;"]
        {
            assert!(cannot_define(sql), "{sql}");
        }
        for sql in ["SELECT 1; CREATE VIEW v", "SELECT 1 /*! ; */", "CREATE VIEW", "CALL p()", ""] {
            assert!(!cannot_define(sql), "{sql}");
        }
    }
}
