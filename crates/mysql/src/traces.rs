//! What the text of a statement tells about the marks that it may leave on its session.
//!
//! `COM_RESET_CONNECTION` removes all marks but two, the default database and the role, and only
//! the holder's own transaction matters before that. So the text is searched for the words without
//! which those three cannot change. A word inside a literal, a name or a comment counts as well:
//! a mark that is not there costs a round trip, one that is missed costs the next user.

use std::ops::BitOrAssign;

/// Marks that statements may have left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traces(u8);

impl Traces {
    pub(crate) const NONE: Self = Self(0);
    /// The default database may have changed.
    pub(crate) const DATABASE: Self = Self(1);
    /// The role may have changed.
    pub(crate) const ROLE: Self = Self(1 << 1);
    /// A transaction may be open.
    pub(crate) const TRANSACTION: Self = Self(1 << 2);
    /// Every statement may open a transaction.
    pub(crate) const AUTOCOMMIT: Self = Self(1 << 3);
    /// A name may stand for a view now that stood for none before, or for a table with a trigger; or
    /// sessions may begin otherwise.
    pub(crate) const DEFINITION: Self = Self(1 << 4);
    /// The server may keep something that no reset removes: the texts of statements, or the group of
    /// processors that the session runs on.
    pub(crate) const LASTING: Self = Self(1 << 5);
    /// Anything may have happened to the session, but for what [`LASTING`](Self::LASTING) is about.
    pub(crate) const ALL: Self = Self(0b1_1111);

    pub(crate) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The marks of one statement text, which may hold several statements.
    pub(crate) fn of(sql: &str) -> Self {
        let mut traces = Self::NONE;
        let mut assigns = false;
        for word in words(sql.as_bytes()) {
            assigns = assigns || word.eq_ignore_ascii_case(b"SET");
            traces |= Self::of_word(word, assigns);
        }
        traces
    }

    /// `assigns` tells whether the word SET came before.
    fn of_word(word: &[u8], assigns: bool) -> Self {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
        match word.len() {
            2 if is("XA") => Self::TRANSACTION,
            3 if is("USE") => Self::DATABASE,
            // Dropping the default database leaves none.
            4 if is("DROP") => Self::DATABASE,
            // The word alone is no definition, but tables that are created have no views in them.
            4 if is("VIEW") => Self::DEFINITION,
            6 if is("RENAME") || is("SCHEMA") => Self::DEFINITION,
            8 if is("SEQUENCE") || is("DATABASE") => Self::DEFINITION,
            4 if is("ROLE") && assigns => Self(Self::ROLE.0 | Self::DEFINITION.0),
            // What a user sees of the server's names may change.
            5 if is("GRANT") => Self::DEFINITION,
            6 if is("REVOKE") => Self::DEFINITION,
            // So that the sessions that begin from now on may be others.
            6 if is("GLOBAL") => Self::DEFINITION,
            7 if is("PERSIST") => Self::DEFINITION,
            9 if is("PROFILING") => Self::LASTING,
            8 if is("RESOURCE") && assigns => Self::LASTING,
            // Procedures and texts put together at run time can do anything.
            4 if is("CALL") => Self::ALL,
            7 if is("EXECUTE") => Self::ALL,
            7 if is("TRIGGER") => Self::DEFINITION,
            5 if is("BEGIN") || is("START") => Self::TRANSACTION,
            10 if is("AUTOCOMMIT") => Self(Self::TRANSACTION.0 | Self::AUTOCOMMIT.0),
            _ => Self::NONE,
        }
    }
}

impl BitOrAssign for Traces {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// The words of a text, without leading digits: `/*!50000USE x*/` is a `USE` too.
pub(crate) fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| !(byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80))
        .map(|word| {
            let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
            &word[digits..]
        })
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_statements_leave_no_mark() {
        for sql in [
            "",
            "SELECT user_id, role FROM accounts WHERE name = ?",
            "INSERT INTO uses (dropped, started) VALUES (1, 2)",
            "UPDATE t SET a = 1 WHERE b = 2",
            "COMMIT",
        ] {
            assert_eq!(Traces::of(sql), Traces::NONE, "{sql}");
        }
    }

    #[test]
    fn statements_that_may_change_the_default_database_are_seen() {
        for sql in [
            "USE other",
            "use `other`",
            "SELECT 1;USE other",
            "/*!50000USE other*/",
            "/*x*/use/*y*/other",
            "SET STATEMENT max_statement_time = 1 FOR USE other",
            "DROP DATABASE mine",
            "CALL procedure()",
            "EXECUTE IMMEDIATE CONCAT('U', 'SE other')",
        ] {
            assert!(Traces::of(sql).contains(Traces::DATABASE), "{sql}");
        }
    }

    #[test]
    fn statements_that_may_change_the_role_are_seen() {
        for sql in ["SET ROLE boss", "set /* the */ role\nnone", "CALL p()", "EXECUTE s"] {
            assert!(Traces::of(sql).contains(Traces::ROLE), "{sql}");
        }
    }

    #[test]
    fn what_no_reset_removes_is_seen() {
        for sql in ["SET profiling = 1", "SET @@session.profiling=1", "SET RESOURCE GROUP x"] {
            assert!(Traces::of(sql).contains(Traces::LASTING), "{sql}");
        }
    }
}
