//! The threads that use a contender, round by round.
//!
//! | file | holds |
//! |---|---|
//! | `runner` | the beginning and the end of a round; threads that make one operation after another |
//! | `arrivals` | threads that serve requests, which arrive at random |
//! | `per_task` | threads that start a thread for each operation |
//! | `par_iter` | rayon's threads, which take one item after another |

pub(crate) mod arrivals;
pub(crate) mod par_iter;
pub(crate) mod per_task;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use threadwise_figures::Backend;

use crate::contender::{Contender, GET_TIMEOUT, Opened, Worker};
use crate::hold::Hold;
use crate::interrupt::Interrupt;
use crate::measure::{Round, Sample};
use crate::workload::{Order, Workload};
use crate::writer::Writer;
use crate::{Failure, Queries, Rng};

/// If an operation takes nanoseconds, one in this many is timed.
const SAMPLE: u64 = 256;
/// From this number on, threads get small stacks. Otherwise they might ask for more memory than the
/// system allows.
const CROWD: usize = 256;
const CROWD_STACK: usize = 256 << 10;
/// How long a thread sleeps after a failed operation. Without this, a broken contender would keep
/// the processor busy with failures.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(1);
/// How long after a round's end its threads may take to report. Every contender's timeout is over
/// by then.
const PATIENCE: Duration = Duration::from_secs(2 * GET_TIMEOUT.as_secs());

/// A contender and the threads of a workload, from the first round to the last.
///
/// The threads sleep between rounds. They run the generic code; this type is not generic.
#[derive(Debug)]
pub struct Runner {
    threads: Vec<Member>,
    samples: Receiver<Vec<Sample>>,
    stop: Arc<Signal>,
    barrier: Arc<Barrier>,
    gate: Option<Arc<StartGate>>,
    order: Order,
    opened: Opened,
    interrupt: Interrupt,
    /// Writes during the rounds, on its own connection.
    writer: Option<Writer>,
    /// The number of threads that did not report in time, because the contender hangs.
    lost: usize,
}

#[derive(Debug)]
struct Member {
    /// `None` tells the thread to end.
    orders: Option<Sender<u64>>,
    handle: Option<JoinHandle<()>>,
}

/// All threads read this all the time, so it has its own cache line.
#[repr(align(128))]
#[derive(Debug, Default)]
struct Signal(AtomicBool);

/// Counts the threads that have asked for a connection, and lets threads wait for all of them.
#[derive(Debug)]
struct StartGate {
    threads: usize,
    asked: AtomicUsize,
}

impl StartGate {
    /// How often a waiting thread looks at the count.
    const LOOK: Duration = Duration::from_micros(200);
    /// The time that the last threads have to fall asleep in the wait queue after they are counted.
    const SETTLE: Duration = Duration::from_millis(2);

    fn new(threads: usize) -> Self {
        Self { threads, asked: AtomicUsize::new(0) }
    }

    fn begin(&self) {
        self.asked.store(0, Relaxed); // the runner's barrier makes it visible to the threads
    }

    /// Counts the calling thread, which is about to ask.
    fn ask(&self) {
        self.asked.fetch_add(1, Relaxed);
    }

    /// Waits until all threads have asked.
    fn wait_for_all(&self) {
        if self.is_complete() {
            return;
        }
        while !self.is_complete() {
            thread::sleep(Self::LOOK);
        }
        thread::sleep(Self::SETTLE);
    }

    fn is_complete(&self) -> bool {
        self.asked.load(Relaxed) == self.threads
    }
}

impl Runner {
    /// Starts a workload's threads on a contender. They wait for the first round. The contender
    /// counts its connections in `opened`.
    ///
    /// # Errors
    ///
    /// If a thread cannot be started, or its connection cannot be opened.
    pub fn start<C, W>(contender: C, workload: W, opened: Opened) -> Result<Self, Failure>
    where
        C: Contender<Connection: Queries>,
        W: Workload,
    {
        workload.drive(contender, opened)
    }

    /// Starts threads that all do the same: each makes one operation after another.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn alike<C, W>(contender: C, workload: W, opened: Opened) -> Result<Self, Failure>
    where
        C: Contender<Connection: Queries>,
        W: Workload,
    {
        let contender = Arc::new(contender);
        Self::of(workload.threads(), workload.order(), opened, move |station: Station| {
            let mut rng = Rng::new(station.number as u64);
            station.serve(contender.worker(), |worker, turn| {
                let mut sample = Sample::begin();
                if let Some(gate) = turn.gate {
                    pass_gate(worker, &workload, &mut rng, gate, &mut sample);
                }
                vec![operate(worker, &workload, &mut rng, turn.limit, turn.stop, sample)]
            });
        })
    }

