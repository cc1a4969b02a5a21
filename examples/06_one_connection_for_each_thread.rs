//! A connection for each of rayon's threads, and how work stealing affects a guard.
//!
//! rayon's threads are few, live long and are always busy. So each can have its own connection, and
//! never waits for one. There is one trap. While a thread waits inside a task (in `join`, `scope`
//! or a parallel iterator), rayon gives it another task. If the thread holds its connection and
//! that task calls `get`, it would wait for itself. `get` returns an error instead.
//!
//! ```text
//! cargo run --example 06_one_connection_for_each_thread --all-features
//! ```
//!
//! It prints:
//!
//! ```text
//! given back before waiting:  32640 bytes, on a connection for each thread
//! held while waiting:         this thread already holds its connection: drop the guard before the next `get`, or pass the guard on
//! held, with `max_overflow`:  32640 bytes, some on connections opened for one folder each
//! ```

use std::error::Error;

use rayon::prelude::*;
use threadwise::CloseReason;
use threadwise::persistent::PersistentPool;
use threadwise::sqlite::SqliteManager;

const TREE: &str = "
    CREATE TABLE folder (id INTEGER PRIMARY KEY, parent INTEGER, bytes INTEGER);
    WITH RECURSIVE ids AS (SELECT 1 AS id UNION ALL SELECT id + 1 FROM ids WHERE id < 255)
    INSERT INTO folder SELECT id, id / 2, id FROM ids";

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;
type Pool = PersistentPool<SqliteManager>;

fn main() -> Result {
    let place = tempfile::tempdir()?;
    let manager = || SqliteManager::file(place.path().join("folders.db"));
    let pool = PersistentPool::builder().build_lazy(manager())?;
    pool.get()?.execute_batch(TREE)?;
    let workers = rayon::ThreadPoolBuilder::new().num_threads(4).build()?;
    // ANCHOR: ways
    let bytes = workers.install(|| walk(&pool, 1, false))?;
    assert!(pool.state().counters.opened <= 1 + 4); // this thread's, and one for each worker
    println!("given back before waiting:  {bytes} bytes, on a connection for each thread");

    let error = workers.install(|| walk(&pool, 1, true)).expect_err("a second `get`");
    println!("held while waiting:         {error}");

    // Each such `get` opens a connection. Set the limit to the number that your server can bear.
    let roomy = PersistentPool::builder().max_overflow(255).build_lazy(manager())?;
    let bytes = workers.install(|| walk(&roomy, 1, true))?;
    assert!(roomy.state().counters.closed(CloseReason::Surplus) > 0);
    println!(
        "held, with `max_overflow`:  {bytes} bytes, some on connections opened for one folder each"
    );
    // ANCHOR_END: ways
    Ok(())
}

// ANCHOR: walk
/// Adds up the bytes in a folder and below it. With `hold` it keeps its guard during the rest.
fn walk(pool: &Pool, folder: u32, hold: bool) -> Result<u32> {
    let conn = pool.get()?;
    let own = "SELECT bytes FROM folder WHERE id = ?1";
    let own: u32 = conn.query_row(own, [folder], |row| row.get(0))?;
    let children: Vec<u32> = conn
        .prepare("SELECT id FROM folder WHERE parent = ?1")?
        .query_map([folder], |row| row.get(0))?
        .collect::<std::result::Result<_, _>>()?;
    let _held = hold.then_some(conn); // otherwise it is returned here
    let walks = children.into_par_iter().map(|child| walk(pool, child, hold));
    Ok(own + walks.sum::<Result<u32>>()?)
}
// ANCHOR_END: walk
