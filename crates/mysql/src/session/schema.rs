//! What the server says about the names in the default database: which of them are views or
//! sequences, and which tables have triggers. A statement that uses one of these may run stored
//! functions, which may do anything.
//!
//! The manager asks once a minute for all its connections, on a thread and a session of its own. No
//! connection waits for the answer: without a valid answer sessions are reset.
//!
//! | file | holds |
//! |---|---|
//! | this one | the last answer, its version, and until when it is valid |
//! | [`answer`] | the query, and what its rows mean |
//! | [`ask`] | when the server is asked, and by which session |

mod answer;
mod ask;

use std::net::TcpStream;
use std::num::NonZeroU64;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use threadwise_core::parts::fork::{self, ForkAware};
use threadwise_core::parts::sync::Mutex;

use self::answer::Answer;
pub(crate) use self::ask::OwnLogin;
use super::statement::Names;

/// How often the manager asks the server.
const PERIOD: Duration = Duration::from_secs(60);
/// How often the manager asks the server while statements change the schema.
const SHORT_PERIOD: Duration = Duration::from_secs(1);
/// How long an answer is valid: a little longer than the period, so that the next one can arrive in
/// time. A view that another program creates meanwhile is taken for a table.
const TTL: Duration = Duration::from_secs(65);
/// The longest pause after failed questions.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The server's last answer, for all connections of a manager.
pub(crate) struct Schema {
    /// Locked for a moment only, and `fork` waits meanwhile, so a forked child never finds it locked.
    state: Mutex<State>,
    /// The version of the valid answer, or zero; see [`SchemaVersion`].
    valid: AtomicU64,
    /// When to ask next, in milliseconds since `epoch`.
    due: AtomicU64,
    /// Whether no answer is valid, or the last one expires soon.
    is_wanted: AtomicBool,
    is_asking: AtomicBool,
    is_closed: AtomicBool,
    /// How many statements run that may change the schema. Changed under the lock, except in a forked
    /// child.
    changes_running: AtomicU64,
    /// The number of the credentials with which the manager logs in now.
    login: AtomicU64,
    /// How many forks lie between this process and the one that made this value.
    generation: AtomicU32,
    epoch: Instant,
}

/// An answer of the server, named by the moment until which it is valid, in milliseconds since the
/// [`Schema`] was made. No two answers have the same version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SchemaVersion(NonZeroU64);

impl SchemaVersion {
    pub(crate) fn number(self) -> u64 {
        self.0.get()
    }
}

#[derive(Default)]
struct State {
    answer: Arc<Answer>,
    /// The version of `answer`, also after it has become invalid.
    version: u64,
    /// How often the schema may have changed.
    changes: u64,
    /// When the manager last asked the server, in milliseconds since `epoch`.
    asked: u64,
    failures: u32,
    /// The socket of the manager's own session, and the process that opened it.
    socket: Option<(u32, TcpStream)>,
}

impl Schema {
    fn new() -> Self {
        Self {
            state: Mutex::new(State::default()),
            valid: AtomicU64::new(0),
            due: AtomicU64::new(0),
            is_wanted: AtomicBool::new(false),
            is_asking: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            changes_running: AtomicU64::new(0),
            login: AtomicU64::new(0),
            generation: AtomicU32::new(0),
            epoch: Instant::now(),
        }
    }

    /// The version of the answer that is valid at this moment; `None` if there is none. Reads the
    /// clock, and takes no lock.
    pub(crate) fn version(&self) -> Option<SchemaVersion> {
        // Acquire: pairs with the Release stores of `store` and `invalidate`. Version and end are one
        // word, so an old answer cannot get the end of a new one. A statement that changes the schema
        // is sent after `invalidate` has stored zero here; a user of the new name has heard of it
        // from the server, so later.
        let version = self.valid.load(Ordering::Acquire);
        let now = self.millis();
        if now + millis(TTL - PERIOD) >= version {
            self.is_wanted.store(true, Ordering::Relaxed); // a hint
        }
        NonZeroU64::new(version).filter(|_| now < version).map(SchemaVersion)
    }

    /// The number of the answer that no later change has made invalid; zero if there is none. Unlike
    /// [`version`](Self::version), it may have expired. Costs one load.
    pub(crate) fn valid_number(&self) -> u64 {
        self.valid.load(Ordering::Acquire) // see `version`
    }

