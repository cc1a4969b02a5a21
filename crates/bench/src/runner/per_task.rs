//! Threads that start a thread for each operation.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};
use std::time::Instant;

use super::{Runner, Station, count, timed};
use crate::contender::{Contender, Opened};
use crate::measure::Sample;
use crate::workload::Workload;
use crate::{Failure, Queries, Rng};

/// Starts a workload's threads. In a round each of them starts a thread that makes one operation,
/// waits until it has exited, and starts the next.
pub(crate) fn start<C, W>(contender: C, workload: W, opened: Opened) -> Result<Runner, Failure>
where
    C: Contender<Connection: Queries>,
    W: Workload,
{
    let contender = Arc::new(contender);
    Runner::of(workload.threads(), workload.order(), opened, move |station: Station| {
        let mut rng = Rng::new(station.number as u64);
        station.serve(Ok(()), |(), turn| {
            let mut sample = Sample::begin();
            let mut tried = 0;
            while turn.goes_on(tried) {
                task(&*contender, &workload, &mut rng, &mut sample);
                tried += 1;
            }
            sample.ended = Instant::now();
            vec![sample]
        });
    })
}

/// Makes one operation on its own thread. Its time is the thread's; its wait is for the connection.
fn task<C, W>(contender: &C, workload: &W, rng: &mut Rng, sample: &mut Sample)
where
    C: Contender<Connection: Queries>,
    W: Workload,
{
    let live = || match contender.worker() {
        Ok(mut worker) => timed(&mut worker, workload, rng, Instant::now(), sample),
        Err(failure) => count(sample, Err(failure)),
    };
    // An explicit join: the scope alone does not wait for what a pool does when a thread exits.
    let ended = thread::scope(|scope| {
        thread::Builder::new().spawn_scoped(scope, live).map(ScopedJoinHandle::join)
    });
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(panic)) => resume_unwind(panic),
        Err(error) => {
            count(sample, Err(Failure::new(format_args!("cannot start a thread: {error}"))));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Mutex;

    use super::super::tests::Scripted;
    use super::*;
    use crate::workload::ThreadPerTask;

    #[test]
    fn each_operation_runs_on_its_own_thread() {
        let threads = Arc::new(Mutex::new(HashSet::new()));
        let seen = Arc::clone(&threads);
        let note = Scripted(move || {
            seen.lock().unwrap().insert(thread::current().id());
            Ok(())
        });
        let mut runner = start(note, ThreadPerTask, Opened::default()).unwrap();
        runner.operations(5).unwrap();
        assert_eq!(threads.lock().unwrap().len(), 5 * ThreadPerTask.threads());
    }

    #[test]
    fn each_operation_is_timed_and_each_failure_is_counted() {
        let mut runner = start(Scripted(|| Ok(())), ThreadPerTask, Opened::default()).unwrap();
        let round = runner.round(5, None);
        assert_eq!((round.ops, round.waits.count()), (40, 40));
        let refuse = Scripted(|| Err(Failure::new("refused")));
        let mut runner = start(refuse, ThreadPerTask, Opened::default()).unwrap();
        let round = runner.round(2, None);
        assert_eq!((round.ops, round.errors), (0, 16));
        assert_eq!(round.first_error, Some(Failure::new("refused")));
    }

    #[test]
    fn a_panic_of_a_task_is_a_failure_of_the_round() {
        let mut runner =
            start(Scripted(|| panic!("on purpose")), ThreadPerTask, Opened::default()).unwrap();
        let round = runner.round(1, None);
        assert_eq!(round.first_error, Some(Failure::new("panicked: on purpose")));
    }
}
