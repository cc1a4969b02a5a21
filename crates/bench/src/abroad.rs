//! Pools of other languages, on the same machine and server, with the same work, in the same turns as
//! ours.
//!
//! Each is a small program in `crates/bench/abroad`, which the harness starts and asks for one round
//! after another. Its figures become the same measurements and scenario runs as those of our own
//! pools. `docs/abroad.md` says how to read them.
//!
//! | file | holds |
//! |---|---|
//! | `pools` | the pools of other languages, one row for each, and what is unfair about them |
//! | `protocol` | what the harness and the programs say to each other |
//! | `program` | a running program, with deadlines |
//! | `plan`, `cases` | what to compare; the workloads |
//! | `matchup` | one workload: all pools in turns |
//! | `scenario` | the spike and the outage |
//! | `server` | the private MariaDB, as the programs name it |
//! | `findings`, `notes`, `report` | the figures; what is unfair, as text; both as JSON |

mod cases;
mod findings;
mod matchup;
mod notes;
mod plan;
mod pools;
mod program;
mod protocol;
mod report;
mod scenario;
mod server;

pub use self::findings::{Abroad, Event};
pub use self::matchup::{Matchup, Row};
pub use self::notes::{Note, render_notes};
pub use self::plan::Plan;
pub use self::pools::{ForeignPool, Language, Programs};
pub use self::report::AbroadReport;

use std::collections::BTreeMap;
use std::thread;

use threadwise_figures::{Backend, ContenderKind};

use self::cases::Task;
use self::plan::OURS;
use self::scenario::{Played, Script};
use crate::Failure;
use crate::backend::Environment;
use crate::backend::private::PrivateServer;
use crate::experiments::scenarios;

