//! One manager, written for r2d2: what does a use cost in r2d2, and what in the pools here?
//!
//! `get_drop` borrows a connection that is free, and returns it. `select` also reads one row of SQLite by its
//! key. No pool validates, so that only the pools differ.
//!
//! `cargo bench -p threadwise-r2d2 --bench beside_r2d2`

use std::hint::black_box;
use std::time::Duration;

use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use r2d2::ManageConnection;
use threadwise::Validation;
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise_r2d2::{FromR2d2, compat};
use threadwise_sqlite::rusqlite::{Connection, Error};

/// Connections that cost nothing.
struct Numbers;

impl ManageConnection for Numbers {
    type Connection = u64;
    type Error = std::fmt::Error;

    fn connect(&self) -> Result<u64, Self::Error> {
        Ok(0)
    }

    fn is_valid(&self, _: &mut u64) -> Result<(), Self::Error> {
        Ok(())
    }

    fn has_broken(&self, _: &mut u64) -> bool {
        false
    }
}

/// A database in memory for each connection, with a thousand rows.
struct Rows;

impl ManageConnection for Rows {
    type Connection = Connection;
    type Error = Error;

    fn connect(&self) -> Result<Connection, Error> {
        let conn = Connection::open_in_memory()?;
        conn.execute_batch(
            "CREATE TABLE item (id INTEGER PRIMARY KEY, price INTEGER);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
             INSERT INTO item SELECT i, 7 * i FROM n;",
        )?;
        Ok(conn)
    }

    fn is_valid(&self, conn: &mut Connection) -> Result<(), Error> {
        conn.execute_batch("SELECT 1")
    }

    fn has_broken(&self, _: &mut Connection) -> bool {
        false
    }
}

fn price(conn: &Connection, id: i64) -> i64 {
    let mut select = conn.prepare_cached("SELECT price FROM item WHERE id = ?1").expect("SQL");
    select.query_row([id], |row| row.get(0)).expect("a row")
}

/// Runs `act` with a connection of each pool.
fn in_each_pool<M: ManageConnection>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    manager: impl Fn() -> M,
    act: impl Fn(&mut M::Connection),
) {
    let adapted = || FromR2d2::new(manager());
    let never = Validation::Never;
    let pool = r2d2::Pool::builder().max_size(4).test_on_check_out(false).build(manager()).unwrap();
    group.bench_function("r2d2", |b| b.iter(|| act(&mut pool.get().unwrap())));
    let pool = compat::Pool::builder().max_size(4).test_on_check_out(false);
    let pool = pool.build(manager()).unwrap();
    group.bench_function("compat", |b| b.iter(|| act(&mut pool.get().unwrap())));
    let pool = SharedPool::builder().max_size(4).validation(never).build(adapted()).unwrap();
    group.bench_function("shared", |b| b.iter(|| act(&mut pool.get().unwrap())));
    let pool = PersistentPool::builder().validation(never).build(adapted()).unwrap();
    group.bench_function("persistent", |b| b.iter(|| act(&mut pool.get().unwrap())));
    let pool = QueuePool::builder().size(4).validation(never).build(adapted()).unwrap();
    group.bench_function("queue", |b| b.iter(|| act(&mut pool.get().unwrap())));
}

fn beside_r2d2(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("get_drop");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    in_each_pool(&mut group, || Numbers, |number| *number = black_box(*number + 1));
    group.finish();

    let mut group = criterion.benchmark_group("select");
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    in_each_pool(
        &mut group,
        || Rows,
        |conn| {
            black_box(price(conn, black_box(500)));
        },
    );
    group.finish();
}

criterion_group!(benches, beside_r2d2);
criterion_main!(benches);
