//! How a program ends: what is under way is finished, what has not begun is told so, and it does
//! not take for ever.
//!
//! Take no more work; close the pool; wait, with a deadline, for what is borrowed to come back. What
//! to look at: a transaction that is open when the pool is closed goes on and commits, for a
//! borrowed connection stays its holder's. A thread that waits for one is told `Closed` at once, and
//! still has its job in its hands, so it is not lost. And a holder that hangs cannot keep the program
//! alive: at the deadline you know how many there are, and decide.
//!
//! ```text
//! cargo run --example 08_graceful_shutdown --all-features
//! ```
//!
//! It prints:
//!
//! ```text
//! shutting down: 2 open of 2 (2 borrowed, 0 idle), 0 connecting, 1 waiting
//! all came back: 0 open of 2 (0 borrowed, 0 idle), 0 connecting, 0 waiting, closed
//! a job that waited: the pool is closed
//! of 5 jobs 2 are done, and 3 are left for the next start
//! with one that hangs: 1 open of 10 (1 borrowed, 0 idle), 0 connecting, 0 waiting, closed
//! ```

use std::error::Error;
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use threadwise::shared::{GetError, SharedPool};
use threadwise::sqlite::{SqliteManager, rusqlite};

type Pool = SharedPool<SqliteManager>;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let database = || SqliteManager::file(folder.path().join("jobs.db"));
    let pool = SharedPool::builder().max_size(2).build(database())?;
    pool.get()?.execute_batch("CREATE TABLE done (job INTEGER)")?;

    let (sender, jobs) = mpsc::channel();
    (1..=5).try_for_each(|job| sender.send(job))?;
    let jobs = Mutex::new(jobs);
    let mut left = Vec::new();
    thread::scope(|threads| {
        let workers = [(); 3].map(|()| threads.spawn(|| work(&pool, &jobs)));
        // Two are in the middle of a job, the third waits for a connection; two jobs wait for them.
        until(|| pool.state().borrowed == 2 && pool.state().waiting == 1);

        // The program is told to end, by Ctrl-C or by what started it.
        println!("shutting down: {}", pool.state());
        left.extend(jobs.lock().expect("no panic").try_iter()); // no more work
        match pool.close_and_wait(Duration::from_secs(30)) {
            Ok(()) => println!("all came back: {}", pool.state()),
            Err(state) => println!("not all came back: {state}"),
        }
        let told = workers.map(|worker| worker.join().expect("no panic"));
        for (job, error) in told.into_iter().flatten() {
            println!("a job that waited: {error}");
            left.push(job);
        }
    });
    let pool = SharedPool::new(database())?;
    let done: u32 = pool.get()?.query_row("SELECT count(*) FROM done", (), |row| row.get(0))?;
    println!("of 5 jobs {done} are done, and {} are left for the next start", left.len());

    let _hangs = pool.get()?;
    if let Err(state) = pool.close_and_wait(Duration::from_millis(50)) {
        // Now end all the same: the database rolls back what was not committed.
        println!("with one that hangs: {state}");
    }
    Ok(())
}

/// Does jobs, each in a transaction, as long as there are any. Returns one that it could not begin.
fn work(pool: &Pool, jobs: &Mutex<Receiver<u32>>) -> Option<(u32, GetError<rusqlite::Error>)> {
    loop {
        let job = jobs.lock().expect("no panic").try_recv().ok()?;
        match pool.get() {
            Ok(mut conn) => finish(job, &mut conn, pool).expect("a job done"),
            Err(error) => return Some((job, error)),
        }
    }
}

/// A job that takes so long that the pool is closed in its middle.
fn finish(job: u32, conn: &mut rusqlite::Connection, pool: &Pool) -> rusqlite::Result<()> {
    let transaction = conn.transaction()?;
    until(|| pool.state().closed);
    transaction.execute("INSERT INTO done VALUES (?1)", [job])?;
    transaction.commit()
}

fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        thread::sleep(Duration::from_millis(1));
    }
}
