//! Experiments in time: what a pool does when many threads come at once, when the server goes away
//! and comes back, when opening a connection takes long, and when threads ask for more connections
//! than there are.
//!
//! Unlike a workload, a scenario happens once, takes as long as its subject, and ends in one
//! figure. The contenders of a scenario run at the same time, each against its own server, because
//! they mostly sleep. Those of `spike`, which is short, run one after another. Scenarios do not use
//! the server that the user named: they start their own servers and cut them off.
//!
//! | file | holds |
//! |---|---|
//! | `scenario` | what a scenario is, and which contenders take part |
//! | `rig` | a pool and its server |
//! | `servers` | builds both: a simulated server, or a MariaDB behind a proxy |
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

use std::thread;
use std::time::Duration;

use threadwise_figures::{Backend, ContenderKind, ScenarioRun};

use self::scenario::Scenario;
use crate::Result;
use crate::backend::private::PrivateServer;
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
        for backend in plan.backends() {
            let pools: Vec<_> =
                scenario::pools(backend).filter(|pool| plan.has_pool(*pool)).collect();
            let chosen = ALL.iter().filter(|scenario| plan.has(scenario.name));
            for scenario in chosen.filter(|_| !pools.is_empty()) {
                if plan.interrupt.is_raised() {
                    return Ok(());
                }
                campaign.watch.scenario(scenario, backend);
                match run_scenario(plan, *scenario, backend, pools.clone()) {
                    None => return Ok(()),
                    Some(Ok(runs)) => {
                        campaign.watch.runs(scenario, &runs);
                        campaign.findings.scenarios.extend(runs);
                    }
                    Some(Err(why)) if plan.backends.is_empty() => {
                        campaign.leave_out(backend, &why);
                        break;
                    }
                    Some(Err(why)) => return Err(why),
                }
            }
        }
        Ok(())
    }
}

/// Runs one scenario; `None` if it was interrupted, because part of a scenario has no figure. An
/// interrupted scenario goes on in its own threads, and its server ends with this process.
fn run_scenario(
    plan: &Plan,
    scenario: Scenario,
    backend: Backend,
    pools: Vec<ContenderKind>,
) -> Option<Result<Vec<ScenarioRun>>> {
    let scale = plan.scale;
    let running = thread::spawn(move || {
        let server = match backend {
            Backend::Mysql => Some(PrivateServer::start()?),
            _ => None,
        };
        Ok(run_all(scenario, backend, &pools, server.as_ref(), scale))
    });
    while !running.is_finished() {
        if plan.interrupt.is_raised() {
            return None;
        }
        plan.interrupt.sleep(LOOK);
    }
    Some(running.join().expect("scenarios do not panic"))
}

/// Runs a scenario for the contenders on this backend: on simulated servers, or behind proxies before
/// this one. A contender's errors are in its run.
pub(crate) fn run_all(
    scenario: Scenario,
    backend: Backend,
    pools: &[ContenderKind],
    server: Option<&PrivateServer>,
    scale: f64,
) -> Vec<ScenarioRun> {
    let run = |pool: ContenderKind| run_one(scenario, backend, pool, server, scale);
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
    server: Option<&PrivateServer>,
    scale: f64,
) -> ScenarioRun {
    let mut run = scenario.begin(backend, pool.name(), scale);
    let needs = (scenario.needs)(run.scale);
    let rig = match server {
        Some(server) => servers::real(server, pool, needs),
        None => servers::simulated(pool, needs),
    };
    match rig {
        Ok(rig) => {
            run.figure = (scenario.run)(&rig, run.scale);
            run.opened = rig.server.opened();
            rig.report_to(&mut run);
        }
        Err(_) => run.errors = 1,
    }
    run
}
