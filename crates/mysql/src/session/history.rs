//! What ran on a session since it began.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::commits::{AtStake, CommitTracker, Commits, Ending};
use super::effects::SessionEffects;
use super::schema::{Schema, SchemaChange, SchemaVersion};
use super::setup;
use super::statement::{self, SideEffects};
use super::status::StatusFlags;
use super::transaction_control::TransactionControl;

/// How many different statements each list holds. With more, the session counts as changed.
const MAX_STATEMENTS: usize = 256;
/// The longest text that is remembered. A longer one is analysed each time.
const MAX_TEXT_BYTES: usize = 16 << 10;
/// How many bytes each list of statements may take.
const MAX_LIST_BYTES: usize = 256 << 10;

/// What ran on a session, and the analyses of the statements that run on it again and again.
///
/// Takes less than two megabytes, however many and however long the statements are.
pub(crate) struct History {
    schema: Arc<Schema>,
    /// The login of this connection; see [`Schema::login`].
    login: u64,
    /// Set while a statement runs that may change the schema. Meanwhile no answer about names is
    /// valid.
    schema_change: Option<SchemaChange>,
    /// Whether anything ran since the session began.
    has_run: bool,
    /// Whether a statement with possible side effects ran.
    has_changed: bool,
    effects: SessionEffects,
    transaction: Transaction,
    /// The transaction at the session's beginning.
    initial_transaction: Transaction,
    /// Whether a statement began or ended a transaction.
    transaction_control_ran: bool,
    /// Whether a statement of `init` or of a hook changed what later texts in this session mean.
    setup_changes_meaning: bool,
    /// Whether the setting `init` has such a statement.
    init_changes_meaning: bool,
    /// Whether such a statement ran since the session began.
    meaning_changed: bool,
    /// The statements that have no side effects if their names are columns and base tables.
    unverified: Vec<Arc<Statement>>,
    unverified_bytes: usize,
    /// The number of the answer about names that was valid when the first of them ran.
    names_known_by: u64,
    /// Whether another answer was valid when a later one of them ran.
    names_changed: bool,
    by_text: HashSet<ByText>,
    by_text_bytes: usize,
    /// How backslashes were read when `by_text` was filled.
    no_backslash_escape: bool,
    /// The statements that the server has prepared, by the numbers that it gave them.
    prepared: HashMap<u32, Arc<Statement>>,
    prepared_bytes: usize,
    commits: CommitTracker,
}

/// A session's transaction, as far as the texts tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Transaction {
    is_open: bool,
    /// Whether autocommit is off, so that every statement begins a transaction.
    is_automatic: bool,
}

/// A statement and its analysis.
struct Statement {
    /// The last version of the schema in which the statement had no side effects; zero for none.
    clean_in: AtomicU64,
    /// The text; empty if it is too long to be remembered.
    text: Box<str>,
    side_effects: SideEffects,
    effects: SessionEffects,
    commits: Commits,
    keeps_meaning: bool,
}

impl Statement {
    fn new(text: &str, no_backslash_escape: bool) -> Self {
        let side_effects = statement::side_effects(text, no_backslash_escape);
        let is_recognised = side_effects != SideEffects::Possible;
        let effects = if is_recognised || statement::cannot_define(text) {
            SessionEffects::NONE
        } else {
            SessionEffects::of(text)
        };
        Self {
            clean_in: AtomicU64::new(0),
            text: if text.len() <= MAX_TEXT_BYTES { text.into() } else { Box::default() },
            keeps_meaning: is_recognised || setup::keeps_meaning(text),
            commits: Commits::of(text, &side_effects, no_backslash_escape),
            side_effects,
            effects,
        }
    }

    fn bytes(&self) -> usize {
        let names = match &self.side_effects {
            SideEffects::NoneIfTables(names) => names.size(),
            SideEffects::Possible | SideEffects::Transaction(_) => 0,
        };
        self.text.len() + names + size_of::<Self>()
    }

    fn control(&self) -> Option<TransactionControl> {
        match self.side_effects {
            SideEffects::Transaction(control) => Some(control),
            SideEffects::Possible | SideEffects::NoneIfTables(_) => None,
        }
    }

    /// Whether the statement has no side effects, by this version of the schema.
    fn is_clean_in(&self, version: SchemaVersion, schema: &Schema) -> bool {
        // Relaxed: a connection is used by one thread at a time.
        if self.clean_in.load(Ordering::Relaxed) == version.number() {
            return true;
        }
        let SideEffects::NoneIfTables(names) = &self.side_effects else { return false };
        let is_clean = schema.are_base_tables(names, version);
        if is_clean {
            self.clean_in.store(version.number(), Ordering::Relaxed);
        }
        is_clean
    }
}

