//! What a statement may make permanent, by its text, and what that means at each moment of a
//! session.
//!
//! If an error comes while the server may be committing, the server may have committed or not. This
//! module knows for each statement whether that can be so. Where a text or the state of the session
//! is not clear, the statement counts as one that may commit. A program then has to look into the
//! database once more than necessary; it never repeats work that has been done.

use super::functions;
use super::setup;
use super::statement::{self, SideEffects};
use super::status::StatusFlags;
use super::tokens::{Token, Tokens};
use super::transaction_control::TransactionControl;

/// What a statement may make permanent, by its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Commits {
    /// Nothing: it reads, rolls back, or changes its session only.
    Nothing,
    /// Its own changes, if no transaction is open.
    OwnChanges,
    /// The open transaction: `COMMIT`, and `BEGIN` in a transaction.
    Transaction,
    /// The open transaction, its own changes, and whatever else: `CREATE TABLE`, `CALL`, several
    /// statements in a text.
    Anything,
}

impl Commits {
    /// `effects` are the side effects of this text.
    pub(crate) fn of(text: &str, effects: &SideEffects, no_backslash_escape: bool) -> Self {
        match effects {
            SideEffects::NoneIfTables(names) if names.write => Self::OwnChanges,
            SideEffects::NoneIfTables(_) => Self::Nothing,
            SideEffects::Transaction(control) => match control {
                TransactionControl::Rollback
                | TransactionControl::Savepoint
                | TransactionControl::Autocommit(false) => Self::Nothing,
                TransactionControl::Begin
                | TransactionControl::Commit
                | TransactionControl::Autocommit(true) => Self::Transaction,
            },
            SideEffects::Possible if sets_session_only(text) => Self::Nothing,
            SideEffects::Possible if only_computes(text, no_backslash_escape) => Self::Nothing,
            SideEffects::Possible if statement::cannot_define(text) => Self::OwnChanges,
            SideEffects::Possible => Self::Anything,
        }
    }
}

/// Whether the text is one `SET` that changes this session, and nothing that stays.
fn sets_session_only(text: &str) -> bool {
    setup::keeps_meaning(text) && !text.to_ascii_lowercase().contains("autocommit")
}

/// Built-in functions that change the session, and no table.
const SESSION_FUNCTIONS: [&str; 9] = [
    "benchmark",
    "get_lock",
    "is_free_lock",
    "is_used_lock",
    "last_insert_id",
    "lastval",
    "release_all_locks",
    "release_lock",
    "sleep",
];

/// Whether the text is one `SELECT` or `DO` that calls only built-in functions, also after
/// `SET STATEMENT … FOR`.
fn only_computes(text: &str, no_backslash_escape: bool) -> bool {
    let text = text.trim_end_matches(|c: char| c == ';' || c.is_ascii_whitespace());
    let mut tokens = Tokens::new(text, no_backslash_escape);
    let Some(verb) = verb_after_settings(&mut tokens) else { return false };
    let verb = Token::Word(verb);
    if !is_word(verb, "select") && !is_word(verb, "do") {
        return false;
    }
    let mut previous = [verb, verb];
    for token in tokens {
        let Ok(token) = token else { return false };
        let is_harmless = match (previous, token) {
            (_, Token::Sign(b';' | b'{')) => false,
            // A qualified or quoted name may be that of a stored function.
            ([Token::Sign(b'.'), _] | [_, Token::Quoted(_)], Token::Sign(b'(')) => false,
            ([_, Token::Word(name)], Token::Sign(b'(')) => is_harmless_call(name),
            (_, Token::Word(word)) => !is_word_of_change(word),
            _ => true,
        };
        if !is_harmless {
            return false;
        }
        previous = [previous[1], token];
    }
    true
}

/// The statement's first word, after `SET STATEMENT … FOR` if it begins so and computes nothing there.
fn verb_after_settings<'s>(tokens: &mut Tokens<'s>) -> Option<&'s str> {
    let mut next = || tokens.next().and_then(Result::ok);
    let mut first = next()?;
    if is_word(first, "set") {
        if !is_word(next()?, "statement") {
            return None;
        }
        loop {
            match next()? {
                Token::Sign(b'(' | b';') => return None,
                token if is_word(token, "for") => break,
                _ => {}
            }
        }
        first = next()?;
    }
    match first {
        Token::Word(verb) => Some(verb),
        _ => None,
    }
}

fn is_word(token: Token<'_>, wanted: &str) -> bool {
    matches!(token, Token::Word(word) if word.eq_ignore_ascii_case(wanted))
}

fn is_harmless_call(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SESSION_FUNCTIONS.contains(&&*name)
        || functions::since(&name).is_some()
        || statement::is_keyword(&name)
}

