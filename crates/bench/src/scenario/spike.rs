//! Fifty threads come at once to a pool without a connection.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use super::stage::{Needs, Stage};

const THREADS: usize = 50;
const CONNECT: Duration = Duration::from_millis(150);
const QUERY: Duration = Duration::from_millis(2);

pub(super) const NEEDS: Needs =
    Needs { size: 50, get_timeout: Duration::from_secs(30), connect: CONNECT };

/// Connections opened, for these threads and after them.
pub(super) fn run(stage: &Stage) -> Option<f64> {
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                stage.query(QUERY)
            });
        }
    });
    thread::sleep(CONNECT * 2); // for dials that nobody waits for any more
    Some(stage.server.opened() as f64)
}