    /// Starts threads, each of which runs `life`.
    fn of(
        threads: usize,
        order: Order,
        opened: Opened,
        life: impl Fn(Station) + Clone + Send + 'static,
    ) -> Result<Self, Failure> {
        let (send_samples, samples) = mpsc::channel();
        let (send_ready, ready) = mpsc::channel();
        let mut runner = Self {
            threads: Vec::new(),
            samples,
            stop: Arc::default(),
            barrier: Arc::new(Barrier::new(threads + 1)),
            gate: order.is_about_the_queue().then(|| Arc::new(StartGate::new(threads))),
            order,
            opened,
            interrupt: Interrupt::default(),
            writer: None,
            lost: 0,
        };
        for number in 0..threads {
            let (send_order, orders) = mpsc::channel();
            let station = Station {
                number,
                orders,
                samples: send_samples.clone(),
                ready: send_ready.clone(),
                barrier: Arc::clone(&runner.barrier),
                gate: runner.gate.clone(),
                stop: Arc::clone(&runner.stop),
            };
            let life = life.clone();
            let handle = builder(number, threads)
                .spawn(move || life(station))
                .map_err(|error| Failure::new(format_args!("cannot start a thread: {error}")))?;
            runner.threads.push(Member { orders: Some(send_order), handle: Some(handle) });
        }
        drop(send_ready);
        let began = ready.into_iter().collect::<Result<Vec<()>, _>>()?.len();
        if began < runner.threads.len() {
            return Err(Failure::new("a thread panicked before it could begin"));
        }
        Ok(runner)
    }

    /// Adds a writer, which works beside the threads during every round.
    #[must_use]
    pub fn beside(mut self, writer: Writer) -> Self {
        self.writer = Some(writer);
        self
    }

    /// Makes `interrupt` end windows early.
    #[must_use]
    pub fn until(mut self, interrupt: &Interrupt) -> Self {
        self.interrupt = interrupt.clone();
        self
    }

    /// Lets all threads work for `window`, and waits until each has finished its current operation.
    pub fn window(&mut self, window: Duration) -> Round {
        self.round(u64::MAX, Some(window))
    }

    /// Lets each thread make `per_thread` operations, and returns the time from the first thread's
    /// start to the last one's end.
    ///
    /// # Errors
    ///
    /// If an operation fails, because the time says nothing then.
    pub fn operations(&mut self, per_thread: u64) -> Result<Duration, Failure> {
        let round = self.round(per_thread, None);
        match round.first_error {
            None => Ok(round.elapsed),
            Some(failure) => Err(failure),
        }
    }

    /// Returns how many connections the contender has opened since it was built.
    #[must_use]
    pub fn opened(&self) -> u64 {
        self.opened.get()
    }

    fn round(&mut self, limit: u64, window: Option<Duration>) -> Round {
        if self.lost > 0 {
            return Round::of(vec![Sample::failed(Failure::new("hung in an earlier round"))]);
        }
        if let Some(writer) = &self.writer {
            writer.begin();
        }
        let round = self.round_of_threads(limit, window);
        match &self.writer {
            Some(writer) => round.beside(writer.end()),
            None => round,
        }
    }

    fn round_of_threads(&mut self, limit: u64, window: Option<Duration>) -> Round {
        self.stop.0.store(false, Relaxed); // the barrier makes it visible to the threads
        for member in &self.threads {
            let orders = member.orders.as_ref().expect("kept until the runner is dropped");
            orders.send(limit).expect("the threads live as long as the runner");
        }
        if let Some(gate) = &self.gate {
            gate.begin();
        }
        self.barrier.wait();
        if let Some(gate) = &self.gate {
            gate.wait_for_all();
        }
        let Some(window) = window else { return Round::of(self.collect(None)) };
        self.interrupt.sleep(window);
        let over = Instant::now();
        self.stop.0.store(true, Relaxed);
        let mut samples = self.collect(Some(over + PATIENCE));
        if self.order == Order::RunningFirst {
            // A thread that has lost its turn reports only after all waiters before it. In that
            // time it could not have done anything.
            for sample in &mut samples {
                sample.ended = sample.ended.min(over);
            }
        }
        Round::of(samples)
    }

