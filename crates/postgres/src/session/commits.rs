//! What a statement may make permanent, by its text, and what that means in the state of a session.
//!
//! If the connection is lost while the server may be committing, the server may have committed or not.
//! A text that this module does not understand counts as one that may commit. A program then looks
//! into the database once more than necessary; it never repeats work that has been done.
//!
//! A text does not show that a view which it reads calls a function that writes: such a read counts as
//! one.

use super::statement::{is_transaction_control, reads_or_writes, single};
use super::tokens::{Token, Tokens};

/// What a statement may make permanent, by its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commits {
    /// Nothing: it reads, or changes its session only.
    Nothing,
    /// Nothing, but it begins a transaction or rolls back.
    Control,
    /// Its own changes, if no transaction is open.
    OwnChanges,
    /// The open transaction.
    Transaction,
    /// The open transaction and more: several statements in a text, or a text that is not understood.
    Anything,
}

impl Commits {
    /// `plain_backslashes`: a backslash in `'…'` is an ordinary character.
    pub(crate) fn of(sql: &str, plain_backslashes: bool) -> Self {
        let Some(tokens) = single(Tokens::new(sql, plain_backslashes)) else {
            return Self::Anything;
        };
        let Some(first) = tokens.first() else { return Self::Nothing };
        let second_is = |word: &str| tokens.get(1).is_some_and(|token| token.is(word));
        let first_is = |words: &[&str]| words.iter().any(|word| first.is(word));
        if is_transaction_control(&tokens) {
            match first_is(&["commit", "end"]) {
                true => Self::Transaction,
                false => Self::Control,
            }
        } else if first.is("prepare") && second_is("transaction") {
            Self::Transaction
        } else if first_is(&SESSION_ONLY) || only_reads(&tokens) {
            Self::Nothing
        } else {
            Self::OwnChanges
        }
    }
}

/// Verbs of statements that change their session only.
const SESSION_ONLY: [&str; 7] =
    ["deallocate", "discard", "listen", "prepare", "reset", "set", "unlisten"];

