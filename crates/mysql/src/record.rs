//! What ran on a session since it began.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::catalog::{Catalog, Defining, Edition};
use crate::flags::Flags;
use crate::plain::{self, Bound, Verdict};
use crate::setting;
use crate::traces::Traces;

/// How many different statements are remembered; beyond that nothing is certain.
const MOST: usize = 256;
/// The longest text that is remembered. A longer one is judged anew each time.
const LONGEST: usize = 16 << 10;
/// How many bytes each list of statements may take.
const MOST_BYTES: usize = 256 << 10;

/// What ran on a session, and what is known of the statements that run on it again and again. Takes
/// less than two megabytes, however many and however long the statements are.
pub(crate) struct Record {
    catalog: Arc<Catalog>,
    /// A statement runs that may define a name anew; nothing is believed about names meanwhile.
    defining: Option<Defining>,
    /// Anything ran since the session began.
    ran: bool,
    /// Something ran that may have left something.
    changed: bool,
    traces: Traces,
    transaction: Transaction,
    /// How the session began.
    base: Transaction,
    /// A transaction was begun or ended by its own statement.
    bounds: bool,
    /// Statements of the setting `init` or of a hook make the session one that is not understood.
    is_unusual: bool,
    init_is_unusual: bool,
    /// Something ran that would make every session unusual, if it belonged to it.
    ran_unusual: bool,
    /// What ran and leaves nothing if its names are what they seem.
    plain: Vec<Arc<Statement>>,
    plain_bytes: usize,
    texts: HashSet<ByText>,
    text_bytes: usize,
    /// How backslashes were read when `texts` were judged.
    no_backslash_escape: bool,
    /// Those that the server has prepared, by its number for them.
    prepared: HashMap<u32, Arc<Statement>>,
    prepared_bytes: usize,
}

/// A session's transaction, as far as the texts tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Transaction {
    is_open: bool,
    /// Every statement begins one.
    is_automatic: bool,
}

struct Statement {
    /// The last edition of the catalog by which it was plain; zero if none.
    plain_by: AtomicU64,
    /// Empty if it is too long.
    text: Box<str>,
    verdict: Verdict,
    traces: Traces,
    is_usual: bool,
}

impl Statement {
    fn new(text: &str, no_backslash_escape: bool) -> Self {
        let verdict = plain::judge(text, no_backslash_escape);
        let is_known = verdict != Verdict::Unknown;
        let traces = match is_known || plain::leaves_definitions(text) {
            true => Traces::NONE,
            false => Traces::of(text),
        };
        Self {
            plain_by: AtomicU64::new(0),
            text: if text.len() <= LONGEST { text.into() } else { Box::default() },
            is_usual: is_known || setting::is_usual(text),
            verdict,
            traces,
        }
    }

    fn bytes(&self) -> usize {
        let names = match &self.verdict {
            Verdict::Plain(names) => names.size(),
            Verdict::Unknown | Verdict::Bound(_) => 0,
        };
        self.text.len() + names + size_of::<Self>()
    }

    fn is_plain_by(&self, edition: Edition, catalog: &Catalog) -> bool {
        // Relaxed: a connection is used by one thread at a time.
        if self.plain_by.load(Ordering::Relaxed) == edition.number() {
            return true;
        }
        let Verdict::Plain(names) = &self.verdict else { return false };
        let is_plain = catalog.are_plain(names, edition);
        if is_plain {
            self.plain_by.store(edition.number(), Ordering::Relaxed);
        }
        is_plain
    }
}

/// A statement that is found by its text.
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

impl Record {
    /// Of a session on which the statements of `init` have run.
    pub(crate) fn new(catalog: Arc<Catalog>, init: &[String]) -> Self {
        Self {
            catalog,
            defining: None,
            ran: true,
            changed: false,
            traces: Traces::NONE,
            transaction: Transaction::default(),
            base: Transaction::default(),
            bounds: false,
            is_unusual: false,
            init_is_unusual: !init.iter().all(|text| setting::is_usual_init(text)),
            ran_unusual: false,
            plain: Vec::new(),
            plain_bytes: 0,
            texts: HashSet::new(),
            text_bytes: 0,
            no_backslash_escape: false,
            prepared: HashMap::new(),
            prepared_bytes: 0,
        }
    }

    /// A statement with this text is about to run. `no_backslash_escape` is whether the session takes
    /// a backslash in a string for an ordinary character.
    pub(crate) fn runs(&mut self, text: &str, no_backslash_escape: bool) {
        let statement = self.statement(text, no_backslash_escape);
        self.add(statement);
    }

