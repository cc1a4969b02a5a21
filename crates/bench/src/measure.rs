//! Medians, percentiles and fairness, from counts and waits.

use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use threadwise_figures::median;

use crate::interrupt::Interrupt;
use crate::{Failure, Result};

/// How long a thread sleeps after a failed operation. Without this, a broken contender would keep
/// the processor busy with failures.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(1);

/// Waits of up to an hour. A few are stored as they are, more of them in a histogram with three
/// digits.
///
/// A thread of a crowd makes a few dozen operations per round, and a histogram takes 135 kB. For
/// thousands of threads that would be more than the rest of the program needs.
#[derive(Clone, Debug, Default)]
pub struct Waits {
    sum_ns: u64,
    few: Vec<u64>,
    many: Option<Box<Counts>>,
}

type Counts = Histogram<u32>; // no run has more than 2³² waits of one duration

const FEW: usize = 512;
const LONGEST_WAIT_NS: u64 = 3_600_000_000_000;

impl Waits {
    /// Counts a wait.
    #[inline]
    pub fn record(&mut self, wait: Duration) {
        let ns = wait.as_nanos() as u64;
        self.sum_ns += ns;
        self.insert(ns);
    }

    #[inline]
    fn insert(&mut self, ns: u64) {
        match &mut self.many {
            Some(counts) => counts.saturating_record(ns),
            None if self.few.len() < FEW => self.few.push(ns),
            None => self.count_from_now_on().saturating_record(ns),
        }
    }

    #[cold]
    fn count_from_now_on(&mut self) -> &mut Counts {
        let few = std::mem::take(&mut self.few);
        self.many.get_or_insert_with(|| {
            let counts = Histogram::new_with_bounds(1, LONGEST_WAIT_NS, 3);
            let mut counts = counts.expect("the bounds are in order");
            few.into_iter().for_each(|ns| counts.saturating_record(ns));
            counts.into()
        })
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.few.len() as u64 + self.many.as_ref().map_or(0, |counts| counts.len())
    }

    /// The mean, in seconds; 0 without waits.
    pub fn mean_s(&self) -> f64 {
        self.sum_ns as f64 / 1e9 / self.count().max(1) as f64
    }

    /// The wait that this share, from 0 to 1, did not exceed, in nanoseconds; `None` without waits.
    pub fn at(&self, share: f64) -> Option<u64> {
        if let Some(counts) = &self.many {
            return Some(counts.value_at_quantile(share));
        }
        let mut sorted = self.few.clone();
        sorted.sort_unstable();
        let rank = (share * sorted.len() as f64).ceil() as usize; // from 1
        sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).copied()
    }

    /// The longest wait, in nanoseconds; `None` without waits.
    pub fn max(&self) -> Option<u64> {
        match &self.many {
            Some(counts) => Some(counts.max()),
            None => self.few.iter().copied().max(),
        }
    }

    /// Adds the waits of another thread, or of another round.
    pub fn add(&mut self, other: &Self) {
        self.sum_ns += other.sum_ns;
        if let Some(theirs) = &other.many {
            self.count_from_now_on().add(&**theirs).expect("all have the same bounds");
        }
        other.few.iter().for_each(|&ns| self.insert(ns));
    }
}

/// The figures of one thread in one round.
pub struct Sample {
    /// Operations that succeeded.
    pub ops: u64,
    /// Operations that failed, whether in borrowing or in using the connection.
    pub errors: u64,
    /// The first of the failures.
    pub first_error: Option<Failure>,
    /// When the thread began.
    pub begun: Instant,
    /// When the thread ended.
    pub ended: Instant,
    /// The waits of its timed operations.
    pub waits: Waits,
    /// More times of its operations, in a round of steady work.
    pub uses: Option<Box<Uses>>,
    /// When the thread last returned a connection, in such a round.
    returned: Option<Instant>,
}

/// How threads used connections: those that asked in the measured window.
#[derive(Clone, Debug, Default)]
pub struct Uses {
    /// From having a connection to having returned it, including the work of the pool's return.
    pub holds: Waits,
    /// From a return to the next borrow.
    pub idles: Waits,
}

/// When a thread used a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    pub(crate) asked: Instant,
    pub(crate) begun: Instant,
    pub(crate) ended: Instant,
}

impl Uses {
    /// Adds the times of another thread, or of another round.
    pub fn add(&mut self, other: &Self) {
        self.holds.add(&other.holds);
        self.idles.add(&other.idles);
    }
}

