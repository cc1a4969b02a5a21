//! A session is as new as a login made it, with all that the settings and hooks add; and what is open
//! in it is known from the server.

mod common;

use common::{as_root, ask, connect, manager, manager_for};
use mysql::prelude::Queryable;
use mysql::{Opts, OptsBuilder};
use threadwise_core::{CloseReason, Guard, ManageConnection, Pool};
use threadwise_mysql::{Connection, MysqlManager};
use threadwise_persistent::PersistentPool;
use threadwise_queue::QueuePool;
use threadwise_shared::SharedPool;
use threadwise_testkit::mariadb::MariaDb;

type Hook = fn(&mut Connection) -> Result<(), mysql::Error>;

/// Plays on each pool, of one connection, with a hook that every new session passes.
fn on_each_pool(manager: impl Fn() -> MysqlManager, hook: Hook, play: impl Fn(&dyn Lend)) {
    let hook = move |conn: &mut Connection| hook(conn).map_err(Into::into);
    play(&SharedPool::builder().max_size(1).on_connect(hook).build(manager()).unwrap());
    play(&QueuePool::builder().size(1).on_connect(hook).build(manager()).unwrap());
    play(&PersistentPool::builder().on_connect(hook).build(manager()).unwrap());
}

trait Lend {
    fn lend(&self, user: &mut dyn FnMut(&mut Connection));
    fn steady(&self, before: &mut dyn FnMut(&mut Connection), sql: &str) -> mysql::Result<()>;
    fn opened(&self) -> u64;
    fn resets(&self) -> u64;
}

impl<P: Pool<Manager = MysqlManager>> Lend for P {
    fn lend(&self, user: &mut dyn FnMut(&mut Connection)) {
        user(&mut self.get().unwrap());
    }

    fn steady(&self, before: &mut dyn FnMut(&mut Connection), sql: &str) -> mysql::Result<()> {
        let mut conn = self.get().unwrap();
        before(&mut conn);
        conn.steady(|conn| conn.query_drop(sql))
    }

    fn opened(&self) -> u64 {
        let counters = self.state().counters;
        // `build` of the per-thread pool opens one to see whether it can.
        let probed = counters.closed(CloseReason::Probed);
        assert_eq!(counters.closed_total(), probed, "{counters:?}");
        counters.opened - probed
    }

    fn resets(&self) -> u64 {
        self.state().counters.resets
    }
}

fn no_hook(_: &mut Connection) -> mysql::Result<()> {
    Ok(())
}

fn zone(conn: &mut Connection) -> String {
    ask(conn, "SELECT @@time_zone")
}

