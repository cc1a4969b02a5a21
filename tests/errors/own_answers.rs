//! The next borrower gets the answers to its own statements, whatever the last one did.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use mysql::prelude::Queryable;
use threadwise::CloseReason;
use threadwise::mysql::{ErrorClass, MysqlManager, classify};

use crate::kinds::{AnyPool, assert_closed, in_new_database, nonce, on_each_pool, serves};

/// More rows than fit into the buffers on the way.
const LONG: &str = "SELECT seq, REPEAT('x', 100000) FROM seq_1_to_1000";
/// The pool found the connection out of step, or the connection could not show that it is in step.
const OUT_OF_STEP: &[CloseReason] = &[CloseReason::Broken, CloseReason::ResetFailed];

fn impatient(name: &str) -> MysqlManager {
    in_new_database(name).read_timeout(Some(Duration::from_millis(500)))
}

#[test]
fn after_a_read_timeout_the_next_borrower_gets_its_own_rows() {
    on_each_pool!(read_timeout, impatient("read_timeout"));
}

fn read_timeout(pool: &impl AnyPool) {
    let mut conn = pool.get().unwrap();
    let late = format!("SELECT {}, SLEEP(0.7)", nonce());
    let error = conn.query_drop(late).unwrap_err();
    assert_eq!(classify(&error), ErrorClass::Lost, "{error}");
    drop(conn);
    for _ in 0..3 {
        serves(pool);
    }
    assert_closed(pool, 1, &[CloseReason::Broken]);
}

#[test]
fn after_a_read_timeout_unseen_by_the_connection_the_next_borrower_gets_its_own_rows() {
    on_each_pool!(unseen_read_timeout, impatient("unseen"));
}

fn unseen_read_timeout(pool: &impl AnyPool) {
    let mut conn = pool.get().unwrap();
    // The late answer "done, no rows" is also the answer to a reset.
    conn.as_mut_conn().query_drop("DO SLEEP(0.7)").expect_err("it is too slow");
    drop(conn);
    for _ in 0..3 {
        serves(pool);
    }
    assert_closed(pool, 1, OUT_OF_STEP);
}

#[test]
fn after_a_panic_between_rows_the_next_borrower_gets_its_own_rows() {
    on_each_pool!(panic_among_rows, in_new_database("panic_rows"));
}

fn panic_among_rows(pool: &impl AnyPool) {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let mut conn = pool.get().unwrap();
        // `resume_unwind` does not call the panic hook, which would print a message.
        let _ = conn.query_map(LONG, |_: (u32, String)| resume_unwind(Box::new("planned")));
    }));
    assert!(panicked.is_err());
    serves(pool);
    assert_closed(pool, 1, &[CloseReason::Panicked]);
}

#[test]
fn after_a_caught_panic_between_rows_the_next_borrower_gets_its_own_rows() {
    on_each_pool!(caught_panic, in_new_database("caught"));
}

fn caught_panic(pool: &impl AnyPool) {
    let mut conn = pool.get().unwrap();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _ = conn.query_map(LONG, |_: (u32, String)| resume_unwind(Box::new("planned")));
    }));
    assert!(panicked.is_err());
    drop(conn);
    serves(pool);
    assert_closed(pool, 1, &[CloseReason::Broken]);
}

#[test]
fn after_forgotten_rows_the_next_borrower_gets_its_own_rows() {
    on_each_pool!(forgotten_rows, in_new_database("forgotten"));
}

fn forgotten_rows(pool: &impl AnyPool) {
    let mut conn = pool.get().unwrap();
    let mut rows = conn.query_iter(LONG).unwrap();
    rows.next().expect("a row").expect("a good one");
    std::mem::forget(rows);
    drop(conn);
    serves(pool);
    assert_closed(pool, 1, OUT_OF_STEP);
}
