//! `steady` on real lost connections to MariaDB, with each of the three pools.
#![cfg(all(feature = "mysql", feature = "shared", feature = "queue", feature = "persistent"))]

use mysql::TxOpts;
use mysql::prelude::Queryable;
use threadwise::mysql::{Connection, MysqlManager};
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise::{CloseReason, Guard, Pool};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait;

/// Runs `test` on a pool of each kind with one connection.
fn on_each_pool(server: &MariaDb, test: impl Fn(&MariaDb, &dyn TestPool)) {
    let manager = || MysqlManager::from_url(&server.url()).expect("a good URL");
    test(server, &SharedPool::builder().max_size(1).build(manager()).unwrap());
    test(server, &QueuePool::builder().size(1).build(manager()).unwrap());
    test(server, &PersistentPool::builder().build(manager()).unwrap());
}

/// The operations of these tests, on a pool of any kind.
trait TestPool {
    fn lend(&self, user: &mut dyn FnMut(&mut dyn Steady));
    fn replaced(&self) -> u64;
}

/// The operations of these tests, on a guard of any kind.
trait Steady {
    fn conn(&mut self) -> &mut Connection;
    fn ask(&mut self, sql: &str) -> mysql::Result<Option<u64>>;
    fn transfer(&mut self, lose: &mut dyn FnMut(u32)) -> mysql::Result<()>;
}

impl<P: Pool<Manager = MysqlManager>> TestPool for P {
    fn lend(&self, user: &mut dyn FnMut(&mut dyn Steady)) {
        user(&mut self.get().unwrap());
    }

    fn replaced(&self) -> u64 {
        self.state().counters.closed(CloseReason::Broken)
    }
}

impl<G: Guard<Target = Connection, Error = mysql::Error>> Steady for G {
    fn conn(&mut self) -> &mut Connection {
        self
    }

    fn ask(&mut self, sql: &str) -> mysql::Result<Option<u64>> {
        self.steady(|conn| conn.query_first(sql))
    }

    /// Runs a transaction in one closure. `lose` may end its connection in the middle.
    fn transfer(&mut self, lose: &mut dyn FnMut(u32)) -> mysql::Result<()> {
        self.steady(|conn| {
            let mut transaction = conn.start_transaction(TxOpts::default())?;
            transaction.query_drop("INSERT INTO account VALUES (1)")?;
            lose(transaction.connection_id());
            transaction.query_drop("INSERT INTO account VALUES (2)")?;
            transaction.commit()
        })
    }
}

/// Kills a connection and waits until the server has closed it.
fn kill(server: &MariaDb, conn: &mut Connection) {
    let id = u64::from(conn.connection_id());
    server.kill_connection(id);
    wait::until("the connection is gone", || !server.connection_ids(None).contains(&id));
}

#[test]
fn a_statement_on_a_connection_that_the_server_has_closed_runs_on_another() {
    let server = MariaDb::start().expect("a private MariaDB");
    on_each_pool(&server, |server, pool| {
        pool.lend(&mut |conn| {
            kill(server, conn.conn());
            assert_eq!(conn.ask("SELECT 1").unwrap(), Some(1));
        });
        assert_eq!(pool.replaced(), 1);
    });
}

#[test]
fn a_restart_of_the_server_is_not_noticed() {
    let mut server = MariaDb::start().expect("a private MariaDB");
    let manager = MysqlManager::from_url(&server.url()).expect("a good URL");
    let pool = SharedPool::builder().max_size(1).build(manager).unwrap();
    let mut conn = pool.get().unwrap();
    server.restart().expect("a restart");
    let answer: Option<u64> = conn.steady(|conn| conn.exec_first("SELECT ?", (7,))).unwrap();
    assert_eq!(answer, Some(7));
}

#[test]
fn a_lost_transaction_is_reported_once_and_never_runs_again() {
    let server = MariaDb::start().expect("a private MariaDB");
    server.admin().query_drop("CREATE TABLE test.lost (i INT)").unwrap();
    on_each_pool(&server, |server, pool| {
        pool.lend(&mut |conn| {
            conn.ask("BEGIN").unwrap();
            kill(server, conn.conn());
            let error = conn.ask("INSERT INTO lost VALUES (1)").expect_err("it is gone");
            assert_eq!(threadwise::mysql::classify(&error), threadwise::mysql::ErrorClass::Lost);
            assert_eq!(conn.ask("SELECT COUNT(*) FROM lost").unwrap(), Some(0));
            assert_eq!(conn.ask("SELECT @@in_transaction").unwrap(), Some(0));
        });
    });
}

#[test]
fn a_transaction_within_the_closure_runs_again_as_a_whole() {
    let server = MariaDb::start().expect("a private MariaDB");
    server.admin().query_drop("CREATE TABLE test.account (i INT)").unwrap();
    on_each_pool(&server, |server, pool| {
        pool.lend(&mut |conn| {
            conn.ask("DELETE FROM account").unwrap();
            let mut times = 0;
            conn.transfer(&mut |id| {
                times += 1;
                if times == 1 {
                    server.kill_connection(u64::from(id));
                    wait::until("it is gone", || {
                        !server.connection_ids(None).contains(&u64::from(id))
                    });
                }
            })
            .unwrap();
            assert_eq!(times, 2);
            assert_eq!(conn.ask("SELECT COUNT(*) FROM account").unwrap(), Some(2));
        });
    });
}

#[test]
fn a_statement_that_fails_runs_once() {
    let server = MariaDb::start().expect("a private MariaDB");
    server.admin().query_drop("CREATE TABLE test.once (i INT PRIMARY KEY)").unwrap();
    on_each_pool(&server, |_, pool| {
        pool.lend(&mut |conn| {
            conn.ask("DELETE FROM once").unwrap();
            conn.ask("INSERT INTO once VALUES (1)").unwrap();
            let error = conn.ask("INSERT INTO once VALUES (1)").expect_err("it is there");
            assert!(matches!(&error, mysql::Error::MySqlError(answer) if answer.code == 1062));
        });
        assert_eq!(pool.replaced(), 0);
    });
}
