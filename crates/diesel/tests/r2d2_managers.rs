//! r2d2's managers of SQLite, unchanged, in each pool: r2d2_sqlite's, and diesel's own.
//!
//! They are here and not in `threadwise-r2d2`, because this crate's lock file has the `libsqlite3-sys`
//! that both take.

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, TestCustomizer};
use r2d2_sqlite::SqliteConnectionManager;
use threadwise::{AnyPool, CloseReason, Pool, PoolKind};
use threadwise_r2d2::{FromR2d2, compat};

type Diesel = ConnectionManager<SqliteConnection>;

fn diesel_pool(kind: PoolKind, manager: FromR2d2<Diesel>) -> AnyPool<FromR2d2<Diesel>> {
    kind.builder().size(1).build(manager).unwrap()
}

#[test]
fn r2d2_sqlite_works_in_each_pool_and_rolls_back_if_it_is_told_how() {
    for kind in PoolKind::ALL {
        let manager = FromR2d2::new(SqliteConnectionManager::memory())
            .in_transaction_with(|conn| !conn.is_autocommit())
            .reset_with(
                |conn| if conn.is_autocommit() { Ok(()) } else { conn.execute_batch("ROLLBACK") },
            );
        let pool = kind.builder().size(1).build(manager).unwrap();
        pool.get()
            .unwrap()
            .execute_batch("CREATE TABLE t (x); BEGIN; INSERT INTO t VALUES (1)")
            .unwrap();
        let rows: i64 =
            pool.get().unwrap().query_row("SELECT count(*) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0, "{kind}");
        let counters = pool.state().counters;
        assert_eq!(counters.opened - counters.closed(CloseReason::Probed), 1, "{kind}");
    }
}

#[test]
fn r2d2_sqlite_without_a_reset_leaves_a_transaction_open_as_in_r2d2() {
    for kind in PoolKind::ALL {
        let manager = FromR2d2::new(SqliteConnectionManager::memory());
        let pool = kind.builder().size(1).build(manager).unwrap();
        pool.get().unwrap().execute_batch("BEGIN").unwrap();
        assert!(!pool.get().unwrap().is_autocommit(), "{kind}");
    }
}

#[test]
fn diesels_manager_closes_a_connection_with_an_open_transaction_as_in_r2d2() {
    for kind in PoolKind::ALL {
        let pool = diesel_pool(*kind, FromR2d2::new(Diesel::new(":memory:")));
        pool.get().unwrap().batch_execute("CREATE TABLE t (x)").unwrap();
        AnsiTransactionManager::begin_transaction(&mut *pool.get().unwrap()).unwrap();
        pool.get().unwrap().batch_execute("SELECT x FROM t").unwrap_err();
        assert_eq!(pool.state().counters.closed(CloseReason::Broken), 1, "{kind}");
    }
}

#[test]
fn diesels_manager_keeps_it_if_it_is_told_how_to_roll_back() {
    for kind in PoolKind::ALL {
        let depth = |conn: &mut SqliteConnection| {
            AnsiTransactionManager::transaction_manager_status_mut(conn).transaction_depth()
        };
        let manager = FromR2d2::new(Diesel::new(":memory:"))
            .in_transaction_with(move |conn| depth(conn).is_ok_and(|depth| depth.is_some()))
            .reset_with(move |conn| {
                while depth(conn)?.is_some() {
                    AnsiTransactionManager::rollback_transaction(conn)?;
                }
                Ok(())
            });
        let pool = diesel_pool(*kind, manager);
        pool.get().unwrap().batch_execute("CREATE TABLE t (x)").unwrap();
        AnsiTransactionManager::begin_transaction(&mut *pool.get().unwrap()).unwrap();
        pool.get().unwrap().batch_execute("SELECT x FROM t").unwrap();
        let counters = pool.state().counters;
        assert_eq!(counters.closed_total(), counters.closed(CloseReason::Probed), "{kind}");
    }
}

#[test]
fn diesels_test_customizer_works_in_each_pool() {
    for kind in PoolKind::ALL {
        let manager = FromR2d2::new(Diesel::new(":memory:")).customizer(Box::new(TestCustomizer));
        let pool = diesel_pool(*kind, manager);
        pool.get().unwrap().batch_execute("CREATE TABLE t (x)").unwrap();
        pool.get().unwrap().batch_execute("INSERT INTO t VALUES (1)").unwrap();
        let mut conn = pool.get().unwrap();
        AnsiTransactionManager::rollback_transaction(&mut *conn).unwrap();
        conn.batch_execute("SELECT x FROM t").unwrap_err();
    }
}

#[test]
fn the_compat_pool_runs_programs_for_r2d2_with_either_manager() {
    let pool = compat::Pool::builder()
        .max_size(1)
        .connection_customizer(Box::new(TestCustomizer))
        .build(Diesel::new(":memory:"))
        .unwrap();
    diesel::sql_query("CREATE TABLE t (x)").execute(&mut *pool.get().unwrap()).unwrap();

    let pool =
        compat::Pool::builder().max_size(2).build(SqliteConnectionManager::memory()).unwrap();
    let conn: compat::PooledConnection<SqliteConnectionManager> = pool.get().unwrap();
    let answer: i64 = conn.query_row("SELECT 42", [], |row| row.get(0)).unwrap();
    assert_eq!(answer, 42);
}
