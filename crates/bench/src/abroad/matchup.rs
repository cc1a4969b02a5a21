//! One workload: our pools and those of other languages, in turns.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use threadwise_figures::{ContenderKind, Measurement, Note, Property};

use super::cases::Task;
use super::plan::Plan;
use super::pools::{ForeignPool, Language};
use super::program::Program;
use super::protocol::{Job, Work};
use crate::backend::Environment;
use crate::contender::GET_TIMEOUT;
use crate::experiments::round_trips;
use crate::measure::{Round, Rounds, Sample};
use crate::rotation::take_turns;
use crate::runner::Runner;
use crate::workload::Workload;
use crate::{Result, summary};

/// How long after a round's end a program may take to report. Every pool's timeout is over by then.
const PATIENCE: Duration = Duration::from_secs(2 * GET_TIMEOUT.as_secs());
/// How long a thread sleeps after an error, here as in the harness.
const PAUSE: Duration = Duration::from_millis(1);
/// One operation in this many is timed if it takes nanoseconds, here as in the harness.
const SAMPLE: u64 = 256;
/// The round in which round trips are counted, and the one before it, which opens the connections.
const COUNTED: Duration = Duration::from_millis(200);

/// A workload on a backend, and the pools that take part.
pub(super) struct Matchup<'a> {
    pub(super) task: &'a Task,
    ours: Vec<ContenderKind>,
    foreign: Vec<ForeignPool>,
}

impl<'a> Matchup<'a> {
    /// The matchup of a workload with the chosen pools; `None` if it has none.
    pub(super) fn of(plan: &Plan, task: &'a Task) -> Option<Self> {
        let (ours, foreign) = (plan.ours().collect::<Vec<_>>(), plan.foreign(task.backend));
        (!ours.is_empty() || !foreign.is_empty()).then_some(Self { task, ours, foreign })
    }

    /// Gives the pools their turns. Returns their figures, and the notes of those of other languages.
    /// After an interrupt, pools without a turn are left out.
    pub(super) fn run(
        &self,
        plan: &Plan,
        environment: &Environment,
    ) -> (Vec<Measurement>, Vec<Note>) {
        let job = self.job(environment.address());
        let ours = self.ours.iter().map(|&pool| self.enter_ours(plan, environment, pool));
        let foreign = self.foreign.iter().map(|&pool| enter_foreign(plan, pool, &job));
        let mut contenders: Vec<_> = ours.chain(foreign).collect();
        let places: Vec<_> = (0..contenders.len()).collect();
        take_turns(&mut contenders, &places, 0..=plan.rounds, &plan.interrupt, |round, it| {
            it.turn(round, plan);
        });
        contenders.retain(|it| !plan.interrupt.is_raised() || !it.rounds.is_empty());
        let notes = contenders.iter().filter_map(Contender::note).collect();
        let rows = contenders.into_iter().map(|it| self.row(plan, environment, &it));
        (rows.collect(), notes)
    }

    fn enter_ours(&self, plan: &Plan, place: &Environment, pool: ContenderKind) -> Contender {
        let built = self.task.case.start(place, pool);
        Contender::new(Who::Ours(pool), built.map(|it| Source::Ours(it.until(&plan.interrupt))))
    }

    fn job(&self, server: Option<SocketAddr>) -> Job {
        let Workload { threads, size, .. } = self.task.case.workload;
        let hold = self.task.case.workload.hold_on(self.task.backend).duration();
        let takes_nanoseconds = self.task.work == Work::Checkout && hold.is_zero();
        Job {
            work: self.task.work,
            threads,
            size,
            hold,
            timed: if takes_nanoseconds { SAMPLE } else { 1 },
            pause: PAUSE,
            timeout: GET_TIMEOUT,
            is_lazy: false,
            server,
        }
    }

    /// What the harness measures of its own process only is missing.
    fn row(&self, plan: &Plan, environment: &Environment, contender: &Contender) -> Measurement {
        let Contender { who, rounds, .. } = contender;
        let (backend, workload) = (self.task.backend, &self.task.case.workload);
        let may_count = rounds.errors == 0 && !plan.interrupt.is_raised();
        let round_trips = || match *who {
            Who::Ours(pool) => {
                round_trips::per_operation(environment, &self.task.case, pool).ok()?
            }
            Who::Foreign(pool) => self.round_trips(plan, environment, pool).ok()?,
        };
        let (name, is_per_thread) = who.identity();
        Measurement {
            is_per_thread,
            opened: contender.opened(),
            round_trips: may_count.then(round_trips).flatten(),
            ..summary::of_rounds(backend, workload, &name, rounds, plan.window)
        }
    }

