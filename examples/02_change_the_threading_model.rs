//! One function, three threading models: the caller changes one type.
//!
//! `tally` does not know how its threads get connections. Look at how many connections each pool
//! opened for the same work.
//!
//! ```text
//! cargo run --example 02_change_the_threading_model --all-features
//! ```
//!
//! It prints:
//!
//! ```text
//! 4 threads counted 400 votes through a SharedPool of at most 2 connections
//! 4 threads counted 400 votes through a QueuePool of exactly 2 connections
//! 4 threads counted 400 votes through a PersistentPool, each on its own connection
//! ```

use std::error::Error;
use std::thread;

use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise::sqlite::{Connection, SqliteManager};
use threadwise::{ManageConnection, Pool};

const THREADS: u32 = 4;
const VOTES: u32 = 100;

// ANCHOR: handler
/// Lets each thread cast its votes, and counts them. It takes any pool of SQLite connections.
fn tally<P>(pool: &P) -> Result<String, Box<dyn Error>>
where
    P: Pool,
    P::Manager: ManageConnection<Connection = Connection>,
{
    pool.get()?.execute_batch("CREATE TABLE IF NOT EXISTS vote (thread INT); DELETE FROM vote")?;
    thread::scope(|threads| {
        for number in 0..THREADS {
            threads.spawn(move || {
                for _ in 0..VOTES {
                    let conn = pool.get().expect("a connection");
                    conn.execute("INSERT INTO vote VALUES (?1)", [number]).expect("a vote cast");
                }
            });
        }
    });
    let votes: u32 = pool.get()?.query_row("SELECT count(*) FROM vote", [], |row| row.get(0))?;
    Ok(format!("{THREADS} threads counted {votes} votes"))
}
// ANCHOR_END: handler

// ANCHOR: callers
fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    // This file need not survive a power cut, so no commit waits for the disk.
    let database = || {
        SqliteManager::file(folder.path().join("votes.db"))
            .with_init(|conn| conn.pragma_update(None, "synchronous", "OFF"))
    };

    let pool = SharedPool::builder().max_size(2).build(database())?;
    println!("{} through a SharedPool of at most 2 connections", tally(&pool)?);
    assert!(pool.state().counters.opened <= 2);

    let pool = QueuePool::builder().size(2).build(database())?;
    println!("{} through a QueuePool of exactly 2 connections", tally(&pool)?);
    assert_eq!(pool.state().counters.opened, 2);

    let pool = PersistentPool::builder().build_lazy(database())?;
    println!("{} through a PersistentPool, each on its own connection", tally(&pool)?);
    // The main thread has one, too, because it created the table.
    assert_eq!(pool.state().counters.opened, u64::from(THREADS) + 1);
    Ok(())
}
// ANCHOR_END: callers