    /// The number of the credentials of the valid answer's user.
    pub(crate) fn login(&self) -> u64 {
        // Relaxed: `version` has read the answer before. If that is one to the next user, its Acquire
        // load has made that user's number visible, too.
        self.login.load(Ordering::Relaxed)
    }

    /// Whether all these names are columns and base tables, and a statement that writes fires no
    /// trigger, by the answer of this version.
    pub(crate) fn are_base_tables(&self, names: &Names, version: SchemaVersion) -> bool {
        let answer = self
            .with(|state| (state.version == version.number()).then(|| Arc::clone(&state.answer)));
        let relations = answer.as_ref().and_then(|answer| answer.relations.as_ref());
        relations.is_some_and(|relations| relations.are_base_tables(names))
    }

    /// The longest packet that the server takes; `None` without a recent answer.
    pub(crate) fn max_allowed_packet(&self) -> Option<usize> {
        self.recent(|answer| answer.max_allowed_packet)
    }

    /// Whether the default database has the server's own character set and collation, which a reset
    /// takes for the database's.
    pub(crate) fn has_same_collation(&self) -> bool {
        self.recent(|answer| answer.has_same_collation).unwrap_or(false)
    }

    fn recent<T>(&self, read: impl FnOnce(&Answer) -> Option<T>) -> Option<T> {
        let now = self.millis();
        self.with(|state| if now < state.version { read(&state.answer) } else { None })
    }

    /// Forgets the limit: the server may be another one now, or have other settings.
    pub(crate) fn forget_max_allowed_packet(&self) {
        self.with(|state| Arc::make_mut(&mut state.answer).max_allowed_packet = None);
    }

    /// Makes the last answer invalid: from now on the manager logs in with the credentials of this
    /// number, whose user may see other names.
    pub(crate) fn use_login(&self, number: u64) {
        self.with(|state| {
            self.login.fetch_max(number, Ordering::Relaxed); // see `login`
            self.invalidate(state);
        });
    }

    /// Records that the server is being asked. Returns how often the schema may have changed before.
    fn begin(&self) -> u64 {
        let now = self.millis();
        self.with(|state| {
            state.asked = now;
            self.set_due(now + millis(PERIOD));
            state.changes
        })
    }

    /// Stores the answer to a question. `changes` is how often the schema may have changed before
    /// that question.
    fn store(&self, answer: Arc<Answer>, changes: u64) {
        let before = self.with(|state| {
            state.failures = 0;
            let end = state.asked + millis(TTL);
            state.version = end.max(state.version + 1);
            let is_known = answer.relations.is_some();
            let before = std::mem::replace(&mut state.answer, answer);
            // Relaxed: changed under the same lock.
            if state.changes != changes || self.changes_running.load(Ordering::Relaxed) > 0 {
                self.set_due(state.asked + millis(SHORT_PERIOD));
            } else if is_known {
                // Release: pairs with `version`.
                self.valid.store(state.version, Ordering::Release);
            }
            before
        });
        drop(before); // outside of the lock
    }

    /// Records that the server has not answered. The next question comes after a pause, which grows.
    fn fail(&self) {
        let now = self.millis();
        self.with(|state| {
            let pause = SHORT_PERIOD * 2_u32.saturating_pow(state.failures.min(16));
            state.failures += 1;
            self.set_due(now + millis(pause.min(LONGEST_PAUSE)));
        });
    }

    fn invalidate(&self, state: &mut State) {
        state.changes += 1;
        self.valid.store(0, Ordering::Release); // pairs with `version`
        if state.failures == 0 && state.version > 0 {
            let due = state.asked + millis(SHORT_PERIOD);
            self.set_due(due.min(self.due.load(Ordering::Relaxed)));
        }
    }

    fn set_due(&self, due: u64) {
        self.due.store(due, Ordering::Relaxed); // see `claim`
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        fork::hold_off(|| act(&mut self.state.lock()))
    }

