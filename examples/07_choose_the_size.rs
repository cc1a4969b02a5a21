//! How many connections? Try a size, look at what the pool counts, and choose by that.
//!
//! Eight threads ask at once, again and again, and hold a connection for 5 ms each; who has waited
//! for 8 ms gives up. What to look at: `counters.waits` and `timeouts` say that there are too few
//! connections. `idle` says that there are too many, if it never falls below half of what is open.
//! `Events` say what a counter cannot: how long each one waited.
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
use std::thread;
use std::time::Duration;

use threadwise::shared::{Events, SharedPool};
use threadwise::sqlite::SqliteManager;

const THREADS: usize = 8;
const TURNS: usize = 20;

/// Tells of each `get` how long it took. Methods are called on the borrower's thread, so they
/// had better be quick: what is to be made of the numbers is made elsewhere.
struct Waits(Sender<Duration>);

impl Events for Waits {
    fn acquired(&self, waited: Duration) {
        let _ = self.0.send(waited); // fails if nobody listens any more, which is no harm
    }

    fn timed_out(&self, waited: Duration) {
        let _ = self.0.send(waited);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let verdicts = [2, 8, 16].map(try_size);
    for verdict in verdicts {
        println!("{}", verdict?);
    }
    Ok(())
}

/// Runs the same load on a pool of this size.
fn try_size(size: usize) -> Result<String, Box<dyn Error>> {
    let (sender, waits) = mpsc::channel();
    let pool = SharedPool::builder()
        .max_size(size)
        .min_idle(size) // opened before the load comes, so that nobody waits for that
        .events(Waits(sender))
        .build(SqliteManager::memory())?;
    let turn = Barrier::new(THREADS);
    let least_idle = thread::scope(|threads| {
        let workers = [(); THREADS].map(|()| threads.spawn(|| work(&pool, &turn)));
        workers.map(|worker| worker.join().expect("a worker")).into_iter().min()
    });

    let mut waits: Vec<Duration> = waits.try_iter().collect();
    waits.sort();
    let (half, most) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    let counters = pool.state().counters;
    let idle = least_idle.unwrap_or_default();
    println!(
        "{size:2} connections: of {} gets {} waited and {} gave up; half within {half:.1?}, all \
         within {most:.1?}; never fewer than {idle} idle",
        THREADS * TURNS,
        counters.waits,
        counters.timeouts
    );
    let verdict = match () {
        () if counters.timeouts > 0 => "threads wait, and give up: too few",
        () if counters.waits > 0 => "threads wait: too few, if the server has room for more",
        () if idle * 2 >= size => "nobody waits, and half are always idle: too many",
        () => "nobody waits, and they are all of use: right",
    };
    Ok(format!("with {size:2} connections {verdict}"))
}

/// Takes its turns. Returns the fewest idle connections that it saw.
fn work(pool: &SharedPool<SqliteManager>, turn: &Barrier) -> usize {
    let turns = (0..TURNS).map(|_| {
        turn.wait(); // all at once: a size that is right on average is too small at the peak
        let conn = pool.get_timeout(Duration::from_millis(8));
        if let Ok(conn) = &conn {
            conn.query_row("SELECT 6 * 7", [], |row| row.get::<_, i64>(0)).expect("an answer");
            thread::sleep(Duration::from_millis(5)); // a query that takes its time
        } // or it gave up, which the pool has counted
        pool.state().idle // while this one is held
    });
    turns.min().unwrap_or_default()
}
