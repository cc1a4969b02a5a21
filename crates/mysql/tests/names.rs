//! The manager asks the server what names mean, beside the borrowers' work, and no answer is used
//! for longer than it is valid.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use mysql::prelude::Queryable;
use mysql::{Conn, OptsBuilder};
use threadwise_core::{CloseReason, ManageConnection, Reset};
use threadwise_mysql::{Connection, MysqlManager};
use threadwise_shared::SharedPool;
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait::AtEnd;
use threadwise_testkit::{LEAKY_SCHEMA, await_names, wait};

const VARIABLE: &str = "SELECT CAST(@a AS CHAR)";

struct Rig {
    server: MariaDb,
}

impl Rig {
    fn new() -> Self {
        let server = MariaDb::start().expect("a private MariaDB");
        server.run_all(LEAKY_SCHEMA);
        Self { server }
    }

    fn manager(&self) -> MysqlManager {
        MysqlManager::from_url(&self.server.url_for("d")).expect("a good URL")
    }
}

fn read(conn: &mut Connection, sql: &str) {
    let _: Option<mysql::Row> = conn.exec_first(sql, ()).expect(sql);
}

fn answer(conn: &mut impl Queryable, question: &str) -> String {
    let row: Option<mysql::Row> = conn.query_first(question).expect(question);
    let values = row.map(mysql::Row::unwrap).unwrap_or_default();
    let values: Vec<_> = values.iter().map(|value| value.as_sql(true)).collect();
    values.join(", ")
}

/// The longest that half of all returns may take.
const QUICK: Duration = Duration::from_millis(50);

fn pool(rig: &Rig, url: &str, size: usize) -> SharedPool<MysqlManager> {
    let url = rig.server.url_for("d").replace("root@", &format!("{url}@"));
    let manager = MysqlManager::from_url(&url).unwrap();
    SharedPool::builder().max_size(size).build(manager).unwrap()
}

/// The questions about names that the server was asked since its log was emptied.
fn questions(admin: &mut Conn) -> u64 {
    let sql = "SELECT COUNT(*) FROM mysql.general_log \
        WHERE argument LIKE '%EVENT_OBJECT_TABLE%' AND argument NOT LIKE '%general_log%'";
    admin.query_first(sql).unwrap().unwrap()
}

/// The other statements since then, without those of the users.
fn others(admin: &mut Conn) -> Vec<String> {
    let sql = "SELECT DISTINCT CONVERT(argument USING utf8mb4) FROM mysql.general_log \
        WHERE command_type IN ('Query', 'Prepare', 'Execute') \
        AND argument NOT LIKE '%EVENT_OBJECT_TABLE%' AND argument NOT LIKE '%general_log%' \
        AND argument <> 'SELECT v FROM t WHERE id = 1'";
    admin.query(sql).unwrap()
}

fn log_queries(admin: &mut Conn) {
    for statement in [
        "SET GLOBAL log_output = 'TABLE'",
        "TRUNCATE mysql.general_log",
        "SET GLOBAL general_log = 1",
    ] {
        admin.query_drop(statement).expect(statement);
    }
}

/// Uses the pool on this many threads, each until `is_over`, which gets the number of its uses.
/// Returns how long the returns took, in ascending order.
fn read_and_return(
    pool: &SharedPool<MysqlManager>,
    threads: usize,
    is_over: impl Fn(usize) -> bool + Sync,
) -> Vec<Duration> {
    let start = Barrier::new(threads);
    let use_it = || {
        start.wait();
        let mut returns = Vec::new();
        while !is_over(returns.len()) {
            let mut conn = pool.get().unwrap();
            let _: Option<u32> = conn.query_first("SELECT v FROM t WHERE id = 1").unwrap();
            let begin = Instant::now();
            drop(conn);
            returns.push(begin.elapsed());
        }
        returns
    };
    let mut returns: Vec<Duration> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(use_it)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    returns.sort_unstable();
    returns
}

