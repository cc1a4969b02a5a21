//! A session is as new as a login made it, with all that settings and hooks add. And the server's
//! flags tell whether a transaction is open.

mod common;

use common::{as_root, ask, connect, manager, manager_for};
use mysql::prelude::Queryable;
use mysql::{Opts, OptsBuilder};
use threadwise_core::{CloseReason, Guard, ManageConnection, Pool};
use threadwise_mysql::{Connection, MysqlManager};
use threadwise_persistent::PersistentPool;
use threadwise_queue::QueuePool;
use threadwise_shared::SharedPool;
use threadwise_testkit::await_names;
use threadwise_testkit::mariadb::MariaDb;

type Hook = fn(&mut Connection) -> Result<(), mysql::Error>;

/// Runs `play` on each pool, of one connection, with a hook on every new session.
fn on_each_pool(manager: impl Fn() -> MysqlManager, hook: Hook, play: impl Fn(&dyn BorrowOnce)) {
    let hook = move |conn: &mut Connection| hook(conn).map_err(Into::into);
    play(&SharedPool::builder().max_size(1).on_connect(hook).build(manager()).unwrap());
    play(&QueuePool::builder().size(1).on_connect(hook).build(manager()).unwrap());
    play(&PersistentPool::builder().on_connect(hook).build(manager()).unwrap());
}

trait BorrowOnce {
    fn with_conn(&self, user: &mut dyn FnMut(&mut Connection));
    fn steady(&self, before: &mut dyn FnMut(&mut Connection), sql: &str) -> mysql::Result<()>;
    fn opened(&self) -> u64;
    fn resets(&self) -> u64;
    fn await_names(&self);
}

impl<P: Pool<Manager = MysqlManager>> BorrowOnce for P {
    fn with_conn(&self, user: &mut dyn FnMut(&mut Connection)) {
        user(&mut self.get().unwrap());
    }

    fn steady(&self, before: &mut dyn FnMut(&mut Connection), sql: &str) -> mysql::Result<()> {
        let mut conn = self.get().unwrap();
        before(&mut conn);
        conn.steady(|conn| conn.query_drop(sql))
    }

    fn opened(&self) -> u64 {
        let counters = self.state().counters;
        // `build` of the per-thread pool opens one connection to test the settings.
        let probed = counters.closed(CloseReason::Probed);
        assert_eq!(counters.closed_total(), probed, "{counters:?}");
        counters.opened - probed
    }

    fn resets(&self) -> u64 {
        self.state().counters.resets
    }

    fn await_names(&self) {
        await_names(self);
    }
}

fn no_hook(_: &mut Connection) -> mysql::Result<()> {
    Ok(())
}

fn zone(conn: &mut Connection) -> String {
    ask(conn, "SELECT @@time_zone")
}

/// Uses a session ten times, in both ways, and asserts the time zone each time.
fn assert_zone_ten_times(pool: &dyn BorrowOnce) {
    for used in 0..10 {
        pool.with_conn(&mut |conn| {
            assert_eq!(zone(conn), "+02:00", "use {used}");
            if used % 2 == 0 {
                conn.query_drop("SET time_zone = '+05:00', @a = 1").unwrap();
            } else {
                conn.query_drop("SELECT 1").unwrap();
            }
        });
    }
    assert_eq!(pool.opened(), 1);
}

#[test]
fn every_user_finds_what_init_connect_sets() {
    let server = MariaDb::start().unwrap();
    let mut admin = server.admin();
    admin.query_drop("CREATE USER plain@'%'").unwrap();
    admin.query_drop("GRANT ALL ON test.* TO plain@'%'").unwrap();
    admin
        .query_drop("SET GLOBAL init_connect = 'SET time_zone = \\'+02:00\\'; SET @b = 2'")
        .unwrap();
    let url = server.url().replace("root@", "plain@");
    on_each_pool(|| manager_for(&url), no_hook, assert_zone_ten_times);

    // The server does not run it for root.
    on_each_pool(
        || manager_for(&server.url()),
        no_hook,
        |pool| {
            for _ in 0..2 {
                pool.with_conn(&mut |conn| {
                    assert_eq!(zone(conn), "SYSTEM");
                    conn.query_drop("SET @a = 1").unwrap();
                });
            }
            assert_eq!(pool.opened(), 1);
        },
    );
}

