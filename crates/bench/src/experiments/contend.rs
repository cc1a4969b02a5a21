//! Gives the contenders of a workload their turns.

use threadwise_figures::{Backend, ContenderKind, Measurement};

use crate::backend::Environment;
use crate::claims;
use crate::experiment::Watch;
use crate::heap::Ledger;
use crate::matchup::{Matchup, Outcome};
use crate::measure::{Round, Rounds};
use crate::plan::Plan;
use crate::rotation::rotation;
use crate::runner::Runner;
use crate::summary;
use crate::usage::Usage;

/// One contender of a matchup, with its figures so far. The runner is `None` if it could not be
/// built.
struct Run {
    pool: ContenderKind,
    runner: Option<Runner>,
    rounds: Rounds,
    /// What its measured turns used; `None` if the system does not tell.
    usage: Option<Usage>,
    allocations_per_op: Option<f64>,
}

/// Gives the contenders their turns. After an interrupt, contenders without a turn are left out.
pub(super) fn contend(
    matchup: &Matchup<'_>,
    environment: &Environment,
    plan: &Plan,
    watch: &mut dyn Watch,
) -> Vec<Outcome> {
    let mut runs: Vec<_> =
        matchup.pools.iter().map(|&pool| enter(matchup, environment, plan, pool)).collect();
    let (rounds, window) = plan.turns(matchup.backend, matchup.case.workload.name);
    let order = order(matchup);
    for round in 0..=rounds {
        for place in rotation(round, &order) {
            if plan.interrupt.is_raised() {
                break;
            }
            let run = &mut runs[place];
            if let Some(runner) = &mut run.runner {
                match round {
                    0 => run.rounds.add_warm_up(runner.window(window / 2)),
                    _ => {
                        let (round, used) = Usage::of(|| runner.window(window));
                        run.add(round, used, plan.interrupt.is_raised());
                    }
                }
            }
            watch.turn(run.pool);
        }
    }
    if counts_allocations(matchup) {
        for run in &mut runs {
            run.count_allocations(matchup, plan);
        }
    }
    let had_turns = |run: &Run| {
        let Run { rounds, .. } = run;
        !plan.interrupt.is_raised() || !rounds.turns().is_empty() || rounds.errors() > 0
    };
    let runs = runs.into_iter().filter(had_turns);
    runs.map(|run| outcome(matchup, plan, run)).collect()
}

fn counts_allocations(matchup: &Matchup<'_>) -> bool {
    matchup.backend == Backend::Synthetic && matchup.case.workload.counts_allocations
}

impl Run {
    /// Counts in separate turns after the measured ones. The figure is the difference between a
    /// longer and a shorter turn, so that it does not include what the harness allocates for a
    /// turn. (Both turns record so few waits that the vector, which grows by doubling, has the same
    /// capacity.) The least of several tries counts, because the harness's channels sometimes need
    /// another block.
    fn count_allocations(&mut self, matchup: &Matchup<'_>, plan: &Plan) {
        const SHORT: u64 = 20;
        const LONG: u64 = 32;
        const TRIES: usize = 3;
        let Some(runner) = self.runner.as_mut().filter(|_| self.rounds.errors() == 0) else {
            return;
        };
        let Some(ledger) = Ledger::open() else { return };
        let mut least = |operations: u64| {
            let mut least = u64::MAX;
            for _ in 0..TRIES {
                if plan.interrupt.is_raised() {
                    return None;
                }
                let before = ledger.allocations();
                runner.operations(operations).ok()?;
                least = least.min(ledger.allocations() - before);
            }
            Some(least)
        };
        let (Some(short), Some(long)) = (least(SHORT), least(LONG)) else { return };
        let operations = (LONG - SHORT) * matchup.case.workload.threads as u64;
        self.allocations_per_op = Some(long.saturating_sub(short) as f64 / operations as f64);
    }

    /// Adds a turn. One that may have been cut short counts only if there is no other.
    fn add(&mut self, round: Round, used: Option<Usage>, may_be_short: bool) {
        if may_be_short && !self.rounds.turns().is_empty() {
            return;
        }
        self.rounds.add(round);
        self.usage = self.usage.zip(used).map(|(sum, used)| sum + used);
    }
}

