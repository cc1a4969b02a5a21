//! The next borrower gets the answers to its own statements, whatever the last one did.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

use mysql::Error;
use mysql::prelude::Queryable;
use threadwise::CloseReason;
use threadwise::mysql::{Connection, ErrorClass, MysqlManager, classify};

use threadwise_testkit::wait;

use crate::kinds::{
    AnyPool, Closed, READ_TIMEOUT, assert_closed, in_new_database, nonce, on_each_pool, serves,
    serves_unless_late, unless_late,
};

/// More rows than fit into the buffers on the way.
const LONG: &str = "SELECT seq, REPEAT('x', 100000) FROM seq_1_to_1000";
/// The pool found the connection out of step, or the connection could not show that it is in step.
const OUT_OF_STEP: &[CloseReason] = &[CloseReason::Broken, CloseReason::ResetFailed];

fn impatient(name: &str) -> MysqlManager {
    in_new_database(name).read_timeout(Some(READ_TIMEOUT))
}

/// Borrows a connection whose statement `act` runs into the read timeout, and returns it. On a busy
/// machine the late answer may be in time: then tries again. Asserts that the pool closes that
/// connection for one of these reasons, and that the next borrowers get their own answers.
fn assert_own_rows_after_timeout(
    pool: &impl AnyPool,
    reasons: &[CloseReason],
    act: impl Fn(&mut Connection) -> Option<Error>,
) {
    let before = wait::until_some("a read timeout", || {
        let mut conn = unless_late("a connection", || pool.get());
        let before = Closed::by(pool);
        act(&mut conn).map(|_| before)
    });
    before.assert_more(pool, 1, reasons);
    let start = Instant::now();
    for _ in 0..3 {
        serves_unless_late(pool);
    }
    if start.elapsed() < READ_TIMEOUT {
        before.assert_more(pool, 1, reasons); // no other one was late
    }
}

#[test]
fn after_a_read_timeout_the_next_borrower_gets_its_own_rows() {
    on_each_pool!(read_timeout, impatient("read_timeout"));
}

fn read_timeout(pool: &impl AnyPool) {
    assert_own_rows_after_timeout(pool, &[CloseReason::Broken], |conn| {
        let error = conn.query_drop(format!("SELECT {}, SLEEP(0.7)", nonce())).err()?;
        assert_eq!(classify(&error), ErrorClass::Lost, "{error}");
        Some(error)
    });
}

#[test]
fn after_a_read_timeout_unseen_by_the_connection_the_next_borrower_gets_its_own_rows() {
    on_each_pool!(unseen_read_timeout, impatient("unseen"));
}

fn unseen_read_timeout(pool: &impl AnyPool) {
    // The late answer "done, no rows" is also the answer to a reset.
    assert_own_rows_after_timeout(pool, OUT_OF_STEP, |conn| {
        conn.as_mut_conn().query_drop("DO SLEEP(0.7)").err()
    });
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
