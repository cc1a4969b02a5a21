//! Compares all contenders on all workloads, in turns.

use std::thread;
use std::time::Duration;

use threadwise_figures::{
    Backend, Breakdown, ContenderKind, Footprint, Measurement, ScenarioRun, Sweep,
};

use crate::Failure;
use crate::backend::Environment;
use crate::heap::Ledger;
use crate::interrupt::Interrupt;
use crate::measure::{Round, Rounds, Turn};
use crate::runner::Runner;
use crate::scenario::Scenario;
use crate::usage::Usage;
use crate::workload::{self, AnyWorkload, Connect, Workload};
use crate::{claims, distribution, round_trips};

/// What to compare, and for how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The backends. Empty means all; then a backend that is not available is reported and left
    /// out.
    pub backends: Vec<Backend>,
    /// The contenders. Empty means all.
    pub pools: Vec<ContenderKind>,
    /// The names of the workloads, sweeps and scenarios, `breakdown` and `memory`. Empty means all.
    pub workloads: Vec<String>,
    /// The fraction of their time that scenarios take: 1, or less for an impression.
    pub scale: f64,
    /// How many measured turns each contender has, without the warmup; at least 1. On MariaDB,
    /// workloads with claims have more and shorter turns: see [`turns`](Self::turns).
    pub rounds: usize,
    /// How long a turn is. The warmup is half as long.
    pub window: Duration,
    /// The server for the backend `mysql`; `None` starts a private one.
    pub mysql_url: Option<String>,
    /// When it is raised, the comparison ends early: it cuts the current turn short, and returns
    /// the figures so far.
    pub interrupt: Interrupt,
}

/// Receives the progress of a comparison. By default every method does nothing.
pub trait Watch {
    /// A backend is not available, and is left out.
    fn left_out(&mut self, backend: Backend, why: &Failure) {
        let _ = (backend, why);
    }
    /// The turns of all workloads, or of a sweep on a backend, begin. They take about as long as
    /// the estimate.
    fn begin(&mut self, turns: usize, estimate: Duration) {
        let _ = (turns, estimate);
    }
    /// A workload begins.
    fn workload(&mut self, matchup: &Matchup<'_>) {
        let _ = matchup;
    }
    /// A contender's turn is over, or left out because the contender could not be built.
    fn turn(&mut self, pool: ContenderKind) {
        let _ = pool;
    }
    /// A workload is over.
    fn outcome(&mut self, matchup: &Matchup<'_>, outcomes: &[Outcome]) {
        let _ = (matchup, outcomes);
    }
    /// A point of a sweep begins.
    fn point(&mut self, matchup: &Matchup<'_>) {
        let _ = matchup;
    }
    /// A sweep is over on a backend.
    fn sweep(&mut self, points: &[Measurement]) {
        let _ = points;
    }
    /// The memory of the contenders was measured.
    fn memory(&mut self, footprints: &[Footprint]) {
        let _ = footprints;
    }
    /// A scenario begins.
    fn scenario(&mut self, scenario: Scenario, backend: Backend) {
        let _ = (scenario, backend);
    }
    /// A scenario is over on a backend.
    fn runs(&mut self, scenario: Scenario, runs: &[ScenarioRun]) {
        let _ = (scenario, runs);
    }
}

/// One workload on one backend.
pub struct Matchup<'a> {
    /// The backend.
    pub backend: Backend,
    /// The workload.
    pub workload: &'a dyn AnyWorkload,
    /// The contenders.
    pub pools: Vec<ContenderKind>,
}

/// The figures of one contender in one matchup.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The contender.
    pub pool: ContenderKind,
    /// The figures.
    pub measurement: Measurement,
    /// The figures of each round, in order. All contenders of the matchup have the same rounds.
    pub turns: Vec<Turn>,
    /// The first of its errors, if there were any.
    pub first_error: Option<Failure>,
}

