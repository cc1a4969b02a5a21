//! What ran on a session since it began.

use std::collections::HashMap;
use std::sync::Arc;

use super::catalog::{Catalog, CodeChange, Version};
use super::commits::Commits;
use super::statement::{SideEffects, asks_for_read_only, only_sets, side_effects};

/// How many texts a connection remembers, and how many prepared statements. With more, it begins anew.
const MAX_STATEMENTS: usize = 256;
/// How many bytes of texts a connection remembers. Longer texts are analysed each time.
const MAX_TEXT_BYTES: usize = 256 << 10;
/// The longest text that is remembered.
const MAX_ONE_TEXT_BYTES: usize = 16 << 10;

/// What ran on a session, and the analyses of the statements that run again and again.
pub(crate) struct History {
    catalog: Arc<Catalog>,
    /// Whether a statement with possible side effects ran since the session began.
    has_changed: bool,
    /// The answer about code that was valid when the first statement ran that relies on one.
    relies_on: Option<Version>,
    /// Whether a statement that controls transactions ran.
    transaction_control_ran: bool,
    /// Whether a statement left something that no reset removes.
    has_lasting: bool,
    asked_for_read_only: bool,
    /// Whether the session may listen to notifications.
    may_listen: bool,
    /// Whether the manager's own statements run, which count for nothing.
    is_paused: bool,
    /// Set while a statement, or its transaction, runs that may change the code.
    code_change: Option<CodeChange>,
    plain_backslashes: bool,
    by_text: HashMap<Box<str>, Analysis>,
    text_bytes: usize,
    /// The statements that the server has prepared.
    prepared: HashMap<Box<[u8]>, Analysis>,
}

/// What a text does.
#[derive(Clone, Copy)]
struct Analysis {
    effects: SideEffects,
    commits: Commits,
    asks_for_read_only: bool,
    may_listen: bool,
}

impl Analysis {
    const UNKNOWN: Self = Self {
        effects: SideEffects::PossibleAndCode,
        commits: Commits::Anything,
        asks_for_read_only: true,
        may_listen: true,
    };

    fn of(text: &str, plain_backslashes: bool) -> Self {
        let effects = side_effects(text, plain_backslashes);
        let is_plain = matches!(effects, SideEffects::Transaction | SideEffects::NoneIfCodeHasNone);
        Self {
            effects,
            commits: Commits::of(text, plain_backslashes),
            asks_for_read_only: asks_for_read_only(text),
            may_listen: !is_plain && !only_sets(text),
        }
    }
}

impl History {
    pub(crate) fn new(catalog: Arc<Catalog>) -> Self {
        Self {
            catalog,
            has_changed: false,
            relies_on: None,
            transaction_control_ran: false,
            has_lasting: false,
            asked_for_read_only: false,
            may_listen: false,
            is_paused: false,
            code_change: None,
            plain_backslashes: true,
            by_text: HashMap::new(),
            text_bytes: 0,
            prepared: HashMap::new(),
        }
    }

    /// A history of nothing, for a connection that runs no statement.
    pub(crate) fn detached() -> Self {
        Self::new(Arc::default())
    }

    /// A session begins: what ran before belongs to every session.
    pub(crate) fn begin(&mut self) {
        self.has_changed = false;
        self.relies_on = None;
        self.transaction_control_ran = false;
        self.asked_for_read_only = false;
    }

    /// Whether something was left that no reset removes.
    pub(crate) fn has_lasting(&self) -> bool {
        self.has_lasting
    }

    /// Whether a statement of this session asked for read-only transactions.
    pub(crate) fn asked_for_read_only(&self) -> bool {
        self.asked_for_read_only
    }

    /// Whether the driver may have statements to close, and no notification can come.
    pub(crate) fn may_close(&self) -> bool {
        !self.prepared.is_empty() && !self.may_listen
    }

    /// Records that the session listens to nothing.
    pub(crate) fn unlistened(&mut self) {
        self.may_listen = false;
    }

    /// Sets whether the manager's own statements run.
    pub(crate) fn pause(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
    }

    /// Whether anything ran that may have changed the session. `begins_in_transaction`: the session
    /// began in one, so that its control is a change.
    pub(crate) fn has_changed(&self, begins_in_transaction: bool) -> bool {
        self.has_changed
            || (begins_in_transaction && self.transaction_control_ran)
            || self.relies_on.is_some_and(|version| !self.catalog.is_still(version))
    }

    /// Records a text that is about to run, and returns what it may commit; `None` is one that could
    /// not be read.
    pub(crate) fn text_starts(&mut self, text: Option<&str>) -> Commits {
        let analysis = self.analysis(text);
        if !self.is_paused {
            self.starts(analysis);
        }
        analysis.commits
    }

    /// Records that the server prepares a text under this name.
    pub(crate) fn prepared(&mut self, name: &[u8], text: Option<&str>) {
        let analysis = self.analysis(text);
        if self.prepared.len() >= MAX_STATEMENTS && !self.prepared.contains_key(name) {
            self.prepared.clear(); // a cleared one that runs again counts as a change
        }
        self.prepared.insert(name.into(), analysis);
    }

