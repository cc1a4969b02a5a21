//! The threads of a contender, from the first round to the last.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::gate::StartGate;
use super::turn::{Phase, Signal, Terms, Turn};
use crate::contender::GET_TIMEOUT;
use crate::interrupt::Interrupt;
use crate::measure::{Round, Sample};
use crate::opened::Opened;
use crate::usage::Usage;
use crate::workload::{Order, Workload};
use crate::{Failure, Result};

/// From this number on, threads get small stacks. Otherwise they might ask for more memory than the
/// system allows.
const CROWD: usize = 256;
const CROWD_STACK: usize = 256 << 10;
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
    signal: Arc<Signal>,
    barrier: Arc<Barrier>,
    gate: Option<Arc<StartGate>>,
    order: Order,
    opened: Opened,
    interrupt: Interrupt,
    /// Writes during the rounds, on its own connection.
    writer: Option<Box<Self>>,
    /// The number of threads that did not report in time, because the contender hangs.
    lost: usize,
}

#[derive(Debug)]
struct Member {
    /// `None` tells the thread to end.
    orders: Option<Sender<Terms>>,
    handle: Option<JoinHandle<()>>,
}

/// The figures of a window in the middle of steady work.
pub struct Steady {
    /// What the threads did in the window. Operations are those that ended in it; waits, holds and
    /// idle times are of threads that asked in it.
    pub round: Round,
    /// The real length of the window.
    pub length: Duration,
    /// What this process used in the window; `None` if the system does not tell.
    pub usage: Option<Usage>,
}

