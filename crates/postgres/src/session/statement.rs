//! Whether a statement has side effects on its session, by its text.
//!
//! These have none: one `SELECT`, `VALUES`, `TABLE`, `INSERT`, `UPDATE`, `DELETE` or `MERGE`, with or
//! without `WITH`, or an `EXPLAIN` of one; `COPY`, `LOCK`, `TRUNCATE`, `NOTIFY` and `SHOW`; cursors
//! that end with their transaction; and the control of transactions. Such a statement must call only
//! built-in functions that are known to change nothing.
//!
//! A text does not show the functions behind a view, a trigger, an operator or a cast. That is a
//! question for [`catalog`](super::catalog). A text that this module does not understand counts as one
//! with side effects. That costs a reset, and is never wrong.

use super::functions::is_harmless;
use super::tokens::{Token, Tokens};

/// What a statement does to its session besides its result, as far as its text shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SideEffects {
    /// The statement may have side effects.
    Possible,
    /// The same, and afterwards the database may have other code than before.
    PossibleAndCode,
    /// The statement leaves something that no reset removes.
    Lasting,
    /// No side effects if no user's code has any.
    NoneIfCodeHasNone,
    /// No side effects but on the transaction.
    Transaction,
}

/// What follows brackets with more tokens counts as a call: so no text takes longer to read than its length
/// warrants.
const LONGEST_BRACKETS: usize = 1_000;
/// Longer words are neither keywords nor built-in functions.
pub(crate) const LONGEST_NAME: usize = 40;

/// Words that may precede a bracket without calling a function. A user's function may have the name of
/// some of them; [`catalog`](super::catalog) knows of those.
const KEYWORDS: &[&str] = &[
    "all",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "between",
    "by",
    "case",
    "check",
    "conflict",
    "copy",
    "cross",
    "cube",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "exists",
    "fetch",
    "filter",
    "first",
    "for",
    "freeze",
    "from",
    "full",
    "group",
    "groups",
    "having",
    "ilike",
    "in",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "key",
    "lateral",
    "left",
    "like",
    "limit",
    "matched",
    "materialized",
    "natural",
    "next",
    "not",
    "notnull",
    "of",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "over",
    "partition",
    "range",
    "recursive",
    "returning",
    "right",
    "rollup",
    "row",
    "rows",
    "select",
    "set",
    "sets",
    "similar",
    "some",
    "table",
    "then",
    "to",
    "union",
    "using",
    "values",
    "when",
    "where",
    "window",
    "with",
    "within",
];

/// Verbs of statements that this module reads to their end.
const VERBS: &[&str] = &[
    "close", "copy", "declare", "delete", "explain", "fetch", "insert", "lock", "merge", "move",
    "notify", "select", "show", "table", "truncate", "update", "values", "with",
];

/// Verbs of statements that define no code and run none.
const DEFINES_NOTHING: &[&str] = &[
    "analyze",
    "checkpoint",
    "cluster",
    "comment",
    "deallocate",
    "discard",
    "listen",
    "prepare",
    "reindex",
    "reset",
    "set",
    "unlisten",
    "vacuum",
];

/// A text without these words defines no code. The last ones run texts or code that may define
/// some.
const DEFINE: &[&str] = &["create", "alter", "drop", "import", "reassign", "call", "do", "execute"];

/// Functions whose effects end with the session only: temporary replication slots, backups, and the
/// origin of what is replicated.
const LASTING: &[&str] = &[
    "pg_backup_start",
    "pg_copy_logical_replication_slot",
    "pg_copy_physical_replication_slot",
    "pg_create_logical_replication_slot",
    "pg_create_physical_replication_slot",
    "pg_replication_origin_session_setup",
    "pg_start_backup",
];

/// Whether the text `sql` has side effects on the session. `plain_backslashes`: a backslash in `'…'`
/// is an ordinary character.
pub(crate) fn side_effects(sql: &str, plain_backslashes: bool) -> SideEffects {
    let tokens = Tokens::new(sql, plain_backslashes);
    let Some(tokens) = single(tokens) else {
        return possible(sql);
    };
    if tokens.is_empty() || is_transaction_control(&tokens) {
        SideEffects::Transaction
    } else if reads_or_writes(&tokens) {
        SideEffects::NoneIfCodeHasNone
    } else {
        possible(sql)
    }
}

/// The class of a text that this module does not understand, by its words: also in strings and
/// comments, because what is a string may depend on a setting.
fn possible(sql: &str) -> SideEffects {
    let mut words =
        sql.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
    let is_one = |word: &str, list: &[&str]| list.iter().any(|one| word.eq_ignore_ascii_case(one));
    let first = words.clone().next().unwrap_or_default();
    let is_alone = !sql.trim_end().trim_end_matches(';').contains(';');
    if is_alone && is_one(first, DEFINES_NOTHING) {
        return SideEffects::Possible;
    }
    if words.clone().any(|word| is_one(word, LASTING)) {
        SideEffects::Lasting
    } else if words.any(|word| is_one(word, DEFINE)) {
        SideEffects::PossibleAndCode
    } else {
        SideEffects::Possible
    }
}