fn only_reads(tokens: &[Token<'_>]) -> bool {
    reads_or_writes(tokens) && !tokens.iter().any(is_word_of_change)
}

/// Whether a statement with this word may change more than its session. `FOR UPDATE` has one, too.
fn is_word_of_change(token: &Token<'_>) -> bool {
    ["copy", "delete", "insert", "merge", "notify", "pg_notify", "truncate", "update"]
        .iter()
        .any(|word| token.is(word))
}

/// Follows the transactions of a session.
#[derive(Debug, Default)]
pub(crate) struct CommitTracker {
    /// Whether a statement was sent after which the last status that the server told is out of date.
    is_unclear: bool,
    /// Whether the open transaction may have changed something.
    has_changes: bool,
}

impl CommitTracker {
    /// A statement is about to run. Returns whether the server may commit something while it does.
    /// `status` is that of the server's last answer: `I` for no transaction, `T`, or `E` for one that
    /// can only roll back.
    pub(crate) fn starts(&mut self, commits: Commits, status: u8) -> bool {
        let may_be_open = self.is_unclear || status == b'T';
        let may_be_none = self.is_unclear || status == b'I';
        let may_commit = match commits {
            Commits::Nothing | Commits::Control => false,
            Commits::OwnChanges => may_be_none,
            Commits::Transaction => may_be_open && self.has_changes,
            Commits::Anything => true,
        };
        self.has_changes |= matches!(commits, Commits::OwnChanges | Commits::Anything);
        self.is_unclear |= !matches!(commits, Commits::Nothing | Commits::OwnChanges);
        may_commit
    }

    /// The server has answered everything, with this status.
    pub(crate) fn all_answered(&mut self, status: u8) {
        self.is_unclear = false;
        self.has_changes &= status != b'I';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_tells_what_it_may_commit() {
        let cases: &[(Commits, &[&str])] = &[
            (
                Commits::Nothing,
                &[
                    "",
                    "SELECT a FROM t WHERE b = lower($1)",
                    "TABLE t;",
                    "SHOW search_path",
                    "SET search_path = shop",
                    "RESET ALL",
                    "LISTEN events",
                    "PREPARE p AS INSERT INTO t VALUES (1)",
                    "DECLARE c CURSOR FOR SELECT a FROM t",
                    "SELECT 'delete; commit'",
                    "SELECT pg_sleep(1)",
                ],
            ),
            (
                Commits::Control,
                &["BEGIN", "START TRANSACTION READ ONLY", "ROLLBACK", "ABORT", "SAVEPOINT a"],
            ),
            (
                Commits::OwnChanges,
                &[
                    "INSERT INTO t VALUES (1)",
                    "WITH gone AS (DELETE FROM t RETURNING a) SELECT a FROM gone",
                    "EXPLAIN ANALYZE UPDATE t SET a = 1",
                    "COPY t FROM STDIN",
                    "TRUNCATE t",
                    "NOTIFY events",
                    "SELECT pg_notify('events', '')",
                    "SELECT mine(1)",
                    "SELECT a INTO u FROM t",
                    "SELECT a FROM t FOR UPDATE",
                    "CREATE TABLE t (a INT)",
                    "CALL p()",
                    "DO $$ BEGIN COMMIT; END $$",
                    "EXECUTE p",
                    "COMMIT PREPARED 'x'",
                ],
            ),
            (
                Commits::Transaction,
                &["COMMIT", "end work", "COMMIT AND CHAIN", "PREPARE TRANSACTION 'x'"],
            ),
            (
                Commits::Anything,
                &["INSERT INTO t VALUES (1); COMMIT", "BEGIN; SELECT 1", "SELECT '"],
            ),
        ];
        for (wanted, texts) in cases {
            for text in *texts {
                assert_eq!(Commits::of(text, true), *wanted, "{text}");
            }
        }
    }

    /// Runs statements, each with the server's status after it, and says whether the last one may commit.
    fn run(statements: &[(&str, u8)]) -> bool {
        let (mut tracker, mut status, mut may_commit) = (CommitTracker::default(), b'I', false);
        for (text, next) in statements {
            may_commit = tracker.starts(Commits::of(text, true), status);
            status = *next;
            tracker.all_answered(status);
        }
        may_commit
    }

    const INSERT: &str = "INSERT INTO t VALUES (1)";

    #[test]
    fn a_change_commits_itself_only_outside_of_a_transaction() {
        let cases: &[(&[(&str, u8)], bool)] = &[
            (&[(INSERT, b'I')], true),
            (&[("SELECT 1", b'I')], false),
            (&[("BEGIN", b'T'), (INSERT, b'T')], false),
            (&[("BEGIN", b'T'), (INSERT, b'T'), ("COMMIT", b'I')], true),
            (&[("BEGIN", b'T'), ("SELECT 1", b'T'), ("COMMIT", b'I')], false),
            (&[("BEGIN", b'T'), (INSERT, b'E'), ("COMMIT", b'I')], false),
            (&[("BEGIN", b'T'), (INSERT, b'T'), ("ROLLBACK", b'I')], false),
            (&[("BEGIN", b'T'), (INSERT, b'T'), ("COMMIT", b'I'), ("COMMIT", b'I')], false),
            (&[("BEGIN", b'T'), (INSERT, b'T'), ("COMMIT AND CHAIN", b'T'), (INSERT, b'T')], false),
            (&[("BEGIN", b'T'), ("SELECT 1; COMMIT", b'I')], true),
        ];
        for (statements, may_commit) in cases {
            assert_eq!(run(statements), *may_commit, "{statements:?}");
        }
    }

    #[test]
    fn a_change_that_is_sent_before_a_rollback_is_answered_may_commit() {
        let mut tracker = CommitTracker::default();
        assert!(!tracker.starts(Commits::Control, b'T'));
        assert!(tracker.starts(Commits::OwnChanges, b'T'));
        tracker.all_answered(b'T');
        assert!(!tracker.starts(Commits::OwnChanges, b'T'));
    }
}
