//! Which parts of its session a statement may change, by the words in its text.
//!
//! `COM_RESET_CONNECTION` removes every change but two: the default database and the role. Before
//! that only an open transaction of the holder matters. So this module searches the text for the
//! words without which these three cannot change. A word inside a literal, a name or a comment
//! counts too. A false hit costs a round trip; a missed one would reach the next user.

use std::ops::BitOrAssign;

/// The parts of a session that statements may have changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionEffects(u8);

impl SessionEffects {
    pub(crate) const NONE: Self = Self(0);
    /// The default database may have changed.
    pub(crate) const DATABASE: Self = Self(1);
    /// The role may have changed.
    pub(crate) const ROLE: Self = Self(1 << 1);
    /// A transaction may be open.
    pub(crate) const TRANSACTION: Self = Self(1 << 2);
    /// Every statement may open a transaction.
    pub(crate) const AUTOCOMMIT: Self = Self(1 << 3);
    /// A name may now be a view or a table with a trigger, or new sessions may begin with other
    /// settings.
    pub(crate) const SCHEMA: Self = Self(1 << 4);
    /// The server may keep something that no reset removes: texts of statements (`profiling`), or
    /// the resource group of the session.
    pub(crate) const LASTING: Self = Self(1 << 5);
    /// Everything but [`LASTING`](Self::LASTING).
    pub(crate) const ALL: Self = Self(0b1_1111);

    pub(crate) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The parts that this text may change. It may hold several statements.
    pub(crate) fn of(sql: &str) -> Self {
        let mut effects = Self::NONE;
        let mut assigns = false;
        for word in words(sql.as_bytes()) {
            assigns = assigns || word.eq_ignore_ascii_case(b"SET");
            effects |= Self::of_word(word, assigns);
        }
        effects
    }

    /// The parts that a text with this word may change. `assigns`: the word SET came before.
    fn of_word(word: &[u8], assigns: bool) -> Self {
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
        match word.len() {
            2 if is("XA") => Self::TRANSACTION,
            3 if is("USE") => Self::DATABASE,
            // Dropping the default database leaves the session without one.
            4 if is("DROP") => Self::DATABASE,
            // The word alone defines nothing, but a text without it defines no view.
            4 if is("VIEW") => Self::SCHEMA,
            6 if is("RENAME") || is("SCHEMA") => Self::SCHEMA,
            8 if is("SEQUENCE") || is("DATABASE") => Self::SCHEMA,
            4 if is("ROLE") && assigns => Self(Self::ROLE.0 | Self::SCHEMA.0),
            // These change which names a user sees.
            5 if is("GRANT") => Self::SCHEMA,
            6 if is("REVOKE") => Self::SCHEMA,
            // New sessions may begin with other settings.
            6 if is("GLOBAL") => Self::SCHEMA,
            7 if is("PERSIST") => Self::SCHEMA,
            9 if is("PROFILING") => Self::LASTING,
            8 if is("RESOURCE") && assigns => Self::LASTING,
            // Procedures, and texts built at run time, can do anything.
            4 if is("CALL") => Self::ALL,
            7 if is("EXECUTE") => Self::ALL,
            7 if is("TRIGGER") => Self::SCHEMA,
            5 if is("BEGIN") || is("START") => Self::TRANSACTION,
            10 if is("AUTOCOMMIT") => Self(Self::TRANSACTION.0 | Self::AUTOCOMMIT.0),
            _ => Self::NONE,
        }
    }
}

impl BitOrAssign for SessionEffects {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// The words of a text, without leading digits: `/*!50000USE x*/` contains `USE`.
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
    fn ordinary_statements_have_no_effect_on_the_session() {
        for sql in [
            "",
            "SELECT user_id, role FROM accounts WHERE name = ?",
            "INSERT INTO uses (dropped, started) VALUES (1, 2)",
            "UPDATE t SET a = 1 WHERE b = 2",
            "COMMIT",
        ] {
            assert_eq!(SessionEffects::of(sql), SessionEffects::NONE, "{sql}");
        }
    }

    #[test]
    fn statements_that_may_change_the_default_database_are_found() {
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
            assert!(SessionEffects::of(sql).contains(SessionEffects::DATABASE), "{sql}");
        }
    }

    #[test]
    fn statements_that_may_change_the_role_are_found() {
        for sql in ["SET ROLE boss", "set /* the */ role\nnone", "CALL p()", "EXECUTE s"] {
            assert!(SessionEffects::of(sql).contains(SessionEffects::ROLE), "{sql}");
        }
    }

    #[test]
    fn statements_that_no_reset_undoes_are_found() {
        for sql in ["SET profiling = 1", "SET @@session.profiling=1", "SET RESOURCE GROUP x"] {
            assert!(SessionEffects::of(sql).contains(SessionEffects::LASTING), "{sql}");
        }
    }
}
