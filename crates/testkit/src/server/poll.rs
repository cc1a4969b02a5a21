//! Waiting for another process, which can be asked but sends no notice.

use std::thread;
use std::time::{Duration, Instant};

/// Short compared to the start of a server, long compared to a look at a file.
const PAUSE: Duration = Duration::from_millis(2);

/// Asks every two milliseconds until there is an answer. `None` means that `limit` is over.
pub(crate) fn until<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        let answer = ask();
        if answer.is_some() || start.elapsed() >= limit {
            return answer;
        }
        thread::sleep(PAUSE);
    }
}