/// Runs the chosen scenarios one after the other, with the chosen contenders. Scenarios do not use
/// the server that the user named: they start their own servers and cut them off.
///
/// # Errors
///
/// If a backend that the plan names is not available.
pub fn run_scenarios(plan: &Plan, watch: &mut dyn Watch) -> Result<Vec<ScenarioRun>, Failure> {
    let everywhere = plan.backends.is_empty();
    let mut all = Vec::new();
    for backend in Backend::ALL {
        if !everywhere && !plan.backends.contains(&backend) {
            continue;
        }
        let is_chosen = |pool: &&ContenderKind| plan.pools.is_empty() || plan.pools.contains(pool);
        for scenario in plan.scenarios() {
            let pools = scenario.pools(backend).iter().filter(is_chosen);
            let pools: Vec<_> = pools.copied().collect();
            if pools.is_empty() {
                continue;
            }
            if plan.interrupt.is_raised() {
                return Ok(all);
            }
            watch.scenario(scenario, backend);
            match run_scenario(plan, scenario, backend, pools) {
                None => return Ok(all),
                Some(Ok(runs)) => {
                    watch.runs(scenario, &runs);
                    all.extend(runs);
                }
                Some(Err(why)) if everywhere => {
                    if plan.has_no_workloads() {
                        watch.left_out(backend, &why); // otherwise `compare` has reported it
                    }
                    break;
                }
                Some(Err(why)) => return Err(why),
            }
        }
    }
    Ok(all)
}

/// Runs one scenario; `None` if it was interrupted, because part of a scenario has no figure. An
/// interrupted scenario goes on in its own threads, and its server ends with this process.
fn run_scenario(
    plan: &Plan,
    scenario: Scenario,
    backend: Backend,
    pools: Vec<ContenderKind>,
) -> Option<Result<Vec<ScenarioRun>, Failure>> {
    let scale = plan.scale;
    let running = thread::spawn(move || scenario.play(backend, &pools, scale));
    while !running.is_finished() {
        if plan.interrupt.is_raised() {
            return None;
        }
        plan.interrupt.sleep(LOOK);
    }
    Some(running.join().expect("scenarios do not panic"))
}

/// How often the caller checks whether a scenario is over.
const LOOK: Duration = Duration::from_millis(20);

impl Plan {
    /// The chosen scenarios.
    pub fn scenarios(&self) -> impl Iterator<Item = Scenario> + '_ {
        let is_chosen = |scenario: &Scenario| {
            self.workloads.is_empty() || self.workloads.iter().any(|name| name == scenario.name())
        };
        Scenario::ALL.into_iter().filter(is_chosen)
    }

    /// Whether the sweep was chosen.
    #[must_use]
    pub fn has_sweep(&self, sweep: Sweep) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|name| name == sweep.name())
    }

    /// Whether the breakdown was chosen.
    #[must_use]
    pub fn has_breakdown(&self) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|name| name == Breakdown::NAME)
    }

    /// Whether memory was chosen.
    #[must_use]
    pub fn has_memory(&self) -> bool {
        self.workloads.is_empty() || self.workloads.iter().any(|name| name == Footprint::NAME)
    }

    /// Whether nothing but scenarios, sweeps, the breakdown and memory was chosen.
    pub(crate) fn has_no_workloads(&self) -> bool {
        let is_other = |name: &String| {
            [Breakdown::NAME, Footprint::NAME].contains(&&**name)
                || Sweep::named(name).is_some()
                || Scenario::ALL.iter().any(|scenario| scenario.name() == name)
        };
        !self.workloads.is_empty() && self.workloads.iter().all(is_other)
    }

    /// Reports how many turns these matchups take, and for how long.
    pub(crate) fn announce<'c, 'a: 'c>(
        &self,
        matchups: impl Iterator<Item = &'c Matchup<'a>>,
        watch: &mut dyn Watch,
    ) {
        let (mut turns, mut time) = (0, Duration::ZERO);
        for matchup in matchups {
            let (rounds, window) = self.turns(matchup.backend, matchup.workload.name());
            turns += matchup.pools.len() * (rounds + 1);
            let windows = rounds as f64 + 0.5; // the warmup is half as long
            time += window.mul_f64(windows * matchup.pools.len() as f64);
        }
        watch.begin(turns, time);
    }

    /// How many rounds a workload has on a backend, and how long a turn is.
    ///
    /// On MariaDB, a workload with a claim has [`MORE`] times as many rounds, and its turns are
    /// shorter by a factor of [`SHORTER`]. The result of a turn there depends on where the
    /// scheduler places the threads and those of the server. A longer turn does not even that out,
    /// but more turns do. And the closer in time two turns are, the less the machine changes
    /// between them. `connect` has [`MORE_CONNECTS`] times as many rounds: its turns differ most,
    /// by a fifth and more, and it has only two contenders. All other turns keep their length,
    /// because a turn does not show a wait that is longer than itself.
    #[must_use]
    pub fn turns(&self, backend: Backend, workload: &str) -> (usize, Duration) {
        if backend == Backend::Mysql && claims::judges(backend, workload) {
            let more = if workload == Workload::name(&Connect) { MORE_CONNECTS } else { MORE };
            (self.rounds * more, self.window / SHORTER)
        } else {
            (self.rounds, self.window)
        }
    }

    /// The matchup of a workload on a backend, with the chosen contenders; `None` if it has none.
    pub(crate) fn matchup<'a>(
        &self,
        backend: Backend,
        workload: &'a dyn AnyWorkload,
    ) -> Option<Matchup<'a>> {
        let is_chosen = |pool: &ContenderKind| self.pools.is_empty() || self.pools.contains(pool);
        let is_there = self.backends.is_empty() || self.backends.contains(&backend);
        let pools: Vec<_> = workload.pools(backend).filter(is_chosen).collect();
        let takes_place = is_there && workload.runs_on(backend) && !pools.is_empty();
        takes_place.then_some(Matchup { backend, workload, pools })
    }
}

