//! Pools of each kind with one connection, and the assertions that all tests share.

use std::error::Error as _;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Error, Opts, OptsBuilder};
use threadwise::mysql::{Connection, ErrorClass, MysqlManager, classify};
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise::{CloseReason, GetError, Guard, Pool};
use threadwise_testkit::mariadb::{Builder, MariaDb};
use threadwise_testkit::wait;

/// The pools' timeout. A `get` that should fail at once takes far less.
pub(crate) const GET_TIMEOUT: Duration = Duration::from_secs(20);
/// For a `get` that should time out.
pub(crate) const BRIEF: Duration = Duration::from_millis(300);
/// The free check, or validation after a long idle time, has found the connection dead.
pub(crate) const FOUND_DEAD: &[CloseReason] = &[CloseReason::Broken, CloseReason::Invalid];

/// A pool of any kind.
pub(crate) trait AnyPool: Pool<Manager = MysqlManager> {}
impl<P: Pool<Manager = MysqlManager>> AnyPool for P {}

pub(crate) fn shared(manager: MysqlManager) -> SharedPool<MysqlManager> {
    SharedPool::builder().max_size(1).get_timeout(GET_TIMEOUT).build(manager).unwrap()
}

pub(crate) fn queue(manager: MysqlManager) -> QueuePool<MysqlManager> {
    QueuePool::builder().size(1).get_timeout(GET_TIMEOUT).build(manager).unwrap()
}

pub(crate) fn persistent(manager: MysqlManager) -> PersistentPool<MysqlManager> {
    PersistentPool::builder().max_threads(1).get_timeout(GET_TIMEOUT).build(manager).unwrap()
}

/// Calls `$test(&pool, …)` with a pool of each kind, one after another.
macro_rules! on_each_pool {
    ($test:ident, $manager:expr $(, $more:expr)*) => {{
        $test(&$crate::kinds::shared($manager) $(, $more)*);
        $test(&$crate::kinds::queue($manager) $(, $more)*);
        $test(&$crate::kinds::persistent($manager) $(, $more)*);
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
/// closes them on its own thread, so this waits. Another opens and closes one when it is built,
/// which does not count.
pub(crate) fn assert_closed(pool: &impl AnyPool, count: u64, reasons: &[CloseReason]) {
    let total = || {
        let counters = pool.state().counters;
        counters.closed_total() - counters.closed(CloseReason::Probed)
    };
    wait::until("connections to be closed", || total() >= count);
    let counters = pool.state().counters;
    assert_eq!((closed(pool, reasons), total()), (count, count), "{reasons:?}: {counters:?}");
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
