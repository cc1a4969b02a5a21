//! More turns for the contenders of a claim that is undecided.

use std::ops::RangeInclusive;
use std::time::Duration;

use threadwise_figures::{ContenderKind, is_enough};

use crate::claims;
use crate::matchup::{Matchup, Outcome};
use crate::plan::Plan;

/// What decides claims about a workload: the outcomes of the workloads before, and the time that is
/// left for more turns.
#[derive(Default)]
pub(super) struct ExtraTurns<'o> {
    pub(super) before: &'o [Outcome],
    pub(super) left: Duration,
}

impl ExtraTurns<'_> {
    /// Lets contenders take more turns until all claims about the workload are decided. A workload
    /// takes at most half of the time that is left, so that all undecided claims get some.
    ///
    /// The claims are judged after every few rounds, and not after each one. Each look at the interval is
    /// one more chance that it misses the limit by accident.
    pub(super) fn take_until_decided<C>(
        &mut self,
        matchup: &Matchup<'_>,
        plan: &Plan,
        runs: &mut [C],
        outcomes: impl Fn(&[C]) -> Vec<Outcome>,
        mut take_turns: impl FnMut(&mut [C], RangeInclusive<usize>, &[ContenderKind]),
    ) {
        let workload = matchup.case.workload.name;
        let (mut done, window) = plan.turns(matchup.backend, workload);
        let step = done.div_ceil(4);
        let mut may_take = self.left / 2;
        while is_enough(plan.rounds, plan.window) && !plan.interrupt.is_raised() {
            let all = [self.before, &outcomes(runs)].concat();
            let pools = claims::undecided(&all, matchup.backend, workload);
            let takes = window * (step * pools.len()) as u32;
            if pools.is_empty() || takes > may_take {
                return;
            }
            may_take -= takes;
            self.left -= takes;
            take_turns(runs, done + 1..=done + step, &pools);
            done += step;
        }
    }
}

#[cfg(test)]
mod tests {
    use ContenderKind::{Mutex, R2d2, Shared};
    use threadwise_figures::{Backend, Measurement, median};

    use super::*;
    use crate::assemble::Case;
    use crate::measure::Turn;
    use crate::workloads::holds::SHORT_HOLDS;

    /// The throughputs of a contender's rounds.
    type Rounds = (ContenderKind, Vec<f64>);

    fn outcome((pool, rounds): &Rounds) -> Outcome {
        let turn = |&ops_per_s| Turn { ops_per_s, fairness: 1.0, wait_p99_ns: None };
        let measurement = Measurement {
            backend: Backend::Synthetic.name().into(),
            workload: SHORT_HOLDS.name.into(),
            pool: pool.name().into(),
            ops: 1,
            ops_per_s: median(rounds),
            ..Measurement::default()
        };
        Outcome { pool: *pool, measurement, turns: rounds.iter().map(turn).collect() }
    }

    /// Ten rounds in which `shared` does more than r2d2 in every other one. In the rounds that are
    /// added it always does as much as `then`. Returns the numbers of rounds at the end, and the time
    /// that is left.
    fn decide(plan: &Plan, then: f64) -> ([usize; 3], Duration) {
        let shared = [90.0, 120.0].repeat(5);
        let mut runs = [(Shared, shared), (R2d2, vec![100.0; 10]), (Mutex, vec![100.0; 10])];
        let pools = runs.iter().map(|run| run.0).collect();
        let case = Case::held(SHORT_HOLDS);
        let matchup = Matchup { backend: Backend::Synthetic, case: &case, pools };
        let mut extra = ExtraTurns { before: &[], left: plan.extra_time };
        let outcomes = |runs: &[Rounds]| runs.iter().map(outcome).collect();
        extra.take_until_decided(&matchup, plan, &mut runs, outcomes, |runs, rounds, pools| {
            for (pool, throughputs) in runs.iter_mut().filter(|run| pools.contains(&run.0)) {
                assert_eq!(*rounds.start(), throughputs.len() + 1, "rounds go on where they ended");
                let figure = if *pool == Shared { then } else { 100.0 };
                throughputs.extend(rounds.clone().map(|_| figure));
            }
        });
        (runs.map(|(_, throughputs)| throughputs.len()), extra.left)
    }

    #[test]
    fn the_contenders_of_an_undecided_claim_take_turns_until_it_is_decided() {
        let plan = Plan::default();
        let ([shared, r2d2, mutex], left) = decide(&plan, 120.0);
        assert!(shared > 10 && shared < 40 && shared == r2d2, "{shared} and {r2d2} rounds");
        assert_eq!(mutex, 10, "no claim compares it");
        let turns = 2 * (shared - 10) as u32;
        assert_eq!(plan.extra_time - left, plan.window / 2 * turns);
    }

    #[test]
    fn a_claim_that_stays_undecided_takes_half_of_the_time_that_is_left() {
        let plan = Plan { extra_time: Duration::from_secs(4), ..Plan::default() };
        // The limit is 1, and each step of three rounds of two contenders takes 0.6 s.
        let (rounds, left) = decide(&plan, 100.0 - 1e-9);
        assert_eq!(rounds, [10 + 3 * 3, 10 + 3 * 3, 10]);
        assert_eq!(left, Duration::from_millis(4_000 - 3 * 600));
    }

    #[test]
    fn too_short_turns_and_an_interrupt_add_nothing() {
        let glance = Plan { rounds: 1, ..Plan::default() };
        assert_eq!(decide(&glance, 120.0), ([10; 3], glance.extra_time));
        let plan = Plan::default();
        plan.interrupt.raise();
        assert_eq!(decide(&plan, 120.0), ([10; 3], plan.extra_time));
    }
}