/// See [`Plan::turns`].
pub const MORE: usize = 4;
/// See [`Plan::turns`].
pub const MORE_CONNECTS: usize = 12;
/// See [`Plan::turns`].
pub const SHORTER: u32 = 2;

/// Runs the comparison of the plan: prepares every backend, then runs one matchup after the other.
///
/// Errors of a contender are part of its outcome.
///
/// # Errors
///
/// If the plan names a workload that does not exist, leaves nothing to measure, or names a backend
/// that is not available.
pub fn compare(plan: &Plan, watch: &mut dyn Watch) -> Result<Vec<Outcome>, Failure> {
    let workloads = chosen_workloads(&plan.workloads)?;
    if plan.has_no_workloads() {
        return Ok(Vec::new());
    }
    let everywhere = plan.backends.is_empty();
    let backends = if everywhere { &Backend::ALL[..] } else { &plan.backends };
    let mut places = Vec::new();
    for &backend in Backend::ALL.iter().filter(|backend| backends.contains(backend)) {
        let matchups = workloads.iter().filter_map(|it| plan.matchup(backend, it.as_ref()));
        let matchups: Vec<_> = matchups.collect();
        if matchups.is_empty() {
            continue;
        }
        if plan.interrupt.is_raised() {
            return Ok(Vec::new());
        }
        match Environment::open(backend, plan.mysql_url.as_deref()) {
            Ok(environment) => places.push((environment, matchups)),
            // If the user named a server, leaving it out would be wrong.
            Err(why) if everywhere && plan.mysql_url.is_none() => watch.left_out(backend, &why),
            Err(why) => return Err(why),
        }
    }
    if places.is_empty() {
        return Err(Failure::new(
            "nothing to compare: no chosen pool runs a chosen workload on these backends; see \
             `list`",
        ));
    }
    plan.announce(places.iter().flat_map(|(_, matchups)| matchups), watch);
    let mut all = Vec::new();
    for (environment, matchups) in &places {
        for matchup in matchups {
            if plan.interrupt.is_raised() {
                return Ok(all);
            }
            watch.workload(matchup);
            let mut outcomes = contend(matchup, environment, plan, watch);
            for Outcome { pool, measurement, .. } in &mut outcomes {
                if measurement.errors == 0 {
                    let trips = round_trips::per_operation(environment, matchup.workload, *pool);
                    // An error here is one of the proxy, not of the pool.
                    measurement.round_trips = trips.ok().flatten();
                }
            }
            if !outcomes.is_empty() {
                watch.outcome(matchup, &outcomes);
            }
            all.extend(outcomes);
        }
    }
    Ok(all)
}

