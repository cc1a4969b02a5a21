//! Waiting for another process, which can only be asked and does not tell.

use std::thread;
use std::time::{Duration, Instant};

/// Short beside a start of a server, long beside one look at a file.
const PAUSE: Duration = Duration::from_millis(2);

/// Asks every two milliseconds until there is an answer; `None` once `limit` is over.
pub(super) fn until<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let answer = ask();
        if answer.is_some() || start.elapsed() >= limit {
            return answer;
        }
        thread::sleep(PAUSE);
    }
}
