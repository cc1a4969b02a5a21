//! Pools of each kind with one connection, and the assertions that all tests share.

use std::error::Error as _;
use std::fmt::Display;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Error, Opts, OptsBuilder};
use threadwise::mysql::{Connection, ErrorClass, MysqlManager, classify};
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise::{CloseReason, Counters, GetError, Guard, Pool};
use threadwise_testkit::mariadb::{Builder, MariaDb};
use threadwise_testkit::wait;

/// The pools' timeout. A `get` that should fail at once takes far less.
pub(crate) const GET_TIMEOUT: Duration = Duration::from_secs(20);
/// For a `get` that should time out.
pub(crate) const BRIEF: Duration = Duration::from_millis(300);
/// For tests in which an answer comes too late.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_millis(500);
/// Whatever its server refuses, the manager keeps a connection that is younger than this.
pub(crate) const SETTLED: Duration = Duration::from_secs(1);
/// The free check, or validation after a long idle time, has found the connection dead.
pub(crate) const FOUND_DEAD: &[CloseReason] = &[CloseReason::Broken, CloseReason::Invalid];

/// A pool of any kind.
pub(crate) trait AnyPool: Pool<Manager = MysqlManager> {}
impl<P: Pool<Manager = MysqlManager>> AnyPool for P {}

pub(crate) fn shared(manager: impl Fn() -> MysqlManager) -> SharedPool<MysqlManager> {
    built(|| SharedPool::builder().max_size(1).get_timeout(GET_TIMEOUT).build(manager()))
}

pub(crate) fn queue(manager: impl Fn() -> MysqlManager) -> QueuePool<MysqlManager> {
    built(|| QueuePool::builder().size(1).get_timeout(GET_TIMEOUT).build(manager()))
}

pub(crate) fn persistent(manager: impl Fn() -> MysqlManager) -> PersistentPool<MysqlManager> {
    built(|| PersistentPool::builder().max_threads(1).get_timeout(GET_TIMEOUT).build(manager()))
}

/// Builds a pool. On a busy machine a login can be too late, or a server counts the connections of
/// the pool before; then tries again.
fn built<P, E: Display>(build: impl Fn() -> Result<P, E>) -> P {
    wait::until_some("a pool", || build().map_err(|error| println!("{error}")).ok())
}

/// Tries until `attempt` succeeds. On a busy machine an answer can come after [`READ_TIMEOUT`], so
/// an attempt that took so long may fail; a shorter one may not.
pub(crate) fn unless_late<T, E: Display>(
    what: &str,
    mut attempt: impl FnMut() -> Result<T, E>,
) -> T {
    wait::until_some(what, || {
        let start = Instant::now();
        let outcome = attempt();
        if let Err(error) = &outcome {
            assert!(start.elapsed() >= READ_TIMEOUT, "{what}: {error}");
        }
        outcome.ok()
    })
}

/// Calls `$test(&pool, …)` with a pool of each kind, one after another.
macro_rules! on_each_pool {
    ($test:ident, $manager:expr $(, $more:expr)*) => {{
        $test(&$crate::kinds::shared(|| $manager) $(, $more)*);
        $test(&$crate::kinds::queue(|| $manager) $(, $more)*);
        $test(&$crate::kinds::persistent(|| $manager) $(, $more)*);
    }};
}
pub(crate) use on_each_pool;

