//! What the server says about its relations: which names could be more than a base table of the
//! default database, or have triggers, so that to use them may run somebody's functions.
//!
//! The question is asked once a minute for all connections of a manager, by a thread and a session of
//! the manager's own. No connection waits for the answer: while there is none, sessions are reset.

use std::collections::HashSet;
use std::net::{Shutdown, TcpStream};
use std::num::NonZeroU64;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, Error, Opts, OptsBuilder, Result, Row, Value};
use threadwise_core::fork::{self, ForkAware};
use threadwise_core::sync::Mutex;

use crate::addresses;
use crate::plain::Names;
use crate::socket;

/// How often the server is asked.
const PERIOD: Duration = Duration::from_secs(60);
/// How often the server is asked where names are defined anew.
const SHORT_PERIOD: Duration = Duration::from_secs(1);
/// For how long an answer is believed: a little longer than the period, so that the next one can come
/// meanwhile. A view that another program has created since is taken for a table.
const BELIEVED: Duration = Duration::from_secs(65);
/// The longest pause after the question has failed several times.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How long the server may look for the answer, in seconds.
const LIMIT: f64 = 30.0;
/// The same, where the connection waits that is just being opened.
const LIMIT_ON_CONNECT: f64 = 0.02;
/// How long the manager's own session waits for the server, beyond the server's own limit.
const PATIENCE: Duration = Duration::from_secs(35);
/// How long it waits for a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(2);

const QUERY: &str = "\
    SELECT 'other', TABLE_NAME FROM information_schema.TABLES \
        WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE NOT IN ('BASE TABLE', 'SYSTEM VERSIONED') \
    UNION ALL SELECT 'triggered', EVENT_OBJECT_TABLE FROM information_schema.TRIGGERS \
        WHERE EVENT_OBJECT_SCHEMA = DATABASE() \
    UNION ALL SELECT 'sees triggers', EXISTS ( \
        SELECT 1 FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'TRIGGER' \
            AND GRANTEE = CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', \
                QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1))) \
            AND VERSION() LIKE '%MariaDB%') \
    UNION ALL SELECT 'sees triggers', \
        COUNT(*) > 0 AND COUNT(DISTINCT TABLE_SCHEMA) = SUM(PRIVILEGE_TYPE = 'TRIGGER') \
        FROM information_schema.SCHEMA_PRIVILEGES WHERE DATABASE() LIKE TABLE_SCHEMA \
            AND GRANTEE = CONCAT(QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', 1)), '@', \
                QUOTE(SUBSTRING_INDEX(CURRENT_USER(), '@', -1))) \
    UNION ALL SELECT 'version', VERSION() \
    UNION ALL SELECT 'max_allowed_packet', @@max_allowed_packet \
    UNION ALL SELECT 'database', DATABASE() \
    UNION ALL SELECT 'same collation', @@collation_database = @@GLOBAL.collation_database \
        AND @@collation_database = @@GLOBAL.collation_server \
    UNION ALL SELECT 'sql_mode', @@sql_mode";

/// What the server has said, for all connections of a manager.
pub(crate) struct Catalog {
    /// Locked for a moment only, in which the process is not forked: so a child never finds it locked.
    state: Mutex<State>,
    /// The answer that is believed, or zero; see [`Edition`].
    believed: AtomicU64,
    /// When to ask next, in milliseconds since `epoch`.
    due: AtomicU64,
    /// No answer is believed, or not for long.
    is_wanted: AtomicBool,
    is_asking: AtomicBool,
    is_closed: AtomicBool,
    /// How many statements run that may define names anew. Changed under the lock, but for a child's.
    definers: AtomicU64,
    /// How many forks lie between this process and the one that made the catalog.
    generation: AtomicU32,
    epoch: Instant,
}

/// An answer of the server's, by the moment until when it is believed, in milliseconds since the
/// catalog was made. No two have the same. What is plain by one stays so while that one is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edition(NonZeroU64);

impl Edition {
    pub(crate) fn number(self) -> u64 {
        self.0.get()
    }
}

#[derive(Default)]
struct State {
    known: Arc<Known>,
    /// The edition of `known`, also when it is not believed any more.
    edition: u64,
    /// How often names may have been defined anew.
    forgotten: u64,
    /// When the server was asked last, in milliseconds since `epoch`.
    asked: u64,
    failures: u32,
    /// The socket of the manager's own session, and the process that opened it.
    socket: Option<(u32, TcpStream)>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    /// `None` if nothing is certain on this server.
    relations: Option<Arc<Relations>>,
    max_allowed_packet: Option<usize>,
    has_same_collation: Option<bool>,
}