/// A statement that is looked up by its text.
struct ByText(Arc<Statement>);

impl Borrow<str> for ByText {
    fn borrow(&self) -> &str {
        &self.0.text
    }
}

impl Hash for ByText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.text.hash(state);
    }
}

impl PartialEq for ByText {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for ByText {}

/// Events of the session.
impl History {
    /// The history of a session on which the statements of `init` have run.
    pub(crate) fn new(schema: Arc<Schema>, login: u64, init: &[String]) -> Self {
        Self {
            schema,
            login,
            schema_change: None,
            has_run: true,
            has_changed: false,
            effects: SessionEffects::NONE,
            transaction: Transaction::default(),
            initial_transaction: Transaction::default(),
            transaction_control_ran: false,
            setup_changes_meaning: false,
            init_changes_meaning: !init.iter().all(|text| setup::init_keeps_meaning(text)),
            meaning_changed: false,
            unverified: Vec::new(),
            unverified_bytes: 0,
            names_known_by: 0,
            names_changed: false,
            by_text: HashSet::new(),
            by_text_bytes: 0,
            no_backslash_escape: false,
            prepared: HashMap::new(),
            prepared_bytes: 0,
            commits: CommitTracker::new(),
        }
    }

    /// Records a statement that is about to run. `no_backslash_escape`: the session reads a
    /// backslash in a string as an ordinary character.
    pub(crate) fn text_starts(&mut self, text: &str, no_backslash_escape: bool) {
        let statement = self.statement(text, no_backslash_escape);
        self.add(statement);
    }

    /// Records that the server has prepared this text under this number.
    pub(crate) fn prepared(&mut self, number: u32, text: &str, no_backslash_escape: bool) {
        let is_same = |statement: &Arc<Statement>| &*statement.text == text && !text.is_empty();
        if self.prepared.get(&number).is_some_and(is_same) {
            return;
        }
        let statement = self.statement(text, no_backslash_escape);
        self.prepared_bytes += statement.bytes();
        if self.prepared.len() >= MAX_STATEMENTS || self.prepared_bytes > MAX_LIST_BYTES {
            self.prepared.clear(); // a cleared one that runs again counts as a change
            self.prepared_bytes = statement.bytes();
        }
        if let Some(before) = self.prepared.insert(number, statement) {
            self.prepared_bytes = self.prepared_bytes.saturating_sub(before.bytes());
        }
    }

    /// Records that a prepared statement is about to run.
    pub(crate) fn prepared_starts(&mut self, number: u32) {
        match self.prepared.get(&number).map(Arc::clone) {
            Some(statement) => self.add(statement),
            None => {
                self.mark_changed(SessionEffects::ALL);
                self.commits.starts(Commits::Anything, None);
            }
        }
    }

    /// Records that the last statement has ended: the server has answered, or never will.
    pub(crate) fn statement_ended(&mut self, ending: Ending) {
        self.schema_change = None;
        self.commits.ended(ending);
    }

    /// Records that the driver reads the rest of the last statement's answer.
    pub(crate) fn statement_goes_unseen(&mut self) {
        self.commits.goes_unseen();
    }

    /// Records that the driver's connection may run anything.
    pub(crate) fn runs_unseen(&mut self) {
        self.mark_changed(SessionEffects::ALL);
        self.commits.runs_unseen();
    }

    /// What may have been committed if the statement that runs now fails.
    pub(crate) fn at_stake(&self) -> AtStake {
        self.commits.at_stake()
    }

    /// The same, for an error that the driver has met where this crate does not see it.
    pub(crate) fn at_stake_unseen(&self) -> AtStake {
        self.commits.unseen()
    }

    /// Records that something with these effects is about to happen.
    pub(crate) fn mark_changed(&mut self, effects: SessionEffects) {
        self.has_run = true;
        self.has_changed = true;
        self.meaning_changed |= effects != SessionEffects::NONE;
        self.add_effects(effects);
    }

    fn add_effects(&mut self, effects: SessionEffects) {
        self.effects |= effects;
        self.transaction.is_automatic |= effects.contains(SessionEffects::AUTOCOMMIT);
        self.transaction.is_open |=
            effects.contains(SessionEffects::TRANSACTION) || self.transaction.is_automatic;
        if effects.contains(SessionEffects::SCHEMA) && self.schema_change.is_none() {
            self.schema_change = Some(SchemaChange::begin(&self.schema));
        }
    }