/// Whether a text asks for read-only transactions, so that the server's refusal to write is an answer to
/// it.
pub(crate) fn asks_for_read_only(sql: &str) -> bool {
    let mut words = sql
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty())
        .peekable();
    while let Some(word) = words.next() {
        let is_pair = word.eq_ignore_ascii_case("read")
            && words.peek().is_some_and(|next| next.eq_ignore_ascii_case("only"));
        if is_pair || word.to_ascii_lowercase().ends_with("transaction_read_only") {
            return true;
        }
    }
    false
}

/// Whether a text is one `SET`, which calls nothing and listens to nothing.
pub(crate) fn only_sets(sql: &str) -> bool {
    let first = sql.split_whitespace().next().unwrap_or_default();
    first.eq_ignore_ascii_case("set") && !sql.trim_end().trim_end_matches(';').contains(';')
}

/// The tokens of a text with one statement at most.
pub(super) fn single(tokens: Tokens<'_>) -> Option<Vec<Token<'_>>> {
    let mut all: Vec<_> = tokens.collect::<Result<_, _>>().ok()?;
    while all.last() == Some(&Token::Sign(b';')) {
        all.pop();
    }
    (!all.contains(&Token::Sign(b';'))).then_some(all)
}

/// Whether the statement only begins or ends a transaction, or sets what ends with it.
pub(super) fn is_transaction_control(tokens: &[Token<'_>]) -> bool {
    let are_words =
        || tokens.iter().all(|token| matches!(token, Token::Word(_) | Token::Sign(b',')));
    let is_savepoint = || tokens.iter().all(|t| matches!(t, Token::Word(_) | Token::Quoted(_)));
    let second = tokens.get(1).copied();
    let second_is = |word: &str| second.is_some_and(|token| token.is(word));
    match tokens[0] {
        first if first.is("begin") || first.is("start") => are_words(),
        // `COMMIT PREPARED 'name'` has a string.
        first if first.is("commit") || first.is("end") || first.is("abort") => are_words(),
        first if first.is("rollback") => is_savepoint(),
        first if first.is("savepoint") || first.is("release") => is_savepoint(),
        first if first.is("set") && second_is("transaction") => {
            !tokens.get(2).is_some_and(|token| token.is("snapshot")) && are_words()
        }
        // Ends with the transaction, and does nothing outside of one.
        first if first.is("set") && (second_is("local") || second_is("constraints")) => true,
        _ => false,
    }
}

/// Whether the statement is one of those that this module knows, and calls only harmless functions.
pub(super) fn reads_or_writes(tokens: &[Token<'_>]) -> bool {
    let verb = tokens.iter().find(|token| **token != Token::Sign(b'('));
    if !verb.is_some_and(|verb| VERBS.iter().any(|one| verb.is(one))) {
        return false;
    }
    Calls(tokens).all(false, is_harmless) && !has_lasting_word(tokens)
}

/// Whether a word says that the statement leaves something: a table (`SELECT … INTO`), a cursor that
/// outlives its transaction, or another program that runs.
fn has_lasting_word(tokens: &[Token<'_>]) -> bool {
    tokens.iter().enumerate().any(|(at, token)| {
        let follows = |word: &str| at > 0 && tokens[at - 1].is(word);
        // `EXPLAIN ANALYZE CREATE TEMP TABLE … AS …`, `EXPLAIN ANALYZE EXECUTE …`
        ["hold", "create", "execute"].iter().any(|word| token.is(word))
            || (token.is("into") && !(follows("insert") || follows("merge")))
            || token.is("program")
    })
}

/// The calls of functions in a statement.
#[derive(Clone, Copy)]
pub(crate) struct Calls<'t, 's>(pub(crate) &'t [Token<'s>]);

/// How a name that is called is written.
#[derive(Clone, Copy)]
enum Called<'s> {
    /// Without quotes: upper and lower case are the same.
    Folded(&'s str),
    /// In quotes.
    Exact(&'s str),
    /// In a schema that is not the system's.
    Elsewhere,
}

impl<'s> Calls<'_, 's> {
    /// Whether all names that are called, in lower case, are `such`, and none is in a schema of a user
    /// where `elsewhere` is false.
    pub(crate) fn all(self, elsewhere: bool, such: impl Fn(&str) -> bool) -> bool {
        let brackets = (0..self.0.len()).filter(|at| self.0[*at] == Token::Sign(b'('));
        let mut called = brackets.filter_map(|at| self.called(at, elsewhere));
        called.all(|called| match called {
            Called::Elsewhere => false,
            Called::Exact(name) => such(name),
            Called::Folded(word) => {
                let mut space = [0; LONGEST_NAME];
                lower(word, &mut space).is_some_and(&such)
            }
        })
    }

    /// The token `back` before the one at `at`.
    fn before(self, at: usize, back: usize) -> Option<Token<'s>> {
        at.checked_sub(back).and_then(|index| self.0.get(index)).copied()
    }

    /// The name that the bracket at `at` calls, if it does.
    fn called(self, at: usize, elsewhere: bool) -> Option<Called<'s>> {
        let name = match self.before(at, 1)? {
            Token::Word(_) if at == 1 && self.0[0].is("explain") => return None,
            Token::Word(word) => {
                let is_qualified = self.before(at, 2) == Some(Token::Sign(b'.'));
                if !is_qualified && is_keyword(word) {
                    return None;
                }
                Called::Folded(word)
            }
            Token::Quoted(name) => Called::Exact(name),
            Token::Text | Token::Value | Token::Sign(_) => return None,
        };
        let mut start = at - 1;
        let mut schema = None;
        while self.before(start, 1) == Some(Token::Sign(b'.')) && start >= 2 {
            schema = self.before(start, 2);
            start -= 2;
        }
        if self.is_target(start, schema.is_some()) || self.is_alias(start) {
            return None;
        }
        let is_system = match schema {
            None => true,
            Some(schema) => schema.is("pg_catalog") || schema == Token::Quoted("pg_catalog"),
        };
        Some(if is_system || elsewhere { name } else { Called::Elsewhere })
    }

    /// Whether the name at `at` is that of what stands in the brackets before it: `f(1) name (…)`. Only
    /// after `DISTINCT ON (…)` an expression follows a bracket without a sign or a keyword.
    fn is_alias(self, at: usize) -> bool {
        if self.before(at, 1) != Some(Token::Sign(b')')) {
            return false;
        }
        let mut depth = 0_usize;
        let open = (0..at).rev().take(LONGEST_BRACKETS).find(|index| {
            match self.0[*index] {
                Token::Sign(b')') => depth += 1,
                Token::Sign(b'(') => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        open.is_some_and(|open| {
            let (on, distinct) = (self.before(open, 1), self.before(open, 2));
            !(on.is_some_and(|token| token.is("on"))
                && distinct.is_some_and(|token| token.is("distinct")))
        })
    }

    /// Whether columns follow the name at `at`: `INSERT INTO name (…)`, `COPY name (…)`, `WITH name (…)
    /// AS`, `… AS alias (…)`.
    fn is_target(self, at: usize, is_qualified: bool) -> bool {
        let Some(before) = self.before(at, 1) else { return false };
        let begins = at == 1 && (before.is("copy") || (before.is("with") && !is_qualified));
        before.is("into")
            || begins
            || (!is_qualified && (before.is("as") || before.is("recursive")))
    }
}

fn is_keyword(word: &str) -> bool {
    let mut space = [0; LONGEST_NAME];
    lower(word, &mut space).is_some_and(|lower| KEYWORDS.binary_search(&lower).is_ok())
}

/// The word in lower case, unless it is too long for a name of this crate's lists.
pub(crate) fn lower<'b>(word: &str, space: &'b mut [u8; LONGEST_NAME]) -> Option<&'b str> {
    let space = space.get_mut(..word.len())?;
    space.copy_from_slice(word.as_bytes());
    space.make_ascii_lowercase();
    str::from_utf8(space).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(texts: &[&str], wanted: SideEffects) {
        for text in texts {
            assert_eq!(side_effects(text, true), wanted, "{text}");
        }
    }

    #[test]
    fn the_keywords_are_sorted() {
        assert!(KEYWORDS.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn plain_statements_are_recognised() {
        check(
            &[
                "SELECT 1",
                "select count(*), max(price) from item where name like $1 and id in (1, 2, 3)",
                "SELECT * FROM a JOIN b USING (id) LEFT JOIN LATERAL (SELECT 1) x ON (true)",
                "SELECT a, row_number() OVER (PARTITION BY b ORDER BY c) FROM t",
                "SELECT sum(a) FILTER (WHERE b > 1) FROM t GROUP BY ROLLUP (c)",
                "SELECT x FROM generate_series(1, 3) AS g (x)",
                "SELECT x FROM generate_series(1, 3) g (x)",
                "INSERT INTO item (name, price) VALUES ($1, $2) RETURNING id",
                "INSERT INTO shop.item (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET (a, b) = (1, 2)",
                "UPDATE item SET price = round(price * 1.1, 2) WHERE id = ANY($1)",
                "DELETE FROM item USING old WHERE item.id = old.id",
                "WITH x (a) AS (SELECT 1) SELECT * FROM x",
                "WITH RECURSIVE x (a) AS (SELECT 1 UNION ALL SELECT a + 1 FROM x) TABLE x",
                "MERGE INTO a USING b ON a.id = b.id WHEN MATCHED THEN UPDATE SET v = b.v",
                "VALUES (1), (2)",
                "(SELECT 1) UNION (SELECT 2);",
                "EXPLAIN (ANALYZE, COSTS off) SELECT 1",
                "COPY item (id, name) FROM STDIN",
                "SELECT a::varchar(10), '1 day'::interval FROM t FOR UPDATE SKIP LOCKED",
                "SELECT pg_catalog.now(), \"lower\"('A'), 'set_config(1)' -- set_config(1)",
                "SHOW server_version",
                "LOCK TABLE item IN SHARE MODE",
                "DECLARE c CURSOR FOR SELECT 1",
                "NOTIFY channel, 'text'",
            ],
            SideEffects::NoneIfCodeHasNone,
        );
    }

    #[test]
    fn transaction_control_is_recognised() {
        check(
            &[
                "",
                ";",
                "BEGIN",
                "start transaction isolation level serializable, read only;",
                "COMMIT AND CHAIN",
                "ROLLBACK TO SAVEPOINT \"a\"",
                "SAVEPOINT sp_1",
                "RELEASE sp_1",
                "SET LOCAL work_mem = '1MB'",
                "SET TRANSACTION READ ONLY",
                "SET CONSTRAINTS ALL DEFERRED",
            ],
            SideEffects::Transaction,
        );
    }

    #[test]
    fn whatever_may_change_the_session_is_not_recognised() {
        check(
            &[
                "SET search_path = x",
                "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                "SET ROLE boss",
                "RESET ALL",
                "LISTEN x",
                "PREPARE x AS SELECT 1",
                "DISCARD ALL",
                "SELECT set_config('a.b', '1', false)",
                "SELECT SET_CONFIG ('a.b', '1', false)",
                "SELECT \"set_config\"('a.b', '1', false)",
                "SELECT pg_catalog.set_config('a.b', '1', false)",
                "SELECT pg_catalog . set_config /* x */ ('a.b', '1', false)",
                "SELECT a FROM t WHERE (SELECT pg_advisory_lock(1)) IS NULL",
                "SELECT DISTINCT ON (1) set_config('a.b', '1', false)",
                "SELECT nextval('s')",
                "SELECT setseed(0.5)",
                "SELECT mine()",
                "SELECT mine.lower('A')",
                "SELECT \"Lower\"('A')",
                "SELECT * FROM mine(1) AS x (a)",
                "SELECT 1 INTO x",
                "SELECT 1 AS a INTO TEMP x FROM t",
                "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
                "SELECT 1; SET a.b = 1",
                "EXPLAIN (ANALYZE) SELECT set_config('a.b', '1', false)",
                "COMMIT PREPARED 'x'",
                "SET TRANSACTION SNAPSHOT 'x'",
                "INSERT INTO t VALUES (nextval('s'))",
                "SELECT U&'\\0441'",
                "SELECT 'unterminated",
                "LOAD 'library'",
            ],
            SideEffects::Possible,
        );
    }

    #[test]
    fn a_text_that_may_define_code_is_told_from_others() {
        check(
            &[
                "CREATE VIEW x AS SELECT 1",
                "SELECT 1; create function f() returns int as 'select 1' language sql",
                "DO $$ BEGIN END $$",
                "CALL p()",
                "EXECUTE x",
                "CREATE TEMP TABLE x (i INT)",
                "EXPLAIN ANALYZE CREATE TEMP TABLE x AS SELECT 1",
                "EXPLAIN ANALYZE EXECUTE x",
                "ALTER TABLE t ADD COLUMN x INT DEFAULT f()",
                "SELECT mine('create view x')",
            ],
            SideEffects::PossibleAndCode,
        );
        check(
            &["PREPARE x AS INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", "SET a.b = 'create'"],
            SideEffects::Possible,
        );
    }

    #[test]
    fn a_long_text_is_read_in_time_with_its_length() {
        let rows = "(1, 'text', now()), ".repeat(20_000);
        let sql = format!("INSERT INTO t VALUES {rows} (2, 'last', now())");
        check(&[&sql], SideEffects::NoneIfCodeHasNone);
        let odd = format!("SELECT {}", "(1) x (".repeat(50_000));
        let start = std::time::Instant::now();
        side_effects(&odd, true);
        assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
    }

    #[test]
    fn a_backslash_counts_as_the_session_says() {
        let sql = r"SELECT 'a', set_config('x.y', '1', false), '";
        assert_eq!(side_effects(sql, false), SideEffects::Possible);
    }
}