/// Whether a `SELECT` with this word may write to a file or change a sequence.
fn is_word_of_change(word: &str) -> bool {
    ["next", "outfile", "dumpfile"].iter().any(|one| word.eq_ignore_ascii_case(one))
}

/// What is uncertain if the statement that runs now ends with an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AtStake {
    /// Nothing: the server has committed nothing.
    #[default]
    Nothing,
    /// One change, which its statement commits at its very end. An answer of the server says that
    /// it did not.
    OwnChanges,
    /// A commit. Few answers say that it did not happen.
    Commit,
    /// Anything. The statement may have committed before it met its error.
    Anything,
}

/// The session's transaction, as far as it is certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transaction {
    /// None is open, and each statement commits its own changes.
    None,
    Open {
        has_changes: bool,
    },
    Unclear,
}

impl Transaction {
    /// The transaction after a statement in it.
    fn with_changes_of(self, commits: Commits) -> Self {
        match self {
            Self::Open { has_changes } => {
                Self::Open { has_changes: has_changes || commits == Commits::OwnChanges }
            }
            other => other,
        }
    }
}

/// How a statement ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Succeeded,
    /// With an error that leaves an open transaction open.
    Failed,
    /// With an error that may have ended the transaction, or in a way that this crate does not see.
    Unclear,
}

/// Follows the statements of a session.
#[derive(Debug)]
pub(crate) struct CommitTracker {
    transaction: Transaction,
    /// Whether autocommit is off, so that every statement begins a transaction. `None` if that is not
    /// certain.
    is_automatic: Option<bool>,
    /// The statement that runs now.
    running: Option<Running>,
    /// What is uncertain if the driver's own rows or `Conn` meet an error. It holds until the next
    /// statement begins.
    unseen: AtStake,
}

#[derive(Clone, Copy, Debug)]
struct Running {
    commits: Commits,
    control: Option<TransactionControl>,
    at_stake: AtStake,
}

impl CommitTracker {
    /// A session of which nothing is known.
    pub(crate) fn new() -> Self {
        Self {
            transaction: Transaction::Unclear,
            is_automatic: None,
            running: None,
            unseen: AtStake::Nothing,
        }
    }

    /// Begins a session. `flags` are those of the server's last answer.
    pub(crate) fn begin_session(&mut self, flags: Option<StatusFlags>) {
        self.is_automatic = flags.map(|flags| flags.is_autocommit_off);
        self.transaction = match flags {
            None => Transaction::Unclear,
            Some(flags) if flags.in_transaction => Transaction::Open { has_changes: true },
            Some(_) => self.after_end(),
        };
        self.running = None;
        self.unseen = AtStake::Nothing;
    }

    /// The transaction after the last one has ended.
    fn after_end(&self) -> Transaction {
        match self.is_automatic {
            Some(true) => Transaction::Open { has_changes: false },
            Some(false) => Transaction::None,
            None => Transaction::Unclear,
        }
    }

    /// Nothing is certain, not even whether autocommit is on.
    fn unclear(&mut self) -> Transaction {
        self.is_automatic = None;
        Transaction::Unclear
    }

    /// A statement is about to be sent.
    pub(crate) fn starts(&mut self, commits: Commits, control: Option<TransactionControl>) {
        self.ended(Ending::Unclear); // if the last one has not told its end
        let at_stake = match (commits, self.transaction) {
            (Commits::Nothing, _)
            | (Commits::OwnChanges, Transaction::Open { .. })
            | (
                Commits::Transaction,
                Transaction::None | Transaction::Open { has_changes: false },
            ) => AtStake::Nothing,
            (Commits::OwnChanges, _) => AtStake::OwnChanges,
            (Commits::Transaction, _) => AtStake::Commit,
            (Commits::Anything, _) => AtStake::Anything,
        };
        self.running = Some(Running { commits, control, at_stake });
        self.unseen = AtStake::Nothing;
    }

    /// What is uncertain if the statement that runs now fails.
    pub(crate) fn at_stake(&self) -> AtStake {
        self.running.map_or(AtStake::Nothing, |running| running.at_stake)
    }

    /// What is uncertain if the driver has met an error that this crate does not see.
    pub(crate) fn unseen(&self) -> AtStake {
        self.unseen
    }

    /// The statement has ended.
    pub(crate) fn ended(&mut self, ending: Ending) {
        if let Some(running) = self.running.take() {
            self.transaction = self.transaction_after(running, ending);
        }
    }

    /// The statement has begun to answer. The driver reads the rest, and this crate does not see
    /// how it ends.
    pub(crate) fn goes_unseen(&mut self) {
        self.unseen = self.at_stake();
        self.ended(Ending::Unclear);
    }

