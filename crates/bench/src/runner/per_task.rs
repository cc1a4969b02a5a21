//! Threads that start a thread for each operation.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{self, ScopedJoinHandle};
use std::time::Instant;

use super::drive::{Drive, Job};
use super::operate::timed;
use super::threads::{Runner, Station};
use super::turn::Turn;
use crate::contender::Queried;
use crate::measure::Sample;
use crate::operation::Operate;
use crate::{Failure, Result, Rng};

/// The workload's threads. In a round each of them starts a thread that makes one operation, waits
/// until it has exited, and starts the next.
#[derive(Clone, Copy, Debug)]
pub struct PerTask;

impl Drive for PerTask {
    fn start<C: Queried, O: Operate>(self, contender: C, job: Job<O>) -> Result<Runner> {
        let contender = Arc::new(contender);
        let (workload, opened) = (job.workload, job.opened.clone());
        Runner::start(&workload, opened, move |station: Station| {
            let mut rng = Rng::with_seed(station.number as u64);
            station.serve(Ok(()), |(), turn| {
                let mut sample = Sample::begin();
                let mut tried = 0;
                while turn.goes_on(tried) {
                    task(&*contender, &job, &mut rng, turn, &mut sample);
                    tried += 1;
                }
                sample.ended = Instant::now();
                vec![sample]
            });
        })
    }
}

/// Makes one operation on its own thread. Its time is the thread's; its wait is for the connection.
fn task<C: Queried, O: Operate>(
    contender: &C,
    job: &Job<O>,
    rng: &mut Rng,
    turn: &Turn<'_>,
    sample: &mut Sample,
) {
    let live = || match contender.worker() {
        Ok(mut worker) => timed(&mut worker, job, rng, Instant::now(), turn, sample),
        Err(failure) => sample.count(Err(failure)),
    };
    // An explicit join: the scope alone does not wait for what a pool does when a thread exits.
    let ended = thread::scope(|scope| {
        thread::Builder::new().spawn_scoped(scope, live).map(ScopedJoinHandle::join)
    });
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(panic)) => resume_unwind(panic),
        Err(error) => {
            sample.count(Err(Failure::new(format_args!("cannot start a thread: {error}"))));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Mutex;

    use super::super::tests;
    use super::*;
    use crate::workloads::per_task::THREAD_PER_TASK;

    fn runner(act: impl Fn() -> Result<()> + Send + Sync + 'static) -> Runner {
        tests::start(PerTask, THREAD_PER_TASK, act)
    }

    #[test]
    fn each_operation_runs_on_its_own_thread() {
        let threads = Arc::new(Mutex::new(HashSet::new()));
        let seen = Arc::clone(&threads);
        let note = move || {
            seen.lock().unwrap().insert(thread::current().id());
            Ok(())
        };
        let mut runner = runner(note);
        runner.operations(5).unwrap();
        assert_eq!(threads.lock().unwrap().len(), 5 * THREAD_PER_TASK.threads);
    }

    #[test]
    fn each_operation_is_timed_and_each_failure_is_counted() {
        let round = runner(|| Ok(())).round(5, None);
        assert_eq!((round.ops, round.waits.count()), (40, 40));
        let round = runner(|| Err(Failure::new("refused"))).round(2, None);
        assert_eq!((round.ops, round.errors), (0, 16));
        assert_eq!(round.first_error, Some(Failure::new("refused")));
    }

    #[test]
    fn a_panic_of_a_task_is_a_failure_of_the_round() {
        let round = runner(|| panic!("on purpose")).round(1, None);
        assert_eq!(round.first_error, Some(Failure::new("panicked: on purpose")));
    }
}
