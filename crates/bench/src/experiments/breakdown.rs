//! Where the time of a query goes: to the pool, to round trips, or to the query itself.
//!
//! One thread reads a row by its primary key, and then pings the server on the same connection
//! (`COM_PING`), which is a round trip and almost nothing else. So each contender's query is
//! compared with a round trip of its own socket, at the same time:
//!
//! | part | is |
//! |---|---|
//! | round trips | those of an operation, counted behind a proxy, each as long as the ping |
//! | pool | borrow and return, less their round trips |
//! | query | reading the row, less its round trips: the work of server and driver. Includes preparing the statement if the pool resets connections |
//!
//! Together they are the whole operation, from asking for a connection to having returned it,
//! without the ping.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use threadwise_figures::{Backend, Breakdown, ContenderKind, Parts, Property, median};

use super::round_trips::per_operation;
use crate::assemble::Case;
use crate::backend::Environment;
use crate::experiment::{Campaign, Experiment, Part, Watch};
use crate::operation::{Nothing, Operate, Select};
use crate::plan::Plan;
use crate::rotation;
use crate::runner::Runner;
use crate::workload::Workload;
use crate::{Failure, Queries, Result, Rng};

/// Turns are shorter than those of workloads by this factor, and there are more of them by the same
/// factor, so that compared turns are close in time.
const SHORTER: u32 = 10;
/// A turn is at least this long, so that it has enough operations.
const SHORTEST: Duration = Duration::from_millis(5);

const ONE_THREAD: Workload = Workload {
    name: Breakdown::NAME,
    about: Breakdown::ABOUT,
    backends: &[Backend::Mysql], // the other backends have no round trips
    // Includes tuned peers, to show what tuning saves.
    admits: |_, pool| pool != ContenderKind::ManagerPerUse && !pool.has(Property::Adapted),
    ..Workload::ONE
};

/// A point select and a ping, both timed.
#[derive(Clone, Default)]
struct Timed(Arc<Times>);

/// The times of an operation since the last [`Times::take`].
#[derive(Default)]
struct Times {
    ops: AtomicU64,
    query_ns: AtomicU64,
    ping_ns: AtomicU64,
}

impl Operate for Timed {
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<()> {
        let begin = Instant::now();
        Select.operate(conn, rng)?;
        let between = Instant::now();
        conn.ping()?;
        self.0.add(between - begin, between.elapsed());
        Ok(())
    }
}

impl Times {
    fn add(&self, query: Duration, ping: Duration) {
        self.ops.fetch_add(1, Relaxed);
        self.query_ns.fetch_add(query.as_nanos() as u64, Relaxed);
        self.ping_ns.fetch_add(ping.as_nanos() as u64, Relaxed);
    }

    /// Returns the means of the query and the ping, and starts over; `None` without operations.
    fn take(&self) -> Option<[f64; 2]> {
        let ops = self.ops.swap(0, Relaxed);
        let sums = [&self.query_ns, &self.ping_ns].map(|sum| sum.swap(0, Relaxed));
        (ops > 0).then(|| sums.map(|sum| sum as f64 / ops as f64))
    }
}

/// The breakdown of each contender's time on MySQL.
pub struct Breakdowns;

impl Experiment for Breakdowns {
    fn heading(&self) -> &'static str {
        "Breakdown"
    }

    fn parts(&self) -> Vec<Part> {
        vec![Part::new(Breakdown::NAME, Breakdown::ABOUT)]
    }

    fn run(&self, campaign: &mut Campaign<'_>) -> Result<()> {
        let plan = campaign.plan;
        if !plan.has(Breakdown::NAME) || plan.interrupt.is_raised() {
            return Ok(());
        }
        let case = Case::alike(ONE_THREAD, Timed::default());
        let Some(matchup) = plan.matchup(Backend::Mysql, &case) else {
            return match &plan.parts[..] {
                [only] if only == Breakdown::NAME => Err(Failure::new(
                    "nothing to break down: it needs the backend mysql and a pool that runs there; \
                     see `list`",
                )),
                _ => Ok(()),
            };
        };
        let Some(environment) = campaign.environment(Backend::Mysql)? else {
            return Ok(());
        };
        let mut runs: Vec<_> =
            matchup.pools.iter().map(|&pool| Run::new(&environment, pool)).collect();
        campaign.watch.workload(&matchup);
        take_turns(&mut runs, plan, campaign.watch);
        if !plan.interrupt.is_raised() {
            // Part of a breakdown has no meaning.
            let breakdowns = runs.into_iter().map(|run| run.breakdown(&environment));
            campaign.findings.breakdowns = breakdowns.collect();
        }
        Ok(())
    }
}

fn take_turns(runs: &mut [Run], plan: &Plan, watch: &mut dyn Watch) {
    let (rounds, window) = (plan.rounds * SHORTER as usize, (plan.window / SHORTER).max(SHORTEST));
    let turns = (rounds + 1) * runs.len();
    watch.begin(turns, window * turns as u32);
    let places: Vec<_> = (0..runs.len()).collect();
    rotation::take_turns(runs, &places, 0..=rounds, &plan.interrupt, |round, run| {
        run.turn(window, round == 0);
        watch.turn(run.pool);
    });
}

struct Run {
    pool: ContenderKind,
    runner: Result<Runner>,
    times: Arc<Times>,
    /// The times of each turn: borrow and return; the query; the ping.
    turns: [Vec<f64>; 3],
}

impl Run {
    fn new(environment: &Environment, pool: ContenderKind) -> Self {
        let timed = Timed::default();
        let runner = Case::alike(ONE_THREAD, timed.clone()).start(environment, pool);
        Self { pool, runner, times: timed.0, turns: Default::default() }
    }

    fn turn(&mut self, window: Duration, is_warm_up: bool) {
        let Ok(runner) = &mut self.runner else { return };
        self.times.take();
        let round = runner.window(window);
        if let Some(error) = round.first_error {
            self.runner = Err(error);
        } else if let Some([query, ping]) = self.times.take().filter(|_| !is_warm_up) {
            let whole = 1e9 / round.ops_per_s;
            let figures = [whole - query - ping, query, ping];
            for (turns, figure) in self.turns.iter_mut().zip(figures) {
                turns.push(figure);
            }
        }
    }

    fn breakdown(self, environment: &Environment) -> Breakdown {
        let pool = self.pool.name().into();
        let parts = self.parts(environment);
        let error = parts.as_ref().err().map(ToString::to_string);
        Breakdown { backend: Backend::Mysql.name().into(), pool, parts: parts.ok(), error }
    }

    fn parts(self, environment: &Environment) -> Result<Parts> {
        let Self { pool, runner, turns, .. } = self;
        drop(runner?);
        let trips = |case| per_operation(environment, &case, pool).map(Option::unwrap_or_default);
        let all = trips(Case::alike(ONE_THREAD, Select))?;
        let outside = trips(Case::alike(ONE_THREAD, Nothing))?;
        let [borrowing, query, ping] = turns.map(|turns| median(&turns));
        Ok(Parts {
            total_ns: borrowing + query,
            pool_ns: borrowing - outside * ping,
            query_ns: query - (all - outside) * ping,
            round_trip_ns: ping,
            round_trips: all,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_means_and_start_over_when_taken() {
        let times = Times::default();
        assert_eq!(times.take(), None);
        times.add(Duration::from_nanos(10), Duration::from_nanos(1));
        times.add(Duration::from_nanos(20), Duration::from_nanos(2));
        assert_eq!((times.take(), times.take()), (Some([15.0, 1.5]), None));
    }
}
