//! Fifty threads come at once to a pool without connections.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use super::rig::{Needs, Rig};
use super::timeline;

const THREADS: usize = 50;
const CONNECT: Duration = Duration::from_millis(150);
const QUERY: Duration = Duration::from_millis(2);

pub(super) const NEEDS: Needs =
    Needs { size: 50, get_timeout: Duration::from_secs(30), connect: CONNECT };

/// Returns the number of connections opened, for these threads and shortly afterwards.
pub(super) fn run(rig: &Rig) -> Option<f64> {
    let (start, over) = (Barrier::new(THREADS + 1), AtomicBool::new(false));
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            start.wait();
            timeline::watch(rig, &over)
        });
        let query = || {
            start.wait();
            rig.query(QUERY)
        };
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(query)).collect();
        for thread in threads {
            let _ = thread.join();
        }
        thread::sleep(CONNECT * 2); // for dials for which no thread waits any more
        over.store(true, SeqCst);
        rig.keep(watcher.join().unwrap_or_default());
    });
    Some(rig.server.opened() as f64)
}
