//! Waits for signals without a handler and without a thread.

use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use nix::unistd::alarm;

/// The signals that the supervisor waits for. They are blocked, so that the system keeps them until
/// then. A worker inherits the block and never reads them: to end a worker, signal the supervisor,
/// or use `kill -9`.
pub(crate) struct Signals(SigSet);

impl Signals {
    /// Blocks the signals for this thread and for all threads that it starts later, so call it
    /// before any other thread starts. The system delivers a signal to any thread that does not
    /// block it. Then the signal ends the process, or is lost.
    pub(crate) fn block() -> nix::Result<Self> {
        use Signal::{SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGTERM};
        let set: SigSet = [SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGTERM].into_iter().collect();
        set.thread_block()?;
        Ok(Self(set))
    }

    /// Waits for the next signal. At `due`, rounded up to the next second, the system sends a
    /// `SIGALRM`.
    pub(crate) fn wait(&self, due: Option<Instant>) -> nix::Result<Signal> {
        match due {
            Some(due) => {
                let left = due.saturating_duration_since(Instant::now());
                let seconds = (left + Duration::from_millis(999)).as_secs().max(1);
                alarm::set(seconds.try_into().unwrap_or(u32::MAX));
            }
            None => {
                alarm::cancel();
            }
        }
        self.0.wait()
    }
}
