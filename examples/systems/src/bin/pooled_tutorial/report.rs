//! Prints the state of the pool after each step.

use std::error::Error;
use std::time::{Duration, Instant};

use threadwise::State;
use threadwise_systems::Shutdown;

/// Prints a row for each step, and stops at Ctrl-C.
pub(crate) struct Report<'r, S: Fn() -> State> {
    pub(crate) state: S,
    pub(crate) min_idle: usize,
    pub(crate) shutdown: &'r Shutdown,
    pub(crate) pause: Duration,
}

impl<S: Fn() -> State> Report<'_, S> {
    pub(crate) fn head(&self, what: &str) {
        println!("{what:<51} open  idle  borrowed  waiting  opened  closed");
    }

    /// Prints the state after a step, once `borrowed` connections are borrowed and `waiting`
    /// threads wait.
    pub(crate) fn step(
        &self,
        what: &str,
        borrowed: usize,
        waiting: usize,
    ) -> Result<(), Box<dyn Error>> {
        let state = self.at_rest(borrowed, waiting)?;
        let State { open, idle, borrowed, waiting, counters, .. } = state;
        let (opened, closed) = (counters.opened, counters.closed_total());
        println!(
            "{what:<51} {open:>4} {idle:>5} {borrowed:>9} {waiting:>8} {opened:>7} {closed:>7}"
        );
        Ok(self.shutdown.pause(self.pause)?)
    }

    /// Waits until threads of the pool have opened and closed the connections that the last step
    /// needs.
    fn at_rest(&self, borrowed: usize, waiting: usize) -> Result<State, String> {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let state = (self.state)();
            let room = state.max_size.unwrap_or(usize::MAX) - borrowed;
            let ready = state.closed || state.idle >= self.min_idle.min(room);
            if state.connecting == 0
                && ready
                && (state.borrowed, state.waiting) == (borrowed, waiting)
            {
                return Ok(state);
            }
            if Instant::now() > end {
                return Err(format!("{state}, and it stays so: is the database still there?"));
            }
            std::thread::sleep(Duration::from_millis(1)); // a pool does not tell of each step
        }
    }
}