    /// Milliseconds since this value was made.
    fn millis(&self) -> u64 {
        millis(self.epoch.elapsed())
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Default for Schema {
    fn default() -> Self {
        Self::new()
    }
}

impl ForkAware for Schema {
    /// The thread that asks, and the statements that change the schema, are the parent's. (Relaxed:
    /// the child's only thread stores these before it starts another.)
    fn forked(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        self.changes_running.store(0, Ordering::Relaxed);
        self.valid.store(0, Ordering::Relaxed);
        self.due.store(0, Ordering::Relaxed);
        self.is_asking.store(false, Ordering::Relaxed);
    }
}

/// The manager's handle: its drop ends the manager's own session.
pub(crate) struct SchemaOwner(Arc<Schema>);

impl SchemaOwner {
    pub(crate) fn new() -> Self {
        Self(fork::watched(Arc::default()))
    }
}

impl Deref for SchemaOwner {
    type Target = Arc<Schema>;

    fn deref(&self) -> &Arc<Schema> {
        &self.0
    }
}

impl Drop for SchemaOwner {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Exists while a statement runs that may change the schema. As long as it lives, no answer is
/// valid, not even one that the server gives meanwhile.
pub(crate) struct SchemaChange {
    schema: Arc<Schema>,
    generation: u32,
}

impl SchemaChange {
    pub(crate) fn begin(schema: &Arc<Schema>) -> Self {
        schema.with(|state| {
            schema.changes_running.fetch_add(1, Ordering::Relaxed); // read under the same lock
            schema.invalidate(state);
        });
        let generation = schema.generation.load(Ordering::Relaxed); // changes in a fork only
        Self { schema: Arc::clone(schema), generation }
    }
}

impl Drop for SchemaChange {
    fn drop(&mut self) {
        let Self { schema, generation } = self;
        schema.with(|state| {
            if schema.generation.load(Ordering::Relaxed) == *generation {
                schema.changes_running.fetch_sub(1, Ordering::Relaxed);
            }
            schema.invalidate(state);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::ask::Claim;
    use super::*;
    use crate::session::statement::{SideEffects, side_effects};

    fn names(sql: &str) -> Names {
        match side_effects(sql, false) {
            SideEffects::NoneIfTables(names) => names,
            effects => panic!("{sql}: {effects:?}"),
        }
    }

    fn answer(changed: &[(&str, &str)]) -> Arc<Answer> {
        let usual = [
            ("sees triggers", "0"),
            ("max_allowed_packet", "1024"),
            ("version", "10.6.1-MariaDB"),
            ("database", "d"),
            ("sql_mode", ""),
        ];
        let rows = usual.iter().map(|usual| {
            let (kind, value) = changed.iter().find(|(kind, _)| *kind == usual.0).unwrap_or(usual);
            ((*kind).to_owned(), Some((*value).to_owned()))
        });
        let named = [("other", "View"), ("triggered", "Fires")];
        let named = named.map(|(kind, name)| (kind.to_owned(), Some(name.to_owned())));
        Arc::new(Answer::new(&rows.chain(named).collect::<Vec<_>>()))
    }

    fn with_answer(answer: Arc<Answer>) -> Arc<Schema> {
        let schema = Arc::new(Schema::new());
        let changes = schema.begin();
        schema.store(answer, changes);
        schema
    }

    fn is_clean(schema: &Schema, sql: &str) -> bool {
        schema.version().is_some_and(|version| schema.are_base_tables(&names(sql), version))
    }

    #[test]
    fn a_server_whose_sessions_are_not_understood_gives_no_relations() {
        assert!(answer(&[]).relations.is_some());
        for unusual in [
            ("database", ""),
            ("sql_mode", "PIPES_AS_CONCAT,ORACLE"),
            ("sql_mode", "PIPES_AS_CONCAT,MSSQL"),
        ] {
            assert_eq!(answer(&[unusual]).relations, None, "{unusual:?}");
        }
        assert_eq!(Answer::new(&[]).relations, None, "an empty answer");
    }

    #[test]
    fn names_are_base_tables_while_the_answer_is_valid_and_lists_none_of_them() {
        let schema = Arc::new(Schema::new());
        assert!(!is_clean(&schema, "SELECT v FROM t"), "the server was not asked yet");
        let schema = with_answer(answer(&[]));
        assert!(is_clean(&schema, "SELECT v FROM t") && is_clean(&schema, "SELECT v FROM fires"));
        assert!(!is_clean(&schema, "SELECT v FROM VIEW"));
        assert!(is_clean(&schema, "SELECT v FROM d.t"));
        assert!(!is_clean(&schema, "SELECT v FROM D.t"), "another database");
        assert!(!is_clean(&schema, "SELECT v FROM other.t"));
        assert_eq!(schema.max_allowed_packet(), Some(1024));
        schema.use_login(1);
        assert!(!is_clean(&schema, "SELECT v FROM t"));
    }

    #[test]
    fn a_function_counts_as_built_in_where_the_server_version_has_it() {
        let value = "SELECT JSON_VALUE(v, '$') FROM t";
        for (version, is_known) in [
            ("10.6.1-MariaDB", true),
            ("11.8.9-MariaDB-log", true),
            ("8.0.20", false),
            ("8.0.21-0ubuntu", true),
            ("5.7.44", false),
            ("", false),
        ] {
            assert_eq!(
                is_clean(&with_answer(answer(&[("version", version)])), value),
                is_known,
                "{version}"
            );
        }
    }

    #[test]
    fn a_statement_that_writes_is_clean_where_triggers_are_shown_and_there_is_none() {
        let insert = "INSERT INTO t VALUES (1)";
        assert!(
            !is_clean(&with_answer(answer(&[])), insert),
            "there may be a trigger that the server does not show"
        );
        for sees in [("sees triggers", "1"), ("version", "10.11.19-MariaDB-0+deb12u1")] {
            let schema = with_answer(answer(&[sees]));
            assert!(is_clean(&schema, insert));
            assert!(!is_clean(&schema, "INSERT INTO fires VALUES (1)"));
            assert!(!is_clean(&schema, "INSERT INTO view VALUES (1)"));
        }
    }

    #[test]
    fn an_answer_to_a_question_from_before_a_schema_change_is_not_valid() {
        let schema = Arc::new(Schema::new());
        let changes = schema.begin();
        drop(SchemaChange::begin(&schema));
        schema.store(answer(&[]), changes);
        assert_eq!(schema.version(), None);
        let change = SchemaChange::begin(&schema);
        let changes = schema.begin();
        schema.store(answer(&[]), changes);
        assert_eq!(schema.version(), None, "the statement still runs");
        drop(change);
        let changes = schema.begin();
        schema.store(answer(&[]), changes);
        assert!(schema.version().is_some());
    }

    #[test]
    fn an_old_answer_does_not_get_the_end_of_a_new_one() {
        let schema = with_answer(answer(&[]));
        let old = schema.version().unwrap();
        let changes = schema.begin();
        schema.store(answer(&[]), changes);
        assert_ne!(schema.version(), Some(old));
        assert!(!schema.are_base_tables(&names("SELECT 1"), old));
        schema.valid.store(1, Ordering::Relaxed);
        while schema.millis() < 2 {
            thread::yield_now();
        }
        assert_eq!(schema.version(), None, "version and end are one number");
    }

    #[test]
    fn one_thread_at_a_time_asks_the_server_and_not_again_at_once() {
        let schema = Arc::new(Schema::new());
        assert!(schema.claim());
        assert!(!schema.claim(), "another thread asks");
        let changes = schema.begin();
        schema.store(answer(&[]), changes);
        drop(Claim(&schema));
        assert!(!schema.claim(), "not within a minute");
        let due = || schema.due.load(Ordering::Relaxed);
        let asked = due() - millis(PERIOD);
        schema.use_login(2);
        assert_eq!(due(), asked + millis(SHORT_PERIOD), "not within a second");
        schema.set_due(0);
        assert!(schema.claim());
        let failed = schema.millis();
        schema.fail();
        drop(Claim(&schema));
        schema.use_login(2);
        assert!(due() >= failed + millis(SHORT_PERIOD), "not within the pause");
    }

    #[test]
    fn a_forked_child_asks_for_itself() {
        let schema = with_answer(answer(&[]));
        let change = SchemaChange::begin(&schema);
        let changes = schema.begin();
        assert!(!schema.claim());
        schema.forked();
        assert!(schema.claim());
        drop(change); // the parent's
        let again = schema.begin();
        schema.store(answer(&[]), again);
        assert!(changes < again && schema.version().is_some());
    }
}