/// A statement that holds a metadata lock until its connection is killed.
const LOCKING: &str = "CREATE TABLE copy AS SELECT SLEEP(600)";

/// Runs `meanwhile` while another connection's statement holds a metadata lock. Its argument tells
/// whether that statement still runs.
fn while_ddl_holds_a_lock(rig: &Rig, meanwhile: impl FnOnce(&mut dyn FnMut() -> bool)) {
    let mut ddl = Conn::new(mysql::Opts::from_url(&rig.server.url_for("d")).unwrap()).unwrap();
    let id = u64::from(ddl.connection_id());
    thread::scope(|scope| {
        let _end = AtEnd(|| rig.server.kill_connection(id));
        scope.spawn(|| ddl.query_drop(LOCKING).unwrap_err());
        let mut admin = rig.server.admin();
        let sleeps = format!(
            "SELECT COUNT(*) FROM information_schema.PROCESSLIST \
            WHERE ID = {id} AND STATE = 'User sleep'"
        );
        let mut runs = || admin.query_first(&sleeps).unwrap() == Some(1);
        wait::until("the lock", &mut runs);
        meanwhile(&mut runs);
    });
}

/// Each return is a reset, because the question about names waits for the lock.
#[test]
fn while_ddl_holds_a_metadata_lock_returns_after_plain_reads_do_not_wait_for_it() {
    const USES: usize = 50;
    let rig = Rig::new();
    while_ddl_holds_a_lock(&rig, |still_holds| {
        let pool = pool(&rig, "root", 8);
        let end = Instant::now() + wait::PATIENCE;
        let returns = read_and_return(&pool, 8, |uses| uses == USES || Instant::now() > end);
        assert_eq!(returns.len(), 8 * USES, "a return takes {:?}", returns.last());
        assert!(still_holds());
        let counters = pool.state().counters;
        assert_eq!(counters.closed(CloseReason::ResetFailed), 0);
        assert_eq!(counters.closed(CloseReason::Broken), 0);
    });
}

/// A server with this many tables and this many users of plain reads, for this time. Asserts that
/// the manager asks about names about once a minute, and that no return asks anything. Returns how
/// long the returns took, in ascending order.
fn with_many_tables(tables: u32, users: usize, time: Duration) -> Vec<Duration> {
    let rig = Rig::new();
    let mut admin = rig.server.admin();
    admin.query_drop("USE d").unwrap();
    for table in 0..tables {
        admin.query_drop(format!("CREATE TABLE many_{table} (i INT) ENGINE=MEMORY")).unwrap();
    }
    log_queries(&mut admin);
    let begin = Instant::now();
    let pool = pool(&rig, "root", 8);
    await_names(&pool);
    // The first attempt has a limit of 20 ms, the second is the thread's.
    let asked = questions(&mut admin);
    assert!((1..=2).contains(&asked), "{asked} questions");

    drop((0..8).map(|_| pool.get().unwrap()).collect::<Vec<_>>()); // no login comes later
    log_queries(&mut admin);
    let resets = pool.state().counters.resets;
    let start = Instant::now();
    let returns = read_and_return(&pool, users, |uses| uses > 0 && start.elapsed() > time);
    assert_eq!(pool.state().counters.resets, resets, "the answer has come");
    assert_eq!(others(&mut admin), Vec::<String>::new(), "the pool asks nothing else");
    let (asked, most) = (questions(&mut admin), begin.elapsed().as_secs() / 60);
    println!("{asked} more questions, {} returns", returns.len());
    assert!(asked <= most, "{asked} of {most} questions");
    returns
}

#[test]
fn the_server_is_asked_once_by_a_pool_however_many_tables_and_users_there_are() {
    with_many_tables(1_000, 8, Duration::from_secs(3));
}