    /// Returns the samples of all threads, or of those that report until `deadline`.
    fn collect(&mut self, deadline: Option<Instant>) -> Vec<Sample> {
        let mut all = Vec::new();
        for returned in 0..self.threads.len() {
            let samples = match deadline {
                None => self.samples.recv().map_err(RecvTimeoutError::from),
                Some(deadline) => {
                    self.samples.recv_timeout(deadline.saturating_duration_since(Instant::now()))
                }
            };
            let Ok(samples) = samples else {
                self.lost = self.threads.len() - returned;
                let hung = format!("{} threads hang after {PATIENCE:?}", self.lost);
                all.push(Sample::failed(Failure::new(hung)));
                return all;
            };
            all.extend(samples);
        }
        all
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        for member in &mut self.threads {
            member.orders = None;
        }
        if self.lost > 0 {
            return; // joining the threads would hang this one, too
        }
        for handle in self.threads.iter_mut().filter_map(|member| member.handle.take()) {
            // A thread panics only if dropping the contender panics, after all measurements.
            let _ = handle.join();
        }
    }
}

fn builder(number: usize, threads: usize) -> thread::Builder {
    let builder = thread::Builder::new().name(format!("bench-{number}"));
    if threads < CROWD { builder } else { builder.stack_size(CROWD_STACK) }
}

/// A thread's side of a runner.
struct Station {
    number: usize,
    orders: Receiver<u64>,
    samples: Sender<Vec<Sample>>,
    ready: Sender<Result<(), Failure>>,
    barrier: Arc<Barrier>,
    gate: Option<Arc<StartGate>>,
    stop: Arc<Signal>,
}

/// A thread's instructions for a round.
struct Turn<'p> {
    /// The number of operations that it may make.
    limit: u64,
    /// Set when the time is over.
    stop: &'p AtomicBool,
    /// If present, the thread first waits until all threads have asked.
    gate: Option<&'p StartGate>,
}

impl Turn<'_> {
    /// Whether there is another operation to make. Each thread makes at least one, so that the
    /// warmup reaches the threads that the system starts last.
    #[inline]
    fn goes_on(&self, tried: u64) -> bool {
        goes_on(tried, self.limit, self.stop)
    }
}

#[inline]
fn goes_on(tried: u64, limit: u64, stop: &AtomicBool) -> bool {
    tried == 0 || (tried < limit && !stop.load(Relaxed))
}

