//! Eight readers beside a writer, on one SQLite file.
//!
//! What to look at: in write-ahead-log mode, which is the default here, nobody waits for the writer,
//! and a reader sees one state of the file until its transaction ends. SQLite has one writer at
//! a time, so the writers have a pool of one connection, where they wait in order; the readers have
//! another. What writes begins as a writer: a transaction that reads first, and wants to write when
//! somebody else has written, is told "busy" at once, however long the busy time-out.
//!
//! ```text
//! cargo run --example 10_readers_beside_a_writer --all-features
//! ```
//!
//! It prints:
//!
//! ```text
//! 2 threads moved money 200 times, 8 readers added it up, and the sum was always 1000
//! nobody was told that the database is busy
//! a reader saw 500 before a transfer and until its transaction ended, and then 499
//! ```

use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use threadwise::shared::SharedPool;
use threadwise::sqlite::SqliteManager;
use threadwise::sqlite::rusqlite::{Connection, Result, TransactionBehavior};

const READERS: usize = 8;
const WRITERS: usize = 2;
const TRANSFERS: usize = 100; // of each writer

type Pool = SharedPool<SqliteManager>;

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("bank.db");
    let (writers, readers) = (writers(&file)?, readers(&file)?);
    writers.get()?.execute_batch(
        "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER);
         INSERT INTO account VALUES (1, 500), (2, 500)",
    )?;

    let at_work = AtomicUsize::new(WRITERS);
    let moved = thread::scope(|threads| {
        for _ in 0..READERS {
            threads.spawn(|| read(&readers, &at_work));
        }
        let writers: Vec<_> =
            (0..WRITERS).map(|_| threads.spawn(|| write(&writers, &at_work))).collect();
        writers.into_iter().map(|writer| writer.join().expect("a writer")).sum::<usize>()
    });
    println!(
        "{WRITERS} threads moved money {moved} times, {READERS} readers added it up, and the sum was always 1000"
    );
    println!("nobody was told that the database is busy");

    let mut reader = readers.get()?;
    let reading = reader.transaction()?;
    let before = balance(&reading)?;
    let mut writer = writers.get()?;
    transfer(&mut writer, 1, 2)?; // beside the open transaction
    assert_eq!(balance(&reading)?, before);
    reading.commit()?;
    let after = balance(&reader)?;
    println!(
        "a reader saw {before} before a transfer and until its transaction ended, and then {after}"
    );
    Ok(())
}

/// One connection, whose transactions all begin with `BEGIN IMMEDIATE`.
fn writers(file: &Path) -> std::result::Result<Pool, Box<dyn Error>> {
    let manager = SqliteManager::file(file).with_init(|conn| {
        conn.set_transaction_behavior(TransactionBehavior::Immediate);
        Ok(())
    });
    Ok(SharedPool::builder().max_size(1).build(manager)?)
}

/// Four connections that cannot write by mistake.
fn readers(file: &Path) -> std::result::Result<Pool, Box<dyn Error>> {
    let manager =
        SqliteManager::file(file).with_init(|conn| conn.pragma_update(None, "query_only", true));
    Ok(SharedPool::builder().max_size(4).build(manager)?)
}

/// Moves money there and back. Returns how often.
fn write(pool: &Pool, at_work: &AtomicUsize) -> usize {
    for number in 0..TRANSFERS {
        let (from, to) = if number % 2 == 0 { (1, 2) } else { (2, 1) };
        let mut conn = pool.get().expect("a connection");
        transfer(&mut conn, from, to).expect("never busy");
    }
    at_work.fetch_sub(1, Ordering::Relaxed);
    TRANSFERS
}

fn transfer(conn: &mut Connection, from: u32, to: u32) -> Result<()> {
    let writing = conn.transaction()?;
    writing.execute("UPDATE account SET balance = balance - 1 WHERE id = ?1", [from])?;
    writing.execute("UPDATE account SET balance = balance + 1 WHERE id = ?1", [to])?;
    writing.commit()
}

/// Adds up at least once, and as long as there are writers.
fn read(pool: &Pool, at_work: &AtomicUsize) {
    loop {
        let conn = pool.get().expect("a connection");
        let sum: u32 = conn
            .query_row("SELECT sum(balance) FROM account", [], |row| row.get(0))
            .expect("never busy");
        assert_eq!(sum, 1000, "never half a transfer");
        if at_work.load(Ordering::Relaxed) == 0 {
            return;
        }
    }
}

fn balance(conn: &Connection) -> Result<u32> {
    conn.query_row("SELECT balance FROM account WHERE id = 1", [], |row| row.get(0))
}
