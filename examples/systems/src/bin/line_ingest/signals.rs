//! Signals, waited for like anything else: no handler, and no thread.

use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use nix::unistd::alarm;

/// The signals that the supervisor waits for. They are blocked, so that they wait for it, too. A
/// worker inherits this and never looks at them: to end a worker, signal the supervisor, or use
/// `kill -9`.
pub(crate) struct Signals(SigSet);

impl Signals {
    /// Blocks them, for this thread and all that it starts: so before it starts any. A signal goes
    /// to whichever thread does not block it, and ends the process, or is lost.
    pub(crate) fn block() -> nix::Result<Self> {
        use Signal::{SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGTERM};
        let set: SigSet = [SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGTERM].into_iter().collect();
        set.thread_block()?;
        Ok(Self(set))
    }

    /// Waits for the next one; at `due` at the latest (to the second) comes a `SIGALRM`.
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
