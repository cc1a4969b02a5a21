//! Threads that serve requests. Requests arrive at random, whether a thread is free or not.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::{Runner, Station, Turn, timed};
use crate::contender::{Contender, Opened, Worker};
use crate::measure::Sample;
use crate::workload::Workload;
use crate::{Failure, Queries, Rng};

/// Starts a workload's threads, and requests that arrive at random, one each `gap` on average.
///
/// A wait begins when the request arrives, and not when a thread has time to ask for a connection.
/// Otherwise there would be fewer requests while a contender stalls, and the report would have few
/// of its worst waits. Gil Tene called this *coordinated omission*.
pub(crate) fn start<C, W>(
    contender: C,
    workload: W,
    gap: Duration,
    opened: Opened,
) -> Result<Runner, Failure>
where
    C: Contender<Connection: Queries>,
    W: Workload,
{
    let contender = Arc::new(contender);
    let arrivals = Arc::new(Mutex::new(Arrivals::every(gap)));
    Runner::of(workload.threads(), workload.order(), opened, move |station: Station| {
        let (mut rng, mut rounds) = (Rng::new(station.number as u64), 0);
        station.serve(contender.worker(), |worker, turn| {
            rounds += 1;
            vec![serve(worker, &workload, &mut rng, turn, || lock(&arrivals).next(rounds, turn))]
        });
    })
}

/// One thread's part of a round.
fn serve<K, W>(
    worker: &mut K,
    workload: &W,
    rng: &mut Rng,
    turn: &Turn<'_>,
    next: impl Fn() -> Option<Instant>,
) -> Sample
where
    K: Worker<Connection: Queries>,
    W: Workload,
{
    let (mut sample, mut tried) = (Sample::begin(), 0);
    while tried < turn.limit {
        let Some(came) = next() else { break };
        thread::sleep(came.saturating_duration_since(Instant::now()));
        timed(worker, workload, rng, came, &mut sample);
        tried += 1;
    }
    sample.ended = Instant::now();
    sample
}

fn lock(arrivals: &Mutex<Arrivals>) -> MutexGuard<'_, Arrivals> {
    arrivals.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The times of arrival: a Poisson process, the same in each round.
struct Arrivals {
    gap: Duration,
    round: u64,
    rng: Rng,
    next: Instant,
    /// When the round's time was over. Requests that arrived before are still served.
    end: Option<Instant>,
}

impl Arrivals {
    fn every(gap: Duration) -> Self {
        Self { gap, round: 0, rng: Rng::new(0), next: Instant::now(), end: None }
    }

    /// Returns when the next request of this round arrives, or arrived; `None` if that is after the
    /// round's end.
    fn next(&mut self, round: u64, turn: &Turn<'_>) -> Option<Instant> {
        if self.round != round {
            *self = Self { round, ..Self::every(self.gap) };
        }
        if turn.stop.load(Relaxed) {
            self.end.get_or_insert_with(Instant::now);
        }
        let came = self.next;
        if self.end.is_some_and(|end| came > end) {
            return None;
        }
        self.next = came + self.pause();
        Some(came)
    }

    /// Returns a random time from one request to the next.
    fn pause(&mut self) -> Duration {
        const STEPS: u32 = 1 << 24;
        let share = f64::from(self.rng.below(STEPS) + 1) / f64::from(STEPS);
        self.gap.mul_f64(-share.ln())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64};

    use super::super::tests::Scripted;
    use super::*;
    use crate::workload::OpenLoad;

    #[test]
    fn requests_arrive_one_each_gap_on_average_and_at_random() {
        let mut arrivals = Arrivals::every(Duration::from_millis(1));
        let pauses: Vec<_> = (0..20_000).map(|_| arrivals.pause().as_secs_f64() * 1e3).collect();
        let mean = pauses.iter().sum::<f64>() / 2e4;
        assert!((0.97..1.03).contains(&mean), "{mean}");
        // In a Poisson process e^-2 of the gaps are longer than twice the mean.
        let long = pauses.iter().filter(|pause| **pause > 2.0).count() as f64 / 2e4;
        assert!((0.12..0.15).contains(&long), "{long}");
    }

    #[test]
    fn requests_that_arrive_before_the_end_are_served_and_later_ones_are_not() {
        let mut arrivals = Arrivals::every(Duration::from_micros(10));
        let stop = AtomicBool::new(false);
        let turn = Turn { limit: u64::MAX, stop: &stop, gate: None };
        let first = arrivals.next(1, &turn).unwrap();
        thread::sleep(Duration::from_millis(2)); // about 200 arrive, and no thread serves them
        stop.store(true, Relaxed);
        let late = std::iter::from_fn(|| arrivals.next(1, &turn)).collect::<Vec<_>>();
        assert!(late.len() > 20, "{}", late.len());
        assert!(late.iter().all(|came| *came <= arrivals.end.unwrap() && *came >= first));
        stop.store(false, Relaxed);
        assert!(arrivals.next(2, &turn).is_some(), "the next round begins from the start");
    }

    #[test]
    fn a_stall_delays_all_requests_that_arrive_meanwhile() {
        let calls = AtomicU64::new(0);
        let pool = Mutex::new(());
        let stalls = Scripted(move || {
            let _one_at_a_time = pool.lock();
            if calls.fetch_add(1, Relaxed) == 0 {
                thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        });
        let gap = Duration::from_micros(100);
        let mut runner = start(stalls, OpenLoad, gap, Opened::default()).unwrap();
        let round = runner.window(Duration::from_millis(60));
        // About 500 requests arrive during the stall. With coordinated omission only 64 waits would
        // be long, one of each thread.
        let share = 1.0 - 200.0 / round.waits.count() as f64;
        let waited = round.waits.at(share).map(Duration::from_nanos);
        assert!(
            waited > Some(Duration::from_millis(10)),
            "all but 200 waited no longer than {waited:?}"
        );
    }
}