    /// The server has prepared this.
    pub(crate) fn prepares(&mut self, number: u32, text: &str, no_backslash_escape: bool) {
        let is_same = |statement: &Arc<Statement>| &*statement.text == text && !text.is_empty();
        if self.prepared.get(&number).is_some_and(is_same) {
            return;
        }
        let statement = self.statement(text, no_backslash_escape);
        self.prepared_bytes += statement.bytes();
        if self.prepared.len() >= MOST || self.prepared_bytes > MOST_BYTES {
            self.prepared.clear(); // those that run nevertheless are not certain
            self.prepared_bytes = statement.bytes();
        }
        if let Some(before) = self.prepared.insert(number, statement) {
            self.prepared_bytes = self.prepared_bytes.saturating_sub(before.bytes());
        }
    }

    /// A statement that the server has prepared is about to run.
    pub(crate) fn executes(&mut self, number: u32) {
        match self.prepared.get(&number).map(Arc::clone) {
            Some(statement) => self.add(statement),
            None => self.mark(Traces::ALL),
        }
    }

    /// What was about to run has run: the server has answered, or will not.
    pub(crate) fn ended(&mut self) {
        self.defining = None;
    }

    /// Something that may leave these traces is about to happen.
    pub(crate) fn mark(&mut self, traces: Traces) {
        self.ran = true;
        self.changed = true;
        self.ran_unusual |= traces != Traces::NONE;
        self.leave(traces);
    }

    fn leave(&mut self, traces: Traces) {
        self.traces |= traces;
        self.transaction.is_automatic |= traces.contains(Traces::AUTOCOMMIT);
        self.transaction.is_open |=
            traces.contains(Traces::TRANSACTION) || self.transaction.is_automatic;
        if traces.contains(Traces::DEFINITION) && self.defining.is_none() {
            self.defining = Some(Defining::begin(&self.catalog));
        }
    }

    fn statement(&mut self, text: &str, no_backslash_escape: bool) -> Arc<Statement> {
        if self.no_backslash_escape != no_backslash_escape {
            self.no_backslash_escape = no_backslash_escape;
            self.forget_texts();
        }
        if let Some(ByText(statement)) = self.texts.get(text) {
            return Arc::clone(statement);
        }
        let statement = Arc::new(Statement::new(text, no_backslash_escape));
        if !statement.text.is_empty() {
            if self.texts.len() >= MOST || self.text_bytes > MOST_BYTES {
                self.forget_texts();
            }
            self.text_bytes += statement.bytes();
            self.texts.insert(ByText(Arc::clone(&statement)));
        }
        statement
    }

    fn forget_texts(&mut self) {
        self.texts.clear();
        self.text_bytes = 0;
    }

    fn add(&mut self, statement: Arc<Statement>) {
        self.ran = true;
        self.ran_unusual |= !statement.is_usual;
        match &statement.verdict {
            Verdict::Bound(bound) => return self.reach(*bound),
            Verdict::Unknown => self.changed = true,
            Verdict::Plain(_) if self.plain.iter().any(|other| Arc::ptr_eq(other, &statement)) => {}
            Verdict::Plain(_) if self.plain.len() >= MOST || self.plain_bytes > MOST_BYTES => {
                self.changed = true;
            }
            Verdict::Plain(_) => {
                self.plain_bytes += statement.bytes();
                self.plain.push(Arc::clone(&statement));
            }
        }
        self.leave(statement.traces);
    }

    /// A transaction begins or ends.
    fn reach(&mut self, bound: Bound) {
        self.bounds = true;
        // The session began with a transaction, which ends now.
        self.changed |= self.base.is_open && bound != Bound::Savepoint;
        match bound {
            Bound::Begin => self.transaction.is_open = true,
            Bound::End => self.transaction.is_open = false,
            Bound::Savepoint => self.transaction.is_open |= self.transaction.is_automatic,
            Bound::Autocommit(false) => self.transaction.is_automatic = true,
            Bound::Autocommit(true) if self.transaction.is_automatic => {
                self.transaction = Transaction::default();
            }
            Bound::Autocommit(true) => {}
        }
    }

    /// Whether the default database has the server's own character set.
    pub(crate) fn has_same_collation(&self) -> bool {
        self.catalog.has_same_collation()
    }

    pub(crate) fn traces(&self) -> Traces {
        self.traces
    }

    /// Whether a transaction may be open, as far as the texts tell.
    pub(crate) fn may_be_in_transaction(&self) -> bool {
        self.transaction.is_open
    }

    /// Whether anything has run that may have left something, whatever names mean.
    pub(crate) fn has_changed(&self) -> bool {
        let is_unusual = self.is_unusual && !self.plain.is_empty();
        self.changed || self.transaction != self.base || is_unusual
    }

