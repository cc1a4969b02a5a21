//! Compares all contenders on all workloads, in turns.

use super::contend::contend;
use super::extra_turns::ExtraTurns;
use super::round_trips;
use crate::assemble;
use crate::experiment::{Campaign, Experiment, Part};
use crate::matchup::Outcome;
use crate::{Failure, Result};

/// All workloads, one after the other.
pub struct Compare;

impl Experiment for Compare {
    fn heading(&self) -> &'static str {
        "Workloads"
    }

    fn parts(&self) -> Vec<Part> {
        let part = |it: crate::workload::Workload| Part {
            shape: Some((it.threads, it.size)),
            ..Part::new(it.name, it.about)
        };
        assemble::all().into_iter().map(|case| part(case.workload)).collect()
    }

    /// Prepares every backend, then runs one workload after the other on each.
    fn run(&self, campaign: &mut Campaign<'_>) -> Result<()> {
        let plan = campaign.plan;
        let mut cases = assemble::all();
        cases.retain(|case| plan.has(case.workload.name));
        if cases.is_empty() {
            return Ok(());
        }
        let places = campaign.places(&cases)?;
        if places.is_empty() && !plan.interrupt.is_raised() {
            return Err(Failure::new(
                "nothing to compare: no chosen pool runs a chosen workload on these backends; see \
                 `list`",
            ));
        }
        let Campaign { watch, findings, .. } = campaign;
        let (turns, time) = plan.estimate(places.iter().flat_map(|(_, matchups)| matchups));
        watch.begin(turns, time);
        let mut left = plan.extra_time; // for all workloads together
        for (environment, matchups) in &places {
            for matchup in matchups {
                if plan.interrupt.is_raised() {
                    return Ok(());
                }
                watch.workload(matchup);
                let mut extra = ExtraTurns { before: &findings.outcomes, left };
                let mut outcomes = contend(matchup, environment, plan, &mut extra, *watch);
                left = extra.left;
                for Outcome { pool, measurement, .. } in &mut outcomes {
                    if measurement.errors == 0 {
                        let trips = round_trips::per_operation(environment, matchup.case, *pool);
                        // An error here is one of the proxy, not of the pool.
                        measurement.round_trips = trips.ok().flatten();
                    }
                }
                if !outcomes.is_empty() {
                    watch.outcome(matchup, &outcomes);
                }
                findings.outcomes.extend(outcomes);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use threadwise_figures::{Backend, ContenderKind};

    use super::*;
    use crate::experiment::Watch;
    use crate::experiments::{run, scenarios};
    use crate::interrupt::Interrupt;
    use crate::plan::Plan;

    fn plan() -> Plan {
        let (rounds, window) = (1, Duration::from_millis(1));
        Plan { backends: vec![Backend::Synthetic], rounds, window, ..Plan::default() }
    }

    /// Interrupts after this many turns.
    struct InterruptAfter(usize, Interrupt);

    impl Watch for InterruptAfter {
        fn turn(&mut self, _: ContenderKind) {
            self.0 -= 1;
            if self.0 == 0 {
                self.1.raise();
            }
        }
    }

    /// The workload, pool and number of rounds of each outcome, if the run is interrupted after
    /// this many turns.
    fn interrupted_after(turns: usize) -> Vec<(String, &'static str, usize)> {
        let interrupt = Interrupt::default();
        let mut watch = InterruptAfter(turns, interrupt.clone());
        let pools = vec![ContenderKind::Mutex, ContenderKind::Floor];
        let parts = vec!["uncontended".into(), "as-many".into()];
        let plan = Plan { pools, parts, rounds: 3, interrupt, ..plan() };
        let row = |it: Outcome| (it.measurement.workload, it.pool.name(), it.turns.len());
        run(&plan, &mut watch).unwrap().outcomes.into_iter().map(row).collect()
    }

    #[test]
    fn an_interrupt_keeps_the_figures_so_far() {
        let uncontended = |mutex, floor| {
            let row = |pool, rounds| (String::from("uncontended"), pool, rounds);
            vec![row("mutex", mutex), row("floor", floor)]
        };
        assert_eq!(interrupted_after(2), [], "both have warmed up");
        assert_eq!(interrupted_after(3).len(), 1, "one had its turn");
        assert_eq!(interrupted_after(6), uncontended(2, 2));
        assert_eq!(interrupted_after(8), uncontended(3, 3));
        assert_eq!(interrupted_after(12).len(), 4, "the second workload has begun");
    }

    #[test]
    fn an_interrupt_ends_a_turn_and_a_scenario_at_once() {
        for part in ["uncontended", scenarios::outage::OUTAGE.name] {
            let interrupt = Interrupt::default();
            let plan = Plan {
                parts: vec![part.into()],
                scale: 1e6, // of 14 s
                window: Duration::from_secs(1_000_000),
                interrupt: interrupt.clone(),
                ..plan()
            };
            let raiser = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(20));
                interrupt.raise();
            });
            let findings = run(&plan, &mut ()).unwrap();
            raiser.join().unwrap();
            assert!(findings.is_empty(), "{part}: it has not even warmed up");
        }
    }

    fn refusal(plan: &Plan) -> String {
        run(plan, &mut ()).expect_err("nothing can be compared").to_string()
    }

    #[test]
    fn an_unknown_part_is_refused_with_the_known_names() {
        let error = refusal(&Plan { parts: vec!["nap".into()], ..plan() });
        assert!(error.contains("no workload `nap`"), "{error}");
        assert!(error.contains("uncontended, as-many, starved"), "{error}");
        assert!(error.contains("sizes, fair-after, breakdown, memory, spike"), "{error}");
    }

    #[test]
    fn a_plan_without_a_contender_is_refused() {
        let error = refusal(&Plan { pools: vec![ContenderKind::MysqlPool], ..plan() });
        assert!(error.contains("nothing to compare"), "{error}");
    }
}
