//! A connection from each of the three pools, and a real query on each.
//!
//! ```text
//! cargo run --example 01_first_connection --all-features
//! cargo run --example 01_first_connection --all-features -- --db mysql://user@localhost/test
//! ```
//!
//! The first command needs no server. The second one asks your server and changes nothing there.
//! Both print:
//!
//! ```text
//! SharedPool      6 * 7 = 42
//! PersistentPool  6 * 7 = 42
//! QueuePool       6 * 7 = 42
//! ```

use std::error::Error;

use threadwise::mysql::MysqlManager;
use threadwise::mysql::mysql::prelude::Queryable;
use threadwise::persistent::PersistentPool;
use threadwise::queue::QueuePool;
use threadwise::shared::SharedPool;
use threadwise::sqlite::SqliteManager;

const QUERY: &str = "SELECT 6 * 7";

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args().skip(1).find(|argument| argument != "--db") {
        None => on_sqlite(),
        Some(url) => on_mysql(&url),
    }
}

// ANCHOR: pools
fn on_sqlite() -> Result<(), Box<dyn Error>> {
    // Any thread can borrow. The pool opens connections as needed, at most ten.
    let shared = SharedPool::new(SqliteManager::memory())?;
    let answer: i64 = shared.get()?.query_row(QUERY, [], |row| row.get(0))?;
    println!("SharedPool      6 * 7 = {answer}");

    // Each thread has its own connection. The first `get` of the thread opens it.
    let persistent = PersistentPool::new(SqliteManager::memory())?;
    let answer: i64 = persistent.get()?.query_row(QUERY, [], |row| row.get(0))?;
    println!("PersistentPool  6 * 7 = {answer}");

    // Opens two connections now, and lends them in turn.
    let queue = QueuePool::new(SqliteManager::memory(), 2)?;
    let answer: i64 = queue.get()?.query_row(QUERY, [], |row| row.get(0))?;
    println!("QueuePool       6 * 7 = {answer}");
    Ok(())
}
// ANCHOR_END: pools

fn on_mysql(url: &str) -> Result<(), Box<dyn Error>> {
    let shared = SharedPool::new(MysqlManager::from_url(url)?)?;
    let answer: Option<i64> = shared.get()?.query_first(QUERY)?;
    println!("SharedPool      6 * 7 = {}", answer.unwrap_or_default());

    let persistent = PersistentPool::new(MysqlManager::from_url(url)?)?;
    let answer: Option<i64> = persistent.get()?.query_first(QUERY)?;
    println!("PersistentPool  6 * 7 = {}", answer.unwrap_or_default());

    let queue = QueuePool::new(MysqlManager::from_url(url)?, 2)?;
    let answer: Option<i64> = queue.get()?.query_first(QUERY)?;
    println!("QueuePool       6 * 7 = {}", answer.unwrap_or_default());
    Ok(())
}