/// Names, in lower case.
#[derive(Debug, Default, PartialEq, Eq)]
struct Relations {
    /// The default database, as the server writes it.
    database: Box<str>,
    /// Of views and sequences.
    others: HashSet<Box<str>>,
    /// Of tables with triggers; `None` if this user would not be told of them.
    triggered: Option<HashSet<Box<str>>>,
    version: Version,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Version {
    is_mariadb: bool,
    number: u32,
}

impl Version {
    /// The first one on which it was tried that `information_schema.TRIGGERS` shows the triggers of a
    /// table to each user who may change its rows.
    const SHOWS_TRIGGERS: u32 = 101_100;

    fn read(text: &str) -> Self {
        let mut parts = text.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().ok());
        let mut next = || parts.next().flatten().unwrap_or(0_u32).min(99);
        let number = next() * 10_000 + next() * 100 + next();
        Self { is_mariadb: text.contains("MariaDB"), number }
    }

    fn shows_triggers(self) -> bool {
        self.is_mariadb && self.number >= Self::SHOWS_TRIGGERS
    }
}

impl Relations {
    fn are_plain(&self, names: &Names) -> bool {
        let none_is_in = |some: &HashSet<Box<str>>| {
            some.is_empty() || !names.all().any(|name| some.contains(name))
        };
        let has_functions = match self.version.is_mariadb {
            true => self.version.number >= names.since.mariadb,
            false => self.version.number >= names.since.mysql,
        };
        let mut databases = names.databases();
        has_functions
            && databases.all(|name| name == &*self.database)
            && none_is_in(&self.others)
            && (!names.write || self.triggered.as_ref().is_some_and(none_is_in))
    }
}

impl Catalog {
    fn new() -> Self {
        Self {
            state: Mutex::new(State::default()),
            believed: AtomicU64::new(0),
            due: AtomicU64::new(0),
            is_wanted: AtomicBool::new(false),
            is_asking: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            definers: AtomicU64::new(0),
            generation: AtomicU32::new(0),
            epoch: Instant::now(),
        }
    }

    /// Which answer of the server's is believed at this moment; `None` if none is. Costs a look at the
    /// clock, and no lock.
    pub(crate) fn edition(&self) -> Option<Edition> {
        // Acquire: pairs with the Release stores of `learn` and `unbelieve`. Number and end are one
        // word, so no old answer is believed for as long as a new one. Another connection's statement
        // is sent after it is stored here that nothing is believed; a user of what that defines has
        // heard of it from the server, so later.
        let edition = self.believed.load(Ordering::Acquire);
        let now = self.millis();
        if now + millis(BELIEVED - PERIOD) >= edition {
            self.is_wanted.store(true, Ordering::Relaxed); // a hint
        }
        NonZeroU64::new(edition).filter(|_| now < edition).map(Edition)
    }

    /// Whether these are certainly no more than names of columns and base tables, by that answer.
    pub(crate) fn are_plain(&self, names: &Names, edition: Edition) -> bool {
        let known = self
            .with(|state| (state.edition == edition.number()).then(|| Arc::clone(&state.known)));
        let relations = known.as_ref().and_then(|known| known.relations.as_ref());
        relations.is_some_and(|relations| relations.are_plain(names))
    }

    /// The longest packet that the server takes, if it has said so lately.
    pub(crate) fn max_allowed_packet(&self) -> Option<usize> {
        self.lately(|known| known.max_allowed_packet)
    }

    /// Whether the default database has the server's own character set and collation, which a reset
    /// takes for the database's.
    pub(crate) fn has_same_collation(&self) -> bool {
        self.lately(|known| known.has_same_collation).unwrap_or(false)
    }

    fn lately<T>(&self, read: impl FnOnce(&Known) -> Option<T>) -> Option<T> {
        let now = self.millis();
        self.with(|state| if now < state.edition { read(&state.known) } else { None })
    }

    /// The server may be another one now, or have other settings.
    pub(crate) fn forget_max_allowed_packet(&self) {
        self.with(|state| Arc::make_mut(&mut state.known).max_allowed_packet = None);
    }

