//! The scenarios: one figure for each contender.

use super::bars::{self, Bar};
use super::plot::{Plot, list};
use crate::matchup::{Role, capitalised, grouped};
use threadwise_figures::units::duration;
use threadwise_figures::{Report, ScenarioRun};

/// Returns a plot for each scenario on each backend.
pub(super) fn plots<'r>(
    report: &Report,
    runs: impl IntoIterator<Item = &'r ScenarioRun>,
) -> Vec<Plot> {
    let groups = grouped(runs, |run| (&run.backend, &run.scenario));
    groups.into_iter().map(|group| plot(report, group)).collect()
}

fn plot(report: &Report, mut group: Vec<&ScenarioRun>) -> Plot {
    let order = |run: &ScenarioRun| run.figure.unwrap_or(f64::INFINITY);
    group.sort_by(|a, b| order(a).total_cmp(&order(b)));
    let most = group.iter().filter_map(|run| run.figure).fold(1e-9, f64::max);
    let bars: Vec<_> = group.iter().map(|run| bar(run, most)).collect();
    let ScenarioRun { backend, scenario, scale, .. } = group[0];
    let shortened = match *scale {
        scale if scale < 1.0 => format!(" All its times were multiplied by {scale}."),
        _ => String::new(),
    };
    Plot {
        kind: "scenario",
        place: format!("{backend} · {scenario}"),
        question: capitalised(report.question(scenario)),
        spoken: list(group.iter().map(|run| format!("{}: {}", run.pool, figure(run)))),
        reading: format!("Shorter is better.{shortened}"),
        drawing: bars::draw(&bars, 1.0, &[]),
    }
}

fn bar<'s>(run: &'s ScenarioRun, most: f64) -> Bar<'s> {
    let ScenarioRun { opened, served, errors, .. } = run;
    let p99 = run.wait_p99_ms.map_or(String::new(), |ms| format!(", p99 {}", duration(ms * 1e6)));
    let share = run.figure.map(|figure| figure / most);
    Bar {
        remark: format!("{opened} opened, {served} served, {errors} errors{p99}"),
        ..Bar::of(&run.pool, Role::of(&run.pool), share, figure(run))
    }
}

pub(super) fn figure(run: &ScenarioRun) -> String {
    match (run.figure, &*run.unit) {
        (None, _) => "did not happen".into(),
        (Some(ms), "ms") => duration(ms * 1e6),
        (Some(figure), unit) => format!("{figure:.0} {unit}"),
    }
}