#[test]
#[ignore = "takes three minutes; `just stress` runs it"]
fn the_server_is_asked_once_a_minute_with_20_000_tables_and_32_users() {
    let returns = with_many_tables(20_000, 32, Duration::from_secs(120));
    let median = returns[returns.len() / 2];
    println!("a return takes {median:?}, and {:?} at most", returns.last());
    assert!(median < QUICK, "{median:?}");
}

#[test]
fn a_text_that_defines_nothing_costs_other_borrowers_no_reset() {
    let rig = Rig::new();
    let mut admin = rig.server.admin();
    let pool = pool(&rig, "root", 2);
    await_names(&pool);
    let resets = pool.state().counters.resets;
    log_queries(&mut admin);
    let (mut one, mut other) = (pool.get().unwrap(), pool.get().unwrap());
    read(&mut other, "SELECT v FROM t");
    for text in [
        "SELECT @a, 1 AS `trigger`",
        "UPDATE t SET v = @view",
        "WITH x AS (SELECT @a AS `schema`) SELECT * FROM x",
    ] {
        one.query_drop(text).unwrap();
    }
    drop(one);
    drop(other);
    let more = pool.state().counters.resets - resets;
    assert_eq!(more, 1, "only the session with the variable is reset");
    assert_eq!(questions(&mut admin), 0);
}

#[test]
fn the_default_database_is_compared_byte_for_byte() {
    let rig = Rig::new();
    let mut admin = rig.server.admin();
    for statement in [
        "CREATE DATABASE D",
        "CREATE VIEW D.v AS SELECT d.sets() AS v",
        "CREATE TABLE D.fires (id INT)",
        "CREATE TRIGGER D.fires BEFORE INSERT ON D.fires FOR EACH ROW SET @a = 1",
        "CREATE USER few@'%'",
        "GRANT SELECT, INSERT, EXECUTE ON d.* TO few@'%'",
        "CREATE DATABASE o1",
        "CREATE VIEW o1.w AS SELECT d.sets() AS v",
        "GRANT SELECT ON o1.w TO PUBLIC",
    ] {
        admin.query_drop(statement).expect(statement);
    }
    for (user, statement) in [
        ("root", "SELECT v FROM D.v"),
        ("root", "SELECT v FROM `D`.`v`"),
        ("root", "INSERT INTO D.fires VALUES (1)"),
        ("few", "SELECT v FROM o1.w"),
        ("few", "SELECT o1.id FROM t o1 JOIN o1.w"),
        ("few", "SELECT t.id FROM t JOIN t u ON t.id = 1. JOIN o1.w"),
    ] {
        let pool = pool(&rig, user, 1);
        await_names(&pool);
        pool.get().unwrap().query_drop(statement).expect(statement);
        assert_eq!(answer(&mut *pool.get().unwrap(), VARIABLE), "NULL", "{user}: {statement}");
    }
}

#[test]
fn a_text_in_an_sql_mode_of_another_language_causes_a_reset() {
    let rig = Rig::new();
    for mode in ["MSSQL", "ORACLE"] {
        let mut admin = rig.server.admin();
        admin.query_drop("SET GLOBAL sql_mode = DEFAULT").unwrap();
        let pool = pool(&rig, "root", 1);
        await_names(&pool);
        admin.query_drop(format!("SET GLOBAL sql_mode = '{mode}'")).unwrap();
        pool.get().unwrap().query_drop("DO 1").unwrap(); // the reset takes the mode over
        if mode == "MSSQL" {
            pool.get().unwrap().query_drop("SELECT [sets](1)").unwrap_err();
            pool.get().unwrap().query_drop("SELECT [sets]()").unwrap();
        }
        assert_eq!(answer(&mut *pool.get().unwrap(), VARIABLE), "NULL", "{mode}");
    }
}

