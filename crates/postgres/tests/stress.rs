//! Threads run random statements while their sessions are ended. Each answer is the one to its question,
//! and each session begins fresh.

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use common::Database;
use threadwise_postgres::postgres::fallible_iterator::FallibleIterator;
use threadwise_postgres::{Connection, ErrorClass, classify, postgres};
use threadwise_shared::SharedPool;
use threadwise_testkit::postgres::Postgres;
use threadwise_testkit::stress::{self, Rng};
use threadwise_testkit::wait;

/// Uses the connection in one of many ways. Returns what the server says to `number`.
fn ask(conn: &mut Connection, choice: u64, number: i64) -> Result<i64, postgres::Error> {
    let row = match choice {
        0 => conn.query_one("SELECT $1::bigint", &[&number])?,
        1 => {
            let statement = conn.prepare("SELECT $1::bigint AS a")?;
            conn.query_one(&statement, &[&number])?
        }
        2 => {
            let mut transaction = conn.transaction()?;
            transaction.batch_execute("SET my.v = 'left'")?;
            transaction.query_one("SELECT $1::bigint", &[&number])? // rolled back
        }
        3 => {
            conn.batch_execute("BEGIN; SET my.v = 'left'")?;
            conn.query_one("SELECT $1::bigint", &[&number])?
        }
        4 => {
            let sql = "SELECT $1::bigint + g - g FROM generate_series(1, 2000) AS g";
            let mut rows = conn.query_raw(sql, [&number])?;

            rows.next()?.expect("a row") // the others are dropped
        }
        5 => {
            conn.batch_execute("SELECT no_such_column").unwrap_err();
            conn.query_one("SELECT $1::bigint", &[&number])?
        }
        6 => {
            conn.batch_execute("SELECT set_config('my.v', 'left', false)")?;
            conn.query_one("SELECT $1::bigint", &[&number])?
        }
        _ => {
            let sql = format!("SELECT {number}::bigint");
            let messages = conn.simple_query(&sql)?;
            let value = messages.iter().find_map(|message| match message {
                postgres::SimpleQueryMessage::Row(row) => row.get(0)?.parse().ok(),
                _ => None,
            });
            return Ok(value.expect("a row"));
        }
    };
    Ok(row.get(0))
}

/// Whether no variable and no transaction is left. (In a transaction, `now()` is its beginning.)
fn is_fresh(conn: &mut Connection) -> Result<bool, postgres::Error> {
    let sql = "SELECT coalesce(current_setting('my.v', true), '') = '' \
               AND now() = statement_timestamp()";
    let messages = conn.simple_query(sql)?;
    Ok(messages.iter().any(|message| {
        matches!(message, postgres::SimpleQueryMessage::Row(row) if row.get(0) == Some("t"))
    }))
}

#[test]
fn each_answer_is_the_one_to_its_question_and_each_session_is_fresh() {
    let database = Database::new(&[]);
    let pool = SharedPool::builder()
        .max_size(4)
        .get_timeout(Some(wait::PATIENCE))
        .build(database.manager())
        .unwrap();
    let seed = stress::first_seed();
    let end = Instant::now() + stress::time_or(3);
    let answered = AtomicU64::new(0);
    thread::scope(|threads| {
        for thread in 0..8 {
            let (pool, answered) = (&pool, &answered);
            threads.spawn(move || {
                let mut rng = Rng::new(seed + thread);
                while Instant::now() < end {
                    let mut conn = pool.get().unwrap();
                    let number = (rng.number() >> 2).cast_signed();
                    let outcome = is_fresh(&mut conn).and_then(|is_fresh| {
                        assert!(is_fresh, "the session is not fresh");
                        ask(&mut conn, rng.below(8), number)
                    });
                    match outcome {
                        Ok(answer) => {
                            assert_eq!(answer, number, "the answer to another question");
                            answered.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => assert_eq!(classify(&error), ErrorClass::Lost, "{error:?}"),
                    }
                }
            });
        }
        threads.spawn(|| {
            let mut admin = Postgres::shared().admin();
            let mut rng = Rng::new(seed);
            while Instant::now() < end {
                let ids = Postgres::shared().session_ids(&database.name);
                if !ids.is_empty() {
                    let id = rng.one_of(&ids);
                    admin.execute("SELECT pg_terminate_backend($1)", &[&id]).unwrap();
                }
            }
        });
    });
    assert!(answered.load(Ordering::Relaxed) > 0);
    println!("{} answers, {:?}", answered.load(Ordering::Relaxed), pool.state().counters);
}
