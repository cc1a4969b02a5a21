//! The sweeps: the same work by more and more threads on the same few connections, and by the same
//! threads on more and more connections. They show what each additional thread or connection costs
//! or gains.
//!
//! A sweep is a series of workloads, too many for a table each. So each sweep has its own list in
//! the report, one table for each backend, and two plots.

use std::time::Duration;

use crate::backend::{Backend, Environment};
use crate::compare::{Plan, Watch, contend};
use crate::hold::Hold;
use crate::names::ContenderKind;
use crate::report::Measurement;
use crate::workload::Workload;
use crate::{Failure, Queries, Rng, queries::ROWS};

/// A sweep: what grows from point to point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Threads, on [`SIZE`] connections.
    Threads,
    /// Connections, for [`CROWD`] threads.
    Sizes,
}

/// How many connections the sweep over threads has.
pub const SIZE: usize = 8;
/// How many threads the sweep over connections has.
pub const CROWD: usize = 32;
/// Turns are shorter than those of workloads by this factor, because there are many.
const SHORTER: u32 = 5;

impl Sweep {
    /// Both sweeps.
    pub const ALL: [Self; 2] = [Self::Threads, Self::Sizes];

    /// The name in reports and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Threads => "sweep",
            Self::Sizes => "sizes",
        }
    }

    /// The sweep with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sweep| sweep.name() == name)
    }

    /// The question that it answers, in one line.
    #[must_use]
    pub fn about(self) -> &'static str {
        match self {
            Self::Threads => {
                "how do throughput and waits change as 1, 2, 4 … 256 threads share 8 connections?"
            }
            Self::Sizes => {
                "how do throughput and waits change as 32 threads share 1, 2, 4 … 32 connections?"
            }
        }
    }

    /// The numbers of threads, or of connections.
    #[must_use]
    pub fn steps(self) -> &'static [usize] {
        match self {
            Self::Threads => &[1, 2, 4, 8, 16, 32, 64, 128, 256],
            Self::Sizes => &[1, 2, 4, 8, 16, 32],
        }
    }

    /// The step to which a point belongs.
    #[must_use]
    pub fn step_of(self, point: &Measurement) -> usize {
        match self {
            Self::Threads => point.threads,
            Self::Sizes => point.size,
        }
    }

    fn points(self) -> impl Iterator<Item = Point> {
        self.steps().iter().map(move |&step| match self {
            Self::Threads => Point { sweep: self, threads: step, size: SIZE },
            Self::Sizes => Point { sweep: self, threads: CROWD, size: step },
        })
    }
}

/// A workload with this many threads and connections.
#[derive(Clone, Copy, Debug)]
struct Point {
    sweep: Sweep,
    threads: usize,
    size: usize,
}

impl Point {
    /// The hold of a synthetic connection: about that of a fast query over a network.
    const HOLD: Hold = Hold::Asleep(Duration::from_micros(100));
}

impl Workload for Point {
    fn name(&self) -> &'static str {
        self.sweep.name()
    }

    fn about(&self) -> &'static str {
        self.sweep.about()
    }

    fn runs_on(&self, _: Backend) -> bool {
        true
    }

    /// Contenders with a connection for each thread take part while there are enough connections.
    fn admits(&self, pool: ContenderKind) -> bool {
        match pool {
            ContenderKind::Shared
            | ContenderKind::Queue
            | ContenderKind::R2d2
            | ContenderKind::MysqlPool
            | ContenderKind::R2d2Mysql
            | ContenderKind::Mutex
            | ContenderKind::Fifo => true,
            ContenderKind::Persistent | ContenderKind::Dedicated => self.threads <= self.size,
            _ => false,
        }
    }

    fn threads(&self) -> usize {
        self.threads
    }

    fn size(&self) -> usize {
        self.size
    }

    fn hold(&self, backend: Backend) -> Hold {
        if backend == Backend::Synthetic { Self::HOLD } else { Hold::None }
    }

    #[inline]
    fn operate<C: Queries>(&self, conn: &mut C, rng: &mut Rng) -> Result<(), Failure> {
        if !C::REAL {
            Self::HOLD.spend();
        }
        conn.point_select(1 + rng.below(ROWS))
    }
}

