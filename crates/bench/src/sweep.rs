//! The sweeps: the same work by more and more threads on the same few connections, and by the same
//! threads on more and more connections. They show what each additional thread or connection costs
//! or gains.
//!
//! A sweep is a series of workloads, too many for a table each. So each sweep has its own list in
//! the report, one table for each backend, and two plots.

use std::time::Duration;

use threadwise_figures::{Backend, ContenderKind, Measurement, Sweep};

use crate::backend::Environment;
use crate::compare::{Plan, Watch, contend};
use crate::hold::Hold;
use crate::workload::Workload;
use crate::{Failure, Queries, Rng, queries::ROWS};

/// Turns are shorter than those of workloads by this factor, because there are many.
const SHORTER: u32 = 5;

fn points(sweep: Sweep) -> impl Iterator<Item = Point> {
    sweep.steps().iter().map(move |&step| match sweep {
        Sweep::Threads => Point { sweep, threads: step, size: Sweep::SIZE },
        Sweep::Sizes => Point { sweep, threads: Sweep::CROWD, size: step },
    })
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
        let points: Vec<Vec<Point>> = sweeps.iter().map(|&sweep| points(sweep).collect()).collect();
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
                watch.sweep(&rows);
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
            let mut points = points(sweep).filter(|point| match sweep {
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
            let points: Vec<_> = points(sweep).collect();
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
