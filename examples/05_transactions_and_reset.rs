//! What one user leaves in a session, and what the next one finds.
//!
//! A connection is a session: it has transactions, temporary tables, settings. By default the pool
//! resets a changed session on return. With `Reset::Never` the next user works in a transaction of
//! the last one without knowing it, and loses everything that it writes there.
//!
//! ```text
//! cargo run --example 05_transactions_and_reset --all-features
//! ```
//!
//! It prints (also with `-- --db mysql://…`, where it creates and drops a table `account`):
//!
//! ```text
//! A pool with Reset::WhenChanged
//!   after a commit: balance 90
//!   after a transaction that was left open: balance 90
//!   after a temporary table that was left: balance 90
//! A pool with Reset::Never
//!   after a commit: balance 80
//!   after a transaction that was left open: balance 0
//!   after a temporary table that was left: balance 0, and the table of another user
//! What was never committed is gone: balance 80
//! ```

use threadwise::mysql::{self, MysqlManager, mysql::prelude::Queryable};
use threadwise::sqlite::{self, SqliteManager, rusqlite::OptionalExtension};
use threadwise::{ManageConnection, Reset, shared::SharedPool};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;
/// Runs a statement. Returns the number that it selects, if it selects one.
type Run<C> = fn(&mut C, &str) -> Result<Option<u32>>;

// ANCHOR: users
const USERS: [(&str, &[&str]); 3] = [
    ("a commit", &["BEGIN", "UPDATE account SET balance = balance - 10", "COMMIT"]),
    ("a transaction that was left open", &["BEGIN", "UPDATE account SET balance = 0"]),
    ("a temporary table that was left", &["CREATE TEMPORARY TABLE draft (amount INTEGER)"]),
];

fn play<M: ManageConnection>(manager: impl Fn() -> Result<M>, run: Run<M::Connection>) -> Result {
    let bank = SharedPool::new(manager()?)?;
    run(&mut *bank.get()?, "CREATE TABLE account AS SELECT 100 AS balance")?;
    for reset in [Reset::WhenChanged, Reset::Never] {
        println!("A pool with Reset::{reset:?}");
        // One connection, so that each user gets the connection of the one before.
        let pool = SharedPool::builder().max_size(1).reset(reset).build(manager()?)?;
        for (what, statements) in USERS {
            let mut user = pool.get()?;
            statements.iter().try_for_each(|sql| run(&mut user, sql).map(drop))?;
            drop(user);
            let mut next = pool.get()?;
            let balance = run(&mut next, "SELECT balance FROM account")?.unwrap_or_default();
            let draft = run(&mut next, "SELECT count(*) FROM draft");
            let draft = if draft.is_ok() { ", and the table of another user" } else { "" };
            println!("  after {what}: balance {balance}{draft}");
        }
    }
    let balance = run(&mut *bank.get()?, "SELECT balance FROM account")?.unwrap_or_default();
    println!("What was never committed is gone: balance {balance}");
    run(&mut *bank.get()?, "DROP TABLE account").map(drop)
}
// ANCHOR_END: users

fn run_on_sqlite(conn: &mut sqlite::Connection, sql: &str) -> Result<Option<u32>> {
    Ok(conn.query_row(sql, (), |row| row.get(0)).optional()?)
}

fn run_on_mysql(conn: &mut mysql::Connection, sql: &str) -> Result<Option<u32>> {
    Ok(conn.query_first(sql)?)
}

fn main() -> Result {
    if let Some(url) = std::env::args().skip(1).find(|argument| argument != "--db") {
        return play(|| Ok(MysqlManager::from_url(&url)?), run_on_mysql);
    }
    let folder = tempfile::tempdir()?;
    play(|| Ok(SqliteManager::file(folder.path().join("bank.db"))), run_on_sqlite)
}
