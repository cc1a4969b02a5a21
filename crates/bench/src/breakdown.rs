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

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use threadwise_figures::{Backend, Breakdown, ContenderKind, Parts, median};

use crate::backend::Environment;
use crate::compare::{Matchup, Plan, Watch};
use crate::queries::ROWS;
use crate::round_trips::per_operation;
use crate::runner::Runner;
use crate::workload::{AnyWorkload, Workload};
use crate::{Failure, Queries, Rng};

/// Turns are shorter than those of workloads by this factor, and there are more of them by the same
/// factor, so that compared turns are close in time.
const SHORTER: u32 = 10;
/// A turn is at least this long, so that it has enough operations.
const SHORTEST: Duration = Duration::from_millis(5);

/// A point select and a ping, both timed.
#[derive(Clone, Copy, Debug)]
struct Timed;

/// A point select without the ping, to count its round trips.
#[derive(Clone, Copy, Debug)]
struct Query;

/// No query, to count the round trips of a borrow and return.
#[derive(Clone, Copy, Debug)]
struct Nothing;

/// The times of [`Timed`] since the last [`Times::take`]. Only one contender has its turn at a
/// time, with one thread.
static TIMES: Times =
    Times { ops: AtomicU64::new(0), query_ns: AtomicU64::new(0), ping_ns: AtomicU64::new(0) };
/// Held during the turns, because [`TIMES`] is shared by the whole process.
static TURNS: Mutex<()> = Mutex::new(());

struct Times {
    ops: AtomicU64,
    query_ns: AtomicU64,
    ping_ns: AtomicU64,
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

macro_rules! one_thread_on_mysql {
    ($($workload:ty: $operate:expr),* $(,)?) => {$(
        impl Workload for $workload {
            fn name(&self) -> &'static str {
                Breakdown::NAME
            }

            fn about(&self) -> &'static str {
                Breakdown::ABOUT
            }

            fn runs_on(&self, backend: Backend) -> bool {
                backend == Backend::Mysql // the other backends have no round trips
            }

            fn admits(&self, pool: ContenderKind) -> bool {
                // Includes tuned peers, to show what tuning saves.
                pool != ContenderKind::ManagerPerUse
            }

            fn threads(&self) -> usize {
                1
            }

            fn size(&self) -> usize {
                1
            }

            fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
                $operate(conn, rng)
            }
        }
    )*};
}

one_thread_on_mysql!(Timed: timed, Query: query, Nothing: |_, _| Ok(()));

fn query<C: Queries>(conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
    conn.point_select(1 + rng.below(ROWS))
}

fn timed<C: Queries>(conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
    let begin = Instant::now();
    query(conn, rng)?;
    let between = Instant::now();
    conn.ping()?;
    TIMES.add(between - begin, between.elapsed());
    Ok(())
}

/// Measures all contenders of the plan, if the plan has the breakdown.
///
/// # Errors
///
/// If the plan names MySQL and it is not available, or if the plan has only the breakdown and no
/// contender for it.
pub fn measure(plan: &Plan, watch: &mut dyn Watch) -> Result<Vec<Breakdown>, Failure> {
    if !plan.has_breakdown() || plan.interrupt.is_raised() {
        return Ok(Vec::new());
    }
    let Some(matchup) = plan.matchup(Backend::Mysql, &Timed) else {
        return match &plan.workloads[..] {
            [only] if only == Breakdown::NAME => Err(Failure::new(
                "nothing to break down: it needs the backend mysql and a pool that runs there; see \
                 `list`",
            )),
            _ => Ok(Vec::new()),
        };
    };
    let environment = match Environment::open(Backend::Mysql, plan.mysql_url.as_deref()) {
        Ok(environment) => environment,
        Err(why) if plan.backends.is_empty() && plan.mysql_url.is_none() => {
            if plan.has_no_workloads() {
                watch.left_out(Backend::Mysql, &why); // otherwise `compare` has reported it
            }
            return Ok(Vec::new());
        }
        Err(why) => return Err(why),
    };
    let _turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut runs: Vec<_> = matchup.pools.iter().map(|&pool| Run::new(&environment, pool)).collect();
    take_turns(&matchup, &mut runs, plan, watch);
    if plan.interrupt.is_raised() {
        return Ok(Vec::new()); // part of a breakdown has no meaning
    }
    Ok(runs.into_iter().map(|run| run.breakdown(&environment)).collect())
}

fn take_turns(matchup: &Matchup<'_>, runs: &mut [Run], plan: &Plan, watch: &mut dyn Watch) {
    let (rounds, window) = (plan.rounds * SHORTER as usize, (plan.window / SHORTER).max(SHORTEST));
    let turns = (rounds + 1) * runs.len();
    watch.begin(turns, window * turns as u32);
    watch.workload(matchup);
    for round in 0..=rounds {
        for run in &mut *runs {
            if plan.interrupt.is_raised() {
                return;
            }
            run.turn(window, round == 0);
            watch.turn(run.pool);
        }
    }
}

struct Run {
    pool: ContenderKind,
    runner: Result<Runner, Failure>,
    /// The times of each turn: borrow and return; the query; the ping.
    turns: [Vec<f64>; 3],
}

impl Run {
    fn new(environment: &Environment, pool: ContenderKind) -> Self {
        let runner = AnyWorkload::runner(&Timed, environment, pool);
        Self { pool, runner, turns: Default::default() }
    }

    fn turn(&mut self, window: Duration, is_warm_up: bool) {
        let Ok(runner) = &mut self.runner else { return };
        TIMES.take();
        let round = runner.window(window);
        if let Some(error) = round.first_error {
            self.runner = Err(error);
        } else if let Some([query, ping]) = TIMES.take().filter(|_| !is_warm_up) {
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

    fn parts(self, environment: &Environment) -> Result<Parts, Failure> {
        let Self { pool, runner, turns } = self;
        drop(runner?);
        let trips = |workload: &dyn AnyWorkload| {
            per_operation(environment, workload, pool).map(Option::unwrap_or_default)
        };
        let (all, outside) = (trips(&Query)?, trips(&Nothing)?);
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
        let times = Times { ops: 0.into(), query_ns: 0.into(), ping_ns: 0.into() };
        assert_eq!(times.take(), None);
        times.add(Duration::from_nanos(10), Duration::from_nanos(1));
        times.add(Duration::from_nanos(20), Duration::from_nanos(2));
        assert_eq!((times.take(), times.take()), (Some([15.0, 1.5]), None));
    }
}