    /// Whether a transaction was begun or ended by its own statement.
    pub(crate) fn has_bounds(&self) -> bool {
        self.bounds
    }

    /// Whether the server's last answer shows that the transaction is as it was when the session began.
    pub(crate) fn agrees_with(&self, flags: Option<Flags>) -> bool {
        let Transaction { is_open, is_automatic } = self.base;
        flags == Some(Flags { in_transaction: is_open, is_autocommit_off: is_automatic })
    }

    /// Whether something ran of which only the names are in question.
    pub(crate) fn has_plain(&self) -> bool {
        !self.plain.is_empty()
    }

    /// Whether all that ran leaves nothing, by what the server has said about names. Each statement
    /// is looked into once for each answer of the server's.
    pub(crate) fn is_plain_by(&self, catalog: &Catalog) -> bool {
        let Some(edition) = catalog.edition() else { return self.plain.is_empty() };
        self.plain.iter().all(|statement| statement.is_plain_by(edition, catalog))
    }

    /// The session is still as new: nothing that ran has left anything.
    pub(crate) fn forget_plain(&mut self) {
        self.plain.clear();
        self.plain_bytes = 0;
        self.bounds = false;
        self.ran_unusual = false;
    }

    /// A session begins here: what ran until now belongs to every session, and is no change. What
    /// the server has prepared stays known. `flags` are what the server said last; if that is not
    /// known, every statement counts as the begin of a transaction.
    pub(crate) fn begin_session(&mut self, flags: Option<Flags>) {
        self.base = Transaction {
            is_open: flags.map_or(self.transaction.is_open, |flags| flags.in_transaction),
            is_automatic: flags.is_none_or(|flags| flags.is_autocommit_off),
        };
        self.transaction = self.base;
        self.is_unusual |= self.init_is_unusual || self.ran_unusual;
        self.forget_plain();
        self.defining = None;
        self.changed = false;
        self.traces = Traces::NONE;
        self.ran = false;
    }

    /// Whether anything ran since the session began.
    pub(crate) fn has_run(&self) -> bool {
        self.ran
    }