/// Measures the sweeps of the plan on each of its backends. The workload's name of a measurement is
/// the name of its sweep.
///
/// # Errors
///
/// If a backend that the plan names is not available.
pub fn draw(plan: &Plan, watch: &mut dyn Watch) -> Result<Vec<Measurement>, Failure> {
    let sweeps: Vec<_> = Sweep::ALL.into_iter().filter(|&sweep| plan.has_sweep(sweep)).collect();
    let mut all = Vec::new();
    for backend in Backend::ALL {
        let points: Vec<Vec<Point>> = sweeps.iter().map(|sweep| sweep.points().collect()).collect();
        let matchups = points.iter().map(|points| {
            points.iter().filter_map(|it| plan.matchup(backend, it)).collect::<Vec<_>>()
        });
        let matchups: Vec<_> = matchups.filter(|matchups| !matchups.is_empty()).collect();
        if matchups.is_empty() || plan.interrupt.is_raised() {
            continue;
        }
        let environment = match Environment::open(backend, plan.mysql_url.as_deref()) {
            Ok(environment) => environment,
            Err(why) if plan.backends.is_empty() && plan.mysql_url.is_none() => {
                if plan.has_no_workloads() {
                    watch.left_out(backend, &why); // otherwise `compare` has reported it
                }
                continue;
            }
            Err(why) => return Err(why),
        };
        let plan = shorter(plan);
        for matchups in &matchups {
            plan.announce(matchups.iter(), watch);
            let mut rows = Vec::new();
            for matchup in matchups {
                if plan.interrupt.is_raised() {
                    break;
                }
                watch.point(matchup);
                let outcomes = contend(matchup, &environment, &plan, watch);
                rows.extend(outcomes.into_iter().map(|outcome| point(outcome.measurement)));
            }
            if !rows.is_empty() {
                watch.sweep(backend, &rows);
            }
            all.extend(rows);
        }
    }
    Ok(all)
}

/// Removes what no plot of the sweep shows, because there are hundreds of points.
fn point(measurement: Measurement) -> Measurement {
    Measurement { wait_distribution: Vec::new(), ..measurement }
}

fn shorter(plan: &Plan) -> Plan {
    Plan { rounds: plan.rounds.div_ceil(2), window: plan.window / SHORTER, ..plan.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contenders_with_a_connection_for_each_thread_take_part_while_there_are_enough() {
        let takes_part = |sweep: Sweep, step, pool| {
            let mut points = sweep.points().filter(|point| match sweep {
                Sweep::Threads => point.threads == step,
                Sweep::Sizes => point.size == step,
            });
            points.any(|point| point.admits(pool))
        };
        assert!(takes_part(Sweep::Threads, 8, ContenderKind::Persistent));
        assert!(!takes_part(Sweep::Threads, 16, ContenderKind::Persistent));
        assert!(takes_part(Sweep::Threads, 256, ContenderKind::Shared));
        assert!(!takes_part(Sweep::Threads, 1, ContenderKind::ConnectPerUse));
        assert!(takes_part(Sweep::Sizes, 32, ContenderKind::Persistent));
        assert!(!takes_part(Sweep::Sizes, 16, ContenderKind::Persistent));
        assert!(takes_part(Sweep::Sizes, 1, ContenderKind::Shared));
    }

    #[test]
    fn a_sweep_doubles_either_threads_or_connections() {
        for sweep in Sweep::ALL {
            let points: Vec<_> = sweep.points().collect();
            let shapes = points.windows(2).map(|it| (it[0], it[1]));
            for (one, next) in shapes {
                let grown = (next.threads / one.threads, next.size / one.size);
                let expected = if sweep == Sweep::Threads { (2, 1) } else { (1, 2) };
                assert_eq!(grown, expected, "{one:?}, {next:?}");
            }
            assert_eq!(Sweep::named(sweep.name()), Some(sweep));
        }
    }
}
