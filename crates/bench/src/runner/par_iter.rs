//! Rayon's threads, which take one item after another.

use std::sync::Arc;
use std::time::Instant;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuilder, current_thread_index};

use super::drive::{Drive, Job};
use super::operate::{one_timed_in, timed};
use super::threads::{Runner, Station};
use super::turn::{Terms, Turn};
use crate::contender::{Queried, Worker};
use crate::measure::Sample;
use crate::operation::Operate;
use crate::workload::Workload;
use crate::{Failure, Result, Rng};

/// The number of items of a `par_iter`. One `par_iter` follows another until the round is over.
const ITEMS: u64 = 1_000;

/// A rayon pool of the workload's threads, and a thread that gives it work.
#[derive(Clone, Copy, Debug)]
pub struct ParIter;

impl Drive for ParIter {
    fn start<C: Queried, O: Operate>(self, contender: C, job: Job<O>) -> Result<Runner> {
        let contender = Arc::new(contender);
        let alone = Workload { threads: 1, ..job.workload };
        Runner::start(&alone, job.opened.clone(), move |station: Station| {
            let pool = ThreadPoolBuilder::new()
                .num_threads(job.workload.threads)
                .thread_name(|number| format!("bench-rayon-{number}"))
                .build()
                .map_err(Failure::of);
            station.serve(pool, |pool, turn| round(pool, &*contender, &job, turn));
        })
    }
}

/// Makes the turn's operations, on threads that rayon chooses. Returns a sample for each thread.
fn round<C: Queried, O: Operate>(
    pool: &ThreadPool,
    contender: &C,
    job: &Job<O>,
    turn: &Turn<'_>,
) -> Vec<Sample> {
    let threads = job.workload.threads;
    let limit = turn.terms.limit.saturating_mul(threads as u64);
    let turn = Turn { terms: Terms { limit, ..turn.terms }, ..*turn };
    let mut samples: Vec<_> = (0..threads).map(|_| Sample::begin()).collect();
    let mut begun = 0;
    while turn.goes_on(begun) {
        let items = begun..begun + ITEMS.min(limit - begun);
        begun = items.end;
        // Rayon splits the items among its threads. A part stays on the thread that began it.
        let parts = items.into_par_iter().fold(Part::begin, |mut part, item| {
            if turn.goes_on(item) {
                part.take(item, contender, job, &turn);
            }
            part
        });
        for part in pool.install(|| parts.collect::<Vec<_>>()) {
            samples[part.thread].add(part.sample);
        }
    }
    let ended = Instant::now();
    for sample in &mut samples {
        sample.ended = ended;
    }
    samples
}

/// One thread's part of the items.
struct Part {
    thread: usize,
    sample: Sample,
}

impl Part {
    fn begin() -> Self {
        let thread = current_thread_index().expect("called on rayon's threads");
        Self { thread, sample: Sample::begin() }
    }

    /// Makes one operation. An item does not know its thread, so it needs a new worker.
    #[inline]
    fn take<C: Queried, O: Operate>(
        &mut self,
        item: u64,
        contender: &C,
        job: &Job<O>,
        turn: &Turn<'_>,
    ) {
        let mut rng = Rng::with_seed(item);
        let mut worker = match contender.worker() {
            Ok(worker) => worker,
            Err(failure) => return self.sample.count(Err(failure)),
        };
        if item.is_multiple_of(one_timed_in::<C::Connection>(&job.workload)) {
            timed(&mut worker, job, &mut rng, Instant::now(), turn, &mut self.sample);
        } else {
            let outcome = worker.with_conn(|conn| job.operation.operate(conn, &mut rng));
            self.sample.count(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::super::tests;
    use super::*;
    use crate::workloads::par_iter::RAYON_PAR_ITER;

    fn runner(act: impl Fn() -> Result<()> + Send + Sync + 'static) -> Runner {
        tests::start(ParIter, RAYON_PAR_ITER, act)
    }

    #[test]
    fn rayons_threads_take_all_items() {
        let uses = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&uses);
        let note = move || {
            assert!(current_thread_index().is_some(), "on {:?}", std::thread::current());
            counted.fetch_add(1, Relaxed);
            Ok(())
        };
        let mut runner = runner(note);
        for per_thread in [1, 400] {
            uses.store(0, Relaxed);
            let round = runner.round(per_thread, None);
            assert_eq!((round.ops, round.errors), (8 * per_thread, 0), "{round:?}");
            assert_eq!(uses.load(Relaxed), 8 * per_thread);
            assert!(round.waits.count() > 0);
        }
    }

    #[test]
    fn failures_and_panics_of_items_are_counted() {
        assert_eq!(runner(|| Err(Failure::new("refused"))).round(2, None).errors, 16);
        let round = runner(|| panic!("on purpose")).round(1, None);
        assert_eq!(round.first_error, Some(Failure::new("panicked: on purpose")));
    }
}