#[test]
fn what_a_borrower_defines_is_known_before_it_returns_the_connection() {
    let rig = Rig::new();
    let mut admin = rig.server.admin();
    let procedure = "CREATE PROCEDURE d.defines() CREATE VIEW d.by_call AS SELECT d.sets() AS v";
    admin.query_drop(procedure).expect(procedure);
    let pool = pool(&rig, "root", 2);
    let by_text = |sql: &'static str| move |conn: &mut Connection| conn.query_drop(sql).unwrap();
    let as_driver = |sql: &'static str| {
        move |conn: &mut Connection| conn.as_mut_conn().query_drop(sql).unwrap()
    };
    let call = by_text("CALL defines()");
    let immediate =
        by_text("EXECUTE IMMEDIATE 'CREATE TRIGGER n BEFORE INSERT ON u FOR EACH ROW SET @a = 1'");
    let migration = as_driver("CREATE VIEW by_driver AS SELECT sets() AS v");
    let several = by_text("SELECT 1; CREATE VIEW by_second AS SELECT sets() AS v");
    let prepared = |conn: &mut Connection| {
        conn.exec_drop("CREATE VIEW by_prepared AS SELECT sets() AS v", ()).unwrap();
    };
    type Define<'d> = &'d dyn Fn(&mut Connection);
    let cases: [(Define<'_>, &str); 5] = [
        (&call, "SELECT v FROM by_call"),
        (&immediate, "INSERT INTO u VALUES (NULL)"),
        (&migration, "SELECT v FROM by_driver"),
        (&several, "SELECT v FROM by_second"),
        (&prepared, "SELECT v FROM by_prepared"),
    ];
    for (define, then) in cases {
        let mut definer = pool.get().unwrap();
        await_names(&pool);
        define(&mut definer);
        pool.get().unwrap().query_drop(then).expect(then);
        assert_eq!(answer(&mut *pool.get().unwrap(), VARIABLE), "NULL", "{then}");
    }
}

#[test]
fn a_session_that_begins_without_autocommit_is_found_by_the_servers_flags() {
    let rig = Rig::new();
    let mut admin = rig.server.admin();
    let pool = pool(&rig, "root", 1);
    await_names(&pool);
    for setting in ["autocommit = 0", "completion_type = 'CHAIN'"] {
        admin.query_drop(format!("SET GLOBAL {setting}")).unwrap();
        pool.get().unwrap().query_drop("DO 1").unwrap(); // the reset takes the setting over
        let mut conn = pool.get().unwrap();
        if setting.starts_with("completion") {
            conn.query_drop("BEGIN").unwrap();
        }
        conn.query_drop("UPDATE t SET v = v + 1").unwrap();
        if setting.starts_with("completion") {
            conn.query_drop("COMMIT").unwrap();
            conn.query_drop("UPDATE t SET v = v + 1").unwrap();
        }
        drop(conn);
        let id = pool.get().unwrap().connection_id();
        let open = format!(
            "SELECT COUNT(*) FROM information_schema.INNODB_TRX \
            WHERE trx_mysql_thread_id = {id}"
        );
        assert_eq!(admin.query_first(open).unwrap(), Some(0), "{setting}");
        admin.query_drop("SET GLOBAL autocommit = 1, completion_type = DEFAULT").unwrap();
        pool.get().unwrap().query_drop("DO 1").unwrap();
    }
}

#[test]
fn a_name_that_is_not_ascii_is_read_in_each_character_set() {
    let rig = Rig::new();
    let mut admin = rig.server.admin();
    admin.query_drop("SET NAMES utf8mb4").unwrap();
    admin.query_drop("CREATE VIEW d.`größe` AS SELECT d.sets() AS v").unwrap();
    for character_set in ["latin1", "utf8mb4"] {
        let url = format!("{}&init=SET+NAMES+{character_set}", rig.server.url_for("d"));
        let manager = MysqlManager::from_url(&url).unwrap();
        let pool = SharedPool::builder().max_size(1).build(manager).unwrap();
        await_names(&pool);
        let resets = pool.state().counters.resets;
        for _ in 0..3 {
            read(&mut pool.get().unwrap(), "SELECT v FROM t");
        }
        let counters = pool.state().counters;
        assert_eq!((counters.opened, counters.resets), (1, resets), "{character_set}");
    }
}