fn chosen_workloads(names: &[String]) -> Result<Vec<Box<dyn AnyWorkload>>, Failure> {
    let mut workloads = workload::all();
    for name in names {
        let scenarios = || Scenario::ALL.into_iter().map(Scenario::name);
        let others = || {
            scenarios().chain(Sweep::ALL.map(Sweep::name)).chain([Breakdown::NAME, Footprint::NAME])
        };
        let known = || workloads.iter().map(|workload| workload.name()).chain(others());
        if !known().any(|known| known == name) {
            let known = known().collect::<Vec<_>>().join(", ");
            return Err(Failure::new(format_args!("no workload `{name}`; there are {known}")));
        }
    }
    workloads
        .retain(|workload| names.is_empty() || names.iter().any(|name| name == workload.name()));
    Ok(workloads)
}

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
pub(crate) fn contend(
    matchup: &Matchup<'_>,
    environment: &Environment,
    plan: &Plan,
    watch: &mut dyn Watch,
) -> Vec<Outcome> {
    let mut runs: Vec<_> =
        matchup.pools.iter().map(|&pool| enter(matchup, environment, plan, pool)).collect();
    let (rounds, window) = plan.turns(matchup.backend, matchup.workload.name());
    let order = order(matchup);
    for round in 0..=rounds {
        for place in turns(round, &order) {
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

/// Whether allocations are counted: only if nothing but the pool allocates, and threads only
/// borrow. On other backends the driver allocates.
fn counts_allocations(matchup: &Matchup<'_>) -> bool {
    const COUNTED: [&str; 5] = ["uncontended", "as-many", "starved", "long-holds", "short-holds"];
    matchup.backend == Backend::Synthetic && COUNTED.contains(&matchup.workload.name())
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
        let operations = (LONG - SHORT) * matchup.workload.threads() as u64;
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
    let rivals = claims::rivals(matchup.backend, matchup.workload.name());
    let last = rivals.len();
    let rank = |&place: &usize| {
        rivals.iter().position(|rival| *rival == matchup.pools[place]).unwrap_or(last)
    };
    let mut order: Vec<_> = (0..matchup.pools.len()).collect();
    order.sort_by_key(rank); // stable
    order
}

/// The order of turns in a round. Each round begins with the next contender and runs in the
/// opposite direction. So no contender always follows the same one, whose effects it would inherit.
fn turns(round: usize, order: &[usize]) -> impl Iterator<Item = usize> {
    let len = order.len();
    (0..len).map(move |turn| {
        let step = if round.is_multiple_of(2) { turn } else { len - turn };
        order[(round + step) % len]
    })
}

fn enter(
    matchup: &Matchup<'_>,
    environment: &Environment,
    plan: &Plan,
    pool: ContenderKind,
) -> Run {
    let mut rounds = Rounds::default();
    let runner = match matchup.workload.runner(environment, pool) {
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
    let Matchup { backend, workload, .. } = matchup;
    let ops_per_s = rounds.ops_per_s();
    let (ops_per_s_min, ops_per_s_max) = rounds.ops_per_s_range();
    let (_, window) = plan.turns(*backend, workload.name());
    let measurement = Measurement {
        backend: backend.name().into(),
        workload: workload.name().into(),
        pool: pool.name().into(),
        threads: workload.threads(),
        size: workload.size(),
        hold_ns: workload.hold(*backend).duration().as_nanos() as u64,
        hold: workload.hold(*backend).kind(),
        think_ns: workload.think().as_nanos() as u64,
        ideal_wait_ns: workload.ideal_wait(*backend).map(|wait| wait.as_nanos() as u64),
        rounds: rounds.turns().len(),
        window_ms: window.as_secs_f64() * 1e3,
        ops: rounds.ops(),
        ns_per_op: (ops_per_s > 0.0).then(|| workload.threads() as f64 * 1e9 / ops_per_s),
        ops_per_s,
        ops_per_s_min,
        ops_per_s_max,
        wait_p50_ns: rounds.waits().at(0.5),
        wait_p99_ns: rounds.waits().at(0.99),
        wait_p999_ns: rounds.waits().at(0.999),
        wait_max_ns: rounds.waits().max(),
        fairness: rounds.fairness(),
        opened: runner.as_ref().map_or(0, Runner::opened),
        writes_per_s: rounds.writes_per_s(),
        errors: rounds.errors(),
        first_error: rounds.first_error().map(ToString::to_string),
        cpu_user_s: usage.map(|usage| usage.cpu_user_s),
        cpu_system_s: usage.map(|usage| usage.cpu_system_s),
        switches_voluntary: usage.map(|usage| usage.switches_voluntary),
        switches_involuntary: usage.map(|usage| usage.switches_involuntary),
        wait_distribution: distribution::of(rounds.waits()),
        fair_after_ms: None,
        round_trips: None,
        allocations_per_op,
    };
    let turns = rounds.turns().to_vec();
    Outcome { pool, measurement, turns, first_error: rounds.first_error().cloned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    struct Silent;

    impl Watch for Silent {}

    fn plan() -> Plan {
        Plan {
            backends: vec![Backend::Synthetic],
            pools: Vec::new(),
            workloads: Vec::new(),
            scale: 0.1,
            rounds: 1,
            window: Duration::from_millis(1),
            mysql_url: None,
            interrupt: Interrupt::default(),
        }
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
        let workloads = vec!["uncontended".into(), "as-many".into()];
        let plan = Plan { pools, workloads, rounds: 3, interrupt, ..plan() };
        let outcomes = compare(&plan, &mut watch).unwrap();
        let row = |it: Outcome| (it.measurement.workload, it.pool.name(), it.turns.len());
        outcomes.into_iter().map(row).collect()
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
        let interrupt = Interrupt::default();
        let plan = Plan {
            workloads: vec!["outage".into()],
            scale: 1e6, // of 14 s
            window: Duration::from_secs(1_000_000),
            interrupt: interrupt.clone(),
            ..plan()
        };
        let matchup = Matchup {
            backend: Backend::Synthetic,
            workload: &workload::Uncontended,
            pools: vec![ContenderKind::Floor],
        };
        let raiser = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            interrupt.raise();
        });
        let outcomes = contend(&matchup, &Environment::Synthetic, &plan, &mut Silent);
        raiser.join().unwrap();
        assert!(outcomes.is_empty(), "it has not even warmed up");
        assert_eq!(run_scenarios(&plan, &mut Silent).unwrap(), []);
    }

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

    fn refusal(plan: &Plan) -> String {
        compare(plan, &mut Silent).expect_err("nothing can be compared").to_string()
    }

    #[test]
    fn every_round_begins_with_the_next_contender_and_reverses_the_direction() {
        let orders: Vec<Vec<_>> = (0..4).map(|round| turns(round, &[7, 8, 9]).collect()).collect();
        assert_eq!(orders, [[7, 8, 9], [8, 7, 9], [9, 7, 8], [7, 9, 8]]);
    }

    #[test]
    fn contenders_that_a_claim_compares_take_turns_side_by_side() {
        let everywhere = Plan { backends: Vec::new(), ..plan() };
        let side_by_side = |backend, workload: &dyn AnyWorkload| {
            let matchup = everywhere.matchup(backend, workload).expect("it takes place");
            let order = order(&matchup);
            assert_eq!(BTreeSet::from_iter(&order).len(), matchup.pools.len());
            order.into_iter().map(|place| matchup.pools[place].name()).take(4).collect::<Vec<_>>()
        };
        let from_mysql = side_by_side(Backend::Mysql, &workload::PointSelect);
        assert_eq!(from_mysql, ["shared", "dedicated", "mysql-pool", "r2d2-mysql"]);
        let from_sqlite = side_by_side(Backend::Sqlite, &workload::PointSelect);
        assert_eq!(from_sqlite[..3], ["shared", "persistent", "queue"], "no claim, no change");
    }

    #[test]
    fn a_claim_on_mariadb_is_judged_by_more_and_shorter_turns() {
        let plan = Plan { rounds: 5, window: Duration::from_millis(200), ..plan() };
        let ms = |(rounds, window): (usize, Duration)| (rounds, window.as_millis());
        assert_eq!(ms(plan.turns(Backend::Mysql, "point-select")), (20, 100));
        assert_eq!(ms(plan.turns(Backend::Mysql, "starved")), (5, 200));
        assert_eq!(ms(plan.turns(Backend::Synthetic, "uncontended")), (5, 200));
    }

    #[test]
    fn an_unknown_workload_is_refused_with_the_known_names() {
        let error = refusal(&Plan { workloads: vec!["nap".into()], ..plan() });
        assert!(error.contains("no workload `nap`"), "{error}");
        assert!(error.contains("uncontended, as-many, starved"), "{error}");
    }

    #[test]
    fn a_plan_without_a_contender_is_refused() {
        let error = refusal(&Plan { pools: vec![ContenderKind::MysqlPool], ..plan() });
        assert!(error.contains("nothing to compare"), "{error}");
    }

    #[test]
    fn a_contender_that_cannot_be_built_is_an_outcome_with_an_error() {
        let matchup = Matchup {
            backend: Backend::Synthetic,
            workload: &workload::Uncontended,
            pools: vec![ContenderKind::MysqlPool],
        };
        let outcomes = contend(&matchup, &Environment::Synthetic, &plan(), &mut Silent);
        let [outcome] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert_eq!((outcome.measurement.ops, outcome.measurement.errors), (0, 1));
        assert_eq!(outcome.measurement.ns_per_op, None);
        assert!(outcome.first_error.is_some());
    }
}
