//! Rayon's threads, which take one item after another.

use std::sync::Arc;
use std::time::Instant;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuilder, current_thread_index};

use super::{Runner, Station, Turn, count, one_timed_in, timed};
use crate::contender::{Contender, Opened, Worker};
use crate::measure::Sample;
use crate::workload::Workload;
use crate::{Failure, Queries, Rng};

/// The number of items of a `par_iter`. One `par_iter` follows another until the round is over.
const ITEMS: u64 = 1_000;

/// Starts a rayon pool of the workload's threads, and a thread that gives it work.
pub(crate) fn start<C, W>(contender: C, workload: W, opened: Opened) -> Result<Runner, Failure>
where
    C: Contender<Connection: Queries>,
    W: Workload,
{
    let contender = Arc::new(contender);
    Runner::of(1, workload.order(), opened, move |station: Station| {
        let pool = ThreadPoolBuilder::new()
            .num_threads(workload.threads())
            .thread_name(|number| format!("bench-rayon-{number}"))
            .build()
            .map_err(Failure::of);
        station.serve(pool, |pool, turn| round(pool, &*contender, &workload, turn));
    })
}

/// Makes the turn's operations, on threads that rayon chooses. Returns a sample for each thread.
fn round<C, W>(pool: &ThreadPool, contender: &C, workload: &W, turn: &Turn<'_>) -> Vec<Sample>
where
    C: Contender<Connection: Queries>,
    W: Workload,
{
    let threads = workload.threads();
    let turn = Turn { limit: turn.limit.saturating_mul(threads as u64), ..*turn };
    let mut samples: Vec<_> = (0..threads).map(|_| Sample::begin()).collect();
    let mut begun = 0;
    while turn.goes_on(begun) {
        let items = begun..begun + ITEMS.min(turn.limit - begun);
        begun = items.end;
        // Rayon splits the items among its threads. A part stays on the thread that began it.
        let parts = items.into_par_iter().fold(Part::begin, |mut part, item| {
            if turn.goes_on(item) {
                part.take(item, contender, workload);
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
    fn take<C, W>(&mut self, item: u64, contender: &C, workload: &W)
    where
        C: Contender<Connection: Queries>,
        W: Workload,
    {
        let mut rng = Rng::new(item);
        let mut worker = match contender.worker() {
            Ok(worker) => worker,
            Err(failure) => return count(&mut self.sample, Err(failure)),
        };
        if item.is_multiple_of(one_timed_in::<C::Connection, W>(workload)) {
            timed(&mut worker, workload, &mut rng, Instant::now(), &mut self.sample);
        } else {
            let outcome = worker.with_conn(|conn| workload.operate(conn, &mut rng));
            count(&mut self.sample, outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::super::tests::Scripted;
    use super::*;
    use crate::workload::RayonParIter;

    #[test]
    fn rayons_threads_take_all_items() {
        let uses = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&uses);
        let note = Scripted(move || {
            assert!(current_thread_index().is_some(), "on {:?}", std::thread::current());
            counted.fetch_add(1, Relaxed);
            Ok(())
        });
        let mut runner = start(note, RayonParIter, Opened::default()).unwrap();
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
        let refuse = Scripted(|| Err(Failure::new("refused")));
        let mut runner = start(refuse, RayonParIter, Opened::default()).unwrap();
        assert_eq!(runner.round(2, None).errors, 16);
        let panic = Scripted(|| panic!("on purpose"));
        let mut runner = start(panic, RayonParIter, Opened::default()).unwrap();
        let round = runner.round(1, None);
        assert_eq!(round.first_error, Some(Failure::new("panicked: on purpose")));
    }
}