    /// Anything may run from now on, and this crate does not see it.
    pub(crate) fn runs_unseen(&mut self) {
        self.running = None;
        self.unseen = AtStake::Anything;
        self.transaction = self.unclear();
    }

    fn transaction_after(&mut self, running: Running, ending: Ending) -> Transaction {
        let Running { commits, control, .. } = running;
        match (ending, self.transaction) {
            _ if commits == Commits::Anything => self.unclear(),
            // A batch that fails may have made a part of its changes.
            (Ending::Failed, before) if control.is_none() => before.with_changes_of(commits),
            // Without a transaction, no error opens one.
            (Ending::Unclear, Transaction::None) if control.is_none() => Transaction::None,
            (Ending::Failed | Ending::Unclear, _) => Transaction::Unclear,
            (Ending::Succeeded, before) => match control {
                Some(TransactionControl::Begin) => Transaction::Open { has_changes: false },
                Some(TransactionControl::Commit | TransactionControl::Rollback) => self.after_end(),
                Some(TransactionControl::Savepoint) => before,
                Some(TransactionControl::Autocommit(is_on)) => {
                    let was_automatic = self.is_automatic.replace(!is_on);
                    match before {
                        Transaction::None | Transaction::Open { .. }
                            if was_automatic == Some(is_on) =>
                        {
                            // Switching it on commits; switching it off joins what is open.
                            if is_on || before == Transaction::None {
                                self.after_end()
                            } else {
                                before
                            }
                        }
                        before => before,
                    }
                }
                None => before.with_changes_of(commits),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commits(text: &str) -> Commits {
        Commits::of(text, &statement::side_effects(text, false), false)
    }

    #[test]
    fn a_text_tells_what_it_may_commit() {
        for text in [
            "SELECT a FROM t WHERE id = ?",
            "SELECT COUNT(*) FROM t FOR UPDATE",
            "SHOW TABLES",
            "ROLLBACK",
            "SAVEPOINT a",
            "SET autocommit = 0",
            "SET @a = 1",
            "SET time_zone = '+00:00', sql_mode = ''",
            "SELECT SLEEP(1);",
            "SELECT t.a, SLEEP(1) FROM t",
            "SELECT GET_LOCK('a', 1), @a := 2",
            "DO SLEEP(1)",
            "SET STATEMENT max_statement_time = 0.5, sort_buffer_size = 10000 FOR SELECT SLEEP(60)",
        ] {
            assert_eq!(commits(text), Commits::Nothing, "{text}");
        }
        for text in [
            "INSERT INTO t VALUES (1)",
            "REPLACE INTO t VALUES (1)",
            "UPDATE t SET a = 1",
            "DELETE FROM t WHERE a = @a",
            "SELECT mine(1)",
            "SELECT `sleep`(1)",
            "SELECT other.sleep(1)",
            "SELECT NEXT VALUE FOR s",
            "SELECT 1 INTO OUTFILE '/tmp/x'",
            "INSERT INTO t VALUES (1) RETURNING id",
        ] {
            assert_eq!(commits(text), Commits::OwnChanges, "{text}");
        }
        for text in ["COMMIT", "commit work", "BEGIN", "START TRANSACTION", "SET autocommit = 1"] {
            assert_eq!(commits(text), Commits::Transaction, "{text}");
        }
        for text in [
            "CREATE TABLE t (a INT)",
            "TRUNCATE t",
            "CALL p()",
            "INSERT INTO t VALUES (1); COMMIT",
            "COMMIT AND CHAIN",
            "COMMIT RELEASE",
            "XA COMMIT 'x'",
            "/*!50000 COMMIT */",
            "SET GLOBAL max_connections = 5",
            "SET PASSWORD = 'x'",
            "SET STATEMENT max_statement_time = 1 FOR INSERT INTO t VALUES (1)",
            "SET STATEMENT max_statement_time = mine(1) FOR SELECT 1",
            "SET STATEMENT max_statement_time = 1 FOR SELECT mine(1); COMMIT",
            "SET autocommit = 1, @a = 2",
            "SET @a = mine(1)",
            "LOCK TABLES t WRITE",
        ] {
            assert_eq!(commits(text), Commits::Anything, "{text}");
        }
    }

    /// A session that began without a transaction.
    fn session() -> CommitTracker {
        let mut tracker = CommitTracker::new();
        tracker.begin_session(Some(StatusFlags::default()));
        tracker
    }

    impl CommitTracker {
        /// Runs statements, and says what is at stake while the last one runs.
        fn run(&mut self, texts: &[&str]) -> AtStake {
            let mut at_stake = AtStake::Nothing;
            for text in texts {
                at_stake = self.run_until(text, Ending::Succeeded);
            }
            at_stake
        }

        fn run_until(&mut self, text: &str, ending: Ending) -> AtStake {
            let effects = statement::side_effects(text, false);
            let control = match effects {
                SideEffects::Transaction(control) => Some(control),
                _ => None,
            };
            self.starts(Commits::of(text, &effects, false), control);
            let at_stake = self.at_stake();
            self.ended(ending);
            at_stake
        }
    }

    const INSERT: &str = "INSERT INTO t VALUES (1)";

    #[test]
    fn a_change_is_at_stake_only_where_it_commits_itself() {
        let cases: &[(&[&str], AtStake)] = &[
            (&[INSERT], AtStake::OwnChanges),
            (&["BEGIN", INSERT], AtStake::Nothing),
            (&["BEGIN", INSERT, "COMMIT"], AtStake::Commit),
            (&["BEGIN", "SELECT 1", "COMMIT"], AtStake::Nothing),
            (&["BEGIN", INSERT, "ROLLBACK"], AtStake::Nothing),
            (&["BEGIN", INSERT, "COMMIT", INSERT], AtStake::OwnChanges),
            (&["BEGIN", INSERT, "BEGIN"], AtStake::Commit),
            (&["BEGIN", INSERT, "BEGIN", "BEGIN"], AtStake::Nothing),
            (&["BEGIN", "CREATE TABLE t (a INT)"], AtStake::Anything),
            (&["BEGIN", "CREATE TABLE t (a INT)", INSERT], AtStake::OwnChanges),
            (&["BEGIN", "CREATE TABLE t (a INT)", "COMMIT"], AtStake::Commit),
            (&["SET autocommit = 0", INSERT], AtStake::Nothing),
            (&["SET autocommit = 0", INSERT, "COMMIT"], AtStake::Commit),
            (&["SET autocommit = 0", INSERT, "COMMIT", INSERT], AtStake::Nothing),
            (&["SET autocommit = 0", INSERT, "SET autocommit = 1"], AtStake::Commit),
            (&["SET autocommit = 0", "SET autocommit = 1", INSERT], AtStake::OwnChanges),
            (&["BEGIN", INSERT, "SET autocommit = 0", "COMMIT"], AtStake::Commit),
            (&["COMMIT"], AtStake::Nothing),
            (&["SET autocommit = 0", "CALL p()", "COMMIT", INSERT], AtStake::OwnChanges),
            (&["SET autocommit = 0", "CALL p()", "COMMIT", INSERT, "COMMIT"], AtStake::Commit),
        ];
        for (texts, at_stake) in cases {
            assert_eq!(session().run(texts), *at_stake, "{texts:?}");
        }
    }

    #[test]
    fn after_an_error_that_may_have_ended_the_transaction_each_change_is_at_stake() {
        let mut tracker = session();
        tracker.run(&["BEGIN", INSERT]);
        tracker.run_until(INSERT, Ending::Failed);
        assert_eq!(tracker.run(&[INSERT]), AtStake::Nothing);
        tracker.run_until(INSERT, Ending::Unclear);
        assert_eq!(tracker.run(&[INSERT]), AtStake::OwnChanges);
        assert_eq!(tracker.run(&["COMMIT"]), AtStake::Commit);
        assert_eq!(tracker.run(&[INSERT]), AtStake::OwnChanges);
    }

    #[test]
    fn a_batch_that_fails_in_a_transaction_has_changes_at_stake() {
        let mut tracker = session();
        tracker.run(&["BEGIN"]);
        tracker.run_until(INSERT, Ending::Failed);
        assert_eq!(tracker.run(&["COMMIT"]), AtStake::Commit);
    }

    #[test]
    fn a_session_without_flags_has_each_change_at_stake() {
        let mut tracker = CommitTracker::new();
        tracker.begin_session(None);
        assert_eq!(tracker.run(&[INSERT]), AtStake::OwnChanges);
        assert_eq!(tracker.run(&["COMMIT"]), AtStake::Commit);
        assert_eq!(tracker.run(&["BEGIN", INSERT]), AtStake::Nothing);
    }

    #[test]
    fn what_runs_unseen_stays_at_stake_until_the_next_statement() {
        let mut tracker = session();
        tracker.starts(Commits::OwnChanges, None);
        tracker.goes_unseen();
        assert_eq!(tracker.unseen(), AtStake::OwnChanges);
        tracker.run(&["SELECT 1"]);
        assert_eq!(tracker.unseen(), AtStake::Nothing);
        tracker.runs_unseen();
        assert_eq!(tracker.unseen(), AtStake::Anything);
        assert_eq!(tracker.run(&["COMMIT"]), AtStake::Commit);
    }
}