    /// Records that a prepared statement is about to run, and returns what it may commit.
    pub(crate) fn prepared_starts(&mut self, name: &[u8]) -> Commits {
        let analysis = self.prepared.get(name).copied().unwrap_or(Analysis::UNKNOWN);
        self.starts(analysis);
        analysis.commits
    }

    pub(crate) fn forget_prepared(&mut self, name: &[u8]) {
        self.prepared.remove(name);
    }

    /// Records that the server has answered everything, and no transaction is open.
    pub(crate) fn transaction_ended(&mut self) {
        self.code_change = None;
    }

    /// Sets how the session reads backslashes in strings.
    pub(crate) fn set_plain_backslashes(&mut self, are_plain: bool) {
        if self.plain_backslashes != are_plain {
            self.plain_backslashes = are_plain;
            self.by_text.clear();
            self.text_bytes = 0;
        }
    }

    fn starts(&mut self, analysis: Analysis) {
        self.asked_for_read_only |= analysis.asks_for_read_only;
        self.may_listen |= analysis.may_listen;
        match analysis.effects {
            SideEffects::Transaction => self.transaction_control_ran = true,
            SideEffects::NoneIfCodeHasNone => match (self.catalog.version(), self.relies_on) {
                (None, _) => {
                    self.has_changed = true;
                    self.may_listen = true;
                }
                (now, None) => self.relies_on = now,
                (Some(now), Some(before)) => self.has_changed |= now != before,
            },
            SideEffects::Possible => self.has_changed = true,
            SideEffects::Lasting => {
                self.has_changed = true;
                self.has_lasting = true;
            }
            SideEffects::PossibleAndCode => {
                self.has_changed = true;
                if self.code_change.is_none() {
                    self.code_change = Some(self.catalog.begin_change());
                }
            }
        }
    }

    fn analysis(&mut self, text: Option<&str>) -> Analysis {
        let Some(text) = text else { return Analysis::UNKNOWN };
        if let Some(analysis) = self.by_text.get(text) {
            return *analysis;
        }
        let analysis = Analysis::of(text, self.plain_backslashes);
        if text.len() <= MAX_ONE_TEXT_BYTES {
            self.text_bytes += text.len();
            if self.by_text.len() >= MAX_STATEMENTS || self.text_bytes > MAX_TEXT_BYTES {
                self.by_text.clear();
                self.text_bytes = text.len();
            }
            self.by_text.insert(text.into(), analysis);
        }
        analysis
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> (Arc<Catalog>, History) {
        let catalog = Arc::new(Catalog::default());
        catalog.answer_for_tests(true);
        (Arc::clone(&catalog), History::new(catalog))
    }

    #[test]
    fn a_read_is_no_change_while_the_answer_about_code_stays() {
        let (catalog, mut history) = history();
        history.text_starts(Some("SELECT 1"));
        assert!(!history.has_changed(false));
        catalog.answer_for_tests(true);
        assert!(history.has_changed(false), "the code may have been another when the text ran");
        history.begin();
        history.text_starts(Some("SELECT 1"));
        assert!(!history.has_changed(false));
    }

    #[test]
    fn without_an_answer_about_code_a_read_is_a_change() {
        let catalog = Arc::new(Catalog::default());
        let mut history = History::new(Arc::clone(&catalog));
        history.text_starts(Some("SELECT 1"));
        assert!(history.has_changed(false));
        catalog.answer_for_tests(false);
        history.begin();
        history.text_starts(Some("SELECT 1"));
        assert!(history.has_changed(false));
    }

    #[test]
    fn no_answer_is_valid_while_code_may_change_nor_after_it() {
        let (catalog, mut history) = history();
        history.text_starts(Some("CREATE VIEW v AS SELECT 1"));
        assert_eq!(catalog.version(), None);
        catalog.answer_for_tests(true);
        assert_eq!(catalog.version(), None, "the transaction has not ended");
        history.transaction_ended();
        assert_eq!(catalog.version(), None, "the answer was asked for before the end");
        catalog.answer_for_tests(true);
        assert!(catalog.version().is_some());
    }

    #[test]
    fn a_prepared_statement_counts_when_it_runs() {
        let (_, mut history) = history();
        history.prepared(b"s0", Some("SELECT set_config('a.b', '1', false)"));
        assert!(!history.has_changed(false));
        history.prepared_starts(b"s0");
        assert!(history.has_changed(false));
        history.begin();
        history.prepared_starts(b"unknown");
        assert!(history.has_changed(false));
    }

    #[test]
    fn the_end_of_a_transaction_is_a_change_where_the_session_began_in_one() {
        let (_, mut history) = history();
        history.text_starts(Some("COMMIT"));
        assert!(!history.has_changed(false));
        assert!(history.has_changed(true));
    }
}