#[test]
fn for_a_user_with_roles_a_changed_session_is_replaced_if_there_is_an_init_connect() {
    let server = MariaDb::start().unwrap();
    let mut admin = server.admin();
    for sql in [
        "CREATE ROLE some",
        "CREATE USER roled@'%'",
        "GRANT ALL ON test.* TO roled@'%'",
        "GRANT some TO roled@'%'",
        "SET GLOBAL init_connect = 'SET time_zone = \\'+02:00\\''",
    ] {
        admin.query_drop(sql).unwrap();
    }
    let pool = QueuePool::builder().size(1);
    let pool = pool.build(manager_for(&server.url().replace("root@", "roled@"))).unwrap();
    for _ in 0..3 {
        let mut conn = pool.get().unwrap();
        assert_eq!(zone(&mut conn), "+02:00");
        conn.query_drop("SET time_zone = '+05:00'").unwrap();
    }
}

#[test]
fn every_user_finds_what_a_hook_sets_on_one_connection() {
    let hook: Hook = |conn| conn.query_drop("SET time_zone = '+02:00'");
    on_each_pool(|| manager("hook"), hook, assert_zone_ten_times);
}

#[test]
fn every_user_finds_what_init_sets_on_one_connection() {
    let url = format!("{}&init=SET%20time_zone='%2B02:00'", MariaDb::shared().url());
    on_each_pool(|| manager_for(&url), no_hook, assert_zone_ten_times);
}

/// For a server, or a proxy, that claims such an old version, the driver uses `COM_CHANGE_USER`.
#[test]
fn on_an_old_version_init_and_hooks_run_again_too() {
    let server = MariaDb::builder().arg("--version=5.5.30").start().unwrap();
    let url = format!("{}&init=SET%20time_zone='%2B02:00'", server.url());
    on_each_pool(|| manager_for(&url), no_hook, assert_zone_ten_times);
    let hook: Hook = |conn| conn.query_drop("SET time_zone = '+02:00'");
    on_each_pool(|| manager_for(&server.url()), hook, assert_zone_ten_times);
}

/// The recipe for tests that leave nothing: a hook begins a transaction that is never committed.
#[test]
fn a_transaction_that_a_hook_began_stays_open_from_user_to_user() {
    let manager = manager("test_transaction");
    connect(&manager).query_drop("CREATE TABLE t (x INT)").unwrap();
    let database: String = ask(&mut connect(&manager), "SELECT DATABASE()");
    let url = MariaDb::shared().url_for(&database);
    let hook: Hook = |conn| conn.query_drop("BEGIN");
    on_each_pool(
        || manager_for(&url),
        hook,
        |pool| {
            pool.await_names();
            for before in 0..5_u64 {
                pool.with_conn(&mut |conn| {
                    assert_eq!(ask::<u64>(conn, "SELECT COUNT(*) FROM t"), before);
                    conn.query_drop("INSERT INTO t VALUES (1)").unwrap();
                });
            }
            assert_eq!(ask::<u64>(&mut connect(&manager), "SELECT COUNT(*) FROM t"), 0);
            assert_eq!(pool.opened(), 1);
            // Its end is a change: the next user gets a new transaction.
            let before = pool.resets();
            pool.with_conn(&mut |conn| conn.query_drop("ROLLBACK").unwrap());
            assert_eq!(pool.resets(), before + 1);
            pool.with_conn(&mut |conn| {
                assert!(ask::<bool>(conn, "SELECT @@in_transaction"));
                assert_eq!(ask::<u64>(conn, "SELECT COUNT(*) FROM t"), 0);
            });
        },
    );
}

/// Creates a table. Returns a manager, and a URL whose sessions begin with `init`.
fn accounts(init: &str) -> (MysqlManager, String) {
    let plain = manager("accounts");
    let mut conn = connect(&plain);
    conn.query_drop("CREATE TABLE account (v INT) ENGINE=InnoDB").unwrap();
    let database: String = ask(&mut conn, "SELECT DATABASE()");
    let url = MariaDb::shared().url_for(&database);
    (plain, if init.is_empty() { url } else { format!("{url}&init={init}") })
}

