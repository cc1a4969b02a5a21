//! The operations of a thread, and their times.

use std::thread;
use std::time::{Duration, Instant};

use threadwise_figures::Backend;

use super::drive::Job;
use super::gate::StartGate;
use super::turn::Turn;
use crate::contender::Worker;
use crate::hold::Hold;
use crate::measure::{Sample, Use};
use crate::operation::Operate;
use crate::workload::{Order, Pace, Workload};
use crate::{Queries, Rng};

/// If an operation takes nanoseconds, one in this many is timed.
pub(super) const SAMPLE: u64 = 256;

/// One thread's part of a round: the loop that is measured.
pub(super) fn operate<K: Worker<Connection: Queries>, O: Operate>(
    worker: &mut K,
    job: &Job<O>,
    rng: &mut Rng,
    turn: &Turn<'_>,
    mut sample: Sample,
) -> Sample {
    let workload = &job.workload;
    let goes_first = workload.order == Order::RunningFirst;
    let is_each_timed = turn.terms.uses; // a use has a hold, which has to be timed
    let untimed = if is_each_timed { 0 } else { one_timed_in::<K::Connection>(workload) - 1 };
    let mut tried = 0;
    while turn.goes_on(tried) {
        if let Pace::Thinking(mean) = workload.pace {
            thread::sleep(pause(mean, rng));
        }
        timed(worker, job, rng, Instant::now(), turn, &mut sample);
        if let Pace::Idle(time) = workload.pace {
            thread::sleep(time);
        }
        tried += 1;
        for _ in 0..untimed.min(turn.terms.limit.saturating_sub(tried)) {
            if goes_first && turn.is_over() {
                break;
            }
            let outcome = worker.with_conn(|conn| job.operation.operate(conn, rng));
            sample.count(outcome);
            tried += 1;
        }
    }
    sample.ended = Instant::now();
    sample
}

/// Makes an operation before those of the round, because its wait is not typical. The time of the
/// round begins when the first thread has its connection and all others have asked for theirs.
pub(super) fn pass_gate<K: Worker<Connection: Queries>, O: Operate>(
    worker: &mut K,
    job: &Job<O>,
    rng: &mut Rng,
    gate: &StartGate,
    sample: &mut Sample,
) {
    gate.ask();
    let outcome = worker.with_conn(|conn| {
        gate.wait_for_all();
        sample.begun = Instant::now();
        job.operation.operate(conn, rng)
    });
    sample.count(outcome);
}

/// Returns n if one in n operations is timed: 1, unless an operation takes nanoseconds.
pub(super) fn one_timed_in<C: Queries>(workload: &Workload) -> u64 {
    // A thread that may go first rarely waits, and its operations take nanoseconds. So its loop
    // also looks at the signal before untimed operations: thousands of waiters must not go on after
    // it.
    let goes_first = workload.order == Order::RunningFirst;
    let takes_time = C::REAL
        || workload.hold_on(Backend::Synthetic) != Hold::None
        || workload.pace != Pace::AtOnce
        || (workload.threads > workload.size && !goes_first);
    if takes_time { 1 } else { SAMPLE }
}

/// Makes one operation, and measures its wait from `asked` on. In steady work also its hold, and the
/// idle time before it.
#[inline]
pub(super) fn timed<K: Worker<Connection: Queries>, O: Operate>(
    worker: &mut K,
    job: &Job<O>,
    rng: &mut Rng,
    asked: Instant,
    turn: &Turn<'_>,
    sample: &mut Sample,
) {
    let is_measured = turn.is_measured();
    let mut begun = asked;
    let outcome = worker.with_conn(|conn| {
        begun = Instant::now();
        job.operation.operate(conn, rng)
    });
    if !turn.terms.uses {
        if outcome.is_ok() {
            sample.waits.record(begun - asked);
        }
        return sample.count(outcome);
    }
    let used = Use { asked, begun, ended: Instant::now() };
    match outcome {
        Ok(Ok(())) => {
            sample.ops += u64::from(turn.is_measured());
            sample.add_use(used, is_measured);
        }
        // The end of the round has cut the wait off.
        Err(_) if turn.is_over() => sample.add_cut_off(used, is_measured),
        outcome => sample.count(outcome),
    }
}

/// Returns a random time up to twice the mean, so that threads that begin together do not ask
/// together.
fn pause(mean: Duration, rng: &mut Rng) -> Duration {
    const STEPS: u32 = 1 << 16;
    2 * mean * rng.u32(..STEPS) / STEPS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn think_times_are_random_around_the_mean() {
        let mean = Duration::from_millis(10);
        let mut rng = Rng::with_seed(0);
        let pauses: Vec<_> = (0..1_000).map(|_| pause(mean, &mut rng)).collect();
        assert!(pauses.iter().all(|pause| *pause < 2 * mean));
        let sum: Duration = pauses.iter().sum();
        assert!((0.9..1.1).contains(&(sum.as_secs_f64() / 1_000.0 / mean.as_secs_f64())));
    }
}
