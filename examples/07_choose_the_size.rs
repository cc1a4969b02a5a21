//! How many connections? Try a size, look at what the pool counts, and choose by that.
//!
//! Eight threads ask at once, again and again, and hold a connection for 5 ms each; who has waited
//! for 8 ms gives up. What to look at: `waits` and `timeouts` say that there are too few connections,
//! `idle` says that there are too many. `Events` say what a counter cannot: how long a `get` waited.
//!
//! ```text
//! cargo run --example 07_choose_the_size --all-features
//! ```
//!
//! It prints, after the numbers, which differ from run to run:
//!
//! ```text
//! with  2 connections threads wait, and give up: too few
//! with  8 connections nobody waits, and they are all of use: right
//! with 16 connections nobody waits, and half are always idle: too many
//! ```

use std::error::Error;
use std::sync::Barrier;
use std::sync::mpsc::{self, Sender};
use std::{thread, time::Duration};

use threadwise::shared::{Events, SharedPool};
use threadwise::sqlite::SqliteManager;

// ANCHOR: events
/// Tells how long each `get` waited that was served. It is called on the borrower's thread, so it
/// had better be quick: what is to be made of the numbers is made elsewhere.
struct Waits(Sender<Duration>);

impl Events for Waits {
    fn acquired(&self, waited: Duration) {
        let _ = self.0.send(waited); // fails if nobody listens any more, which is no harm
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
        .min_idle(size) // opened before the load comes, so that nobody waits for that
        .events(Waits(sender))
        .build(SqliteManager::memory())?;
    let turn = Barrier::new(8);
    let work = || {
        let turns = (0..20).map(|_| {
            turn.wait(); // all at once: a size that is right on average is too small at the peak
            let conn = pool.get_timeout(Duration::from_millis(8));
            if conn.is_ok() {
                thread::sleep(Duration::from_millis(5)); // a query that takes its time
            } // or it gave up, which the pool has counted
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
    let verdict = match () {
        () if counters.timeouts > 0 => "threads wait, and give up: too few",
        () if counters.waits > 0 => "threads wait: too few, if the server has room for more",
        () if idle * 2 >= size => "nobody waits, and half are always idle: too many",
        () => "nobody waits, and they are all of use: right",
    };
    Ok(format!("with {size:2} connections {verdict}"))
}
// ANCHOR_END: size
