//! diesel's connections in a pool that three threads share.
//!
//! The program migrates the database once, before its first query. One thread leaves its work undone:
//! the pool rolls it back, and the next user finds the connection as new.
//!
//! ```text
//! cargo run --manifest-path crates/diesel/Cargo.toml --example diesel_in_a_pool
//! ```
//!
//! It prints:
//!
//! ```text
//! migrated: 20260101000000
//! 3 tasks are stored, 0 of the thread that did not commit
//! 1 connection was reset, 0 were closed
//! ```
#![allow(missing_docs, reason = "the macros of diesel make public items")]

use std::error::Error;
use std::thread;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use threadwise::shared::SharedPool;
use threadwise_diesel::DieselManager;

diesel::table! {
    task (id) {
        id -> Integer,
        title -> Text,
        done -> Bool,
    }
}

type Pool = SharedPool<DieselManager<SqliteConnection>>;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("examples/migrations");

// ANCHOR: pool
/// A pool on a database that has the newest schema.
fn open(url: &str) -> Result<Pool, Box<dyn Error + Send + Sync>> {
    let pool = SharedPool::<DieselManager<SqliteConnection>>::builder()
        .max_size(3)
        .on_connect(|conn| Ok(conn.batch_execute("PRAGMA busy_timeout = 5000")?))
        .build(DieselManager::new(url))?;
    for migration in pool.get()?.run_pending_migrations(MIGRATIONS)? {
        println!("migrated: {migration}");
    }
    Ok(pool)
}
// ANCHOR_END: pool

// ANCHOR: functions
/// diesel's own way to ask for a connection.
fn add(conn: &mut impl Connection<Backend = Sqlite>, text: &str) -> QueryResult<usize> {
    diesel::insert_into(task::table).values(task::title.eq(text)).execute(conn)
}

fn add_two(pool: &Pool) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut conn = pool.get()?;
    conn.immediate_transaction(|conn| {
        add(conn, "water the plants")?; // here diesel has the connection
        add(conn, "feed the cat")
    })?;
    add(&mut *conn, "sleep")?; // here the guard has it
    Ok(())
}
// ANCHOR_END: functions

// ANCHOR: undone
/// Begins a transaction and forgets it.
fn leaves_its_work(pool: &Pool) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut conn = pool.get()?;
    AnsiTransactionManager::begin_transaction(&mut *conn)?;
    add(&mut *conn, "never stored")?;
    Ok(())
} // the guard returns the connection, and the pool rolls back
// ANCHOR_END: undone

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("tasks.db");
    let pool = open(path.to_str().ok_or("a path that is not UTF-8")?)?;

    let forgetful = thread::scope(|threads| threads.spawn(|| leaves_its_work(&pool)).join());
    forgetful.map_err(|_| "a thread panicked")??;
    thread::scope(|threads| threads.spawn(|| add_two(&pool)).join())
        .map_err(|_| "a thread panicked")??;

    let mut conn = pool.get()?;
    let all: i64 = task::table.count().get_result(&mut *conn)?;
    let undone: i64 =
        task::table.filter(task::title.eq("never stored")).count().get_result(&mut *conn)?;
    println!("{all} tasks are stored, {undone} of the thread that did not commit");
    let counters = pool.state().counters;
    println!("{} connection was reset, {} were closed", counters.resets, counters.closed_total());
    Ok(())
}
