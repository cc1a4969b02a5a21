//! What ran on a session since it was as new.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::catalog::{Catalog, Edition};
use crate::plain::{self, Verdict};
use crate::traces::Traces;

/// How many different statements are remembered; beyond that nothing is certain.
const MOST: usize = 256;

/// What ran on a session, and what is known of the statements that run on it again and again.
#[derive(Default)]
pub(crate) struct Record {
    /// Something ran that may have left something.
    changed: bool,
    /// The session began in a transaction, as a hook's `BEGIN` makes it. Its end is a change.
    began_in_transaction: bool,
    traces: Traces,
    /// What ran and leaves nothing if its names are what they seem.
    plain: Vec<Arc<Statement>>,
    by_text: HashMap<Box<str>, Arc<Statement>>,
    /// Those that the server has prepared, by its number for them.
    prepared: HashMap<u32, Arc<Statement>>,
}

struct Statement {
    /// The last edition of the catalog by which it was plain; zero if none.
    plain_by: AtomicU64,
    text: Box<str>,
    verdict: Verdict,
    traces: Traces,
    is_end: bool,
}

impl Statement {
    fn new(text: &str) -> Self {
        let (verdict, traces) = (plain::judge(text), Traces::of(text));
        let is_end = Traces::is_end(text);
        Self { plain_by: AtomicU64::new(0), text: text.into(), verdict, traces, is_end }
    }

    fn is_plain_by(&self, edition: u64, catalog: &Catalog) -> bool {
        // Relaxed: a connection is used by one thread at a time.
        if self.plain_by.load(Ordering::Relaxed) == edition {
            return true;
        }
        let Verdict::Plain(names) = &self.verdict else { return false };
        let is_plain = catalog.are_plain(names);
        if is_plain {
            self.plain_by.store(edition, Ordering::Relaxed);
        }
        is_plain
    }
}

impl Record {
    /// A statement with this text is about to run.
    pub(crate) fn runs(&mut self, text: &str) {
        let statement = self.statement(text);
        self.add(statement);
    }

    /// The server has prepared this.
    pub(crate) fn prepares(&mut self, number: u32, text: &str) {
        if self.prepared.get(&number).is_some_and(|statement| &*statement.text == text) {
            return;
        }
        if self.prepared.len() >= MOST {
            self.prepared.clear(); // those that run nevertheless are not certain
        }
        let statement = self.statement(text);
        self.prepared.insert(number, statement);
    }

    /// A statement that the server has prepared is about to run.
    pub(crate) fn executes(&mut self, number: u32) {
        match self.prepared.get(&number).map(Arc::clone) {
            Some(statement) => self.add(statement),
            None => self.mark(Traces::ALL),
        }
    }

    /// Something that may leave these traces is about to happen.
    pub(crate) fn mark(&mut self, traces: Traces) {
        self.changed = true;
        self.traces |= traces;
    }

    fn statement(&mut self, text: &str) -> Arc<Statement> {
        if let Some(statement) = self.by_text.get(text) {
            return Arc::clone(statement);
        }
        if self.by_text.len() >= MOST {
            self.by_text.clear();
        }
        let statement = Arc::new(Statement::new(text));
        self.by_text.insert(text.into(), Arc::clone(&statement));
        statement
    }

    fn add(&mut self, statement: Arc<Statement>) {
        self.traces.add(statement.traces, statement.is_end);
        if self.began_in_transaction
            && (statement.is_end || statement.traces.contains(Traces::TRANSACTION))
        {
            self.changed = true;
        }
        match &statement.verdict {
            Verdict::Unknown => self.changed = true,
            Verdict::Plain(_) if self.plain.iter().any(|other| Arc::ptr_eq(other, &statement)) => {}
            Verdict::Plain(_) if self.plain.len() >= MOST => self.changed = true,
            Verdict::Plain(_) => self.plain.push(statement),
        }
    }

    pub(crate) fn traces(&self) -> Traces {
        self.traces
    }

    /// Whether anything has run that may have left something, whatever names mean.
    pub(crate) fn has_changed(&self) -> bool {
        self.changed || self.traces.contains(Traces::TRANSACTION)
    }

    /// Whether something ran of which only the names are in question.
    pub(crate) fn has_plain(&self) -> bool {
        !self.plain.is_empty()
    }

    /// Whether all that ran leaves nothing, by what the server has said about names. Each statement
    /// is looked into once for each answer of the server's.
    pub(crate) fn is_plain_by(&self, catalog: &Catalog) -> bool {
        let Some(Edition(edition)) = catalog.edition() else { return self.plain.is_empty() };
        self.plain.iter().all(|statement| statement.is_plain_by(edition.get(), catalog))
    }

    /// The session is still as new: nothing that ran has left anything.
    pub(crate) fn forget_plain(&mut self) {
        self.plain.clear();
    }

    /// A session begins here: what ran until now belongs to every session, and is no change. What
    /// the server has prepared stays known.
    pub(crate) fn begin_session(&mut self, in_transaction: bool) {
        self.forget_plain();
        self.changed = false;
        self.began_in_transaction = in_transaction;
        self.traces = Traces::NONE;
    }

    /// The session was reset: it is as new, and has no prepared statements.
    pub(crate) fn forget(&mut self) {
        self.forget_plain();
        self.prepared.clear();
        self.changed = false;
        self.began_in_transaction = false;
        self.traces = Traces::NONE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_reads_is_remembered_by_its_names() {
        let mut record = Record::default();
        for _ in 0..3 {
            record.runs("SELECT v FROM t");
        }
        assert!(!record.has_changed());
        assert!(record.has_plain());
        record.forget_plain();
        assert!(!record.has_plain());
    }

    #[test]
    fn a_transaction_counts_until_it_has_ended() {
        let mut record = Record::default();
        record.runs("BEGIN");
        assert!(record.has_changed());
        record.runs("SELECT v FROM t");
        record.runs("COMMIT");
        assert!(!record.has_changed());
    }

    #[test]
    fn a_prepared_statement_counts_when_it_runs_and_one_that_is_not_known_always() {
        let mut record = Record::default();
        record.prepares(1, "SET @a = 1");
        record.prepares(2, "SELECT v FROM t WHERE id = :id");
        record.executes(2);
        assert!(!record.has_changed());
        record.executes(1);
        assert!(record.has_changed());
        record.forget();
        assert!(!record.has_changed());
        record.executes(2);
        assert!(record.has_changed(), "the server has forgotten it");
    }

    #[test]
    fn beyond_what_is_remembered_nothing_is_certain() {
        let mut record = Record::default();
        (0..MOST).for_each(|number| record.runs(&format!("SELECT {number}")));
        assert!(!record.has_changed());
        record.runs("SELECT 'one more'");
        assert!(record.has_changed());
    }
}
