//! A connection from each of the three pools, and a real query on each.
//!
//! ```text
//! cargo run --example 01_first_connection --all-features
//! cargo run --example 01_first_connection --all-features -- mysql://user@localhost/test
//! ```
//!
//! Without an argument it prints:
//!
//! ```text
//! SharedPool      SQLite  6 * 7 = 42
//! PersistentPool  SQLite  6 * 7 = 42
//! QueuePool       SQLite  6 * 7 = 42
//! ```

use std::error::Error;

use threadwise::mysql::MysqlManager;
use threadwise::mysql::mysql::prelude::Queryable;
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise::sqlite::SqliteManager;

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().nth(1) {
        None => on_sqlite(),
        Some(url) => on_mysql(&url),
    }
}

fn on_sqlite() -> Result<(), Box<dyn Error>> {
    const QUERY: &str = "SELECT 6 * 7";

    // Any thread may borrow; at most ten connections are open, opened as they are needed.
    let shared = SharedPool::new(SqliteManager::memory())?;
    let answer: i64 = shared.get()?.query_row(QUERY, [], |row| row.get(0))?;
    println!("SharedPool      SQLite  6 * 7 = {answer}");

    // Each thread has a connection of its own, opened on its first `get`.
    let persistent = PersistentPool::new(SqliteManager::memory())?;
    let answer: i64 = persistent.get()?.query_row(QUERY, [], |row| row.get(0))?;
    println!("PersistentPool  SQLite  6 * 7 = {answer}");

    // Two connections, opened now, lent in turn.
    let queue = QueuePool::new(SqliteManager::memory(), 2)?;
    let answer: i64 = queue.get()?.query_row(QUERY, [], |row| row.get(0))?;
    println!("QueuePool       SQLite  6 * 7 = {answer}");
    Ok(())
}

fn on_mysql(url: &str) -> Result<(), Box<dyn Error>> {
    const QUERY: &str = "SELECT 6 * 7";

    let shared = SharedPool::new(MysqlManager::from_url(url)?)?;
    let answer: Option<i64> = shared.get()?.query_first(QUERY)?;
    println!("SharedPool      MySQL   6 * 7 = {}", answer.unwrap_or_default());

    let persistent = PersistentPool::new(MysqlManager::from_url(url)?)?;
    let answer: Option<i64> = persistent.get()?.query_first(QUERY)?;
    println!("PersistentPool  MySQL   6 * 7 = {}", answer.unwrap_or_default());

    let queue = QueuePool::new(MysqlManager::from_url(url)?, 2)?;
    let answer: Option<i64> = queue.get()?.query_first(QUERY)?;
    println!("QueuePool       MySQL   6 * 7 = {}", answer.unwrap_or_default());
    Ok(())
}
