//! Threads that each need a new connection, which takes long to open.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::rig::Rig;
use super::scenario::{Needs, Scenario};
use super::times::ms;

const THREADS: usize = 16;
const CONNECT: Duration = Duration::from_secs(1);
const GET_TIMEOUT: Duration = Duration::from_secs(20);

/// Threads need connections that take long to open.
pub const FIRST_GETS: Scenario = Scenario {
    name: "first-gets",
    about: "when is the last of 16 threads served, if each needs a new connection, which takes 1 s to \
            open?",
    unit: "ms",
    is_short: false,
    needs,
    run: |rig, _| run(rig),
};

fn needs(scale: f64) -> Needs {
    Needs { size: THREADS, get_timeout: GET_TIMEOUT, connect: CONNECT.mul_f64(scale) }
}

/// Returns when the last thread was served. All threads hold their connections until then.
fn run(rig: &Rig) -> Option<f64> {
    let (start, end) = (Barrier::new(THREADS), Barrier::new(THREADS));
    let served: Option<Vec<Duration>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let begin = Instant::now();
                    let mut served = None;
                    let _ = rig.query_after(Duration::ZERO, || {
                        served = Some(begin.elapsed());
                        end.wait();
                    });
                    if served.is_none() {
                        end.wait(); // otherwise the other threads would wait forever
                    }
                    served
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().ok().flatten()).collect()
    });
    served?.into_iter().max().map(ms)
}