    /// Something may have been defined anew: believes nothing about names any more.
    pub(crate) fn forget(&self) {
        self.with(|state| self.unbelieve(state));
    }

    /// Asks the server if the last answer is nearly over, on a thread that the caller does not wait
    /// for; unless it was asked just before, or is being asked.
    pub(crate) fn ask_if_wanted(self: &Arc<Self>, opts: impl FnOnce() -> OptsBuilder) {
        if self.is_wanted.load(Ordering::Relaxed) && self.claim() {
            self.is_wanted.store(false, Ordering::Relaxed);
            self.start(opts());
        }
    }

    /// Asks the server by a session that is just being opened, if no session has asked before and the
    /// server keeps to a limit of some milliseconds; if that is not enough, on a thread.
    pub(crate) fn ask_first(
        self: &Arc<Self>,
        conn: &mut Conn,
        opts: impl FnOnce() -> OptsBuilder,
    ) -> Result<()> {
        // Relaxed: to ask once more does no harm.
        if self.due.load(Ordering::Relaxed) != 0 || !self.claim() {
            return Ok(());
        }
        if let Some(query) = limited(conn, LIMIT_ON_CONNECT) {
            let claim = Claim(self);
            let forgotten = self.begin();
            match conn.query::<Row, _>(query) {
                Ok(rows) => {
                    self.learn(&rows, forgotten);
                    return Ok(());
                }
                Err(Error::MySqlError(_)) => {
                    std::mem::forget(claim); // the thread's, now
                    self.start(opts());
                    // After an error the driver has forgotten the server's flags.
                    return conn.query_drop("DO 0");
                }
                Err(error) => {
                    self.fail();
                    return Err(error);
                }
            }
        }
        self.start(opts());
        Ok(())
    }

    /// Whether it is up to the caller to ask.
    fn claim(&self) -> bool {
        // Relaxed: what is due is only a hint of when to look.
        let is_due = self.millis() >= self.due.load(Ordering::Relaxed);
        // Acquire: pairs with the Release store of `Claim::drop`, so that the claimant sees when it is
        // due next.
        is_due
            && !self.is_closed.load(Ordering::Relaxed)
            && !self.is_asking.swap(true, Ordering::Acquire)
            && self.is_still_due()
    }

    /// Looks again, now that no other thread asks.
    fn is_still_due(&self) -> bool {
        let is_due = self.millis() >= self.due.load(Ordering::Relaxed);
        if !is_due {
            self.is_asking.store(false, Ordering::Release); // see `claim`
        }
        is_due
    }

    /// Starts the thread that asks; the claim is the caller's.
    fn start(self: &Arc<Self>, opts: OptsBuilder) {
        let catalog = Arc::clone(self);
        let work = fork::apart_from_forks(move || catalog.work(opts));
        let thread = thread::Builder::new().name("mysql catalog".to_owned());
        if thread.spawn(work).is_err() {
            let _claim = Claim(self);
            self.fail();
        }
    }

    /// The thread that asks.
    fn work(&self, opts: OptsBuilder) {
        let claim = Claim(self);
        let forgotten = self.begin();
        let outcome = catch_unwind(AssertUnwindSafe(|| self.ask(opts)));
        self.with(|state| state.socket.take());
        match outcome {
            Ok(Ok(rows)) => self.learn(&rows, forgotten),
            Ok(Err(_)) => self.fail(),
            Err(panic) => {
                std::mem::forget(panic); // what it is may panic, too
                self.fail();
            }
        }
        drop(claim);
    }

    fn ask(&self, opts: OptsBuilder) -> Result<Vec<Row>> {
        let opts = opts
            .tcp_connect_timeout(Some(CONNECT_PATIENCE))
            .read_timeout(Some(CONNECT_PATIENCE))
            .write_timeout(Some(CONNECT_PATIENCE));
        let opts = Opts::from(opts);
        let addresses = match opts.get_socket() {
            Some(_) => Vec::new(),
            None => addresses::resolve(&opts)?,
        };
        let connect = |opts: Opts| Conn::new(opts);
        let mut conn = addresses::try_each(&opts, &addresses, Some(CONNECT_PATIENCE), connect)?;
        self.keep_socket(&conn);
        let timeouts = socket::Timeouts { read: Some(PATIENCE), write: Some(CONNECT_PATIENCE) };
        socket::set_timeouts(&conn, timeouts)?;
        let query = limited(&conn, LIMIT).unwrap_or_else(|| QUERY.to_owned());
        conn.query(query)
    }

