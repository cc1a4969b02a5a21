//! Threads that serve requests. Requests arrive at random, whether a thread is free or not.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::drive::{Drive, Job};
use super::operate::timed;
use super::threads::{Runner, Station};
use super::turn::Turn;
use crate::contender::{Queried, Worker};
use crate::measure::Sample;
use crate::operation::Operate;
use crate::{Queries, Result, Rng};

/// The workload's threads, and requests that arrive at random, one each gap on average.
///
/// A wait begins when the request arrives, and not when a thread has time to ask for a connection.
/// Otherwise there would be fewer requests while a contender stalls, and the report would have few
/// of its worst waits. Gil Tene called this *coordinated omission*.
#[derive(Clone, Copy, Debug)]
pub struct Arrivals {
    /// The time from one request to the next, on average.
    pub gap: Duration,
}

impl Drive for Arrivals {
    fn start<C: Queried, O: Operate>(self, contender: C, job: Job<O>) -> Result<Runner> {
        let contender = Arc::new(contender);
        let requests = Arc::new(Mutex::new(Requests::every(self.gap)));
        let (workload, opened) = (job.workload, job.opened.clone());
        Runner::start(&workload, opened, move |station: Station| {
            let (mut rng, mut rounds) = (Rng::with_seed(station.number as u64), 0);
            station.serve(contender.worker(), |worker, turn| {
                rounds += 1;
                vec![serve(worker, &job, &mut rng, turn, || lock(&requests).next(rounds, turn))]
            });
        })
    }
}

/// One thread's part of a round.
fn serve<K: Worker<Connection: Queries>, O: Operate>(
    worker: &mut K,
    job: &Job<O>,
    rng: &mut Rng,
    turn: &Turn<'_>,
    next: impl Fn() -> Option<Instant>,
) -> Sample {
    let (mut sample, mut tried) = (Sample::begin(), 0);
    while tried < turn.terms.limit {
        let Some(came) = next() else { break };
        thread::sleep(came.saturating_duration_since(Instant::now()));
        timed(worker, job, rng, came, turn, &mut sample);
        tried += 1;
    }
    sample.ended = Instant::now();
    sample
}

fn lock(requests: &Mutex<Requests>) -> MutexGuard<'_, Requests> {
    requests.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The times of arrival: a Poisson process, the same in each round.
struct Requests {
    gap: Duration,
    round: u64,
    rng: Rng,
    next: Instant,
    /// When the round's time was over. Requests that arrived before are still served.
    end: Option<Instant>,
}

impl Requests {
    fn every(gap: Duration) -> Self {
        Self { gap, round: 0, rng: Rng::with_seed(0), next: Instant::now(), end: None }
    }

    /// Returns when the next request of this round arrives, or arrived; `None` if that is after the
    /// round's end.
    fn next(&mut self, round: u64, turn: &Turn<'_>) -> Option<Instant> {
        if self.round != round {
            *self = Self { round, ..Self::every(self.gap) };
        }
        if turn.is_over() {
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
        let share = f64::from(self.rng.u32(..STEPS) + 1) / f64::from(STEPS);
        self.gap.mul_f64(-share.ln())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::super::tests;
    use super::super::turn::{Phase, Signal, Terms};
    use super::*;
    use crate::workloads::open_load::OPEN_LOAD;

    #[test]
    fn requests_arrive_one_each_gap_on_average_and_at_random() {
        let mut requests = Requests::every(Duration::from_millis(1));
        let pauses: Vec<_> = (0..20_000).map(|_| requests.pause().as_secs_f64() * 1e3).collect();
        let mean = pauses.iter().sum::<f64>() / 2e4;
        assert!((0.97..1.03).contains(&mean), "{mean}");
        // In a Poisson process e^-2 of the gaps are longer than twice the mean.
        let long = pauses.iter().filter(|pause| **pause > 2.0).count() as f64 / 2e4;
        assert!((0.12..0.15).contains(&long), "{long}");
    }

    #[test]
    fn requests_that_arrive_before_the_end_are_served_and_later_ones_are_not() {
        let mut requests = Requests::every(Duration::from_micros(10));
        let signal = Signal::new(Phase::Measuring);
        let terms = Terms { limit: u64::MAX, uses: false };
        let turn = Turn { terms, signal: &signal, gate: None };
        let first = requests.next(1, &turn).unwrap();
        thread::sleep(Duration::from_millis(2)); // about 200 arrive, and no thread serves them
        signal.set(Phase::Over);
        let late = std::iter::from_fn(|| requests.next(1, &turn)).collect::<Vec<_>>();
        assert!(late.len() > 20, "{}", late.len());
        assert!(late.iter().all(|came| *came <= requests.end.unwrap() && *came >= first));
        signal.set(Phase::Measuring);
        assert!(requests.next(2, &turn).is_some(), "the next round begins from the start");
    }

    #[test]
    fn a_stall_delays_all_requests_that_arrive_meanwhile() {
        let calls = AtomicU64::new(0);
        let pool = Mutex::new(());
        let stalls = move || {
            let _one_at_a_time = pool.lock();
            if calls.fetch_add(1, Relaxed) == 0 {
                thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        };
        let gap = Duration::from_micros(100);
        let mut runner = tests::start(Arrivals { gap }, OPEN_LOAD, stalls);
        // Much longer than the stall, which may begin late on a busy machine.
        let round = runner.window(Duration::from_millis(500));
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