    fn statement(&mut self, text: &str, no_backslash_escape: bool) -> Arc<Statement> {
        if self.no_backslash_escape != no_backslash_escape {
            self.no_backslash_escape = no_backslash_escape;
            self.forget_texts();
        }
        if let Some(ByText(statement)) = self.by_text.get(text) {
            return Arc::clone(statement);
        }
        let statement = Arc::new(Statement::new(text, no_backslash_escape));
        if !statement.text.is_empty() {
            if self.by_text.len() >= MAX_STATEMENTS || self.by_text_bytes > MAX_LIST_BYTES {
                self.forget_texts();
            }
            self.by_text_bytes += statement.bytes();
            self.by_text.insert(ByText(Arc::clone(&statement)));
        }
        statement
    }

    fn forget_texts(&mut self) {
        self.by_text.clear();
        self.by_text_bytes = 0;
    }

    fn add(&mut self, statement: Arc<Statement>) {
        self.has_run = true;
        self.meaning_changed |= !statement.keeps_meaning;
        self.commits.starts(statement.commits, statement.control());
        match &statement.side_effects {
            SideEffects::Transaction(control) => {
                self.apply(*control);
                return;
            }
            SideEffects::Possible => self.has_changed = true,
            SideEffects::NoneIfTables(_) => self.add_unverified(&statement),
        }
        self.add_effects(statement.effects);
    }

    fn add_unverified(&mut self, statement: &Arc<Statement>) {
        // What a name means may change before the session ends. So the answer that judges the
        // statement must be the one from before it ran.
        let number = self.schema.valid_number();
        if self.unverified.is_empty() {
            self.names_known_by = number;
            self.names_changed = false;
        } else {
            self.names_changed |= number != self.names_known_by;
        }
        if self.unverified.iter().any(|other| Arc::ptr_eq(other, statement)) {
            return;
        }
        if self.unverified.len() >= MAX_STATEMENTS || self.unverified_bytes > MAX_LIST_BYTES {
            self.has_changed = true;
            return;
        }
        self.unverified_bytes += statement.bytes();
        self.unverified.push(Arc::clone(statement));
    }

    /// Notes that a transaction begins or ends.
    fn apply(&mut self, control: TransactionControl) {
        self.transaction_control_ran = true;
        // The session began with an open transaction, which ends now.
        self.has_changed |=
            self.initial_transaction.is_open && control != TransactionControl::Savepoint;
        match control {
            TransactionControl::Begin => self.transaction.is_open = true,
            TransactionControl::Commit | TransactionControl::Rollback => {
                self.transaction.is_open = false;
            }
            TransactionControl::Savepoint => {
                self.transaction.is_open |= self.transaction.is_automatic;
            }
            TransactionControl::Autocommit(false) => self.transaction.is_automatic = true,
            TransactionControl::Autocommit(true) if self.transaction.is_automatic => {
                self.transaction = Transaction::default();
            }
            TransactionControl::Autocommit(true) => {}
        }
    }
}

/// The present state of the session.
impl History {
    /// Whether anything ran since the session began.
    pub(crate) fn has_run(&self) -> bool {
        self.has_run
    }

    /// Whether anything with possible side effects ran, whatever the names mean.
    pub(crate) fn has_changed(&self) -> bool {
        let is_unreadable = self.setup_changes_meaning && !self.unverified.is_empty();
        self.has_changed || self.transaction != self.initial_transaction || is_unreadable
    }

    /// Whether a statement ran that has no side effects if its names are base tables.
    pub(crate) fn has_unverified(&self) -> bool {
        !self.unverified.is_empty()
    }

    /// Whether these statements had no side effects, by what the server has said about names to this
    /// connection's user before they ran. Looks into each statement once for each answer of the
    /// server.
    pub(crate) fn is_clean_in(&self, schema: &Schema) -> bool {
        let Some(version) = schema.version() else { return self.unverified.is_empty() };
        if self.names_changed
            || self.names_known_by != version.number()
            || self.login != schema.login()
        {
            return false;
        }
        self.unverified.iter().all(|statement| statement.is_clean_in(version, schema))
    }

    /// The parts of the session that may have changed.
    pub(crate) fn effects(&self) -> SessionEffects {
        self.effects
    }

    /// Whether a transaction may be open, as far as the texts tell.
    pub(crate) fn may_be_in_transaction(&self) -> bool {
        self.transaction.is_open
    }

    /// Whether a statement began or ended a transaction.
    pub(crate) fn has_transaction_control(&self) -> bool {
        self.transaction_control_ran
    }

