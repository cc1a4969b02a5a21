//! The server goes away, with its connections, and comes back. Threads query all the time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use super::rig::Rig;
use super::scenario::{Needs, Scenario};
use super::times::ms;

const THREADS: usize = 4;
pub(crate) const GONE_FOR: Duration = Duration::from_secs(14);
/// Longer than the outage, and than r2d2's longest pause after it.
pub(crate) const GET_TIMEOUT: Duration = Duration::from_secs(60);
pub(crate) const BEFORE: Duration = Duration::from_millis(300);
pub(crate) const CONNECT: Duration = Duration::from_millis(2);
pub(crate) const QUERY: Duration = Duration::from_millis(2);
/// How long a thread sleeps after an error, because some pools report one at once.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);

/// The server goes away and comes back.
pub const OUTAGE: Scenario = Scenario {
    name: "outage",
    about: "how long after a server returns that was gone for 14 s is the first thread served?",
    unit: "ms",
    is_short: false,
    needs,
    run,
};

fn needs(_: f64) -> Needs {
    Needs { size: THREADS, get_timeout: GET_TIMEOUT, connect: CONNECT }
}

/// Returns the time from the server's return to the first thread that is served.
fn run(rig: &Rig, scale: f64) -> Option<f64> {
    let (back, over) = (Mutex::new(None), AtomicBool::new(false));
    let served = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !over.load(SeqCst) {
                    if rig.query(QUERY).is_err() {
                        thread::sleep(PAUSE);
                    } else if let Some(back) = *back.lock().expect("no thread panics") {
                        let after = Instant::now().saturating_duration_since(back);
                        served.lock().expect("no thread panics").get_or_insert(after);
                        over.store(true, SeqCst);
                    }
                }
            });
        }
        thread::sleep(BEFORE);
        rig.server.refuse();
        thread::sleep(GONE_FOR.mul_f64(scale));
        *back.lock().expect("no thread panics") = Some(Instant::now());
        rig.server.serve();
    });
    let served: Option<Duration> = *served.lock().expect("no thread panics");
    served.map(|after| ms(after.saturating_sub(QUERY)))
}