impl Station {
    /// Reports whether the thread has what it needs. If so, runs rounds until the runner ends.
    fn serve<S>(
        self,
        needed: Result<S, Failure>,
        mut round: impl FnMut(&mut S, &Turn<'_>) -> Vec<Sample>,
    ) {
        let Self { number: _, orders, samples, ready, barrier, gate, stop } = self;
        let mut state = match needed {
            Ok(state) => state,
            Err(failure) => {
                let _ = ready.send(Err(failure));
                return;
            }
        };
        let _ = ready.send(Ok(()));
        drop(ready);
        for limit in orders {
            barrier.wait();
            let turn = Turn { limit, stop: &stop.0, gate: gate.as_deref() };
            let made = catch_unwind(AssertUnwindSafe(|| round(&mut state, &turn)));
            let _ =
                samples.send(made.unwrap_or_else(|panic| vec![Sample::failed(panicked(&*panic))]));
        }
    }
}

/// Makes an operation before those of the round, because its wait is not typical. The time of the
/// round begins when the first thread has its connection and all others have asked for theirs.
fn pass_gate<K, W>(
    worker: &mut K,
    workload: &W,
    rng: &mut Rng,
    gate: &StartGate,
    sample: &mut Sample,
) where
    K: Worker<Connection: Queries>,
    W: Workload,
{
    gate.ask();
    let outcome = worker.with_conn(|conn| {
        gate.wait_for_all();
        sample.begun = Instant::now();
        workload.operate(conn, rng)
    });
    count(sample, outcome);
}

/// One thread's part of a round: the loop that is measured.
fn operate<K, W>(
    worker: &mut K,
    workload: &W,
    rng: &mut Rng,
    limit: u64,
    stop: &AtomicBool,
    mut sample: Sample,
) -> Sample
where
    K: Worker<Connection: Queries>,
    W: Workload,
{
    let goes_first = workload.order() == Order::RunningFirst;
    let untimed = one_timed_in::<K::Connection, W>(workload) - 1;
    let mut tried = 0;
    while goes_on(tried, limit, stop) {
        think(workload, rng);
        timed(worker, workload, rng, Instant::now(), &mut sample);
        tried += 1;
        for _ in 0..untimed.min(limit.saturating_sub(tried)) {
            if goes_first && stop.load(Relaxed) {
                break;
            }
            let outcome = worker.with_conn(|conn| workload.operate(conn, rng));
            count(&mut sample, outcome);
            tried += 1;
        }
    }
    sample.ended = Instant::now();
    sample
}

/// Returns n if one in n operations is timed: 1, unless an operation takes nanoseconds.
fn one_timed_in<C: Queries, W: Workload>(workload: &W) -> u64 {
    // A thread that may go first rarely waits, and its operations take nanoseconds. So its loop
    // also looks at `stop` before untimed operations: thousands of waiters must not go on after it.
    let goes_first = workload.order() == Order::RunningFirst;
    let takes_time = C::REAL
        || workload.hold(Backend::Synthetic) != Hold::None
        || !workload.think().is_zero()
        || (workload.threads() > workload.size() && !goes_first);
    if takes_time { 1 } else { SAMPLE }
}

/// Makes one operation, and measures its wait from `asked` on.
#[inline]
fn timed<K, W>(worker: &mut K, workload: &W, rng: &mut Rng, asked: Instant, sample: &mut Sample)
where
    K: Worker<Connection: Queries>,
    W: Workload,
{
    let mut waited = Duration::ZERO;
    let outcome = worker.with_conn(|conn| {
        waited = asked.elapsed();
        workload.operate(conn, rng)
    });
    if outcome.is_ok() {
        sample.waits.record(waited);
    }
    count(sample, outcome);
}

/// Sleeps for the think time before a thread asks. This is not part of the wait.
#[inline]
fn think<W: Workload>(workload: &W, rng: &mut Rng) {
    let mean = workload.think();
    if !mean.is_zero() {
        thread::sleep(pause(mean, rng));
    }
}

/// Returns a random time up to twice the mean, so that threads that begin together do not ask
/// together.
fn pause(mean: Duration, rng: &mut Rng) -> Duration {
    const STEPS: u32 = 1 << 16;
    2 * mean * rng.below(STEPS) / STEPS
}

#[inline]
pub(crate) fn count(sample: &mut Sample, outcome: Result<Result<(), Failure>, Failure>) {
    match outcome {
        Ok(Ok(())) => sample.ops += 1,
        Ok(Err(failure)) | Err(failure) => count_error(sample, failure),
    }
}

#[cold]
fn count_error(sample: &mut Sample, failure: Failure) {
    sample.errors += 1;
    sample.first_error.get_or_insert(failure);
    thread::sleep(PAUSE_AFTER_ERROR);
}

fn panicked(payload: &(dyn Any + Send)) -> Failure {
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)");
    Failure::new(format_args!("panicked: {message}"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::backend::synthetic::{SyntheticConnection, SyntheticManager};
    use crate::contender::{Fifo, MutexPool};
    use crate::workload::{AsMany, Crowd, Starved, ThinkTime, Uncontended};

    /// Calls `act` before each use.
    pub(super) struct Scripted<F>(pub(super) F);

    impl<F: Fn() -> Result<(), Failure> + Send + Sync + 'static> Contender for Scripted<F> {
        type Connection = SyntheticConnection;
        type Worker<'c> = &'c Self;

        fn worker(&self) -> Result<&Self, Failure> {
            Ok(self)
        }
    }

    impl<F: Fn() -> Result<(), Failure>> Worker for &Scripted<F> {
        type Connection = SyntheticConnection;

        fn with_conn<R>(
            &mut self,
            operation: impl FnOnce(&mut SyntheticConnection) -> R,
        ) -> Result<R, Failure> {
            (self.0)()?;
            Ok(operation(&mut SyntheticConnection::default()))
        }
    }

    fn runner<W: Workload>(
        workload: W,
        act: impl Fn() -> Result<(), Failure> + Send + Sync + 'static,
    ) -> Runner {
        Runner::start(Scripted(act), workload, Opened::default()).unwrap()
    }

    #[test]
    fn each_thread_makes_exactly_the_operations_asked_for() {
        let uses = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&uses);
        let mut runner = runner(AsMany, move || {
            counted.fetch_add(1, Relaxed);
            Ok(())
        });
        for per_thread in [1, 2, SAMPLE, 3 * SAMPLE + 5] {
            uses.store(0, Relaxed);
            runner.operations(per_thread).unwrap();
            assert_eq!(uses.load(Relaxed), 8 * per_thread);
        }
    }

