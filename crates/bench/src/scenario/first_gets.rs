//! Threads that each need a new connection, which takes long to open.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::ms;
use super::rig::{Needs, Rig};

const THREADS: usize = 16;
const CONNECT: Duration = Duration::from_secs(1);
const GET_TIMEOUT: Duration = Duration::from_secs(20);

pub(super) fn needs(scale: f64) -> Needs {
    Needs { size: THREADS, get_timeout: GET_TIMEOUT, connect: CONNECT.mul_f64(scale) }
}

/// Returns when the last thread was served. All threads hold their connections until then.
pub(super) fn run(rig: &Rig) -> Option<f64> {
    let (start, end) = (Barrier::new(THREADS), Barrier::new(THREADS));
    let served: Option<Vec<Duration>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let begin = Instant::now();
                    let mut served = None;
                    let got = rig.with(&mut |_| {
                        served = Some(begin.elapsed());
                        end.wait();
                        Ok(())
                    });
                    if got.is_err() {
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
