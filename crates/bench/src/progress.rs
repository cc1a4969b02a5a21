//! How far the comparison is: a bar on a terminal, plain lines elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use threadwise_bench::Failure;
use threadwise_bench::backend::Backend;
use threadwise_bench::compare::{Contest, Outcome, Watch};
use threadwise_bench::memory::Footprint;
use threadwise_bench::pool_kind::PoolKind;
use threadwise_bench::report::Measurement;
use threadwise_bench::scenario::{Scenario, Scene};
use threadwise_bench::table;
use threadwise_bench::width::Width;

const BAR: &str = "{msg:32!} {wide_bar} {pos}/{len} turns, {eta} left";

/// Tells of progress on standard error, and prints each table on standard output when it is ready.
#[derive(Clone)]
pub(crate) struct Progress {
    bar: ProgressBar,
    contest: String,
}

impl Progress {
    pub(crate) fn new(terminal: bool) -> Self {
        let bar = if terminal { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        bar.set_message("getting ready");
        Self { bar, contest: String::new() }
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
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
        self.bar.set_position(0); // each curve begins anew
        self.bar.set_length(turns as u64);
        self.bar.set_style(ProgressStyle::with_template(BAR).expect("the template is well-formed"));
        self.bar.reset_eta();
        self.say(&format!("{turns} turns, about {} s", estimate.as_secs() + 1));
    }

    fn workload(&mut self, contest: &Contest<'_>) {
        self.contest = format!("{} · {}", contest.backend, contest.workload.name());
        if self.bar.is_hidden() {
            let pools: Vec<_> = contest.pools.iter().map(|pool| pool.name()).collect();
            eprintln!("{}: {}", self.contest, pools.join(", "));
        }
    }

    fn turn(&mut self, pool: PoolKind) {
        self.bar.set_message(format!("{} · {pool}", self.contest));
        self.bar.inc(1);
    }

    fn outcome(&mut self, contest: &Contest<'_>, outcomes: &[Outcome]) {
        let table = table::render(contest, outcomes, Width::of_output());
        self.bar.suspend(|| super::print(&format!("{table}\n")));
    }

    fn point(&mut self, contest: &Contest<'_>) {
        let (backend, name) = (contest.backend, contest.workload.name());
        let (threads, size) = (contest.workload.threads(), contest.workload.size());
        self.contest = format!("{backend} · {name} · {threads} on {size}");
        if self.bar.is_hidden() {
            eprintln!("{}", self.contest);
        }
    }

    fn curve(&mut self, backend: Backend, points: &[Measurement]) {
        let table = table::render_curve(backend, points, Width::of_output());
        self.bar.suspend(|| super::print(&format!("{table}\n")));
    }

    fn memory(&mut self, footprints: &[Footprint]) {
        let table = table::render_memory(footprints, Width::of_output());
        self.bar.suspend(|| super::print(&format!("{table}\n")));
    }

    fn scenario(&mut self, scenario: Scenario, backend: Backend) {
        self.contest = format!("{backend} · {}", scenario.name());
        self.bar.set_message(self.contest.clone());
        if self.bar.is_hidden() {
            eprintln!("{}", self.contest);
        }
    }

    fn scenes(&mut self, scenario: Scenario, backend: Backend, scenes: &[Scene]) {
        let table = table::render_scenes(scenario, backend, scenes, Width::of_output());
        self.bar.suspend(|| super::print(&format!("{table}\n")));
    }
}