impl Sample {
    /// A sample without operations that begins now.
    pub fn begin() -> Self {
        let now = Instant::now();
        let waits = Waits::default();
        let (uses, returned) = (None, None);
        Self { ops: 0, errors: 0, first_error: None, begun: now, ended: now, waits, uses, returned }
    }

    /// A sample with one failure and no operations.
    pub fn failed(failure: Failure) -> Self {
        Self { errors: 1, first_error: Some(failure), ..Self::begin() }
    }

    /// Counts an operation: whether it got a connection, and whether its use succeeded.
    #[inline]
    pub(crate) fn count(&mut self, outcome: Result<Result<()>>) {
        match outcome {
            Ok(Ok(())) => self.ops += 1,
            Ok(Err(failure)) | Err(failure) => self.count_error(failure),
        }
    }

    #[cold]
    fn count_error(&mut self, failure: Failure) {
        self.errors += 1;
        self.first_error.get_or_insert(failure);
        thread::sleep(PAUSE_AFTER_ERROR);
    }

    /// Adds the times of a use. They count only if the thread asked in the measured window.
    pub(crate) fn add_use(&mut self, Use { asked, begun, ended }: Use, is_measured: bool) {
        let uses = self.uses.get_or_insert_default();
        let returned = self.returned.replace(ended);
        if is_measured {
            self.waits.record(begun - asked);
            uses.holds.record(ended - begun);
            if let Some(returned) = returned {
                uses.idles.record(asked - returned);
            }
        }
    }

    /// Adds a wait that did not end with a connection, with its length until now.
    pub(crate) fn add_cut_off(&mut self, cut: Use, is_measured: bool) {
        if is_measured {
            self.waits.record(cut.ended - cut.asked);
        }
    }

    /// Adds the figures of the same thread from another part of the same round.
    pub(crate) fn add(&mut self, other: Self) {
        self.ops += other.ops;
        self.errors += other.errors;
        self.waits.add(&other.waits);
        self.first_error = self.first_error.take().or(other.first_error);
    }

    /// Its throughput in a round that began at `start`. If the system started the thread late, the
    /// time before that counts, too.
    fn ops_per_s(&self, start: Instant) -> f64 {
        let seconds = self.ended.saturating_duration_since(start).as_secs_f64();
        if self.ops == 0 { 0.0 } else { self.ops as f64 / seconds.max(1e-9) }
    }
}

/// The figures of all threads of a contender in one round.
#[derive(Debug)]
pub struct Round {
    /// Operations that succeeded.
    pub ops: u64,
    /// Operations that failed.
    pub errors: u64,
    /// The first failure of any thread.
    pub first_error: Option<Failure>,
    /// The sum of the threads' throughputs, each from the first thread's start to its own end.
    pub ops_per_s: f64,
    /// Operations of the slowest thread divided by those of the fastest; 0 without operations.
    pub fairness: f64,
    /// From the start of the first thread to the end of the last.
    pub elapsed: Duration,
    /// The waits of all threads.
    pub waits: Waits,
    /// More times of all threads' operations, in a round of steady work.
    pub uses: Option<Box<Uses>>,
    /// The throughput of the writer beside the threads, if there is one.
    pub writes_per_s: Option<f64>,
}

impl Round {
    /// Merges the samples of all threads.
    pub fn of(samples: Vec<Sample>) -> Self {
        let ops = samples.iter().map(|sample| sample.ops);
        let (slowest, fastest) = (ops.clone().min().unwrap_or(0), ops.clone().max().unwrap_or(0));
        let start = samples.iter().map(|sample| sample.begun).min().unwrap_or_else(Instant::now);
        let end = samples.iter().map(|sample| sample.ended).max().unwrap_or(start);
        let mut waits = Waits::default();
        let mut uses: Option<Box<Uses>> = None;
        for sample in &samples {
            waits.add(&sample.waits);
            if let Some(more) = &sample.uses {
                uses.get_or_insert_default().add(more);
            }
        }
        Self {
            ops: ops.sum(),
            errors: samples.iter().map(|sample| sample.errors).sum(),
            ops_per_s: samples.iter().map(|sample| sample.ops_per_s(start)).sum(),
            fairness: if fastest == 0 { 0.0 } else { slowest as f64 / fastest as f64 },
            elapsed: end - start,
            waits,
            uses,
            writes_per_s: None,
            first_error: samples.into_iter().find_map(|sample| sample.first_error),
        }
    }

    /// Adds the figures of a writer that ran at the same time.
    #[must_use]
    pub fn beside(mut self, writer: &Self) -> Self {
        self.writes_per_s = Some(writer.ops_per_s);
        self.errors += writer.errors;
        self.first_error = self.first_error.or_else(|| writer.first_error.clone());
        self
    }
}