    /// The session was reset: it has no prepared statements, and nothing of what ran before. Then it
    /// [begins](Self::begin_session).
    pub(crate) fn forget(&mut self) {
        self.prepared.clear();
        self.prepared_bytes = 0;
        self.is_unusual = false;
        self.ran_unusual = false;
        self.transaction = Transaction::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Option<Flags> = Some(Flags { in_transaction: false, is_autocommit_off: false });

    fn with(flags: Option<Flags>) -> Record {
        let mut record = Record::new(Arc::default(), &[]);
        record.begin_session(flags);
        record
    }

    fn record() -> Record {
        with(USUAL)
    }

    impl Record {
        fn run(&mut self, text: &str) {
            self.runs(text, false);
            self.ended();
        }
    }

    #[test]
    fn what_only_reads_is_remembered_by_its_names() {
        let mut record = record();
        for _ in 0..3 {
            record.run("SELECT v FROM t");
        }
        assert!(!record.has_changed());
        assert!(record.has_plain());
        record.forget_plain();
        assert!(!record.has_plain());
    }

    #[test]
    fn a_transaction_counts_until_it_has_ended() {
        for begin in ["BEGIN", "start transaction read only", "SET autocommit = 0"] {
            for end in ["COMMIT", "rollback ;\n"] {
                let mut record = record();
                record.run(begin);
                record.run("SELECT v FROM t WHERE start = 'begin'");
                assert!(record.has_changed() && record.may_be_in_transaction(), "{begin}");
                record.run("SAVEPOINT s");
                record.run(end);
                assert!(!record.may_be_in_transaction(), "{begin} {end}");
                assert_eq!(record.has_changed(), begin.starts_with("SET"), "{begin} {end}");
                record.run("SET autocommit = 1");
                assert!(!record.has_changed(), "{begin} {end}");
            }
        }
    }

    #[test]
    fn an_end_that_begins_the_next_transaction_is_not_an_end() {
        let mut record = record();
        record.run("BEGIN");
        record.run("COMMIT AND CHAIN");
        assert!(record.may_be_in_transaction());
        record.run("XA START 'x'");
        assert!(record.may_be_in_transaction());
    }

    #[test]
    fn a_text_that_is_plain_or_only_reads_and_writes_leaves_no_trace() {
        let mut record = record();
        for text in [
            "SELECT v FROM t WHERE start <= 1 AND begin = 'call; execute'",
            "SELECT mine(1), @a FROM t WHERE start <= 1 AND autocommit = 'xa'",
            "SELECT @a, 1 AS `trigger`",
            "UPDATE t SET `view` = @a",
        ] {
            record.runs(text, false);
            assert!(!record.may_be_in_transaction(), "{text}");
            assert!(record.defining.is_none(), "{text}");
            assert_eq!(record.traces(), Traces::NONE, "{text}");
        }
    }

    #[test]
    fn what_may_define_a_name_counts_while_it_runs() {
        for text in [
            "CREATE VIEW v AS SELECT 1",
            "CALL p()",
            "EXECUTE IMMEDIATE @a",
            "SELECT 1; DROP TRIGGER x",
            "SET GLOBAL sql_mode = 'ORACLE'",
            "GRANT SELECT ON d.* TO u",
        ] {
            let mut record = record();
            record.runs(text, false);
            assert!(record.defining.is_some(), "{text}");
            record.ended();
            assert!(record.defining.is_none(), "{text}");
        }
        let mut record = record();
        record.mark(Traces::ALL);
        assert!(record.defining.is_some());
    }

    #[test]
    fn where_every_statement_begins_a_transaction_each_counts_until_it_has_ended() {
        let off = Some(Flags { in_transaction: false, is_autocommit_off: true });
        for status in [off, None] {
            let mut record = with(status);
            assert!(!record.has_changed() && !record.may_be_in_transaction());
            record.run("INSERT INTO t VALUES (1)");
            assert!(record.has_changed() && record.may_be_in_transaction());
            record.run("COMMIT");
            assert!(!record.has_changed() && !record.may_be_in_transaction());
        }
    }

    #[test]
    fn what_ran_before_a_session_begins_is_no_change() {
        let mut record = record();
        record.run("SET time_zone = '+02:00'");
        record.run("BEGIN");
        record.begin_session(Some(Flags { in_transaction: true, is_autocommit_off: false }));
        assert!(!record.has_changed() && record.may_be_in_transaction());
        record.run("INSERT INTO t VALUES (1)");
        record.run("SAVEPOINT s");
        assert!(!record.has_changed() && record.may_be_in_transaction());
        record.run("ROLLBACK");
        assert!(record.has_changed(), "its transaction is over");
    }

    #[test]
    fn a_session_that_begins_with_what_is_not_understood_changes_with_each_statement() {
        for text in ["USE other", "CREATE TEMPORARY TABLE x (i INT)", "SET NAMES sjis"] {
            let mut record = record();
            record.run(text);
            record.begin_session(USUAL);
            assert!(!record.has_changed(), "{text}");
            record.run("SELECT 1");
            assert!(record.has_changed(), "{text}");
            record.forget();
            record.begin_session(USUAL);
            record.run("SELECT 1");
            assert!(!record.has_changed(), "{text}: the reset has removed it");
        }
    }

    #[test]
    fn a_prepared_statement_counts_when_it_runs_and_one_that_is_not_known_always() {
        let mut record = record();
        record.prepares(1, "SET @a = 1", false);
        record.prepares(2, "SELECT v FROM t WHERE id = :id", false);
        record.executes(2);
        assert!(!record.has_changed());
        record.executes(1);
        assert!(record.has_changed());
        record.forget();
        record.begin_session(USUAL);
        assert!(!record.has_changed());
        record.executes(2);
        assert!(record.has_changed(), "the server has forgotten it");
    }

    #[test]
    fn beyond_what_is_remembered_nothing_is_certain() {
        let mut record = record();
        (0..MOST).for_each(|number| record.run(&format!("SELECT {number}")));
        assert!(!record.has_changed());
        record.run("SELECT 'one more'");
        assert!(record.has_changed());
    }

    #[test]
    fn what_is_remembered_is_bounded_in_bytes() {
        let mut record = record();
        for number in 0..1_000 {
            let long = format!("INSERT INTO t VALUES ({number}, '{}')", "x".repeat(1 << 20));
            record.run(&long);
            record.prepares(number, &long[..LONGEST], false);
            let names: String = (0..1_000).map(|name| format!("n{name}_{number}, ")).collect();
            record.run(&format!("SELECT {names} 1"));
            record.prepares(number, &format!("SELECT {names} 1"), false);
            if number % 100 == 0 {
                record.forget_plain();
            }
            let bytes = record.plain_bytes + record.text_bytes + record.prepared_bytes;
            assert!(bytes <= 3 * (MOST_BYTES + 3 * LONGEST), "{bytes}");
            if number == 20 {
                break; // judging ten long texts takes a while in a debug build
            }
        }
    }
}
