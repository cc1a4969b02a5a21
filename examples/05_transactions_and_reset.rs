//! What one user leaves in a session, and what the next one finds.
//!
//! A connection is a session: it has an open transaction, temporary tables, settings. The pool makes
//! it fresh when it comes back. What to look at: an open transaction is rolled back, and the
//! connection goes on; what cannot be undone for certain costs the connection, and another is
//! opened. With `Reset::Never` the next user works in somebody else's transaction, knows nothing of
//! it, and loses all that is written there.
//!
//! ```text
//! cargo run --example 05_transactions_and_reset --all-features
//! ```
//!
//! It prints:
//!
//! ```text
//! A pool as it is by default
//!   at first:                     balance 100, drafts 0, ignores checks 0
//!   after a commit:               balance 90, drafts 0, ignores checks 0
//!   after a transaction was left: balance 90, drafts 0, ignores checks 0
//!   after a mess was left:        balance 90, drafts 0, ignores checks 0
//!   sessions put right: 1, given up: 1, opened: 2
//! A pool with Reset::Never
//!   at first:                     balance 90, drafts 0, ignores checks 0
//!   after a commit:               balance 80, drafts 0, ignores checks 0
//!   after a transaction was left: balance 0, drafts 0, ignores checks 0
//!   after a mess was left:        balance 0, drafts 1, ignores checks 1
//!   sessions put right: 0, given up: 0, opened: 1
//! What was never committed is gone: balance 80
//! ```

use std::error::Error;
use std::path::Path;

use threadwise::shared::SharedPool;
use threadwise::sqlite::SqliteManager;
use threadwise::{CloseReason, Reset};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;
type Pool = SharedPool<SqliteManager>;

const BALANCE: &str = "SELECT balance FROM account";

fn main() -> Result {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("bank.db");
    SharedPool::new(SqliteManager::file(&file))?.get()?.execute_batch(
        "CREATE TABLE account (balance INTEGER); INSERT INTO account VALUES (100)",
    )?;
    println!("A pool as it is by default");
    play(&file, Reset::WhenChanged)?;
    println!("A pool with Reset::Never");
    play(&file, Reset::Never)?;

    let pool = SharedPool::new(SqliteManager::file(&file))?;
    let balance: u32 = pool.get()?.query_row(BALANCE, (), |row| row.get(0))?;
    println!("What was never committed is gone: balance {balance}");
    Ok(())
}

fn play(file: &Path, reset: Reset) -> Result {
    // One connection, so that each user comes after the one before.
    let pool = SharedPool::builder().max_size(1).reset(reset);
    let pool = pool.build(SqliteManager::file(file))?;
    println!("  at first:                     {}", look(&pool)?);

    pay(&pool)?;
    println!("  after a commit:               {}", look(&pool)?);

    leave_a_transaction(&pool).expect_err("as planned");
    println!("  after a transaction was left: {}", look(&pool)?);

    leave_a_mess(&pool)?;
    println!("  after a mess was left:        {}", look(&pool)?);

    let counters = pool.state().counters;
    let given_up = counters.closed(CloseReason::ResetFailed);
    println!(
        "  sessions put right: {}, given up: {given_up}, opened: {}",
        counters.resets, counters.opened
    );
    Ok(())
}

/// As it should be: rusqlite's own guard rolls back where it is dropped without a commit.
fn pay(pool: &Pool) -> Result {
    let mut conn = pool.get()?;
    let transaction = conn.transaction()?;
    transaction.execute("UPDATE account SET balance = balance - 10", ())?;
    Ok(transaction.commit()?)
}

/// As it happens: `?` leaves between BEGIN and COMMIT, and the guard is dropped in the transaction.
fn leave_a_transaction(pool: &Pool) -> Result {
    let conn = pool.get()?;
    conn.execute_batch("BEGIN IMMEDIATE; UPDATE account SET balance = 0")?;
    conn.execute_batch("UPDATE acount SET balance = 50")?; // there is no such table
    Ok(conn.execute_batch("COMMIT")?)
}

/// Settings and temporary tables belong to the session, and no rollback removes them. (What every
/// user is to have is set up by `SqliteManager::with_init`, on each connection when it is opened.)
fn leave_a_mess(pool: &Pool) -> Result {
    let conn = pool.get()?;
    conn.execute_batch("CREATE TEMP TABLE IF NOT EXISTS draft (amount INTEGER)")?;
    Ok(conn.execute_batch("PRAGMA ignore_check_constraints = on")?)
}

/// What a user finds, whoever was there before.
fn look(pool: &Pool) -> Result<String> {
    let conn = pool.get()?;
    let number = |sql: &str| conn.query_row(sql, (), |row| row.get::<_, u32>(0));
    let balance = number(BALANCE)?;
    let drafts = number("SELECT count(*) FROM temp.sqlite_schema")?;
    let ignores_checks = number("PRAGMA ignore_check_constraints")?;
    Ok(format!("balance {balance}, drafts {drafts}, ignores checks {ignores_checks}"))
}
