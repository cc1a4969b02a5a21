//! How a program ends: take no more work, close the pool, wait until all connections are returned.
//!
//! A transaction that is open when the pool is closed goes on and commits, because its holder keeps
//! the connection. A waiter gets an error at once. It still has its job, so no job is lost.
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
//! of 5 jobs 2 are done, and 3 are left for the next start
//! ```

use std::sync::{Mutex, mpsc, mpsc::Receiver};
use std::{error::Error, thread, time::Duration};

use threadwise::shared::{GetError, SharedPool};
use threadwise::sqlite::SqliteManager;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let database = || SqliteManager::file(folder.path().join("jobs.db"));
    let pool = SharedPool::builder().max_size(2).build(database())?;
    pool.get()?.execute_batch("CREATE TABLE done (job INTEGER)")?;

    let (sender, jobs) = mpsc::channel();
    (1..=5).try_for_each(|job| sender.send(job))?;
    let jobs = Mutex::new(jobs);
    let left = thread::scope(|threads| {
        let workers = [(); 3].map(|()| threads.spawn(|| work(&pool, &jobs)));
        // Two threads are in the middle of a job, and the third waits for a connection.
        until(|| pool.state().borrowed == 2 && pool.state().waiting == 1);

        // ANCHOR: end
        // Ctrl-C, or the service manager, asks the program to end.
        println!("shutting down: {}", pool.state());
        let mut left: Vec<_> = jobs.lock().unwrap().try_iter().collect(); // no more work
        if let Err(state) = pool.close_and_wait(Duration::from_secs(30)) {
            eprintln!("not all came back: {state}"); // the database rolls back their work
            std::process::exit(1);
        }
        println!("all came back: {}", pool.state());
        left.extend(workers.into_iter().filter_map(|worker| worker.join().unwrap()));
        left
        // ANCHOR_END: end
    });
    let done = "SELECT count(*) FROM done";
    let done: u32 = SharedPool::new(database())?.get()?.query_row(done, (), |row| row.get(0))?;
    println!("of 5 jobs {done} are done, and {} are left for the next start", left.len());
    Ok(())
}

// ANCHOR: work
/// Does jobs until there are none. Returns a job that it could not begin.
fn work(pool: &SharedPool<SqliteManager>, jobs: &Mutex<Receiver<u32>>) -> Option<u32> {
    loop {
        let job = jobs.lock().unwrap().try_recv().ok()?;
        let mut conn = match pool.get() {
            Err(GetError::Closed) => return Some(job),
            conn => conn.expect("a connection"),
        };
        let transaction = conn.transaction().expect("a transaction");
        until(|| pool.state().closed); // a long job: the pool is closed meanwhile
        transaction.execute("INSERT INTO done VALUES (?1)", [job]).expect("a row");
        transaction.commit().expect("a commit");
    }
}
// ANCHOR_END: work

fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        thread::sleep(Duration::from_millis(1));
    }
}