impl Runner {
    /// Starts threads, each of which runs `life`.
    pub(super) fn start(
        &Workload { threads, order, .. }: &Workload,
        opened: Opened,
        life: impl Fn(Station) + Clone + Send + 'static,
    ) -> Result<Self> {
        let (send_samples, samples) = mpsc::channel();
        let (send_ready, ready) = mpsc::channel();
        let mut runner = Self {
            threads: Vec::new(),
            samples,
            signal: Arc::new(Signal::new(Phase::Over)),
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
                signal: Arc::clone(&runner.signal),
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
    pub fn beside(mut self, writer: Self) -> Self {
        self.writer = Some(writer.into());
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
    pub fn operations(&mut self, per_thread: u64) -> Result<Duration> {
        let round = self.round(per_thread, None);
        match round.first_error {
            None => Ok(round.elapsed),
            Some(failure) => Err(failure),
        }
    }

    /// Lets all threads work for `warm_up`, and then measures a window of steady work, with holds
    /// and idle times. After it calls `end`, which may refuse the threads that still wait: a wait
    /// that this cuts off counts with its length until then.
    pub fn steady(&mut self, warm_up: Duration, window: Duration, end: impl FnOnce()) -> Steady {
        self.begin(Phase::WarmingUp, Terms { limit: u64::MAX, uses: true });
        self.interrupt.sleep(warm_up);
        let begun = Instant::now();
        let ((), usage) = Usage::of(|| {
            self.signal.set(Phase::Measuring);
            self.interrupt.sleep(window);
            self.signal.set(Phase::Over);
        });
        let length = begun.elapsed();
        end();
        let round = Round::of(self.collect(Some(Instant::now() + PATIENCE)));
        Steady { round, length, usage }
    }

    /// Returns how many connections the contender has opened since it was built.
    pub fn opened(&self) -> u64 {
        self.opened.get()
    }

    pub(super) fn round(&mut self, limit: u64, window: Option<Duration>) -> Round {
        if self.lost > 0 || self.writer.as_ref().is_some_and(|writer| writer.lost > 0) {
            return Round::of(vec![Sample::failed(Failure::new("hung in an earlier round"))]);
        }
        if let Some(writer) = &self.writer {
            writer.begin(Phase::Measuring, Terms { limit: u64::MAX, uses: false });
        }
        let round = self.round_of_threads(limit, window);
        match &mut self.writer {
            Some(writer) => round.beside(&writer.end()),
            None => round,
        }
    }

    /// Ends a round.
    fn end(&mut self) -> Round {
        self.signal.set(Phase::Over);
        Round::of(self.collect(Some(Instant::now() + PATIENCE)))
    }

    fn round_of_threads(&mut self, limit: u64, window: Option<Duration>) -> Round {
        self.begin(Phase::Measuring, Terms { limit, uses: false });
        if let Some(gate) = &self.gate {
            gate.wait_for_all();
        }
        let Some(window) = window else { return Round::of(self.collect(None)) };
        self.interrupt.sleep(window);
        let over = Instant::now();
        self.signal.set(Phase::Over);
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

    /// Starts a round of all threads at the same moment.
    fn begin(&self, phase: Phase, terms: Terms) {
        self.signal.set(phase); // the barrier makes it visible to the threads
        for member in &self.threads {
            let orders = member.orders.as_ref().expect("kept until the runner is dropped");
            orders.send(terms).expect("the threads live as long as the runner");
        }
        if let Some(gate) = &self.gate {
            gate.begin();
        }
        self.barrier.wait();
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
pub(super) struct Station {
    pub(super) number: usize,
    orders: Receiver<Terms>,
    samples: Sender<Vec<Sample>>,
    ready: Sender<Result<()>>,
    barrier: Arc<Barrier>,
    gate: Option<Arc<StartGate>>,
    signal: Arc<Signal>,
}

impl Station {
    /// Reports whether the thread has what it needs. If so, runs rounds until the runner ends.
    pub(super) fn serve<S>(
        self,
        needed: Result<S>,
        mut round: impl FnMut(&mut S, &Turn<'_>) -> Vec<Sample>,
    ) {
        let Self { number: _, orders, samples, ready, barrier, gate, signal } = self;
        let mut state = match needed {
            Ok(state) => state,
            Err(failure) => {
                let _ = ready.send(Err(failure));
                return;
            }
        };
        let _ = ready.send(Ok(()));
        drop(ready);
        for terms in orders {
            barrier.wait();
            let turn = Turn { terms, signal: &signal, gate: gate.as_deref() };
            let made = catch_unwind(AssertUnwindSafe(|| round(&mut state, &turn)));
            let _ =
                samples.send(made.unwrap_or_else(|panic| vec![Sample::failed(panicked(&*panic))]));
        }
    }
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
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::super::alike::Alike;
    use super::super::drive::{Drive, Job};
    use super::super::operate::SAMPLE;
    use super::super::tests::{Scripted, alike as runner, job};
    use super::*;
    use crate::backend::synthetic::{SyntheticConnection, SyntheticManager};
    use crate::contender::Contender;
    use crate::contenders::{Fifo, MutexPool};
    use crate::hold::Hold;
    use crate::operation::Held;
    use crate::workload::{Pace, Workload};
    use crate::workloads::crowd::{ASLEEP_10, CROWD_10};
    use crate::workloads::free::{AS_MANY, STARVED, UNCONTENDED};
    use crate::workloads::think::THINK_TIME;

    #[test]
    fn each_thread_makes_exactly_the_operations_asked_for() {
        let uses = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&uses);
        let mut runner = runner(AS_MANY, move || {
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
        let mut runner = runner(UNCONTENDED, || Ok(()));
        let round = runner.round(2 * SAMPLE + 1, None);
        assert_eq!((round.ops, round.waits.count()), (2 * SAMPLE + 1, 3));
    }

    #[test]
    fn every_operation_is_timed_if_threads_hold_connections() {
        let mut runner = runner(STARVED, || Ok(()));
        let round = runner.window(Duration::from_millis(5));
        assert!(round.ops > 0);
        assert_eq!(round.ops, round.waits.count());
    }

    #[test]
    fn the_operation_at_the_start_gate_is_not_timed() {
        let fifo = Fifo::new(CROWD_10.size);
        let mut runner = Alike.start(fifo, job(CROWD_10)).unwrap();
        let threads = CROWD_10.threads as u64;
        for _ in 0..2 {
            let round = runner.round(3, None);
            assert_eq!((round.ops, round.waits.count()), (4 * threads, 3 * threads));
        }
    }

    #[test]
    fn a_round_ends_with_its_window_if_the_running_thread_goes_first() {
        let pool = MutexPool::new(&SyntheticManager, ASLEEP_10.size).unwrap();
        let mut runner = Alike.start(pool, job(ASLEEP_10)).unwrap();
        let window = Duration::from_millis(20);
        let round = runner.window(window);
        assert_eq!(round.errors, 0);
        // All threads are measured over the same time, however late they report.
        let together = round.ops as f64 / round.elapsed.as_secs_f64();
        assert!((round.ops_per_s / together - 1.0).abs() < 1e-9, "{round:?}");
    }

    #[test]
    fn think_time_is_not_part_of_the_wait() {
        let mut runner = runner(THINK_TIME, || Ok(()));
        let round = runner.round(3, None);
        assert_eq!((round.ops, round.waits.count()), (3 * 64, 3 * 64));
        let median = round.waits.at(0.5).map(Duration::from_nanos);
        assert!(
            median < Some(THINK_TIME.think() / 2),
            "no thread waits for the contender: {median:?}"
        );
        assert!(round.elapsed > THINK_TIME.think(), "all threads sleep first: {round:?}");
    }

    #[test]
    fn steady_work_has_holds_and_idle_times() {
        let workload =
            Workload { threads: 2, pace: Pace::Idle(Duration::from_millis(1)), ..STARVED };
        let pool = MutexPool::new(&SyntheticManager, 1).unwrap();
        let job = Job {
            workload,
            operation: Held(Hold::Asleep(Duration::from_millis(1))),
            opened: Opened::default(),
        };
        let mut runner = Alike.start(pool, job).unwrap();
        let window = Duration::from_millis(400); // a busy machine leaves some of it
        let Steady { round, length, .. } = runner.steady(window / 4, window, || ());
        let uses = round.uses.expect("they were asked for");
        assert!(length >= window && round.ops > 0 && round.errors == 0, "{uses:?}");
        let least = Duration::from_millis(1).as_nanos() as u64;
        assert!(uses.holds.at(0.0) >= Some(least * 99 / 100), "{uses:?}");
        assert!(uses.idles.at(0.0) >= Some(least * 99 / 100), "{uses:?}");
        assert!(
            uses.holds.mean_s() * uses.holds.count() as f64 <= length.as_secs_f64() * 2.0,
            "{uses:?}"
        );
    }

    #[test]
    fn the_end_of_steady_work_cuts_waits_off_and_they_are_no_errors() {
        let (send, receive) = mpsc::channel::<()>();
        let ends = Mutex::new(receive);
        let mut runner = runner(UNCONTENDED, move || {
            let _ = ends.lock().unwrap().recv(); // waits until the end
            Err(Failure::new("closed"))
        });
        let Steady { round, .. } = runner.steady(Duration::ZERO, Duration::ZERO, || drop(send));
        assert_eq!((round.ops, round.errors), (0, 0), "{round:?}");
    }

    #[test]
    fn failures_are_counted_and_the_first_is_kept() {
        let mut runner = runner(UNCONTENDED, || Err(Failure::new("refused")));
        let round = runner.round(3, None);
        assert_eq!((round.ops, round.errors), (0, 3));
        assert_eq!(round.first_error, Some(Failure::new("refused")));
        assert_eq!(runner.operations(1), Err(Failure::new("refused")));
    }

    #[test]
    fn a_panic_is_a_failure_of_its_round_only() {
        let calls = AtomicU64::new(0);
        let mut runner = runner(UNCONTENDED, move || {
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
            type Worker<'c> = &'c Scripted<fn() -> Result<()>>;
            fn worker(&self) -> Result<Self::Worker<'_>> {
                Err(Failure::new("refused"))
            }
        }
        let started = Alike.start(Refused, job(AS_MANY));
        assert_eq!(started.err(), Some(Failure::new("refused")));
    }
}
