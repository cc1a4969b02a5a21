//! The sweeps: the same work by more and more threads on the same few connections, and by the same
//! threads on more and more connections. They show what each additional thread or connection costs
//! or gains. A third one shows what the shared pool trades between throughput and waits.
//!
//! A sweep is a series of workloads, too many for a table each. So each sweep has its own list in
//! the report, and one table for each backend.

use std::time::Duration;

use threadwise_figures::{Backend, ContenderKind, Measurement, Sweep};

use crate::backend::Environment;
use crate::compare::{Plan, Watch, contend};
use crate::hold::Hold;
use crate::workload::{Order, Workload};
use crate::{Failure, Queries, Rng, queries::ROWS};

/// Turns are shorter than those of workloads by this factor, because there are many.
const SHORTER: u32 = 5;

fn points(sweep: Sweep) -> impl Iterator<Item = Point> {
    sweep.steps().iter().map(move |&step| {
        let (threads, size) = match sweep {
            Sweep::Threads => (step, Sweep::SIZE),
            Sweep::Sizes => (Sweep::CROWD, step),
            Sweep::FairAfter => (Sweep::CROWD, Sweep::FEW),
        };
        Point { sweep, threads, size, fair_after_ms: (sweep == Sweep::FairAfter).then_some(step) }
    })
}

/// A workload with this many threads and connections.
#[derive(Clone, Copy, Debug)]
struct Point {
    sweep: Sweep,
    threads: usize,
    size: usize,
    fair_after_ms: Option<usize>,
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

    fn runs_on(&self, backend: Backend) -> bool {
        self.sweep != Sweep::FairAfter || backend == Backend::Mysql
    }

    /// Contenders with a connection for each thread take part while there are enough connections.
    fn admits(&self, pool: ContenderKind) -> bool {
        match pool {
            ContenderKind::Shared => true,
            _ if self.sweep == Sweep::FairAfter => false,
            ContenderKind::Queue
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

    fn order(&self) -> Order {
        let wait = self.fair_after_ms.map(|ms| Duration::from_millis(ms as u64));
        wait.map_or(Order::AsUsersGetIt, Order::FairAfter)
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
            let matchups = points.iter().map(|it| Some((it, plan.matchup(backend, it)?)));
            matchups.flatten().collect::<Vec<_>>()
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
        for matchups in &matchups {
            let plan = plan_of(matchups[0].0.sweep, plan);
            plan.announce(matchups.iter().map(|(_, matchup)| matchup), watch);
            let mut rows = Vec::new();
            for (point, matchup) in matchups {
                if plan.interrupt.is_raised() {
                    break;
                }
                watch.point(matchup);
                let outcomes = contend(matchup, &environment, &plan, watch);
                rows.extend(outcomes.into_iter().map(|outcome| Measurement {
                    fair_after_ms: point.fair_after_ms,
                    wait_distribution: Vec::new(), // no plot shows them, and there are hundreds
                    ..outcome.measurement
                }));
            }
            if !rows.is_empty() {
                watch.sweep(&rows);
            }
            all.extend(rows);
        }
    }
    Ok(all)
}

/// Shortens the turns. Those over `fair_after` keep their length, because a turn does not show a
/// wait that is longer than itself.
fn plan_of(sweep: Sweep, plan: &Plan) -> Plan {
    let shorter = if sweep == Sweep::FairAfter { 1 } else { SHORTER };
    Plan { rounds: plan.rounds.div_ceil(2), window: plan.window / shorter, ..plan.clone() }
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
                Sweep::FairAfter => point.fair_after_ms == Some(step),
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
        assert!(takes_part(Sweep::FairAfter, 30, ContenderKind::Shared));
        assert!(!takes_part(Sweep::FairAfter, 30, ContenderKind::Queue));
    }

    #[test]
    fn a_sweep_doubles_either_threads_or_connections() {
        for sweep in [Sweep::Threads, Sweep::Sizes] {
            let points: Vec<_> = points(sweep).collect();
            let shapes = points.windows(2).map(|it| (it[0], it[1]));
            for (one, next) in shapes {
                let grown = (next.threads / one.threads, next.size / one.size);
                let expected = if sweep == Sweep::Threads { (2, 1) } else { (1, 2) };
                assert_eq!(grown, expected, "{one:?}, {next:?}");
            }
        }
    }

    #[test]
    fn the_sweep_over_fair_after_changes_nothing_else() {
        for (point, &step) in points(Sweep::FairAfter).zip(Sweep::FairAfter.steps()) {
            assert_eq!((point.threads, point.size), (32, 4));
            assert_eq!(point.order(), Order::FairAfter(Duration::from_millis(step as u64)));
        }
    }
}