    #[test]
    fn one_operation_in_many_is_timed_if_threads_do_not_hold_connections() {
        let mut runner = runner(Uncontended, || Ok(()));
        let round = runner.round(2 * SAMPLE + 1, None);
        assert_eq!((round.ops, round.waits.count()), (2 * SAMPLE + 1, 3));
    }

    #[test]
    fn every_operation_is_timed_if_threads_hold_connections() {
        let mut runner = runner(Starved, || Ok(()));
        let round = runner.window(Duration::from_millis(5));
        assert!(round.ops > 0);
        assert_eq!(round.ops, round.waits.count());
    }

    #[test]
    fn the_operation_at_the_start_gate_is_not_timed() {
        let mut runner =
            Runner::start(Fifo::new(Crowd::SMALL.size()), Crowd::SMALL, Opened::default()).unwrap();
        let threads = Crowd::SMALL.threads() as u64;
        for _ in 0..2 {
            let round = runner.round(3, None);
            assert_eq!((round.ops, round.waits.count()), (4 * threads, 3 * threads));
        }
    }

    #[test]
    fn a_round_ends_with_its_window_if_the_running_thread_goes_first() {
        let pool = MutexPool::new(&SyntheticManager, Crowd::FEW_ASLEEP.size()).unwrap();
        let mut runner = Runner::start(pool, Crowd::FEW_ASLEEP, Opened::default()).unwrap();
        let window = Duration::from_millis(20);
        let round = runner.window(window);
        assert_eq!(round.errors, 0);
        // All threads are measured over the same time, however late they report.
        let together = round.ops as f64 / round.elapsed.as_secs_f64();
        assert!((round.ops_per_s / together - 1.0).abs() < 1e-9, "{round:?}");
    }

    #[test]
    fn think_times_are_random_around_the_mean() {
        let mean = Duration::from_millis(10);
        let mut rng = Rng::new(0);
        let pauses: Vec<_> = (0..1_000).map(|_| pause(mean, &mut rng)).collect();
        assert!(pauses.iter().all(|pause| *pause < 2 * mean));
        let sum: Duration = pauses.iter().sum();
        assert!((0.9..1.1).contains(&(sum.as_secs_f64() / 1_000.0 / mean.as_secs_f64())));
    }

    #[test]
    fn think_time_is_not_part_of_the_wait() {
        let mut runner = runner(ThinkTime, || Ok(()));
        let round = runner.round(3, None);
        assert_eq!((round.ops, round.waits.count()), (3 * 64, 3 * 64));
        let median = round.waits.at(0.5).map(Duration::from_nanos);
        assert!(
            median < Some(ThinkTime.think() / 2),
            "no thread waits for the contender: {median:?}"
        );
        assert!(round.elapsed > ThinkTime.think(), "all threads sleep first: {round:?}");
    }

    #[test]
    fn a_start_gate_opens_when_all_threads_have_asked() {
        let gate = StartGate::new(2);
        thread::scope(|scope| {
            gate.ask();
            let other = scope.spawn(|| gate.wait_for_all());
            assert!(!gate.is_complete() && !other.is_finished());
            gate.ask();
            gate.wait_for_all();
        });
        gate.begin();
        assert!(!gate.is_complete());
    }

    #[test]
    fn failures_are_counted_and_the_first_is_kept() {
        let mut runner = runner(Uncontended, || Err(Failure::new("refused")));
        let round = runner.round(3, None);
        assert_eq!((round.ops, round.errors), (0, 3));
        assert_eq!(round.first_error, Some(Failure::new("refused")));
        assert_eq!(runner.operations(1), Err(Failure::new("refused")));
    }

    #[test]
    fn a_panic_is_a_failure_of_its_round_only() {
        let calls = AtomicU64::new(0);
        let mut runner = runner(Uncontended, move || {
            assert!(calls.fetch_add(1, Relaxed) > 0, "only once");
            Ok(())
        });
        let round = runner.round(1, None);
        assert_eq!(round.first_error, Some(Failure::new("panicked: only once")));
        assert!(runner.operations(1).is_ok());
    }

    #[test]
    fn a_thread_that_cannot_begin_fails_the_start() {
        struct Refused;
        impl Contender for Refused {
            type Connection = SyntheticConnection;
            type Worker<'c> = &'c Scripted<fn() -> Result<(), Failure>>;
            fn worker(&self) -> Result<Self::Worker<'_>, Failure> {
                Err(Failure::new("refused"))
            }
        }
        let started = Runner::start(Refused, AsMany, Opened::default());
        assert_eq!(started.err(), Some(Failure::new("refused")));
    }
}
