//! A timeout for calls that have none.

use std::io::{self, ErrorKind};
use std::panic::resume_unwind;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::parts::fork;

/// Runs `work` on a thread of its own, and waits for its result up to `limit`. For managers of
/// drivers whose handshake has no timeout:
/// [`connect_within`](crate::ManageConnection::connect_within) can use it to keep its limit.
///
/// Costs the start of a thread, 20 to 50 µs. If the time is up, the thread runs on until `work`
/// returns, and then drops the result: a connection that opens too late is closed there. If `work`
/// panics in time, this function panics too.
///
/// ```
/// use std::net::TcpStream;
/// use std::time::Duration;
///
/// /// Resolves the name and connects, all within a second.
/// fn open() -> std::io::Result<TcpStream> {
///     threadwise_core::within(Duration::from_secs(1), || TcpStream::connect("localhost:7"))?
/// }
/// # let _ = open();
/// ```
///
/// # Errors
///
/// [`ErrorKind::TimedOut`] if the time is up, or the system's error if it cannot start the thread.
pub fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    let send = move || {
        // Fails if the caller has given up. The result is dropped here then.
        let _ = sender.send(work());
    };
    let thread = thread::Builder::new().name("threadwise-call".into());
    let thread = thread.spawn(fork::apart_from_forks(send))?;
    match receiver.recv_timeout(limit) {
        Ok(result) => Ok(result),
        Err(RecvTimeoutError::Timeout) => {
            Err(io::Error::new(ErrorKind::TimedOut, format!("no answer within {limit:?}")))
        }
        Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Err(panic) => resume_unwind(panic),
            Ok(()) => unreachable!("a thread that has not panicked has sent its result"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_in_time_returns_its_result() {
        assert_eq!(within(Duration::from_secs(60), || 3).unwrap(), 3);
    }

    #[test]
    fn a_result_that_comes_too_late_is_dropped_by_its_thread() {
        let (let_go, gate) = mpsc::channel::<()>();
        let (dropped, was_dropped) = mpsc::channel::<()>();
        let late = within(Duration::from_millis(1), move || {
            gate.recv().unwrap();
            dropped // the caller's end hears when this is gone
        });
        assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
        let_go.send(()).unwrap();
        assert!(was_dropped.recv().is_err(), "nothing was sent, and the sender is gone");
    }

    #[test]
    fn a_panic_reaches_the_caller() {
        let work = || -> u32 { resume_unwind(Box::new("as planned")) };
        let caught = std::panic::catch_unwind(|| within(Duration::from_secs(60), work));
        assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"as planned"));
    }
}