pub(crate) fn start(builder: Builder) -> MariaDb {
    builder.start().unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn manager(url: &str) -> MysqlManager {
    MysqlManager::from_url(url).expect("a good URL")
}

/// A manager whose connections begin with these statements.
pub(crate) fn beginning_with(url: &str, statement: &str) -> MysqlManager {
    let opts = Opts::from_url(url).expect("a good URL");
    MysqlManager::new(OptsBuilder::from_opts(opts).prefer_socket(false).init(vec![statement]))
}

/// A manager for a new database of the server that the tests share.
pub(crate) fn in_new_database(name: &str) -> MysqlManager {
    let server = MariaDb::shared();
    manager(&server.url_for(&server.create_database(name)))
}

pub(crate) fn as_root(server: &MariaDb, statements: &[&str]) {
    let mut root = server.admin();
    for sql in statements {
        root.query_drop(sql).expect(sql);
    }
}

/// Returns the error number of the server's answer, if the error is one.
pub(crate) fn code(error: &Error) -> Option<u16> {
    match error {
        Error::MySqlError(answer) => Some(answer.code),
        _ => None,
    }
}

/// Returns a random number, which is the answer to no other statement.
pub(crate) fn nonce() -> u64 {
    use std::hash::BuildHasher;
    std::hash::RandomState::new().hash_one(())
}

/// Asserts that a connection gives the right answer.
pub(crate) fn answers(conn: &mut Connection) {
    let nonce = nonce();
    let answer: Option<u64> = conn.query_first(format!("SELECT {nonce}")).expect("an answer");
    assert_eq!(answer, Some(nonce));
}

/// Asserts that the next borrower gets a connection and the right answer. Returns the connection's
/// id.
pub(crate) fn serves(pool: &impl AnyPool) -> u32 {
    let mut conn = pool.get().unwrap_or_else(|error| panic!("{error}"));
    answers(&mut conn);
    conn.connection_id()
}

/// The same with a manager whose read timeout is [`READ_TIMEOUT`].
pub(crate) fn serves_unless_late(pool: &impl AnyPool) -> u32 {
    unless_late("an answer", || {
        let mut conn = pool.get().map_err(|error| error.to_string())?;
        let nonce = nonce();
        let answer: Option<u64> =
            conn.query_first(format!("SELECT {nonce}")).map_err(|error| error.to_string())?;
        assert_eq!(answer, Some(nonce));
        Ok::<_, String>(conn.connection_id())
    })
}

/// Waits until the pool serves. With some pools the next borrower has to make the next attempt.
pub(crate) fn heals(pool: &impl AnyPool) {
    wait::until("the pool to serve again", || pool.get_timeout(BRIEF).is_ok());
    serves(pool);
}

/// Waits until `get` fails with a reason of the server or the system.
pub(crate) fn refusal<T>(pool: &impl AnyPool, look: impl Fn(&Error) -> T) -> T {
    let mut seen = None;
    wait::until("a reason why there is no connection", || {
        let Err(error) = pool.get_timeout(BRIEF) else { panic!("`get` returned a connection") };
        seen = error.source().and_then(|source| source.downcast_ref().map(&look));
        seen.is_some()
    });
    seen.expect("waited for above")
}

/// Asserts that a `get` fails long before its timeout, with the server's error as its source.
pub(crate) fn fails_at_once(pool: &impl AnyPool, expected: u16) {
    let start = Instant::now();
    let Err(error) = pool.get() else { panic!("`get` returned a connection") };
    assert!(start.elapsed() < GET_TIMEOUT / 2, "{error} after {:?}", start.elapsed());
    assert!(matches!(error, GetError::ConnectFailed(_)), "{error}");
    assert_refused(&error, expected);
}

/// Asserts that the cause is a permanent error of the server.
pub(crate) fn assert_refused(error: &(dyn std::error::Error + 'static), expected: u16) {
    let source: &Error = error.source().expect("a source").downcast_ref().expect("the driver's");
    assert_eq!(code(source), Some(expected), "{source}");
    assert_eq!(classify(source), ErrorClass::Permanent, "{source}");
}

/// Empties the pool, so that the next borrower needs a new connection.
pub(crate) fn empty(pool: &impl AnyPool) {
    pool.get().unwrap_or_else(|error| panic!("{error}")).discard();
}

/// Returns how many connections the pool has closed for one of these reasons.
pub(crate) fn closed(pool: &impl AnyPool, reasons: &[CloseReason]) -> u64 {
    let counters = pool.state().counters;
    reasons.iter().map(|reason| counters.closed(*reason)).sum()
}

/// Asserts that the pool closes `count` connections, for these reasons only. One kind of pool
/// closes them on its own thread, so this waits.
pub(crate) fn assert_closed(pool: &impl AnyPool, count: u64, reasons: &[CloseReason]) {
    Closed::default().assert_more(pool, count, reasons);
}

/// The connections that a pool had closed at some moment. Those that a test discards do not count,
/// nor the one that one kind of pool opens and closes when it is built.
#[derive(Default)]
pub(crate) struct Closed(Counters);

impl Closed {
    pub(crate) fn by(pool: &impl AnyPool) -> Self {
        Self(pool.state().counters)
    }

    /// Asserts that the pool has closed `count` more since then, for these reasons only.
    pub(crate) fn assert_more(&self, pool: &impl AnyPool, count: u64, reasons: &[CloseReason]) {
        let more = |all: &[CloseReason]| {
            let before: u64 = all.iter().map(|reason| self.0.closed(*reason)).sum();
            closed(pool, all) - before
        };
        let not_counted = [CloseReason::Probed, CloseReason::Discarded];
        let total = || more(CloseReason::ALL) - more(&not_counted);
        wait::until("connections to be closed", || total() >= count);
        let counters = pool.state().counters;
        assert_eq!((more(reasons), total()), (count, count), "{reasons:?}: {counters:?}");
    }
}

/// Waits until the server runs a statement of this connection that begins with `text`.
pub(crate) fn await_statement(server: &MariaDb, id: u32, text: &str) {
    let mut root = server.admin();
    let runs = format!(
        "SELECT COUNT(*) FROM information_schema.processlist \
         WHERE id = {id} AND command = 'Query' AND info LIKE '{text}%'"
    );
    let mut sees = || root.query_first::<u32, _>(&runs).expect("a number") == Some(1);
    wait::until("the statement to run", &mut sees);
}

/// Waits until the server has no connection with this id.
pub(crate) fn await_end(server: &MariaDb, id: u32) {
    let gone = || !server.connection_ids(None).contains(&u64::from(id));
    wait::until("the server to end a connection", gone);
}

/// Runs `statement` on another thread and `meanwhile`, with the connection's id, on this one.
/// Returns the outcome of the statement.
pub(crate) fn during(
    conn: &mut Connection,
    statement: &str,
    meanwhile: impl FnOnce(u32),
) -> Result<(), Error> {
    let id = conn.connection_id();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| conn.query_drop(statement));
        meanwhile(id);
        running.join().expect("no panic")
    })
}
