//! What an experiment is, what it finds, and what it says meanwhile.

use std::collections::HashSet;
use std::time::Duration;

use threadwise_figures::{Backend, Breakdown, ContenderKind, Footprint, Measurement, ScenarioRun};

use crate::assemble::Case;
use crate::backend::Environment;
use crate::experiments::scenarios::scenario::Scenario;
use crate::matchup::{Matchup, Outcome};
use crate::plan::Plan;
use crate::{Failure, Result};

/// A question to the contenders, or a series of questions.
pub trait Experiment: Sync {
    /// What `list` calls it.
    fn heading(&self) -> &'static str;

    /// Its parts, by whose names a plan chooses them.
    fn parts(&self) -> Vec<Part>;

    /// Measures the parts and contenders that the campaign's plan chooses, and adds what it finds.
    ///
    /// # Errors
    ///
    /// If a backend that the plan names is not available, or nothing is left to measure. Errors of
    /// a contender are part of the findings.
    fn run(&self, campaign: &mut Campaign<'_>) -> Result<()>;
}

/// A part of an experiment.
#[derive(Clone, Debug)]
pub struct Part {
    /// The name in reports and on the command line.
    pub name: &'static str,
    /// The question that it answers, in one line.
    pub about: &'static str,
    /// The numbers of threads and connections, if it has one of each.
    pub shape: Option<(usize, usize)>,
}

impl Part {
    /// A part without a shape.
    pub fn new(name: &'static str, about: &'static str) -> Self {
        Self { name, about, shape: None }
    }
}

/// The figures of all experiments.
#[derive(Debug, Default)]
pub struct Findings {
    /// Of the workloads.
    pub outcomes: Vec<Outcome>,
    /// Of the sweeps. The workload's name of a measurement is the name of its sweep.
    pub sweeps: Vec<Measurement>,
    /// Where time goes.
    pub breakdowns: Vec<Breakdown>,
    /// Memory.
    pub memory: Vec<Footprint>,
    /// Of the scenarios.
    pub scenarios: Vec<ScenarioRun>,
}

impl Findings {
    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.outcomes.is_empty()
            && self.sweeps.is_empty()
            && self.breakdowns.is_empty()
            && self.memory.is_empty()
            && self.scenarios.is_empty()
    }
}

/// A run of experiments.
pub struct Campaign<'c> {
    /// What to measure.
    pub plan: &'c Plan,
    /// What is told meanwhile.
    pub watch: &'c mut dyn Watch,
    /// What was found so far.
    pub findings: Findings,
    left_out: HashSet<Backend>,
}

impl<'c> Campaign<'c> {
    /// A campaign without findings.
    pub fn new(plan: &'c Plan, watch: &'c mut dyn Watch) -> Self {
        Self { plan, watch, findings: Findings::default(), left_out: HashSet::new() }
    }

    /// Prepares a backend. If the plan names neither backends nor a server, one that is not
    /// available is left out: then this returns `None`.
    pub(crate) fn environment(&mut self, backend: Backend) -> Result<Option<Environment>> {
        match Environment::open(backend, self.plan.mysql_url.as_deref()) {
            Ok(environment) => Ok(Some(environment)),
            // If the user named a server, leaving it out would be wrong.
            Err(why) if self.plan.backends.is_empty() && self.plan.mysql_url.is_none() => {
                self.leave_out(backend, &why);
                Ok(None)
            }
            Err(why) => Err(why),
        }
    }

    /// Prepares each chosen backend on which a case runs, and returns its matchups. After an
    /// interrupt the rest is missing.
    pub(crate) fn places<'a>(
        &mut self,
        cases: &'a [Case],
    ) -> Result<Vec<(Environment, Vec<Matchup<'a>>)>> {
        let mut places = Vec::new();
        for backend in Backend::ALL {
            let matchups = cases.iter().filter_map(|case| self.plan.matchup(backend, case));
            let matchups: Vec<_> = matchups.collect();
            if matchups.is_empty() || self.plan.interrupt.is_raised() {
                continue;
            }
            if let Some(environment) = self.environment(backend)? {
                places.push((environment, matchups));
            }
        }
        Ok(places)
    }

    /// Reports that a backend is left out, once.
    pub(crate) fn leave_out(&mut self, backend: Backend, why: &Failure) {
        if self.left_out.insert(backend) {
            self.watch.left_out(backend, why);
        }
    }
}

/// Receives the progress of experiments. By default every method does nothing.
#[expect(unused_variables, reason = "the defaults do nothing")]
pub trait Watch {
    /// A backend is not available, and is left out.
    fn left_out(&mut self, backend: Backend, why: &Failure) {}
    /// The turns of all workloads, or of a sweep on a backend, begin. They take about as long as
    /// the estimate.
    fn begin(&mut self, turns: usize, estimate: Duration) {}
    /// A workload, or a point of a sweep, begins.
    fn workload(&mut self, matchup: &Matchup<'_>) {}
    /// A contender's turn is over, or left out because the contender could not be built.
    fn turn(&mut self, pool: ContenderKind) {}
    /// So many turns follow in addition, because a claim is undecided.
    fn extra(&mut self, turns: usize) {}
    /// A workload is over.
    fn outcome(&mut self, matchup: &Matchup<'_>, outcomes: &[Outcome]) {}
    /// A sweep is over on a backend.
    fn sweep(&mut self, points: &[Measurement]) {}
    /// The memory of the contenders was measured.
    fn memory(&mut self, footprints: &[Footprint]) {}
    /// A scenario begins.
    fn scenario(&mut self, scenario: &Scenario, backend: Backend) {}
    /// A scenario is over on a backend.
    fn runs(&mut self, scenario: &Scenario, runs: &[ScenarioRun]) {}
}

/// Says nothing.
impl Watch for () {}
