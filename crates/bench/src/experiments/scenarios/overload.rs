//! There are five times as many threads as connections, and later only as many.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use super::rig::Rig;
use super::scenario::{Needs, Scenario};
use super::times::ms;

const THREADS: usize = 50;
const CONNECTIONS: usize = 10;
const QUERY: Duration = Duration::from_secs(1);
const TOO_MANY_FOR: Duration = Duration::from_secs(6);
const AFTER: Duration = Duration::from_secs(6);

/// Threads ask for more connections than there are, and later for no more than that.
pub const OVERLOAD: Scenario = Scenario {
    name: "overload",
    about: "for how long do timeouts continue after 50 threads on 10 connections have become 10, with \
            queries and timeouts of 1 s?",
    unit: "ms",
    is_short: false,
    needs,
    run,
};

fn needs(scale: f64) -> Needs {
    let connect = Duration::from_millis(150).mul_f64(scale);
    Needs { size: CONNECTIONS, get_timeout: QUERY.mul_f64(scale), connect }
}

/// Returns how long after the load was lowered the last timeout came; zero if there was none.
fn run(rig: &Rig, scale: f64) -> Option<f64> {
    let (lowered, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let last_error: Mutex<Option<Instant>> = Mutex::new(None);
    let at = thread::scope(|scope| {
        for number in 0..THREADS {
            let stays = number < CONNECTIONS;
            let (lowered, over, last_error) = (&lowered, &over, &last_error);
            scope.spawn(move || {
                while !over.load(SeqCst) && (stays || !lowered.load(SeqCst)) {
                    if rig.query(QUERY.mul_f64(scale)).is_err() {
                        *last_error.lock().expect("no thread panics") = Some(Instant::now());
                    }
                }
            });
        }
        thread::sleep(TOO_MANY_FOR.mul_f64(scale));
        let at = Instant::now();
        lowered.store(true, SeqCst);
        thread::sleep(AFTER.mul_f64(scale));
        over.store(true, SeqCst);
        at
    });
    let last = *last_error.lock().expect("no thread panics");
    Some(last.map_or(0.0, |last| ms(last.saturating_duration_since(at))))
}