/// The figures of one round, for comparison with those of another contender in the same round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Turn {
    /// Operations per second of all threads together.
    pub ops_per_s: f64,
    /// Operations of the slowest thread divided by those of the fastest.
    pub fairness: f64,
    /// The time that 99 in 100 waits did not exceed, in nanoseconds; `None` if none was timed.
    pub wait_p99_ns: Option<f64>,
}

/// The figures of a contender in all rounds of a workload.
#[derive(Debug, Default)]
pub struct Rounds {
    /// Operations that succeeded, all rounds together.
    pub ops: u64,
    /// Operations that failed, including the warmup.
    pub errors: u64,
    /// The first failure.
    pub first_error: Option<Failure>,
    /// The figures of each round, in order.
    pub turns: Vec<Turn>,
    /// The waits of all measured rounds.
    pub waits: Waits,
    writes_per_s: Vec<f64>,
}

impl Rounds {
    /// Adds a round.
    pub fn add(&mut self, round: Round) {
        self.ops += round.ops;
        self.turns.push(Turn {
            ops_per_s: round.ops_per_s,
            fairness: round.fairness,
            wait_p99_ns: round.waits.at(0.99).map(|ns| ns as f64),
        });
        self.waits.add(&round.waits);
        self.writes_per_s.extend(round.writes_per_s);
        self.add_errors(round.errors, round.first_error);
    }

    /// Adds a round, unless an interrupt may have cut it short and there is another one. Returns
    /// whether it counts.
    pub(crate) fn add_whole(&mut self, round: Round, interrupt: &Interrupt) -> bool {
        let counts = !interrupt.is_raised() || self.turns.is_empty();
        if counts {
            self.add(round);
        }
        counts
    }