/// Runs the comparison of the plan. Errors of a pool are part of its figures.
///
/// # Errors
///
/// If the plan names what does not exist, or leaves nothing to measure.
pub fn run(plan: &Plan, watch: &mut dyn FnMut(Event<'_>)) -> Result<Abroad, Failure> {
    let tasks = cases::all();
    let questions = questions(&tasks);
    check(plan, &tasks)?;
    if Language::ALL.iter().all(|language| !plan.programs.has(*language)) {
        return Err(Failure::new(
            "no program of another language is built; `just bench abroad` builds them",
        ));
    }
    let (rounds, window) = (plan.rounds, plan.window);
    let mut abroad = Abroad { questions, rounds, window, ..Abroad::default() };
    for language in Language::ALL.into_iter().filter(|it| !plan.programs.has(*it)) {
        let name = language.name();
        abroad.leave_out(format!("{name} is left out: its program is not built"), watch);
    }
    let chosen = tasks.iter().filter(|task| plan.has_workload(task.case.workload.name));
    let matchups: Vec<_> = chosen.filter_map(|task| Matchup::of(plan, task)).collect();
    let scripts = Script::ALL.into_iter().filter(|it| plan.has_workload(it.scenario().name));
    let scripts: Vec<_> = scripts.filter(|_| can_play(plan)).collect();
    let needs_server =
        !scripts.is_empty() || matchups.iter().any(|it| it.task.backend == Backend::Mysql);
    let server = needs_server.then(PrivateServer::start).transpose();
    let server = server.unwrap_or_else(|failure| {
        abroad.leave_out(format!("everything on MariaDB is left out: {failure}"), watch);
        None
    });
    for matchup in &matchups {
        abroad.compare(plan, matchup, server.as_ref(), watch)?;
    }
    if let Some(server) = &server {
        for script in scripts {
            abroad.play(plan, script, server, watch);
        }
    }
    abroad.interrupted = plan.interrupt.is_raised();
    if abroad.rows.is_empty() && abroad.runs.is_empty() && !abroad.interrupted {
        return Err(Failure::new("nothing was measured: no chosen pool runs a chosen workload"));
    }
    Ok(abroad)
}

/// The question of each workload and scenario, by its name.
fn questions(tasks: &[Task]) -> BTreeMap<String, String> {
    let workloads = tasks.iter().map(|task| (task.case.workload.name, task.case.workload.about));
    let scenarios = Script::ALL.map(Script::scenario).map(|it| (it.name, it.about));
    workloads.chain(scenarios).map(|(name, about)| (name.into(), about.into())).collect()
}

/// Refuses names of pools and workloads that do not exist.
fn check(plan: &Plan, tasks: &[Task]) -> Result<(), Failure> {
    let mut pools: Vec<String> = OURS.iter().map(|pool| pool.name().into()).collect();
    for pool in [Backend::Synthetic, Backend::Mysql].into_iter().flat_map(ForeignPool::all_on) {
        if !pools.contains(&pool.name()) {
            pools.push(pool.name());
        }
    }
    let workloads = tasks.iter().map(|task| task.case.workload.name);
    let workloads = workloads.chain(Script::ALL.map(|script| script.scenario().name));
    let workloads: Vec<_> = workloads.map(str::to_owned).collect();
    for (kind, chosen, known) in
        [("pool", &plan.pools, &pools), ("workload", &plan.workloads, &workloads)]
    {
        if let Some(unknown) = chosen.iter().find(|name| !known.contains(name)) {
            let known = known.join(", ");
            return Err(Failure::new(format_args!("no {kind} `{unknown}`; there are {known}")));
        }
    }
    Ok(())
}

/// Our chosen pools that take part in scenarios.
fn our_players(plan: &Plan) -> Vec<ContenderKind> {
    let players: Vec<_> = scenarios::scenario::pools(Backend::Mysql).collect();
    plan.ours().filter(|pool| players.contains(pool)).collect()
}

/// Whether a chosen pool takes part in scenarios.
fn can_play(plan: &Plan) -> bool {
    !our_players(plan).is_empty() || !plan.foreign(Backend::Mysql).is_empty()
}

impl Abroad {
    fn compare(
        &mut self,
        plan: &Plan,
        matchup: &Matchup<'_>,
        server: Option<&PrivateServer>,
        watch: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), Failure> {
        let backend = matchup.task.backend;
        let server = server.filter(|_| backend == Backend::Mysql);
        let is_there = server.is_some() || backend != Backend::Mysql;
        if !is_there || plan.interrupt.is_raised() {
            return Ok(());
        }
        watch(Event::Begins(&format!("{backend} · {}", matchup.workload().name)));
        let url = server.map(PrivateServer::url);
        let environment = Environment::open(backend, url.as_deref())?;
        let rows = matchup.run(plan, &environment, server);
        if !rows.is_empty() {
            watch(Event::Compared(matchup, &rows));
        }
        for (pool, versions) in rows.iter().filter_map(|row| row.foreign.as_ref()) {
            self.note(*pool, versions.as_deref());
        }
        self.rows.extend(rows);
        Ok(())
    }

    /// Plays a scenario. In the outage, all pools play at the same time, because they mostly sleep.
    fn play(
        &mut self,
        plan: &Plan,
        script: Script,
        server: &PrivateServer,
        watch: &mut dyn FnMut(Event<'_>),
    ) {
        if plan.interrupt.is_raised() {
            return;
        }
        let scenario = script.scenario();
        watch(Event::Begins(&format!("{} · {}", Backend::Mysql, scenario.name)));
        let ours = our_players(plan);
        let foreign = plan.foreign(Backend::Mysql);
        let play_ours =
            || scenarios::run_all(scenario, Backend::Mysql, &ours, Some(server), plan.scale);
        let play = |pool| scenario::play(script, pool, &plan.programs, server, plan.scale);
        let (mut runs, played) = if scenario.is_short {
            (play_ours(), foreign.iter().map(|&pool| play(pool)).collect::<Vec<_>>())
        } else {
            thread::scope(|scope| {
                let plays: Vec<_> =
                    foreign.iter().map(|&pool| scope.spawn(move || play(pool))).collect();
                let of_ours = play_ours();
                let played = plays.into_iter().map(|it| it.join().expect("plays do not panic"));
                (of_ours, played.collect())
            })
        };
        let mut errors = Vec::new();
        for (pool, Played { run, versions, error }) in foreign.into_iter().zip(played) {
            self.note(pool, versions.as_deref());
            runs.push(run);
            errors.extend(error);
        }
        watch(Event::Played(scenario, &runs, &errors));
        self.runs.extend(runs);
    }
}