    /// Whether the status flags of the server's last answer show the same transaction as when the
    /// session began.
    pub(crate) fn agrees_with(&self, flags: Option<StatusFlags>) -> bool {
        let Transaction { is_open, is_automatic } = self.initial_transaction;
        flags == Some(StatusFlags { in_transaction: is_open, is_autocommit_off: is_automatic })
    }

    /// Whether the default database has the server's own character set.
    pub(crate) fn has_same_collation(&self) -> bool {
        self.schema.has_same_collation()
    }
}

/// Where one session ends and the next begins.
impl History {
    /// Records that nothing that ran has changed the session.
    pub(crate) fn mark_unchanged(&mut self) {
        self.unverified.clear();
        self.unverified_bytes = 0;
        self.transaction_control_ran = false;
        self.meaning_changed = false;
    }

    /// Begins a session. What ran until now belongs to every session, and is no change. The
    /// prepared statements stay known. `flags` are those of the server's last answer; without them
    /// every statement counts as the begin of a transaction.
    pub(crate) fn begin_session(&mut self, flags: Option<StatusFlags>) {
        self.initial_transaction = Transaction {
            is_open: flags.map_or(self.transaction.is_open, |flags| flags.in_transaction),
            is_automatic: flags.is_none_or(|flags| flags.is_autocommit_off),
        };
        self.transaction = self.initial_transaction;
        self.setup_changes_meaning |= self.init_changes_meaning || self.meaning_changed;
        self.mark_unchanged();
        self.schema_change = None;
        self.commits.begin_session(flags);
        self.has_changed = false;
        self.effects = SessionEffects::NONE;
        self.has_run = false;
    }