    /// Counts the round trips of an operation behind a proxy, with a new program; `None` without a
    /// server. If the proxy or the program fails, returns its error. The measured figures do not change.
    fn round_trips(
        &self,
        plan: &Plan,
        environment: &Environment,
        pool: ForeignPool,
    ) -> Result<Option<f64>> {
        let Some((_, proxy)) = environment.behind_proxy()? else { return Ok(None) };
        let mut program = pool.start(&plan.programs, &self.job(Some(proxy.address())))?;
        let mut count = || -> Result<(u64, u64)> {
            let before = proxy.round_trips();
            let figures = program.round(COUNTED, PATIENCE)?;
            Ok((proxy.round_trips() - before, figures.ops()))
        };
        count()?;
        let (trips, operations) = count()?;
        Ok(Some(trips as f64 / operations.max(1) as f64))
    }
}

fn enter_foreign(plan: &Plan, pool: ForeignPool, job: &Job) -> Contender {
    let built = pool.start(&plan.programs, job).map(Box::new);
    let source = built.map(|program| Source::Foreign { program, threads: job.threads, opened: 0 });
    Contender::new(Who::Foreign(pool), source)
}

#[derive(Clone, Copy)]
enum Who {
    Ours(ContenderKind),
    Foreign(ForeignPool),
}

impl Who {
    /// The name, and whether it has a connection for each thread, whatever the size.
    fn identity(self) -> (String, bool) {
        match self {
            Self::Ours(pool) => (pool.name().into(), pool.has(Property::PerThread)),
            Self::Foreign(pool) => (pool.name(), pool.row.is_per_thread),
        }
    }

    /// Half a window. A virtual machine takes longer to compile its program.
    fn warm_up(self, window: Duration) -> Duration {
        match self {
            Self::Foreign(pool) if pool.row.language == Language::Java => 10 * window,
            _ => window / 2,
        }
    }
}

/// A pool in a matchup, with its figures so far.
struct Contender {
    who: Who,
    /// `None` if the pool could not be built.
    source: Option<Source>,
    rounds: Rounds,
}

/// Where figures come from.
enum Source {
    Ours(Runner),
    Foreign { program: Box<Program>, threads: usize, opened: u64 },
}

impl Contender {
    fn new(who: Who, built: Result<Source>) -> Self {
        let mut rounds = Rounds::default();
        let source = built.map_err(|failure| rounds.add_failure(failure)).ok();
        Self { who, source, rounds }
    }

    /// The note of a pool of another language.
    fn note(&self) -> Option<Note> {
        let versions = match &self.source {
            Some(Source::Foreign { program, .. }) => Some(&*program.versions),
            _ => None,
        };
        match self.who {
            Who::Ours(_) => None,
            Who::Foreign(pool) => Some(pool.note(versions)),
        }
    }

    /// Takes a turn; round 0 is the warmup.
    fn turn(&mut self, round: usize, plan: &Plan) {
        let Some(source) = &mut self.source else { return };
        if round == 0 {
            self.rounds.add_warm_up(source.round(self.who.warm_up(plan.window)));
        } else {
            self.rounds.add_whole(source.round(plan.window), &plan.interrupt);
        }
    }

    fn opened(&self) -> u64 {
        match &self.source {
            Some(Source::Ours(runner)) => runner.opened(),
            Some(Source::Foreign { opened, .. }) => *opened,
            None => 0,
        }
    }
}

impl Source {
    /// Runs a round. A program that fails has a round with its failure, as our own threads have.
    fn round(&mut self, window: Duration) -> Round {
        match self {
            Self::Ours(runner) => runner.window(window),
            Self::Foreign { program, threads, opened } => {
                let start = Instant::now();
                let samples = program.round(window, PATIENCE).and_then(|figures| {
                    *opened = figures.opened;
                    let samples = figures.samples(*threads, start);
                    samples.map_err(|wrong| program.child.failed(&format!("wrote {wrong}")))
                });
                Round::of(samples.unwrap_or_else(|failure| vec![Sample::failed(failure)]))
            }
        }
    }
}
