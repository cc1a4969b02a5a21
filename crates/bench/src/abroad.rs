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

mod cases;
mod matchup;
mod plan;
mod pools;
mod program;
mod protocol;
mod scenario;

pub use self::plan::Plan;
pub use self::pools::Programs;

use std::collections::BTreeMap;
use std::thread;

use threadwise_figures::{Backend, ContenderKind, Measurement, Note, Report, ScenarioRun};

use self::cases::Task;
use self::matchup::Matchup;
use self::plan::OURS;
use self::pools::{ForeignPool, Language};
use self::scenario::{Played, Script};
use crate::backend::Environment;
use crate::experiments::scenarios;
use crate::experiments::scenarios::scenario::Scenario;
use crate::{Failure, Result, stamp};

/// What happens during a comparison.
#[derive(Clone, Copy)]
pub enum Event<'a> {
    /// Pools or workloads are left out, for this reason.
    LeftOut(&'a str),
    /// A workload begins.
    Begins(&'a str),
    /// A workload that asks this is over.
    Compared(&'a str, &'a [Measurement]),
    /// A scenario is over. There may be errors.
    Played(Scenario, &'a [ScenarioRun], &'a [Failure]),
}

/// Runs the comparison of the plan. Errors of a pool are part of its figures.
///
/// # Errors
///
/// If the plan names what does not exist, or leaves nothing to measure.
pub fn run(plan: &Plan, watch: &mut dyn FnMut(Event<'_>)) -> Result<Report> {
    let tasks = cases::all();
    check(plan, &tasks)?;
    let (there, missing): (Vec<_>, Vec<_>) =
        Language::ALL.into_iter().partition(|language| plan.programs.has(*language));
    if there.is_empty() {
        return Err(Failure::new(
            "no program of another language is built; `just bench abroad` builds them",
        ));
    }
    let report = Report { questions: questions(&tasks), ..Report::default() };
    let report = report.in_turns(plan.rounds, plan.window);
    let mut comparison = Comparison { plan, watch, report };
    for language in missing {
        let name = language.name();
        comparison.leave_out(format!("{name} is left out: its program is not built"));
    }
    let chosen = tasks.iter().filter(|task| plan.has_workload(task.case.workload.name));
    let matchups: Vec<_> = chosen.filter_map(|task| Matchup::of(plan, task)).collect();
    let scripts = Script::ALL.iter().filter(|it| plan.has_workload(it.scenario.name));
    let can_play = !our_players(plan).is_empty() || !plan.foreign(Backend::Mysql).is_empty();
    let scripts: Vec<_> = scripts.filter(|_| can_play).collect();
    let needs_server =
        !scripts.is_empty() || matchups.iter().any(|it| it.task.backend == Backend::Mysql);
    let server = needs_server.then(|| Environment::open(Backend::Mysql, None)).transpose();
    let server = server.unwrap_or_else(|failure| {
        comparison.leave_out(format!("everything on MariaDB is left out: {failure}"));
        None
    });
    for matchup in &matchups {
        comparison.compare(matchup, server.as_ref());
    }
    if let Some(server) = &server {
        for script in scripts {
            comparison.play(script, server);
        }
    }
    let (report, interrupted) = (comparison.report, plan.interrupt.is_raised());
    if report.results.is_empty() && report.scenarios.is_empty() && !interrupted {
        return Err(Failure::new("nothing was measured: no chosen pool runs a chosen workload"));
    }
    Ok(Report { stamp: stamp::this_run(), interrupted, ..report })
}

/// The question of each workload and scenario, by its name.
fn questions(tasks: &[Task]) -> BTreeMap<String, String> {
    let workloads = tasks.iter().map(|task| (task.case.workload.name, task.case.workload.about));
    let scenarios = Script::ALL.iter().map(|it| (it.scenario.name, it.scenario.about));
    workloads.chain(scenarios).map(|(name, about)| (name.into(), about.into())).collect()
}

/// Refuses names of pools and workloads that do not exist.
fn check(plan: &Plan, tasks: &[Task]) -> Result<()> {
    let mut pools: Vec<String> = OURS.iter().map(|pool| pool.name().into()).collect();
    for pool in [Backend::Synthetic, Backend::Mysql].into_iter().flat_map(ForeignPool::all_on) {
        if !pools.contains(&pool.name()) {
            pools.push(pool.name());
        }
    }
    Failure::if_unknown("pool", &plan.pools, &pools)?;
    let workloads = tasks.iter().map(|task| task.case.workload.name);
    let workloads: Vec<_> = workloads.chain(Script::ALL.map(|it| it.scenario.name)).collect();
    Failure::if_unknown("workload", &plan.workloads, &workloads)
}

/// Our chosen pools that take part in scenarios.
fn our_players(plan: &Plan) -> Vec<ContenderKind> {
    let players: Vec<_> = scenarios::scenario::pools(Backend::Mysql).collect();
    plan.ours().filter(|pool| players.contains(pool)).collect()
}

/// A comparison, and its report so far.
struct Comparison<'c> {
    plan: &'c Plan,
    watch: &'c mut dyn FnMut(Event<'_>),
    report: Report,
}

impl Comparison<'_> {
    /// Keeps the reason why something is missing, and tells it.
    fn leave_out(&mut self, why: String) {
        (self.watch)(Event::LeftOut(&why));
        self.report.left_out.push(why);
    }

    /// Keeps one note for each pool, with versions if there are any.
    fn note(&mut self, note: Note) {
        match self.report.abroad.iter_mut().find(|known| known.pool == note.pool) {
            None => self.report.abroad.push(note),
            Some(known) if !note.versions.is_empty() => *known = note,
            Some(_) => {}
        }
    }

    /// Compares pools on a workload, unless it needs a server and there is none.
    fn compare(&mut self, matchup: &Matchup<'_>, server: Option<&Environment>) {
        let (backend, workload) = (matchup.task.backend, &matchup.task.case.workload);
        let nothing = Environment::Synthetic;
        let place = if backend == Backend::Mysql { server } else { Some(&nothing) };
        let Some(environment) = place.filter(|_| !self.plan.interrupt.is_raised()) else { return };
        (self.watch)(Event::Begins(&format!("{backend} · {}", workload.name)));
        let (rows, notes) = matchup.run(self.plan, environment);
        if !rows.is_empty() {
            (self.watch)(Event::Compared(workload.about, &rows));
        }
        notes.into_iter().for_each(|note| self.note(note));
        self.report.results.extend(rows);
    }

    /// Plays a scenario. In the outage, all pools play at the same time, because they mostly sleep.
    fn play(&mut self, script: &Script, server: &Environment) {
        let plan = self.plan;
        if plan.interrupt.is_raised() {
            return;
        }
        let scenario = script.scenario;
        (self.watch)(Event::Begins(&format!("{} · {}", Backend::Mysql, scenario.name)));
        let ours = our_players(plan);
        let foreign = plan.foreign(Backend::Mysql);
        let play_ours = || scenarios::run_all(scenario, Backend::Mysql, &ours, server, plan.scale);
        let play = |pool| script.play(pool, &plan.programs, server, plan.scale);
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
            self.note(pool.note(versions.as_deref()));
            runs.push(run);
            errors.extend(error);
        }
        (self.watch)(Event::Played(scenario, &runs, &errors));
        self.report.scenarios.extend(runs);
    }
}