    /// Whether there is neither a turn nor an error to report.
    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty() && self.errors == 0
    }

    /// Adds only the errors of a round, because it was the warmup.
    pub fn add_warm_up(&mut self, round: Round) {
        self.add_errors(round.errors, round.first_error);
    }

    /// Adds a failure outside of any round.
    pub fn add_failure(&mut self, failure: Failure) {
        self.add_errors(1, Some(failure));
    }

    fn add_errors(&mut self, errors: u64, first: Option<Failure>) {
        self.errors += errors;
        self.first_error = self.first_error.take().or(first);
    }

    /// The least and the greatest of the rounds' throughputs; 0 without rounds.
    pub fn ops_per_s_range(&self) -> (f64, f64) {
        let throughputs = || self.turns.iter().map(|turn| turn.ops_per_s);
        let least = throughputs().min_by(f64::total_cmp).unwrap_or(0.0);
        (least, throughputs().max_by(f64::total_cmp).unwrap_or(0.0))
    }

    /// The median of a figure of the rounds.
    pub(crate) fn median_of(&self, figure: impl Fn(&Turn) -> f64) -> f64 {
        median(&self.turns.iter().map(figure).collect::<Vec<_>>())
    }

    /// The median of the writer's throughputs; `None` without a writer.
    pub fn writes_per_s(&self) -> Option<f64> {
        (!self.writes_per_s.is_empty()).then(|| median(&self.writes_per_s))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sample that begins and ends at these times after `start`.
    fn sample(start: Instant, ops: u64, from_millis: u64, to_millis: u64) -> Sample {
        let at = |millis| start + Duration::from_millis(millis);
        Sample { ops, begun: at(from_millis), ended: at(to_millis), ..Sample::begin() }
    }

    fn round(ops: &[u64]) -> Round {
        let now = Instant::now();
        Round::of(ops.iter().map(|&ops| sample(now, ops, 0, 1_000)).collect())
    }

    #[test]
    fn few_waits_and_many_are_read_the_same_way() {
        let mut waits = Waits::default();
        assert_eq!((waits.count(), waits.at(0.5), waits.max()), (0, None, None));
        for (recorded, ns) in (1..=2 * FEW as u64).enumerate() {
            waits.record(Duration::from_nanos(ns));
            let half = (recorded as u64 / 2) + 1;
            assert_eq!((waits.count(), waits.max()), (ns, Some(ns)));
            assert_eq!((waits.at(0.5), waits.at(0.0)), (Some(half), Some(1)), "of {ns}");
        }
    }

    #[test]
    fn few_waits_are_added_to_many_and_many_to_few() {
        let waits = |count: u64| {
            let mut waits = Waits::default();
            (1..=count).for_each(|ns| waits.record(Duration::from_nanos(ns)));
            waits
        };
        let (few, many) = (3, 2 * FEW as u64);
        for (one, other) in [(few, few), (few, many), (many, few), (many, many)] {
            let mut sum = waits(one);
            sum.add(&waits(other));
            assert_eq!((sum.count(), sum.max()), (one + other, Some(one.max(other))));
        }
    }

    #[test]
    fn fairness_is_the_slowest_over_the_fastest() {
        assert_eq!(round(&[10, 5, 20]).fairness, 0.25);
        assert_eq!(round(&[0, 5]).fairness, 0.0);
        assert_eq!(round(&[0, 0]).fairness, 0.0);
    }

    #[test]
    fn a_thread_that_ends_late_is_measured_over_its_own_time() {
        let now = Instant::now();
        let round = Round::of(vec![sample(now, 100, 0, 100), sample(now, 100, 0, 200)]);
        assert!((round.ops_per_s - 1_500.0).abs() < 1e-6, "{}", round.ops_per_s);
        assert_eq!((round.ops, round.elapsed), (200, Duration::from_millis(200)));
    }

    #[test]
    fn a_thread_that_begins_late_is_measured_from_the_common_start() {
        let now = Instant::now();
        let round = Round::of(vec![sample(now, 100, 0, 200), sample(now, 100, 100, 200)]);
        assert!((round.ops_per_s - 1_000.0).abs() < 1e-6, "{}", round.ops_per_s);
    }

    #[test]
    fn a_round_without_threads_has_no_operations() {
        let round = Round::of(Vec::new());
        assert_eq!((round.ops, round.ops_per_s, round.fairness), (0, 0.0, 0.0));
    }

    #[test]
    fn rounds_report_medians_and_all_waits() {
        let mut rounds = Rounds::default();
        for (ops, wait) in [(100, 10), (900, 30), (200, 20)] {
            let mut sample = sample(Instant::now(), ops, 0, 1_000);
            sample.waits.record(Duration::from_nanos(wait));
            rounds.add(Round::of(vec![sample]));
        }
        assert_eq!(rounds.ops, 1_200);
        assert!((rounds.median_of(|turn| turn.ops_per_s) - 200.0).abs() < 1e-6);
        let (least, greatest) = rounds.ops_per_s_range();
        assert!((least - 100.0).abs() < 1e-6 && (greatest - 900.0).abs() < 1e-6);
        assert_eq!(rounds.waits.at(0.5), Some(20));
        assert_eq!(rounds.waits.max(), Some(30));
        let turns: Vec<_> = rounds.turns.iter().map(|turn| turn.wait_p99_ns).collect();
        assert_eq!(turns, [Some(10.0), Some(30.0), Some(20.0)], "in the order of the rounds");
    }

    #[test]
    fn times_of_uses_count_if_the_thread_asked_in_the_window() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let used = |from| Use { asked: at(from), begun: at(from + 1), ended: at(from + 3) };
        let mut one = Sample::begin();
        one.add_use(used(0), false);
        one.add_use(used(10), true);
        one.add_cut_off(Use { asked: at(20), begun: at(25), ended: at(25) }, true);
        let round = Round::of(vec![one, Sample::begin()]);
        let uses = round.uses.expect("there was one");
        assert_eq!((round.waits.count(), round.waits.max()), (2, Some(5_000_000)));
        assert_eq!((uses.holds.count(), uses.holds.max()), (1, Some(2_000_000)));
        assert_eq!(
            (uses.idles.count(), uses.idles.max()),
            (1, Some(7_000_000)),
            "since the warmup"
        );
        let means = [round.waits.mean_s(), uses.holds.mean_s(), uses.idles.mean_s()];
        assert_eq!(means.map(|mean| (mean * 1e6).round()), [3e3, 2e3, 7e3], "in microseconds");
    }

    #[test]
    fn a_round_that_was_cut_short_counts_if_there_is_no_other() {
        let (mut rounds, interrupt) = (Rounds::default(), Interrupt::default());
        interrupt.raise();
        assert!(rounds.add_whole(round(&[1]), &interrupt));
        assert!(!rounds.add_whole(round(&[1]), &interrupt));
        assert!(rounds.add_whole(round(&[1]), &Interrupt::default()));
        assert_eq!(rounds.turns.len(), 2);
    }

    #[test]
    fn of_the_warmup_only_the_errors_count() {
        let mut rounds = Rounds::default();
        let mut failed = Sample::failed(Failure::new("refused"));
        failed.ops = 7;
        rounds.add_warm_up(Round::of(vec![failed]));
        assert_eq!((rounds.ops, rounds.errors, rounds.waits.at(0.5)), (0, 1, None));
        assert_eq!(rounds.first_error, Some(Failure::new("refused")));
    }
}
