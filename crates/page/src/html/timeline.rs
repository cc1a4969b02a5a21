//! The spike over time: how many connections the server has.

use super::escape::Escaped;
use super::lines::{self, BOTTOM, End, LEFT, RIGHT, TOP, class};
use super::plot::{Decades, Drawing, Plot, list, tick_of_time};
use crate::matchup::{Role, is_ours};
use threadwise_figures::units::duration;
use threadwise_figures::{Moment, ScenarioRun};

/// The left end of the time axis.
const FIRST_MS: f64 = 1.0;

/// Returns a plot for each backend and scenario that has timelines.
pub(super) fn plots(runs: &[ScenarioRun]) -> Vec<Plot> {
    let mut groups: Vec<Vec<&ScenarioRun>> = Vec::new();
    for run in runs.iter().filter(|run| !run.timeline.is_empty()) {
        let is_alike = |other: &ScenarioRun| {
            (&other.backend, &other.scenario) == (&run.backend, &run.scenario)
        };
        match groups.iter_mut().find(|group| is_alike(group[0])) {
            Some(group) => group.push(run),
            None => groups.push(vec![run]),
        }
    }
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
    /// The number of connections at the top.
    end: f64,
}

impl Frame {
    fn place(&self, moment: &Moment) -> (f64, f64) {
        let x = self.across.at(moment.ms.max(FIRST_MS) * 1e6);
        (x, self.up(moment.connections as f64))
    }

    fn up(&self, connections: f64) -> f64 {
        BOTTOM - connections / self.end * (BOTTOM - TOP)
    }
}

fn draw(runs: &[&ScenarioRun]) -> Drawing {
    let mut drawing = Drawing::of_height(BOTTOM + 34.0);
    let times = runs.iter().flat_map(|run| &run.timeline).map(|moment| moment.ms);
    let times = times.chain([FIRST_MS]).map(|ms| ms.max(FIRST_MS) * 1e6);
    let highest = runs.iter().map(|run| most(run)).max().unwrap_or(0).max(1);
    let (step, steps) = lines::steps(highest as f64);
    let across = Decades::around(times, (LEFT + 6.0, RIGHT));
    let frame = Frame { across, end: step * f64::from(steps) };
    for number in 0..=steps {
        let tick = step * f64::from(number);
        lines::grid(&mut drawing, frame.up(tick), Some(lines::tick_of_count(tick)));
    }
    for (tick, is_named) in across.ticks() {
        let x = across.at(tick);
        drawing.line("grid", (x, TOP), (x, BOTTOM));
        if is_named {
            drawing.text("tick", x, BOTTOM + 15.0, &tick_of_time(tick));
        }
    }
    drawing.text("tick", (LEFT + RIGHT) / 2.0, BOTTOM + 30.0, "time since all threads asked");
    let ends = runs.iter().map(|run| draw_run(&mut drawing, run, &frame)).collect();
    lines::name_lines(&mut drawing, ends);
    drawing
}

/// Draws the number of connections as steps, and the two moments.
fn draw_run<'s>(drawing: &mut Drawing, run: &'s ScenarioRun, frame: &Frame) -> End<'s> {
    let pool: &str = &run.pool;
    let role = if is_ours(pool) { Role::Ours } else { Role::Peer };
    let mut path = format!("M{:.1} {:.1}", frame.across.at(FIRST_MS * 1e6), frame.up(0.0));
    let mut end = End { pool, role, x: LEFT, y: BOTTOM };
    for moment in &run.timeline {
        (end.x, end.y) = frame.place(moment);
        path += &format!("H{:.1}V{:.1}", end.x, end.y);
    }
    let told = Escaped(told(run));
    drawing.add(&format!("<g class=\"{}\"><title>{told}</title>", class(pool, role)));
    drawing.add(&format!("<path class=\"curve\" d=\"{path}\"/>"));
    for (moment, (class, radius)) in
        served(run).into_iter().flatten().zip([("dot", 3.5), ("ring", 4.0)])
    {
        let (x, y) = frame.place(moment);
        drawing.add(&format!(
            "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\"/>"
        ));
    }
    drawing.add("</g>");
    end
}
