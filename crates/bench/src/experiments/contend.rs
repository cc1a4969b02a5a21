//! Gives the contenders of a workload their turns.

use std::time::Duration;

use threadwise_figures::{Backend, ContenderKind, Measurement, Property};

use super::extra_turns::ExtraTurns;
use crate::backend::Environment;
use crate::claims;
use crate::experiment::Watch;
use crate::heap::Ledger;
use crate::interrupt::Interrupt;
use crate::matchup::{Matchup, Outcome};
use crate::measure::Rounds;
use crate::plan::Plan;
use crate::rotation::take_turns;
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

/// Gives the contenders their turns, and more of them while a claim is undecided. After an
/// interrupt, contenders without a turn are left out.
pub(super) fn contend(
    matchup: &Matchup<'_>,
    environment: &Environment,
    plan: &Plan,
    extra: &mut ExtraTurns<'_>,
    watch: &mut dyn Watch,
) -> Vec<Outcome> {
    let mut runs: Vec<_> =
        matchup.pools.iter().map(|&pool| enter(matchup, environment, plan, pool)).collect();
    let (rounds, window) = plan.turns(matchup.backend, matchup.case.workload.name);
    let places = order(matchup);
    take_turns(&mut runs, &places, 0..=rounds, &plan.interrupt, |round, run| {
        run.turn(round, window, &plan.interrupt, watch);
    });
    let outcomes = |runs: &[Run]| runs.iter().map(|run| run.outcome(matchup, window)).collect();
    extra.take_until_decided(matchup, plan, &mut runs, outcomes, |runs, rounds, pools| {
        watch.extra(rounds.clone().count() * pools.len());
        let is_meant = |place: &usize| pools.contains(&runs[*place].pool);
        let places: Vec<_> = places.iter().copied().filter(is_meant).collect();
        take_turns(runs, &places, rounds, &plan.interrupt, |round, run| {
            run.turn(round, window, &plan.interrupt, watch);
        });
    });
    if matchup.backend == Backend::Synthetic && matchup.case.workload.counts_allocations {
        for run in &mut runs {
            run.count_allocations(matchup, plan);
        }
    }
    runs.retain(|run| !plan.interrupt.is_raised() || !run.rounds.is_empty());
    outcomes(&runs)
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
        let Some(runner) = self.runner.as_mut().filter(|_| self.rounds.errors == 0) else {
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

    /// Takes a turn; round 0 is the warmup.
    fn turn(
        &mut self,
        round: usize,
        window: Duration,
        interrupt: &Interrupt,
        watch: &mut dyn Watch,
    ) {
        match &mut self.runner {
            None => {}
            Some(runner) if round == 0 => self.rounds.add_warm_up(runner.window(window / 2)),
            Some(runner) => {
                let (round, used) = Usage::of(|| runner.window(window));
                if self.rounds.add_whole(round, interrupt) {
                    self.usage = self.usage.zip(used).map(|(sum, used)| sum + used);
                }
            }
        }
        watch.turn(self.pool);
    }

    fn outcome(&self, matchup: &Matchup<'_>, window: Duration) -> Outcome {
        let Self { pool, runner, rounds, usage, allocations_per_op } = self;
        let (backend, workload) = (matchup.backend, &matchup.case.workload);
        let measurement = Measurement {
            is_per_thread: pool.has(Property::PerThread),
            opened: runner.as_ref().map_or(0, Runner::opened),
            cpu_user_s: usage.map(|usage| usage.cpu_user_s),
            cpu_system_s: usage.map(|usage| usage.cpu_system_s),
            switches_voluntary: usage.map(|usage| usage.switches_voluntary),
            switches_involuntary: usage.map(|usage| usage.switches_involuntary),
            allocations_per_op: *allocations_per_op,
            ..summary::of_rounds(backend, workload, pool.name(), rounds, window)
        };
        Outcome { pool: *pool, measurement, turns: rounds.turns.clone() }
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
    let built = matchup.case.start(environment, pool).map(|it| it.until(&plan.interrupt));
    let runner = built.map_err(|failure| rounds.add_failure(failure)).ok();
    Run { pool, runner, rounds, usage: Some(Usage::default()), allocations_per_op: None }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::assemble::Case;
    use crate::operation::Select;
    use crate::workloads::free::UNCONTENDED;
    use crate::workloads::statements::POINT_SELECT;

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
        let outcomes =
            contend(&matchup, &Environment::Synthetic, &plan, &mut ExtraTurns::default(), &mut ());
        let [outcome] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert_eq!((outcome.measurement.ops, outcome.measurement.errors), (0, 1));
        assert_eq!(outcome.measurement.ns_per_op, None);
        assert!(outcome.measurement.first_error.is_some());
    }
}