/// Uses a session in each way, ten times, and finds the time zone each time.
fn finds_its_zone_ten_times(pool: &dyn Lend) {
    for used in 0..10 {
        pool.lend(&mut |conn| {
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
fn what_the_server_runs_at_each_login_every_user_finds() {
    let server = MariaDb::start().unwrap();
    let mut admin = server.admin();
    admin.query_drop("CREATE USER plain@'%'").unwrap();
    admin.query_drop("GRANT ALL ON test.* TO plain@'%'").unwrap();
    admin
        .query_drop("SET GLOBAL init_connect = 'SET time_zone = \\'+02:00\\'; SET @b = 2'")
        .unwrap();
    let url = server.url().replace("root@", "plain@");
    on_each_pool(|| manager_for(&url), no_hook, finds_its_zone_ten_times);

    // The server does not run it for this user.
    on_each_pool(
        || manager_for(&server.url()),
        no_hook,
        |pool| {
            for _ in 0..2 {
                pool.lend(&mut |conn| {
                    assert_eq!(zone(conn), "SYSTEM");
                    conn.query_drop("SET @a = 1").unwrap();
                });
            }
            assert_eq!(pool.opened(), 1);
        },
    );
}

#[test]
fn where_it_is_not_known_whether_the_server_runs_it_a_changed_session_is_replaced() {
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
fn what_a_hook_sets_every_user_finds_on_one_connection() {
    let hook: Hook = |conn| conn.query_drop("SET time_zone = '+02:00'");
    on_each_pool(|| manager("hook"), hook, finds_its_zone_ten_times);
}

#[test]
fn what_the_setting_init_sets_every_user_finds_on_one_connection() {
    let url = format!("{}&init=SET%20time_zone='%2B02:00'", MariaDb::shared().url());
    on_each_pool(|| manager_for(&url), no_hook, finds_its_zone_ten_times);
}

/// A server, or a proxy, that says that it is so old has to be told to change the user.
#[test]
fn behind_an_old_version_init_and_hooks_run_again_too() {
    let server = MariaDb::builder().arg("--version=5.5.30").start().unwrap();
    let url = format!("{}&init=SET%20time_zone='%2B02:00'", server.url());
    on_each_pool(|| manager_for(&url), no_hook, finds_its_zone_ten_times);
    let hook: Hook = |conn| conn.query_drop("SET time_zone = '+02:00'");
    on_each_pool(|| manager_for(&server.url()), hook, finds_its_zone_ten_times);
}

/// The recipe for tests that leave nothing: a hook begins a transaction that is never committed.
#[test]
fn a_transaction_that_a_hook_began_goes_on_over_all_users() {
    let manager = manager("test_transaction");
    connect(&manager).query_drop("CREATE TABLE t (x INT)").unwrap();
    let database: String = ask(&mut connect(&manager), "SELECT DATABASE()");
    let url = MariaDb::shared().url_for(&database);
    let hook: Hook = |conn| conn.query_drop("BEGIN");
    on_each_pool(
        || manager_for(&url),
        hook,
        |pool| {
            pool.lend(&mut |conn| conn.query_drop("SELECT x FROM t").unwrap()); // now the names are known
            for before in 0..5_u64 {
                pool.lend(&mut |conn| {
                    assert_eq!(ask::<u64>(conn, "SELECT COUNT(*) FROM t"), before);
                    conn.query_drop("INSERT INTO t VALUES (1)").unwrap();
                });
            }
            assert_eq!(ask::<u64>(&mut connect(&manager), "SELECT COUNT(*) FROM t"), 0);
            assert_eq!(pool.opened(), 1);
            // Its end is a change: the next user begins with a new one.
            let before = pool.resets();
            pool.lend(&mut |conn| conn.query_drop("ROLLBACK").unwrap());
            assert_eq!(pool.resets(), before + 1);
            pool.lend(&mut |conn| {
                assert!(ask::<bool>(conn, "SELECT @@in_transaction"));
                assert_eq!(ask::<u64>(conn, "SELECT COUNT(*) FROM t"), 0);
            });
        },
    );
}

/// A table, and a manager whose sessions begin as `init` says.
fn accounts(init: &str) -> (MysqlManager, String) {
    let plain = manager("accounts");
    let mut conn = connect(&plain);
    conn.query_drop("CREATE TABLE account (v INT) ENGINE=InnoDB").unwrap();
    let database: String = ask(&mut conn, "SELECT DATABASE()");
    let url = MariaDb::shared().url_for(&database);
    (plain, if init.is_empty() { url } else { format!("{url}&init={init}") })
}

/// Loses a connection with a row in it, and asks for another row, steadily.
fn loses_no_half_of_a_transaction(plain: &MysqlManager, pool: &dyn Lend, set: &str) {
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
fn no_half_of_a_transaction_is_lost_in_silence_however_autocommit_was_switched_off() {
    let (plain, url) = accounts("SET%20autocommit=0");
    on_each_pool(
        || manager_for(&url),
        no_hook,
        |pool| {
            loses_no_half_of_a_transaction(&plain, pool, "SELECT 1");
        },
    );

    let (plain, url) = accounts("");
    let hook: Hook = |conn| conn.query_drop("SET autocommit = 0");
    on_each_pool(
        || manager_for(&url),
        hook,
        |pool| {
            loses_no_half_of_a_transaction(&plain, pool, "SELECT 1");
        },
    );
    on_each_pool(
        || manager_for(&url),
        no_hook,
        |pool| {
            loses_no_half_of_a_transaction(&plain, pool, "SET autocommit = 0");
        },
    );
    on_each_pool(
        || manager_for(&url),
        no_hook,
        |pool| {
            loses_no_half_of_a_transaction(&plain, pool, "SET @@session.autocommit := OFF");
        },
    );
    on_each_pool(
        || manager_for(&url),
        |conn| conn.query_drop("BEGIN"),
        |pool| {
            loses_no_half_of_a_transaction(&plain, pool, "SELECT 1");
        },
    );
}

#[test]
fn no_half_of_a_transaction_is_lost_on_a_server_without_autocommit() {
    let server = MariaDb::builder().arg("--autocommit=0").start().unwrap();
    let mut admin = server.admin();
    admin.query_drop("CREATE TABLE test.account (v INT) ENGINE=InnoDB").unwrap();
    let manager = manager_for(&server.url());
    let mut conn = connect(&manager);
    manager.begin_session(&mut conn);
    assert!(!manager.in_transaction(&conn), "nothing has run yet");
    conn.query_drop("INSERT INTO account VALUES (1)").unwrap();
    assert!(manager.in_transaction(&conn));
    conn.query_drop("COMMIT").unwrap();
    assert!(!manager.in_transaction(&conn));
    conn.query_drop("nonsense").unwrap_err();
    assert!(manager.in_transaction(&conn), "the driver has forgotten what the server said");
}

/// The flags of the server tell what no text does.
#[test]
fn a_transaction_that_a_procedure_began_is_seen_until_it_ends() {
    let manager = manager("procedure");
    let mut conn = connect(&manager);
    conn.query_drop("CREATE TABLE t (x INT) ENGINE=InnoDB").unwrap();
    conn.query_drop("CREATE PROCEDURE p() START TRANSACTION").unwrap();
    manager.reset(&mut conn).unwrap();
    manager.begin_session(&mut conn);
    conn.query_drop("CALL p()").unwrap();
    assert!(manager.in_transaction(&conn));
}

#[test]
fn init_in_the_drivers_options_runs_in_the_same_way() {
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
