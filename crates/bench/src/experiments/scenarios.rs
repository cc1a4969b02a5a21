//! Experiments in time: what a pool does when many threads come at once, when the server goes away
//! and comes back, when opening a connection takes long, and when threads ask for more connections
//! than there are.
//!
//! Unlike a workload, a scenario happens once, takes as long as its subject, and ends in one
//! figure. The contenders of a scenario run at the same time, on all backends, each against its own
//! server, because they mostly sleep. Those of `spike`, which is short, run one after another. Scenarios
//! do not use the server that the user named: they start their own servers and cut them off.
//!
//! | file | holds |
//! |---|---|
//! | `scenario` | what a scenario is, and which contenders take part |
//! | `rig` | a pool and its server |
//! | `servers` | builds both: a simulated server, or a real one behind a proxy |
//! | `timeline`, `times` | the state of both over time; times in milliseconds |
//! | `spike`, `outage`, `first_gets`, `overload` | the scenarios |

pub mod first_gets;
pub mod outage;
pub mod overload;
pub mod scenario;
pub mod spike;

pub(crate) mod timeline;
pub(crate) mod times;

mod rig;
mod servers;

use std::thread::{self, JoinHandle};
use std::time::Duration;

use threadwise_figures::{Backend, ContenderKind, ScenarioRun};

use self::scenario::Scenario;
use crate::Result;
use crate::backend::Environment;
use crate::experiment::{Campaign, Experiment, Part};
use crate::plan::Plan;

/// All scenarios, in the order in which they run.
pub const ALL: [Scenario; 4] =
    [spike::SPIKE, outage::OUTAGE, first_gets::FIRST_GETS, overload::OVERLOAD];

/// How often the caller checks whether a scenario is over.
const LOOK: Duration = Duration::from_millis(20);

/// The experiments in time.
pub struct Scenarios;

impl Experiment for Scenarios {
    fn heading(&self) -> &'static str {
        "Scenarios"
    }

    fn parts(&self) -> Vec<Part> {
        ALL.iter().map(|scenario| Part::new(scenario.name, scenario.about)).collect()
    }

    fn run(&self, campaign: &mut Campaign<'_>) -> Result<()> {
        let plan = campaign.plan;
        let places = plan.backends().map(|backend| {
            let pools = scenario::pools(backend).filter(|pool| plan.has_pool(*pool));
            (backend, pools.collect::<Vec<_>>())
        });
        let places: Vec<_> = places.filter(|(_, pools)| !pools.is_empty()).collect();
        for scenario in ALL.iter().filter(|scenario| plan.has(scenario.name)) {
            let at_once = if scenario.is_short { 1 } else { places.len().max(1) };
            for places in places.chunks(at_once) {
                if plan.interrupt.is_raised() {
                    return Ok(());
                }
                let running = places.iter().map(|(backend, pools)| {
                    campaign.watch.scenario(scenario, *backend);
                    start(*scenario, *backend, pools.clone(), plan.scale)
                });
                let running: Vec<_> = running.collect();
                for ((backend, _), running) in places.iter().zip(running) {
                    match join(plan, running) {
                        None => return Ok(()),
                        Some(Ok(runs)) => {
                            campaign.watch.runs(scenario, &runs);
                            campaign.findings.scenarios.extend(runs);
                        }
                        Some(Err(why)) if !plan.backends.is_empty() => return Err(why),
                        Some(Err(why)) => campaign.leave_out(*backend, &why),
                    }
                }
            }
        }
        Ok(())
    }
}

type Running = JoinHandle<Result<Vec<ScenarioRun>>>;

/// Starts a scenario on a backend, with a server of its own.
fn start(scenario: Scenario, backend: Backend, pools: Vec<ContenderKind>, scale: f64) -> Running {
    thread::spawn(move || {
        let environment = Environment::open(backend, None)?;
        Ok(run_all(scenario, backend, &pools, &environment, scale))
    })
}

/// Waits for a scenario; `None` if it was interrupted, because part of a scenario has no figure. An
/// interrupted scenario goes on in its own threads, and its server ends with this process.
fn join(plan: &Plan, running: Running) -> Option<Result<Vec<ScenarioRun>>> {
    while !running.is_finished() {
        if plan.interrupt.is_raised() {
            return None;
        }
        plan.interrupt.sleep(LOOK);
    }
    Some(running.join().expect("scenarios do not panic"))
}

/// Runs a scenario for the contenders on this backend: on simulated servers, or behind proxies before
/// its server. A contender's errors are in its run.
pub(crate) fn run_all(
    scenario: Scenario,
    backend: Backend,
    pools: &[ContenderKind],
    environment: &Environment,
    scale: f64,
) -> Vec<ScenarioRun> {
    let run = |pool: ContenderKind| run_one(scenario, backend, pool, environment, scale);
    if scenario.is_short {
        return pools.iter().map(|&pool| run(pool)).collect();
    }
    thread::scope(|scope| {
        let runs: Vec<_> = pools.iter().map(|&pool| scope.spawn(move || run(pool))).collect();
        runs.into_iter().map(|run| run.join().expect("runs do not panic")).collect()
    })
}

fn run_one(
    scenario: Scenario,
    backend: Backend,
    pool: ContenderKind,
    environment: &Environment,
    scale: f64,
) -> ScenarioRun {
    let mut run = scenario.begin(backend, pool.name(), scale);
    match servers::rig(environment, pool, (scenario.needs)(run.scale)) {
        Ok(rig) => {
            run.figure = (scenario.run)(&rig, run.scale);
            run.opened = rig.server.opened();
            rig.report_to(&mut run);
        }
        Err(_) => run.errors = 1,
    }
    run
}
