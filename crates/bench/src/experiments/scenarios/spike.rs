//! Fifty threads come at once to a pool without connections.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use super::rig::Rig;
use super::scenario::{Needs, Scenario};
use super::timeline;

const THREADS: usize = 50;
const SIZE: usize = 50;
pub(crate) const CONNECT: Duration = Duration::from_millis(150);
pub(crate) const QUERY: Duration = Duration::from_millis(2);
pub(crate) const GET_TIMEOUT: Duration = Duration::from_secs(30);

/// Many threads come at once to an empty pool.
pub const SPIKE: Scenario = Scenario {
    name: "spike",
    about: "how many connections are opened for 50 threads that come at once, if opening takes 150 ms \
            and a query 2 ms?",
    unit: "connections",
    is_short: true,
    needs: |_| NEEDS,
    run: |rig, _| run(rig),
};

const NEEDS: Needs = Needs { size: SIZE, get_timeout: GET_TIMEOUT, connect: CONNECT };

/// Returns the number of connections opened, for these threads and shortly afterwards.
fn run(rig: &Rig) -> Option<f64> {
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
