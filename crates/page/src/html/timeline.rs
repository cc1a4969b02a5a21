//! The spike over time: how many connections the server has.

use maud::{Markup, html};
use threadwise_figures::units::duration;
use threadwise_figures::{Moment, ScenarioRun};

use super::axis::Decades;
use super::lines::{BOTTOM, End, LEFT, RIGHT, Scale, TOP, class, names};
use super::plot::{Plot, list};
use super::svg::{Drawing, circle, decades, path, text};
use crate::matchup::grouped;

/// The left end of the time axis.
const FIRST_MS: f64 = 1.0;

/// Returns a plot for each backend and scenario that has timelines.
pub(super) fn plots<'r>(runs: impl IntoIterator<Item = &'r ScenarioRun>) -> Vec<Plot> {
    let runs = runs.into_iter().filter(|run| !run.timeline.is_empty());
    let groups = grouped(runs, |run| (&run.backend, &run.scenario));
    groups.iter().map(|group| plot(group)).collect()
}

fn plot(runs: &[&ScenarioRun]) -> Plot {
    let ScenarioRun { backend, scenario, .. } = runs[0];
    Plot {
        kind: "timeline",
        place: format!("{backend} · {scenario}"),
        question: "When are connections opened, and when are all threads served?".into(),
        spoken: list(runs.iter().map(|run| told(run))),
        reading:
            "Horizontal axis: time since all threads asked; each grid line is ten times the one \
                  before. Vertical axis: connections at the server, including those being opened. \
                  ●: the first thread is served. ○: the last one is."
                .into(),
        drawing: draw(runs),
    }
}

/// Returns the moments when the first and the last thread were served.
fn served(run: &ScenarioRun) -> Option<[&Moment; 2]> {
    let all = run.timeline.last()?.served;
    let first = run.timeline.iter().find(|moment| moment.served > 0)?;
    let last = run.timeline.iter().find(|moment| moment.served == all)?;
    Some([first, last])
}

fn most(run: &ScenarioRun) -> u64 {
    run.timeline.iter().map(|moment| moment.connections).max().unwrap_or(0)
}

fn told(run: &ScenarioRun) -> String {
    let (pool, most) = (&run.pool, most(run));
    let times = served(run).map(|it| it.map(|moment| duration(moment.ms * 1e6)));
    match times {
        None => format!("{pool}: up to {most} connections, no thread was served"),
        Some([first, last]) => format!(
            "{pool}: up to {most} connections, the first served after {first}, the last after {last}"
        ),
    }
}

struct Frame {
    across: Decades,
    up: Scale,
}

impl Frame {
    fn place(&self, moment: &Moment) -> (f64, f64) {
        let x = self.across.at(moment.ms.max(FIRST_MS) * 1e6);
        (x, self.up.up(moment.connections as f64))
    }
}

fn draw(runs: &[&ScenarioRun]) -> Drawing {
    let times = runs.iter().flat_map(|run| &run.timeline).map(|moment| moment.ms);
    let times = times.chain([FIRST_MS]).map(|ms| ms.max(FIRST_MS) * 1e6);
    let frame = Frame {
        across: Decades::around(times, (LEFT + 6.0, RIGHT)),
        up: Scale::from_zero(runs.iter().map(|run| most(run) as f64)),
    };
    let ends = runs.iter().filter_map(|run| {
        let (x, y) = frame.place(run.timeline.last()?);
        Some(End { pool: &run.pool, x, y })
    });
    let body = html! {
        (frame.up.grid(RIGHT))
        (decades(frame.across, TOP, BOTTOM))
        (text("tick", (LEFT + RIGHT) / 2.0, BOTTOM + 30.0, "time since all threads asked"))
        @for run in runs { (draw_run(run, &frame)) }
        (names(ends.collect()))
    };
    Drawing { height: BOTTOM + 34.0, body }
}

/// Draws the number of connections as steps, and the two moments.
fn draw_run(run: &ScenarioRun, frame: &Frame) -> Markup {
    let begin = (frame.across.at(FIRST_MS * 1e6), frame.up.up(0.0));
    let places = run.timeline.iter().map(|moment| frame.place(moment));
    let steps: String = places.map(|(x, y)| format!("H{x:.1}V{y:.1}")).collect();
    html! {
        g class=(class(&run.pool)) {
            title { (told(run)) }
            (path("curve", &format!("M{:.1} {:.1}{steps}", begin.0, begin.1)))
            @if let Some([first, last]) = served(run) {
                (circle("dot", frame.place(first), 3.5, ""))
                (circle("ring", frame.place(last), 4.0, ""))
            }
        }
    }
}
