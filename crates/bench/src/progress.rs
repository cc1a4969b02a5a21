//! The progress of a comparison: a bar on a terminal, plain lines otherwise.

use std::time::Duration;

use indicatif::ProgressBar;
use threadwise_bench::Failure;
use threadwise_bench::experiment::Watch;
use threadwise_bench::experiments::scenarios::scenario::Scenario;
use threadwise_bench::matchup::{Matchup, Outcome};
use threadwise_bench::terminal::{self, print};
use threadwise_bench::workload::Workload;
use threadwise_figures::{Backend, ContenderKind, Footprint, Measurement, ScenarioRun};
use threadwise_page::table;
use threadwise_page::width::Width;

/// Shows progress on standard error, and prints each table on standard output when it is ready.
#[derive(Clone)]
pub(crate) struct Progress {
    bar: ProgressBar,
    matchup: String,
}

impl Progress {
    pub(crate) fn with(bar: ProgressBar) -> Self {
        bar.set_message("preparing");
        Self { bar, matchup: String::new() }
    }

    /// Removes the bar.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn show(&self, table: &str) {
        self.bar.suspend(|| print(&format!("{table}\n")));
    }

    /// Says what begins, if there is no bar.
    fn begins(&mut self, place: String) {
        if self.bar.is_hidden() {
            eprintln!("{place}");
        }
        self.matchup = place;
    }

    pub(crate) fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("{line}"));
    }
}

impl Watch for Progress {
    fn left_out(&mut self, backend: Backend, why: &Failure) {
        self.say(&format!("{backend} is left out: {why}"));
    }

    fn begin(&mut self, turns: usize, estimate: Duration) {
        terminal::begin(&self.bar, turns); // each sweep starts over
        self.say(&format!("{turns} turns, about {} s", estimate.as_secs() + 1));
    }

    fn workload(&mut self, matchup: &Matchup<'_>) {
        let Workload { name, threads, size, .. } = matchup.case.workload;
        self.begins(format!("{} · {name} · {threads} on {size}", matchup.backend));
    }

    fn turn(&mut self, pool: ContenderKind) {
        self.bar.set_message(format!("{} · {pool}", self.matchup));
        self.bar.inc(1);
    }

    fn extra(&mut self, turns: usize) {
        self.bar.inc_length(turns as u64);
        if self.bar.is_hidden() {
            eprintln!("{}: undecided, {turns} more turns", self.matchup);
        }
    }

    fn outcome(&mut self, matchup: &Matchup<'_>, outcomes: &[Outcome]) {
        let rows: Vec<_> = outcomes.iter().map(|outcome| &outcome.measurement).collect();
        self.show(&table::render(matchup.case.workload.about, &rows, Width::of_output()));
    }

    fn sweep(&mut self, points: &[Measurement]) {
        self.show(&table::render_sweep(points, Width::of_output()));
    }

    fn memory(&mut self, footprints: &[Footprint]) {
        self.show(&table::render_memory(footprints, Width::of_output()));
    }

    fn scenario(&mut self, scenario: &Scenario, backend: Backend) {
        self.begins(format!("{backend} · {}", scenario.name));
        self.bar.set_message(self.matchup.clone());
    }

    fn runs(&mut self, scenario: &Scenario, runs: &[ScenarioRun]) {
        self.show(&table::render_scenario(scenario.about, runs, Width::of_output()));
    }
}
