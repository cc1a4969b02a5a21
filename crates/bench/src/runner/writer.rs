//! A thread that writes while a contender's threads read.

use std::time::Instant;

use super::threads::{Runner, Station};
use crate::Result;
use crate::measure::Sample;
use crate::opened::Opened;
use crate::workload::Workload;

impl Runner {
    /// Starts one thread that writes all the time, the same for every contender. It calls `open` for
    /// its own connection, and in each round again and again what that returns, which adds a row and
    /// commits it.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started, or its connection cannot be opened.
    pub fn writer<F: FnMut() -> Result<()>>(
        open: impl Fn() -> Result<F> + Clone + Send + 'static,
    ) -> Result<Self> {
        Self::start(&Workload::ONE, Opened::default(), move |station: Station| {
            station.serve(open(), |write, turn| {
                let (mut sample, mut tried) = (Sample::begin(), 0);
                while turn.goes_on(tried) {
                    sample.count(Ok(write()));
                    tried += 1;
                }
                sample.ended = Instant::now();
                vec![sample]
            });
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Failure;
    use crate::runner::tests::alike;

    /// A reader whose rounds last a moment, beside this writer.
    fn beside<F: FnMut() -> Result<()>>(
        open: impl Fn() -> Result<F> + Clone + Send + 'static,
    ) -> Runner {
        alike(Workload::ONE, || Ok(())).beside(Runner::writer(open).unwrap())
    }

    #[test]
    fn the_writer_writes_at_least_once_in_each_round_and_counts_failures() {
        let mut runner = beside(|| {
            let mut calls = 0;
            Ok(move || {
                calls += 1;
                if calls == 1 { Err(Failure::new("locked")) } else { Ok(()) }
            })
        });
        let first = runner.window(Duration::ZERO);
        assert_eq!((first.errors, first.first_error), (1, Some(Failure::new("locked"))));
        let second = runner.window(Duration::from_millis(5));
        assert!(second.errors == 0 && second.writes_per_s > Some(0.0), "{second:?}");
    }

    #[test]
    fn a_panic_of_the_writer_is_a_failure_of_the_round() {
        let mut runner = beside(|| Ok(|| panic!("on purpose")));
        let failure = runner.window(Duration::ZERO).first_error;
        assert_eq!(failure, Some(Failure::new("panicked: on purpose")));
    }

    #[test]
    fn a_writer_without_a_connection_is_not_started() {
        let refused = || -> Result<fn() -> Result<()>> { Err(Failure::new("refused")) };
        assert_eq!(Runner::writer(refused).unwrap_err(), Failure::new("refused"));
    }
}
