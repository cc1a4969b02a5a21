//! Ten threads share three connections, and a watcher looks on.
//!
//! Each line is the pool at one moment: `#` a connection in use, `.` an idle one, `w` a thread that
//! waits. What to look at: never more than three connections, however many threads want one; and
//! the waiters are served in the order in which they came.
//!
//! ```text
//! cargo run --example 03_ten_threads_three_connections --all-features
//! ```
//!
//! It prints, after the pictures, which differ from run to run:
//!
//! ```text
//! 10 threads ran 50 queries on 3 connections
//! at most 3 were in use at once, and up to 7 threads waited
//! every thread had its turn 5 times
//! ```

use std::error::Error;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use threadwise::shared::SharedPool;
use threadwise::sqlite::SqliteManager;

const THREADS: usize = 10;
const CONNECTIONS: usize = 3;
const TURNS: u32 = 5;

fn main() -> Result<(), Box<dyn Error>> {
    let pool = SharedPool::builder().max_size(CONNECTIONS).build(SqliteManager::memory())?;
    let turns: Vec<AtomicU32> = (0..THREADS).map(|_| AtomicU32::new(0)).collect();
    let done = AtomicBool::new(false);

    let (most_borrowed, most_waiting) = thread::scope(|threads| {
        let watcher = threads.spawn(|| watch(&pool, &done));
        let workers: Vec<_> =
            turns.iter().map(|turns| threads.spawn(|| work(&pool, turns))).collect();
        workers.into_iter().for_each(|worker| worker.join().expect("a worker"));
        done.store(true, Ordering::Release); // pairs with the watcher's load
        watcher.join().expect("the watcher")
    });

    let turns: Vec<u32> = turns.iter().map(|turns| turns.load(Ordering::Relaxed)).collect();
    let opened = pool.state().counters.opened;
    println!("{THREADS} threads ran {} queries on {opened} connections", turns.iter().sum::<u32>());
    println!(
        "at most {most_borrowed} were in use at once, and up to {most_waiting} threads waited"
    );
    assert!(turns.iter().all(|&turns| turns == TURNS));
    println!("every thread had its turn {TURNS} times");
    Ok(())
}

/// Borrows a connection, uses it for a while, gives it back; again and again.
fn work(pool: &SharedPool<SqliteManager>, turns: &AtomicU32) {
    for _ in 0..TURNS {
        let conn = pool.get().expect("a connection within the time-out");
        conn.query_row("SELECT 6 * 7", [], |row| row.get::<_, i64>(0)).expect("an answer");
        thread::sleep(Duration::from_millis(20)); // a query that takes its time
        turns.fetch_add(1, Ordering::Relaxed);
    }
}

/// Draws the pool now and then. Returns the most connections in use and the most threads waiting.
fn watch(pool: &SharedPool<SqliteManager>, done: &AtomicBool) -> (usize, usize) {
    let (mut most_borrowed, mut most_waiting) = (0, 0);
    while !done.load(Ordering::Acquire) {
        let state = pool.state();
        most_borrowed = most_borrowed.max(state.borrowed);
        most_waiting = most_waiting.max(state.waiting);
        let connections = "#".repeat(state.borrowed) + &".".repeat(state.idle);
        println!("  {connections:CONNECTIONS$}  {}", "w".repeat(state.waiting));
        thread::sleep(Duration::from_millis(10));
    }
    (most_borrowed, most_waiting)
}