    /// Has the session end with the manager.
    fn keep_socket(&self, conn: &Conn) {
        let Some(socket) = socket::duplicate(conn) else { return };
        // The child of a fork has this, too, and must leave its parent's session alone.
        self.with(|state| state.socket = Some((std::process::id(), socket)));
        // Relaxed: `close` sets it before it looks for the socket, under the same lock.
        if self.is_closed.load(Ordering::Relaxed) {
            self.shut();
        }
    }

    fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed); // see `keep_socket`
        self.shut();
    }

    fn shut(&self) {
        let socket = self.with(|state| state.socket.take());
        if let Some((process, socket)) = socket
            && process == std::process::id()
        {
            let _ = socket.shutdown(Shutdown::Both); // it may have ended by itself
        }
    }

    /// The server is being asked; returns how often names were defined anew before.
    fn begin(&self) -> u64 {
        let now = self.millis();
        self.with(|state| {
            state.asked = now;
            self.set_due(now + millis(PERIOD));
            state.forgotten
        })
    }

    /// The server has answered a question that was asked when names had been defined anew so often.
    fn learn(&self, rows: &[Row], forgotten: u64) {
        let known = Arc::new(Known::new(&rows.iter().filter_map(fact).collect::<Vec<_>>()));
        self.take_in(known, forgotten);
    }

    fn take_in(&self, known: Arc<Known>, forgotten: u64) {
        let before = self.with(|state| {
            state.failures = 0;
            let end = state.asked + millis(BELIEVED);
            state.edition = end.max(state.edition + 1);
            let is_certain = known.relations.is_some();
            let before = std::mem::replace(&mut state.known, known);
            // Relaxed: changed under the same lock.
            if state.forgotten != forgotten || self.definers.load(Ordering::Relaxed) > 0 {
                self.set_due(state.asked + millis(SHORT_PERIOD));
            } else if is_certain {
                // Release: pairs with `edition`.
                self.believed.store(state.edition, Ordering::Release);
            }
            before
        });
        drop(before);
    }

    /// The server has not answered: the next question comes after a pause, which grows.
    fn fail(&self) {
        let now = self.millis();
        self.with(|state| {
            let pause = SHORT_PERIOD * 2_u32.saturating_pow(state.failures.min(16));
            state.failures += 1;
            self.set_due(now + millis(pause.min(LONGEST_PAUSE)));
        });
    }

    fn unbelieve(&self, state: &mut State) {
        state.forgotten += 1;
        self.believed.store(0, Ordering::Release); // pairs with `edition`
        if state.failures == 0 && state.edition > 0 {
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

    /// Since this catalog was made.
    fn millis(&self) -> u64 {
        millis(self.epoch.elapsed())
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Default for Catalog {
    fn default() -> Self {
        Self::new()
    }
}

impl ForkAware for Catalog {
    /// The thread that asks, and the statements that define, are the parent's. (Relaxed: stored by the
    /// child's only thread, before it starts another.)
    fn forked(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        self.definers.store(0, Ordering::Relaxed);
        self.believed.store(0, Ordering::Relaxed);
        self.due.store(0, Ordering::Relaxed);
        self.is_asking.store(false, Ordering::Relaxed);
    }
}

/// The right to ask.
struct Claim<'c>(&'c Catalog);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.is_asking.store(false, Ordering::Release); // pairs with `claim`
    }
}

/// The manager's part in its catalog, which ends with it.
pub(crate) struct CatalogOwner(Arc<Catalog>);

impl CatalogOwner {
    pub(crate) fn new() -> Self {
        Self(fork::watched(Arc::default()))
    }
}

impl Deref for CatalogOwner {
    type Target = Arc<Catalog>;

    fn deref(&self) -> &Arc<Catalog> {
        &self.0
    }
}

