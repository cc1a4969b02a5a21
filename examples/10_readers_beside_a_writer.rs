//! Readers beside a writer, on one SQLite file.
//!
//! In write-ahead log mode, the default here, readers do not wait for a writer and never see half
//! of its work. SQLite allows one writer at a time. So the writers have a pool of one connection,
//! where they wait in order, and the readers have another pool. `ReadersAndWriter` is these two.
//!
//! ```text
//! cargo run --example 10_readers_beside_a_writer --all-features
//! ```
//!
//! It prints:
//!
//! ```text
//! 2 threads moved money 100 times, while 8 added it up: it was always 1000
//! ```

use std::sync::atomic::{AtomicUsize, Ordering};
use std::{error::Error, thread};

use threadwise::ReadersAndWriter;
use threadwise::sqlite::rusqlite::{self, Connection};

fn main() -> Result<(), Box<dyn Error>> {
    // ANCHOR: pools
    let folder = tempfile::tempdir()?;
    let bank = ReadersAndWriter::open(folder.path().join("bank.db"), 4)?;
    // ANCHOR_END: pools
    let account = "SELECT 1 AS id, 500 AS balance UNION ALL SELECT 2, 500";
    bank.write()?.execute_batch(&format!("CREATE TABLE account AS {account}"))?;

    let at_work = AtomicUsize::new(2);
    thread::scope(|threads| {
        (0..8).for_each(|_| drop(threads.spawn(|| add_up(&bank, &at_work))));
        (0..2).for_each(|_| drop(threads.spawn(|| move_money(&bank, &at_work))));
    });
    let moved = bank.writer().state().counters.gets - 1; // one `get` created the table
    println!("2 threads moved money {moved} times, while 8 added it up: it was always 1000");
    Ok(())
}

// ANCHOR: work
fn move_money(bank: &ReadersAndWriter, at_work: &AtomicUsize) {
    for _ in 0..50 {
        let mut conn = bank.write().expect("a connection");
        transfer(&mut conn).expect("never busy");
    }
    at_work.fetch_sub(1, Ordering::Relaxed);
}

fn transfer(conn: &mut Connection) -> rusqlite::Result<()> {
    let writing = conn.transaction()?;
    writing.execute("UPDATE account SET balance = balance - 1 WHERE id = 1", ())?;
    writing.execute("UPDATE account SET balance = balance + 1 WHERE id = 2", ())?;
    writing.commit()
}

/// Adds up the balances as long as there are writers, and at least once.
fn add_up(bank: &ReadersAndWriter, at_work: &AtomicUsize) {
    let mut is_last = false;
    while !is_last {
        is_last = at_work.load(Ordering::Relaxed) == 0;
        let conn = bank.read().expect("a connection");
        let sum = "SELECT sum(balance) FROM account";
        let sum: u32 = conn.query_row(sum, (), |row| row.get(0)).expect("never busy");
        assert_eq!(sum, 1000, "never half a transfer");
    }
}
// ANCHOR_END: work