#[test]
fn a_reset_restores_the_character_set_of_the_database() {
    let rig = Rig::new();
    let mut admin = rig.server.admin();
    admin.query_drop("ALTER DATABASE d CHARACTER SET utf8mb4 COLLATE utf8mb4_bin").unwrap();
    let pool = pool(&rig, "root", 1);
    let question = "SELECT CONCAT(@@collation_database, ' ', @@character_set_database)";
    let fresh = answer(&mut *pool.get().unwrap(), question);
    assert_eq!(fresh, "'utf8mb4_bin utf8mb4'");
    for change in ["SET @a = 1", "USE other"] {
        pool.get().unwrap().query_drop(change).unwrap();
        assert_eq!(answer(&mut *pool.get().unwrap(), question), fresh, "{change}");
    }
}

#[test]
fn the_next_user_finds_no_texts_that_profiling_kept() {
    let rig = Rig::new();
    rig.server.admin().query_drop("CREATE PROCEDURE d.profiles() SET profiling = 1").unwrap();
    let pool = pool(&rig, "root", 1);
    for begin in ["SET profiling = 1", "SET @@SESSION.profiling = 1", "CALL profiles()"] {
        let mut conn = pool.get().unwrap();
        conn.query_drop(begin).unwrap();
        conn.query_drop("SELECT 'secret'").unwrap();
        drop(conn);
        let mut next = pool.get().unwrap();
        let kept: Vec<mysql::Row> = next.query("SHOW PROFILES").unwrap();
        assert_eq!(kept.len(), 0, "{begin}");
    }
}

#[test]
fn the_manager_has_one_session_of_its_own_which_ends_with_it() {
    let rig = Rig::new();
    while_ddl_holds_a_lock(&rig, |_| {
        let pool = pool(&rig, "root", 4);
        let all: Vec<_> = (0..4).map(|_| pool.get().unwrap()).collect();
        let sessions = || rig.server.connection_ids(Some("d")).len();
        wait::until("the manager's own session", || sessions() == 1 + 4 + 1);
        for _ in 0..3 {
            read(&mut rig.manager().connect().unwrap(), "SELECT v FROM t"); // another manager's
        }
        drop(all);
        drop(pool);
        wait::until("the end of all but the one that holds the lock", || sessions() == 1);
    });
}

#[test]
fn reset_always_resets_also_after_statements_without_side_effects() {
    let rig = Rig::new();
    let pool = SharedPool::builder().max_size(1).reset(Reset::Always).build(rig.manager()).unwrap();
    for resets in 1..4 {
        read(&mut pool.get().unwrap(), "SELECT v FROM t");
        assert_eq!(pool.state().counters.resets, resets);
    }
}

#[test]
fn a_manager_without_a_session_of_its_own_resets_after_everything() {
    let server = MariaDb::start().unwrap();
    let mut admin = server.admin();
    for statement in [
        "CREATE DATABASE d",
        "CREATE TABLE d.t (v INT)",
        "CREATE USER one@'%' WITH MAX_USER_CONNECTIONS 1",
        "GRANT ALL ON d.* TO one@'%'",
    ] {
        admin.query_drop(statement).expect(statement);
    }
    let opts = OptsBuilder::new().ip_or_hostname(Some("127.0.0.1")).tcp_port(server.port());
    let manager = MysqlManager::new(opts.user(Some("one")).db_name(Some("d")));
    let pool = SharedPool::builder().max_size(1).build(manager).unwrap();
    for _ in 0..10 {
        pool.get().unwrap().query_drop("CREATE OR REPLACE VIEW w AS SELECT 1").unwrap();
        pool.get().unwrap().query_drop("SELECT v FROM t").unwrap();
    }
    let counters = pool.state().counters;
    assert_eq!((counters.opened, counters.resets), (1, 20));
}