    /// Records a reset: the session has no prepared statements, and nothing of what ran before.
    /// Then it [begins](Self::begin_session).
    pub(crate) fn reset(&mut self) {
        self.prepared.clear();
        self.prepared_bytes = 0;
        self.setup_changes_meaning = false;
        self.meaning_changed = false;
        self.transaction = Transaction::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTOCOMMIT: Option<StatusFlags> =
        Some(StatusFlags { in_transaction: false, is_autocommit_off: false });

    fn with(flags: Option<StatusFlags>) -> History {
        let mut history = History::new(Arc::default(), 0, &[]);
        history.begin_session(flags);
        history
    }

    fn history() -> History {
        with(AUTOCOMMIT)
    }

    impl History {
        fn run(&mut self, text: &str) {
            self.text_starts(text, false);
            self.statement_ended(Ending::Succeeded);
        }
    }

    #[test]
    fn a_statement_that_only_reads_waits_for_the_check_of_its_names() {
        let mut history = history();
        for _ in 0..3 {
            history.run("SELECT v FROM t");
        }
        assert!(!history.has_changed());
        assert!(history.has_unverified());
        history.mark_unchanged();
        assert!(!history.has_unverified());
    }

    #[test]
    fn an_open_transaction_is_a_change_until_it_ends() {
        for begin in ["BEGIN", "start transaction read only", "SET autocommit = 0"] {
            for end in ["COMMIT", "rollback ;\n"] {
                let mut history = history();
                history.run(begin);
                history.run("SELECT v FROM t WHERE start = 'begin'");
                assert!(history.has_changed() && history.may_be_in_transaction(), "{begin}");
                history.run("SAVEPOINT s");
                history.run(end);
                assert!(!history.may_be_in_transaction(), "{begin} {end}");
                assert_eq!(history.has_changed(), begin.starts_with("SET"), "{begin} {end}");
                history.run("SET autocommit = 1");
                assert!(!history.has_changed(), "{begin} {end}");
            }
        }
    }

    #[test]
    fn a_commit_that_begins_the_next_transaction_leaves_one_open() {
        let mut history = history();
        history.run("BEGIN");
        history.run("COMMIT AND CHAIN");
        assert!(history.may_be_in_transaction());
        history.run("XA START 'x'");
        assert!(history.may_be_in_transaction());
    }

    #[test]
    fn a_text_that_only_reads_or_writes_rows_has_no_effect_on_the_session() {
        let mut history = history();
        for text in [
            "SELECT v FROM t WHERE start <= 1 AND begin = 'call; execute'",
            "SELECT mine(1), @a FROM t WHERE start <= 1 AND autocommit = 'xa'",
            "SELECT @a, 1 AS `trigger`",
            "UPDATE t SET `view` = @a",
        ] {
            history.text_starts(text, false);
            assert!(!history.may_be_in_transaction(), "{text}");
            assert!(history.schema_change.is_none(), "{text}");
            assert_eq!(history.effects(), SessionEffects::NONE, "{text}");
        }
    }

    #[test]
    fn a_statement_that_may_change_the_schema_counts_while_it_runs() {
        for text in [
            "CREATE VIEW v AS SELECT 1",
            "CALL p()",
            "EXECUTE IMMEDIATE @a",
            "SELECT 1; DROP TRIGGER x",
            "SET GLOBAL sql_mode = 'ORACLE'",
            "GRANT SELECT ON d.* TO u",
        ] {
            let mut history = history();
            history.text_starts(text, false);
            assert!(history.schema_change.is_some(), "{text}");
            history.statement_ended(Ending::Succeeded);
            assert!(history.schema_change.is_none(), "{text}");
        }
        let mut history = history();
        history.mark_changed(SessionEffects::ALL);
        assert!(history.schema_change.is_some());
    }

    #[test]
    fn without_autocommit_every_statement_is_a_change_until_the_commit() {
        let off = Some(StatusFlags { in_transaction: false, is_autocommit_off: true });
        for status in [off, None] {
            let mut history = with(status);
            assert!(!history.has_changed() && !history.may_be_in_transaction());
            history.run("INSERT INTO t VALUES (1)");
            assert!(history.has_changed() && history.may_be_in_transaction());
            history.run("COMMIT");
            assert!(!history.has_changed() && !history.may_be_in_transaction());
        }
    }

    #[test]
    fn statements_before_the_session_begins_are_no_change() {
        let mut history = history();
        history.run("SET time_zone = '+02:00'");
        history.run("BEGIN");
        history.begin_session(Some(StatusFlags { in_transaction: true, is_autocommit_off: false }));
        assert!(!history.has_changed() && history.may_be_in_transaction());
        history.run("INSERT INTO t VALUES (1)");
        history.run("SAVEPOINT s");
        assert!(!history.has_changed() && history.may_be_in_transaction());
        history.run("ROLLBACK");
        assert!(history.has_changed(), "the transaction that the session began with is over");
    }

    #[test]
    fn after_a_setup_that_changes_the_meaning_of_texts_every_statement_is_a_change() {
        for text in ["USE other", "CREATE TEMPORARY TABLE x (i INT)", "SET NAMES sjis"] {
            let mut history = history();
            history.run(text);
            history.begin_session(AUTOCOMMIT);
            assert!(!history.has_changed(), "{text}");
            history.run("SELECT 1");
            assert!(history.has_changed(), "{text}");
            history.reset();
            history.begin_session(AUTOCOMMIT);
            history.run("SELECT 1");
            assert!(!history.has_changed(), "{text}: the reset has removed it");
        }
    }

    #[test]
    fn a_prepared_statement_counts_when_it_runs_and_an_unknown_one_is_a_change() {
        let mut history = history();
        history.prepared(1, "SET @a = 1", false);
        history.prepared(2, "SELECT v FROM t WHERE id = :id", false);
        history.prepared_starts(2);
        assert!(!history.has_changed());
        history.prepared_starts(1);
        assert!(history.has_changed());
        history.reset();
        history.begin_session(AUTOCOMMIT);
        assert!(!history.has_changed());
        history.prepared_starts(2);
        assert!(history.has_changed(), "the reset has closed it");
    }

    #[test]
    fn more_statements_than_are_remembered_are_a_change() {
        let mut history = history();
        (0..MAX_STATEMENTS).for_each(|number| history.run(&format!("SELECT {number}")));
        assert!(!history.has_changed());
        history.run("SELECT 'one more'");
        assert!(history.has_changed());
    }

    #[test]
    fn the_memory_of_a_history_is_bounded() {
        let mut history = history();
        for number in 0..1_000 {
            let long = format!("INSERT INTO t VALUES ({number}, '{}')", "x".repeat(1 << 20));
            history.run(&long);
            history.prepared(number, &long[..MAX_TEXT_BYTES], false);
            let names: String = (0..1_000).map(|name| format!("n{name}_{number}, ")).collect();
            history.run(&format!("SELECT {names} 1"));
            history.prepared(number, &format!("SELECT {names} 1"), false);
            if number % 100 == 0 {
                history.mark_unchanged();
            }
            let bytes = history.unverified_bytes + history.by_text_bytes + history.prepared_bytes;
            assert!(bytes <= 3 * (MAX_LIST_BYTES + 3 * MAX_TEXT_BYTES), "{bytes}");
            if number == 20 {
                break; // analyzing long texts takes a while in a debug build
            }
        }
    }
}