/// The order in which the contenders take turns. Contenders that a claim compares are next to each
/// other, so that the machine changes little between their turns.
fn order(matchup: &Matchup<'_>) -> Vec<usize> {
    let rivals = claims::rivals(matchup.backend, matchup.case.workload.name);
    let last = rivals.len();
    let rank = |&place: &usize| {
        rivals.iter().position(|rival| *rival == matchup.pools[place]).unwrap_or(last)
    };
    let mut order: Vec<_> = (0..matchup.pools.len()).collect();
    order.sort_by_key(rank); // stable
    order
}

fn enter(
    matchup: &Matchup<'_>,
    environment: &Environment,
    plan: &Plan,
    pool: ContenderKind,
) -> Run {
    let mut rounds = Rounds::default();
    let runner = match matchup.case.start(environment, pool) {
        Ok(runner) => Some(runner.until(&plan.interrupt)),
        Err(failure) => {
            rounds.add_failure(failure);
            None
        }
    };
    Run { pool, runner, rounds, usage: Some(Usage::default()), allocations_per_op: None }
}

fn outcome(matchup: &Matchup<'_>, plan: &Plan, run: Run) -> Outcome {
    let Run { pool, runner, rounds, usage, allocations_per_op } = run;
    let (backend, workload) = (matchup.backend, &matchup.case.workload);
    let (_, window) = plan.turns(backend, workload.name);
    let measurement = Measurement {
        is_per_thread: pool.is_per_thread(),
        opened: runner.as_ref().map_or(0, Runner::opened),
        cpu_user_s: usage.map(|usage| usage.cpu_user_s),
        cpu_system_s: usage.map(|usage| usage.cpu_system_s),
        switches_voluntary: usage.map(|usage| usage.switches_voluntary),
        switches_involuntary: usage.map(|usage| usage.switches_involuntary),
        allocations_per_op,
        ..summary::of_rounds(backend, workload, pool.name(), &rounds, window)
    };
    let turns = rounds.turns().to_vec();
    Outcome { pool, measurement, turns, first_error: rounds.first_error().cloned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;
    use crate::assemble::Case;
    use crate::operation::Select;
    use crate::workloads::free::UNCONTENDED;
    use crate::workloads::statements::POINT_SELECT;

    #[test]
    fn a_turn_that_was_cut_short_counts_if_there_is_no_other() {
        let mut run = Run {
            pool: ContenderKind::Floor,
            runner: None,
            rounds: Rounds::default(),
            usage: Some(Usage::default()),
            allocations_per_op: None,
        };
        for expected in [1, 1] {
            run.add(Round::of(Vec::new()), None, true);
            assert_eq!(run.rounds.turns().len(), expected);
        }
        run.add(Round::of(Vec::new()), None, false);
        assert_eq!(run.rounds.turns().len(), 2);
    }

    #[test]
    fn contenders_that_a_claim_compares_take_turns_side_by_side() {
        let (plan, case) = (Plan::default(), Case::alike(POINT_SELECT, Select));
        let side_by_side = |backend| {
            let matchup = plan.matchup(backend, &case).expect("it takes place");
            let order = order(&matchup);
            assert_eq!(BTreeSet::from_iter(&order).len(), matchup.pools.len());
            order.into_iter().map(|place| matchup.pools[place].name()).take(4).collect::<Vec<_>>()
        };
        let from_mysql = side_by_side(Backend::Mysql);
        assert_eq!(from_mysql, ["shared", "dedicated", "mysql-pool", "r2d2-mysql"]);
        let from_sqlite = side_by_side(Backend::Sqlite);
        assert_eq!(from_sqlite[..3], ["shared", "persistent", "queue"], "no claim, no change");
    }

    #[test]
    fn a_contender_that_cannot_be_built_is_an_outcome_with_an_error() {
        let matchup = Matchup {
            backend: Backend::Synthetic,
            case: &Case::alike(UNCONTENDED, Select),
            pools: vec![ContenderKind::MysqlPool],
        };
        let plan = Plan { rounds: 1, window: Duration::from_millis(1), ..Plan::default() };
        let outcomes = contend(&matchup, &Environment::Synthetic, &plan, &mut ());
        let [outcome] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert_eq!((outcome.measurement.ops, outcome.measurement.errors), (0, 1));
        assert_eq!(outcome.measurement.ns_per_op, None);
        assert!(outcome.first_error.is_some());
    }
}