/// Kills a connection after an uncommitted row, and runs another row by `steady`.
fn assert_no_half_transaction(plain: &MysqlManager, pool: &dyn BorrowOnce, set: &str) {
    let error = pool.steady(
        &mut |conn| {
            conn.query_drop(set).unwrap();
            conn.query_drop("INSERT INTO account VALUES (1)").unwrap();
            MariaDb::shared().kill_connection(conn.connection_id().into());
        },
        "INSERT INTO account VALUES (2)",
    );
    assert!(error.is_err(), "the first row is lost");
    assert_eq!(ask::<u64>(&mut connect(plain), "SELECT COUNT(*) FROM account"), 0);
}

#[test]
fn steady_does_not_replay_half_a_transaction_however_autocommit_was_switched_off() {
    let (plain, url) = accounts("SET%20autocommit=0");
    on_each_pool(
        || manager_for(&url),
        no_hook,
        |pool| {
            assert_no_half_transaction(&plain, pool, "SELECT 1");
        },
    );

    let (plain, url) = accounts("");
    let hook: Hook = |conn| conn.query_drop("SET autocommit = 0");
    on_each_pool(
        || manager_for(&url),
        hook,
        |pool| {
            assert_no_half_transaction(&plain, pool, "SELECT 1");
        },
    );
    on_each_pool(
        || manager_for(&url),
        no_hook,
        |pool| {
            assert_no_half_transaction(&plain, pool, "SET autocommit = 0");
        },
    );
    on_each_pool(
        || manager_for(&url),
        no_hook,
        |pool| {
            assert_no_half_transaction(&plain, pool, "SET @@session.autocommit := OFF");
        },
    );
    on_each_pool(
        || manager_for(&url),
        |conn| conn.query_drop("BEGIN"),
        |pool| {
            assert_no_half_transaction(&plain, pool, "SELECT 1");
        },
    );
}

#[test]
fn in_transaction_is_right_on_a_server_without_autocommit() {
    let server = MariaDb::builder().arg("--autocommit=0").start().unwrap();
    let mut admin = server.admin();
    admin.query_drop("CREATE TABLE test.account (v INT) ENGINE=InnoDB").unwrap();
    let manager = manager_for(&server.url());
    let mut conn = connect(&manager);
    manager.begin_session(&mut conn);
    assert!(!manager.in_transaction(&mut conn), "nothing has run yet");
    conn.query_drop("INSERT INTO account VALUES (1)").unwrap();
    assert!(manager.in_transaction(&mut conn));
    conn.query_drop("COMMIT").unwrap();
    assert!(!manager.in_transaction(&mut conn));
    conn.query_drop("nonsense").unwrap_err();
    assert!(manager.in_transaction(&mut conn), "the driver has forgotten what the server said");
}

/// The server's flags show what no text does.
#[test]
fn a_transaction_that_a_procedure_began_is_found() {
    let manager = manager("procedure");
    let mut conn = connect(&manager);
    conn.query_drop("CREATE TABLE t (x INT) ENGINE=InnoDB").unwrap();
    conn.query_drop("CREATE PROCEDURE p() START TRANSACTION").unwrap();
    manager.reset(&mut conn).unwrap();
    manager.begin_session(&mut conn);
    conn.query_drop("CALL p()").unwrap();
    assert!(manager.in_transaction(&mut conn));
}

#[test]
fn init_of_the_drivers_options_runs_in_the_same_way() {
    let opts = Opts::from_url(&MariaDb::shared().url()).unwrap();
    let opts = OptsBuilder::from_opts(opts).init(vec!["SET @x = 1", "SET @y = @x + 1"]);
    let manager = MysqlManager::new(opts);
    let mut conn = connect(&manager);
    for _ in 0..2 {
        assert_eq!(ask::<u32>(&mut conn, "SELECT @y"), 2);
        conn.query_drop("SET @y = 9").unwrap();
        manager.reset(&mut conn).unwrap();
    }
    as_root("DO 1");
}