impl Drop for CatalogOwner {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A statement runs that may define names anew. While it does nothing is believed, and no answer that
/// the server gives meanwhile.
pub(crate) struct Defining {
    catalog: Arc<Catalog>,
    generation: u32,
}

impl Defining {
    pub(crate) fn begin(catalog: &Arc<Catalog>) -> Self {
        catalog.with(|state| {
            catalog.definers.fetch_add(1, Ordering::Relaxed); // read under the same lock
            catalog.unbelieve(state);
        });
        let generation = catalog.generation.load(Ordering::Relaxed); // changes in a fork only
        Self { catalog: Arc::clone(catalog), generation }
    }
}

impl Drop for Defining {
    fn drop(&mut self) {
        let Self { catalog, generation } = self;
        catalog.with(|state| {
            if catalog.generation.load(Ordering::Relaxed) == *generation {
                catalog.definers.fetch_sub(1, Ordering::Relaxed);
            }
            catalog.unbelieve(state);
        });
    }
}

/// The question, with a limit in seconds that the server keeps to; `None` if it knows no such limit.
fn limited(conn: &Conn, seconds: f64) -> Option<String> {
    match conn.server_version() {
        // MariaDB, which says 5.5.5 for its versions 10, and its own version since.
        (5, 5, 5) | (10.., ..) => {
            Some(format!("SET STATEMENT max_statement_time = {seconds} FOR {QUERY}"))
        }
        version if version >= (5, 7, 8) => {
            let hint = format!("SELECT /*+ MAX_EXECUTION_TIME({}) */", seconds * 1_000.0);
            Some(QUERY.replacen("SELECT", &hint, 1))
        }
        _ => None,
    }
}

/// What it is about, and what the server says of that.
type Fact = (String, Option<String>);

/// A row as a fact. Names that are not UTF-8 come from a session with another character set; no text
/// that is understood can have them.
fn fact(row: &Row) -> Option<Fact> {
    let text = |index| match row.as_ref(index) {
        Some(Value::Bytes(bytes)) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    };
    Some((text(0)?, text(1)))
}

impl Known {
    fn new(facts: &[Fact]) -> Self {
        let value = |kind: &str| {
            let (_, value) = facts.iter().find(|(one, _)| one == kind)?;
            Some(value.as_deref().unwrap_or_default())
        };
        Self {
            relations: relations(facts).map(Arc::new),
            max_allowed_packet: value("max_allowed_packet").and_then(|bytes| bytes.parse().ok()),
            has_same_collation: value("same collation").map(|same| same == "1"),
        }
    }
}

/// The server's relations, unless its sessions are unusual.
fn relations(facts: &[Fact]) -> Option<Relations> {
    let mut relations = Relations::default();
    let (mut triggered, mut sees_triggers) = (HashSet::new(), false);
    for (kind, value) in facts {
        let value = value.as_deref().unwrap_or_default();
        let name = || Box::from(value.to_ascii_lowercase());
        match &**kind {
            "other" => {
                relations.others.insert(name());
            }
            "triggered" => {
                triggered.insert(name());
            }
            "sees triggers" => sees_triggers |= value == "1",
            "version" => relations.version = Version::read(value),
            "database" => relations.database = value.into(),
            "sql_mode" => {
                let mode = value.to_ascii_uppercase();
                if mode.contains("ORACLE") || mode.contains("MSSQL") {
                    return None; // another language
                }
            }
            _ => {}
        }
    }
    sees_triggers |= relations.version.shows_triggers();
    relations.triggered = sees_triggers.then_some(triggered);
    let is_told = facts.iter().any(|(kind, _)| kind == "sql_mode");
    // Without a default database each name may mean anything.
    (is_told && !relations.database.is_empty()).then_some(relations)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plain::{self, Verdict};

    fn names(sql: &str) -> Names {
        match plain::judge(sql, false) {
            Verdict::Plain(names) => names,
            verdict => panic!("{sql}: {verdict:?}"),
        }
    }

    fn answer(changed: &[(&str, &str)]) -> Arc<Known> {
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
        Arc::new(Known::new(&rows.chain(named).collect::<Vec<_>>()))
    }

    fn told(known: Arc<Known>) -> Arc<Catalog> {
        let catalog = Arc::new(Catalog::new());
        let forgotten = catalog.begin();
        catalog.take_in(known, forgotten);
        catalog
    }

    fn is_plain(catalog: &Catalog, sql: &str) -> bool {
        catalog.edition().is_some_and(|edition| catalog.are_plain(&names(sql), edition))
    }

    #[test]
    fn a_server_with_unusual_sessions_makes_nothing_certain() {
        assert!(answer(&[]).relations.is_some());
        for unusual in [
            ("database", ""),
            ("sql_mode", "PIPES_AS_CONCAT,ORACLE"),
            ("sql_mode", "PIPES_AS_CONCAT,MSSQL"),
        ] {
            assert_eq!(answer(&[unusual]).relations, None, "{unusual:?}");
        }
        assert_eq!(Known::new(&[]).relations, None, "a server that says nothing");
    }

    #[test]
    fn names_are_plain_while_the_answer_is_believed_and_none_is_another() {
        let catalog = Arc::new(Catalog::new());
        assert!(!is_plain(&catalog, "SELECT v FROM t"), "the server was not asked yet");
        let catalog = told(answer(&[]));
        assert!(is_plain(&catalog, "SELECT v FROM t") && is_plain(&catalog, "SELECT v FROM fires"));
        assert!(!is_plain(&catalog, "SELECT v FROM VIEW"));
        assert!(is_plain(&catalog, "SELECT v FROM d.t"));
        assert!(!is_plain(&catalog, "SELECT v FROM D.t"), "another database");
        assert!(!is_plain(&catalog, "SELECT v FROM other.t"));
        assert_eq!(catalog.max_allowed_packet(), Some(1024));
        catalog.forget();
        assert!(!is_plain(&catalog, "SELECT v FROM t"));
    }

    #[test]
    fn a_function_is_known_where_the_server_has_it() {
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
                is_plain(&told(answer(&[("version", version)])), value),
                is_known,
                "{version}"
            );
        }
    }

    #[test]
    fn what_writes_is_plain_where_triggers_can_be_seen_and_none_is_there() {
        let insert = "INSERT INTO t VALUES (1)";
        assert!(!is_plain(&told(answer(&[])), insert), "there may be one that is not shown");
        for sees in [("sees triggers", "1"), ("version", "10.11.19-MariaDB-0+deb12u1")] {
            let catalog = told(answer(&[sees]));
            assert!(is_plain(&catalog, insert));
            assert!(!is_plain(&catalog, "INSERT INTO fires VALUES (1)"));
            assert!(!is_plain(&catalog, "INSERT INTO view VALUES (1)"));
        }
    }

    #[test]
    fn an_answer_to_a_question_that_was_asked_before_a_definition_is_not_believed() {
        let catalog = Arc::new(Catalog::new());
        let forgotten = catalog.begin();
        drop(Defining::begin(&catalog));
        catalog.take_in(answer(&[]), forgotten);
        assert_eq!(catalog.edition(), None);
        let defining = Defining::begin(&catalog);
        let forgotten = catalog.begin();
        catalog.take_in(answer(&[]), forgotten);
        assert_eq!(catalog.edition(), None, "it is defined still");
        drop(defining);
        let forgotten = catalog.begin();
        catalog.take_in(answer(&[]), forgotten);
        assert!(catalog.edition().is_some());
    }

    #[test]
    fn an_old_answer_is_not_believed_for_as_long_as_a_new_one() {
        let catalog = told(answer(&[]));
        let old = catalog.edition().unwrap();
        let forgotten = catalog.begin();
        catalog.take_in(answer(&[]), forgotten);
        assert_ne!(catalog.edition(), Some(old));
        assert!(!catalog.are_plain(&names("SELECT 1"), old));
        catalog.believed.store(1, Ordering::Relaxed);
        while catalog.millis() < 2 {
            thread::yield_now();
        }
        assert_eq!(catalog.edition(), None, "number and end are one");
    }

    #[test]
    fn the_server_is_asked_by_one_at_a_time_and_not_again_at_once() {
        let catalog = Arc::new(Catalog::new());
        assert!(catalog.claim());
        assert!(!catalog.claim(), "another thread asks");
        let forgotten = catalog.begin();
        catalog.take_in(answer(&[]), forgotten);
        drop(Claim(&catalog));
        assert!(!catalog.claim(), "not within a minute");
        catalog.forget();
        assert!(!catalog.claim(), "not within a second");
        catalog.set_due(0);
        assert!(catalog.claim());
        catalog.fail();
        drop(Claim(&catalog));
        catalog.forget();
        assert!(!catalog.claim(), "not within the pause");
    }

    #[test]
    fn a_forked_child_asks_for_itself() {
        let catalog = told(answer(&[]));
        let defining = Defining::begin(&catalog);
        let forgotten = catalog.begin();
        assert!(!catalog.claim());
        catalog.forked();
        assert!(catalog.claim());
        drop(defining); // its parent's
        let again = catalog.begin();
        catalog.take_in(answer(&[]), again);
        assert!(forgotten < again && catalog.edition().is_some());
    }
}
