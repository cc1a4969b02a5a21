//! Ten threads share three connections, and the main thread draws the pool.
//!
//! Each line is the pool at one moment: `#` is a connection in use, `.` an idle one, `w` a waiter.
//! Note that there are never more than three connections, and that no thread waits for long: the
//! pool serves waiters in the order in which they came.
//!
//! ```text
//! cargo run --example 03_ten_threads_three_connections --all-features
//! ```
//!
//! After the lines, which differ from run to run, it prints (also with `-- --db mysql://…`):
//!
//! ```text
//! 10 threads borrowed 3 connections 50 times
//! at most 3 were in use at once, and up to 7 threads waited
//! ```

use std::error::Error;
use std::{thread, time::Duration};

use threadwise::ManageConnection;
use threadwise::mysql::{MysqlManager, mysql::prelude::Queryable};
use threadwise::shared::SharedPool;
use threadwise::sqlite::SqliteManager;

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().skip(1).find(|argument| argument != "--db") {
        Some(url) => share(MysqlManager::from_url(&url)?, |conn| {
            conn.query_drop("DO SLEEP(0.02)").expect("an answer");
        }),
        None => share(SqliteManager::memory(), |conn| {
            conn.execute_batch("SELECT 6 * 7").expect("an answer");
            thread::sleep(Duration::from_millis(20)); // SQLite has no query that sleeps
        }),
    }
}

// ANCHOR: share
fn share<M: ManageConnection>(
    manager: M,
    query: fn(&mut M::Connection),
) -> Result<(), Box<dyn Error>> {
    // `min_idle` opens all three now, so that no thread waits for that.
    let pool = SharedPool::builder().max_size(3).min_idle(3).build(manager)?;
    let work = || {
        for _ in 0..5 {
            let mut conn = pool.get().expect("a connection in time");
            query(&mut conn);
        } // dropping the guard hands the connection to the thread that has waited longest
    };
    let (borrowed, waiting) = thread::scope(|threads| {
        let workers: Vec<_> = (0..10).map(|_| threads.spawn(work)).collect();
        watch(&pool, || workers.iter().all(thread::ScopedJoinHandle::is_finished))
    });
    let counters = pool.state().counters;
    println!("10 threads borrowed {} connections {} times", counters.opened, counters.gets);
    println!("at most {borrowed} were in use at once, and up to {waiting} threads waited");
    Ok(())
}
// ANCHOR_END: share

/// Draws the pool every 10 ms. Returns the most connections in use and the most waiters.
fn watch<M: ManageConnection>(pool: &SharedPool<M>, is_over: impl Fn() -> bool) -> (usize, usize) {
    let (mut borrowed, mut waiting) = (0, 0);
    while !is_over() {
        let now = pool.state();
        (borrowed, waiting) = (borrowed.max(now.borrowed), waiting.max(now.waiting));
        let connections = "#".repeat(now.borrowed) + &".".repeat(now.idle);
        println!("  {connections:3}  {}", "w".repeat(now.waiting));
        thread::sleep(Duration::from_millis(10));
    }
    (borrowed, waiting)
}
