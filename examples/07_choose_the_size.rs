//! How many connections? Try a size, and choose by what the pool counts.
//!
//! Eight threads borrow at once, hold for 5 ms and give up after 8 ms. `waits` and `timeouts` show
//! too few connections, `idle` shows too many. `Events` tell how long a wait was.
//!
//! ```text
//! cargo run --example 07_choose_the_size --all-features
//! ```
//!
//! After the numbers, which differ from run to run, it prints:
//!
//! ```text
//! with  2 connections threads wait and give up: too few
//! with  8 connections no thread waits, and all are used: right
//! with 16 connections no thread waits, and half are always idle: too many
//! ```

use std::sync::Barrier;
use std::sync::mpsc::{self, Sender};
use std::{error::Error, thread, time::Duration};

use threadwise::shared::{ConnectionInfo, Events, SharedPool, Validation};
use threadwise::sqlite::SqliteManager;

// ANCHOR: events
/// Sends the length of each wait. The pool calls it on the borrower's thread, so it must be quick.
struct Waits(Sender<Duration>);

impl Events for Waits {
    fn acquired(&self, _: &ConnectionInfo<'_>, waited: Duration) {
        let _ = self.0.send(waited); // fails if the receiver is gone, which does no harm
    }
}
// ANCHOR_END: events

fn main() -> Result<(), Box<dyn Error>> {
    let verdicts = [2, 8, 16].map(try_size);
    verdicts.into_iter().try_for_each(|verdict| verdict.map(|verdict| println!("{verdict}")))
}

// ANCHOR: size
fn try_size(size: usize) -> Result<String, Box<dyn Error>> {
    let (sender, waits) = mpsc::channel();
    let pool = SharedPool::builder()
        .max_size(size)
        .min_idle(size) // opened before the load begins, so that no thread waits for that
        .events(Waits(sender))
        .validation(Validation::Never) // a validation on a busy machine would be a wait, too
        .build(SqliteManager::memory())?;
    let turn = Barrier::new(8);
    let work = || {
        let turns = (0..20).map(|_| {
            turn.wait(); // all at once: a size that is right on average is too small for the peak
            let conn = pool.get_timeout(Duration::from_millis(8));
            if conn.is_ok() {
                thread::sleep(Duration::from_millis(5)); // a query
            } // otherwise it timed out, which the pool has counted
            pool.state().idle // while this one is held
        });
        turns.min()
    };
    let idle = thread::scope(|threads| {
        let workers = [(); 8].map(|()| threads.spawn(work));
        workers.map(|worker| worker.join().expect("a worker")).into_iter().flatten().min()
    });
    let (idle, counters) = (idle.unwrap_or_default(), pool.state().counters);
    let longest = waits.try_iter().max().unwrap_or_default();
    println!("{size:2} connections: waits of up to {longest:.1?}, never fewer than {idle} idle");
    let verdict = if counters.timeouts > 0 {
        "threads wait and give up: too few"
    } else if counters.waits > 0 {
        "threads wait: too few, if the server has room for more"
    } else if idle * 2 >= size {
        "no thread waits, and half are always idle: too many"
    } else {
        "no thread waits, and all are used: right"
    };
    Ok(format!("with {size:2} connections {verdict}"))
}
// ANCHOR_END: size
