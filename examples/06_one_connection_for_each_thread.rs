//! A connection for each of rayon's threads, and what work stealing does to a guard.
//!
//! rayon's threads are few, live long and are always busy, so each may as well have a connection of
//! its own, and wait for nobody. There is one trap. A thread that waits inside of a task (in `join`,
//! `scope` or a parallel iterator) is given another task meanwhile. If it holds its connection while
//! it waits, and that task asks for one, it would have to wait for itself. It is told so instead.
//!
//! ```text
//! cargo run --example 06_one_connection_for_each_thread --all-features
//! ```
//!
//! It prints:
//!
//! ```text
//! 4 threads opened 4 connections
//! a `get` for each folder:         32640 bytes, borrowed 255 times
//! a `get` for each piece of work:  32640 bytes, borrowed 15 times at most
//! held while waiting for others:   this thread already holds its connection: drop the guard before the next `get`, or pass the guard on
//! the same with `max_overflow`:    32640 bytes, some on connections opened for one folder each
//! given back before waiting:       32640 bytes, on the same 4 connections
//! ```

use std::error::Error;

use rayon::prelude::*;
use threadwise::CloseReason;
use threadwise::persistent::PersistentPool;
use threadwise::sqlite::SqliteManager;
use threadwise::sqlite::rusqlite::Connection;

const FOLDERS: u32 = 255; // in a tree: the parent of each is the one with half its number

type Result<T = ()> = std::result::Result<T, Box<dyn Error + Send + Sync>>;
type Pool = PersistentPool<SqliteManager>;

fn main() -> Result {
    let place = tempfile::tempdir()?;
    let manager = || SqliteManager::file(place.path().join("folders.db"));
    let pool = PersistentPool::builder().build_lazy(manager())?;
    let workers = rayon::ThreadPoolBuilder::new().num_threads(4).build()?;
    workers.install(|| fill(&pool))?;
    for lent in workers.broadcast(|_| pool.get().map(drop)) {
        lent?;
    }
    println!("4 threads opened {} connections", pool.state().counters.opened);
    // From here on all `par_iter`s run on the workers, and so do all `get`s.
    workers.install(|| measure(&pool))?;

    let error = workers.install(|| walk(&pool, 1, true)).expect_err("a second `get`");
    println!("held while waiting for others:   {error}");

    // Each such `get` opens a connection. The limit is what your server bears besides the threads'.
    let roomy = PersistentPool::builder().max_overflow(FOLDERS as usize).build_lazy(manager())?;
    let bytes = workers.install(|| walk(&roomy, 1, true))?;
    assert!(roomy.state().counters.closed(CloseReason::Surplus) > 0);
    println!(
        "the same with `max_overflow`:    {bytes} bytes, some on connections opened for one folder each"
    );

    let bytes = workers.install(|| walk(&pool, 1, false))?;
    let opened = pool.state().counters.opened;
    println!("given back before waiting:       {bytes} bytes, on the same {opened} connections");
    Ok(())
}

/// Adds up what is in all folders: there is nothing to wait for while a connection is held.
fn measure(pool: &Pool) -> Result {
    let gets = || pool.state().counters.gets;
    let before = gets();
    let sizes = (1..FOLDERS + 1).into_par_iter().map(|folder| size(&*pool.get()?, folder));
    let bytes = sizes.sum::<Result<u64>>()?;
    println!("a `get` for each folder:         {bytes} bytes, borrowed {} times", gets() - before);

    // Rarely worth it: giving back and borrowing again takes nanoseconds on a thread of one's own.
    let before = gets();
    let pieces = (1..FOLDERS + 1).into_par_iter().with_min_len(16);
    let sizes = pieces.map_init(
        || pool.get(),
        |conn, folder| size(conn.as_ref().map_err(ToString::to_string)?, folder),
    );
    let bytes = sizes.sum::<Result<u64>>()?;
    assert!(gets() - before <= 15);
    println!("a `get` for each piece of work:  {bytes} bytes, borrowed 15 times at most");
    Ok(())
}

/// Adds up what is in a folder and below it, and holds its connection while others do so, or not.
fn walk(pool: &Pool, folder: u32, hold: bool) -> Result<u64> {
    let conn = pool.get()?;
    let (own, children) = (size(&conn, folder)?, children(&conn, folder)?);
    let held = hold.then_some(conn); // or it goes back here
    let walks = children.into_par_iter().map(|child| walk(pool, child, hold));
    let below = walks.sum::<Result<u64>>()?;
    drop(held);
    Ok(own + below)
}

fn size(conn: &Connection, folder: u32) -> Result<u64> {
    let bytes: u32 = conn
        .prepare_cached("SELECT bytes FROM folder WHERE id = ?1")?
        .query_row([folder], |row| row.get(0))?;
    Ok(bytes.into())
}

fn children(conn: &Connection, folder: u32) -> Result<Vec<u32>> {
    let mut children = conn.prepare_cached("SELECT id FROM folder WHERE parent = ?1")?;
    let children = children.query_map([folder], |row| row.get(0))?;
    Ok(children.collect::<std::result::Result<_, _>>()?)
}

fn fill(pool: &Pool) -> Result {
    Ok(pool.get()?.execute_batch(&format!(
        "CREATE TABLE folder (id INTEGER PRIMARY KEY, parent INTEGER, bytes INTEGER);
         WITH RECURSIVE ids AS (SELECT 1 AS id UNION ALL SELECT id + 1 FROM ids WHERE id < {FOLDERS})
         INSERT INTO folder SELECT id, id / 2, id FROM ids"
    ))?)
}
