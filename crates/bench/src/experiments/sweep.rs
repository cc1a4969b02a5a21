//! The sweeps: the same work by more and more threads on the same few connections, and by the same
//! threads on more and more connections. They show what each additional thread or connection costs
//! or gains. A third one shows what the shared pool trades between throughput and waits.
//!
//! A sweep is a series of workloads, too many for a table each. So each sweep has its own list in
//! the report, and one table for each backend.

use std::time::Duration;

use threadwise_figures::{Backend, ContenderKind, Measurement, Property, Sweep};

use super::contend::contend;
use super::extra_turns::ExtraTurns;
use crate::Result;
use crate::assemble::Case;
use crate::experiment::{Campaign, Experiment, Part};
use crate::hold::Hold;
use crate::matchup::Matchup;
use crate::plan::Plan;
use crate::workload::{Order, Workload};

/// Turns are shorter than those of workloads by this factor, because there are many.
const SHORTER: u32 = 5;

/// Where a sweep over threads or connections runs. On PostgreSQL it would have the shape that it has
/// on MariaDB.
const BACKENDS: &[Backend] = &[Backend::Synthetic, Backend::Sqlite, Backend::Mysql];

/// The sweeps, on each backend.
pub struct Sweeps;

impl Experiment for Sweeps {
    fn heading(&self) -> &'static str {
        "Sweeps"
    }

    fn parts(&self) -> Vec<Part> {
        Sweep::ALL.iter().map(|sweep| Part::new(sweep.name(), sweep.about())).collect()
    }

    fn run(&self, campaign: &mut Campaign<'_>) -> Result<()> {
        let plan = campaign.plan;
        let sweeps: Vec<_> = Sweep::ALL.into_iter().filter(|it| plan.has(it.name())).collect();
        let cases: Vec<_> = sweeps.iter().copied().flat_map(points).collect();
        let places = campaign.places(&cases)?;
        let Campaign { watch, findings, .. } = campaign;
        let pairs = places.iter().flat_map(|place| sweeps.iter().map(move |sweep| (place, *sweep)));
        for ((environment, matchups), sweep) in pairs {
            let plan = plan_of(sweep, plan);
            let is_its = |it: &&Matchup<'_>| it.case.workload.name == sweep.name();
            let matchups: Vec<_> = matchups.iter().filter(is_its).collect();
            if matchups.is_empty() || plan.interrupt.is_raised() {
                continue;
            }
            let (turns, time) = plan.estimate(matchups.iter().copied());
            watch.begin(turns, time);
            let mut rows = Vec::new();
            for matchup in matchups {
                if plan.interrupt.is_raised() {
                    break;
                }
                watch.workload(matchup);
                let extra = &mut ExtraTurns::default();
                let outcomes = contend(matchup, environment, &plan, extra, *watch);
                rows.extend(outcomes.into_iter().map(|outcome| point(outcome.measurement)));
            }
            if !rows.is_empty() {
                watch.sweep(&rows);
            }
            findings.sweeps.extend(rows);
        }
        Ok(())
    }
}

/// The workloads of a sweep. The hold of a synthetic connection is about that of a fast query over a
/// network.
fn points(sweep: Sweep) -> impl Iterator<Item = Case> {
    sweep.steps().iter().map(move |&step| {
        let (threads, size) = match sweep {
            Sweep::Threads => (step, Sweep::SIZE),
            Sweep::Sizes => (Sweep::CROWD, step),
            Sweep::FairAfter => (Sweep::CROWD, Sweep::FEW),
        };
        let is_over_fair_after = sweep == Sweep::FairAfter;
        let fair_after = Order::FairAfter(Duration::from_millis(step as u64));
        Case::held(Workload {
            name: sweep.name(),
            about: sweep.about(),
            backends: if is_over_fair_after { &[Backend::Mysql] } else { BACKENDS },
            order: if is_over_fair_after { fair_after } else { Order::AsUsersGetIt },
            threads,
            size,
            hold: Hold::Asleep(Duration::from_micros(100)),
            admits,
            ..Workload::ONE
        })
    })
}

/// Contenders with a connection for each thread take part while there are enough connections. Only
/// the shared pool has `fair_after`.
fn admits(workload: &Workload, pool: ContenderKind) -> bool {
    if workload.order != Order::AsUsersGetIt {
        return pool == ContenderKind::Shared;
    }
    let is_shown =
        pool.is_pool_by_default() || matches!(pool, ContenderKind::Fifo | ContenderKind::Dedicated);
    is_shown && (!pool.has(Property::PerThread) || workload.threads <= workload.size)
}

/// Removes what no plot of the sweep shows, because there are hundreds of points.
fn point(measurement: Measurement) -> Measurement {
    Measurement { wait_distribution: Vec::new(), ..measurement }
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

    fn fair_after(ms: usize) -> Order {
        Order::FairAfter(Duration::from_millis(ms as u64))
    }

    fn shapes(sweep: Sweep) -> Vec<Workload> {
        points(sweep).map(|case| case.workload).collect()
    }

    #[test]
    fn contenders_with_a_connection_for_each_thread_take_part_while_there_are_enough() {
        let takes_part = |sweep: Sweep, step, pool| {
            let mut points = shapes(sweep).into_iter().filter(|point| match sweep {
                Sweep::Threads => point.threads == step,
                Sweep::Sizes => point.size == step,
                Sweep::FairAfter => point.order == fair_after(step),
            });
            points.any(|point| admits(&point, pool))
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
            for pair in shapes(sweep).windows(2) {
                let grown = (pair[1].threads / pair[0].threads, pair[1].size / pair[0].size);
                let expected = if sweep == Sweep::Threads { (2, 1) } else { (1, 2) };
                assert_eq!(grown, expected, "{pair:?}");
            }
        }
    }

    #[test]
    fn the_sweep_over_fair_after_changes_nothing_else() {
        for (point, &step) in shapes(Sweep::FairAfter).iter().zip(Sweep::FairAfter.steps()) {
            assert_eq!((point.threads, point.size, point.order), (32, 4, fair_after(step)));
        }
    }
}
