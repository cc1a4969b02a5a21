//! A sweep: throughput and waits as the number of threads or connections grows, for each backend.

use threadwise_figures::units::duration;
use threadwise_figures::{Backend, Measurement, Sweep};

use super::lines::{self, Line, Scale};
use super::plot::{Plot, list};
use crate::matchup::grouped;

/// Returns two plots for each backend.
pub(super) fn plots(sweep: Sweep, points: &[Measurement]) -> Vec<Plot> {
    let groups = grouped(points, |row| &row.backend);
    let plots = groups.iter().flat_map(|rows| {
        let backend = &rows[0].backend;
        [throughput(sweep, backend, rows), waits(sweep, backend, rows)]
    });
    plots.collect()
}

/// Returns the plot of waits; `None` if the backend has no sweep.
pub(super) fn waits_on(backend: Backend, points: &[Measurement]) -> Option<Plot> {
    let rows: Vec<_> = points.iter().filter(|row| row.backend == backend.name()).collect();
    (!rows.is_empty()).then(|| waits(Sweep::Threads, backend.name(), &rows))
}

fn throughput(sweep: Sweep, backend: &str, rows: &[&Measurement]) -> Plot {
    let lines = lines(sweep, rows, |row| (row.ops > 0).then_some(row.ops_per_s));
    let scale = Scale::from_zero(values(&lines));
    let question = format!("Do more {} increase or reduce throughput?", grows(sweep));
    let reading = "Vertical axis: operations per second of all threads. Higher is faster.";
    plot(sweep, backend, rows, &lines, scale, question, reading)
}

fn waits(sweep: Sweep, backend: &str, rows: &[&Measurement]) -> Plot {
    let lines = lines(sweep, rows, |row| row.wait_p99_ns.map(|ns| ns as f64));
    let scale = Scale::time(values(&lines));
    let question = format!("How long is the p99 wait with more and more {}?", grows(sweep));
    let reading = "Vertical axis: the wait that 99 of 100 operations do not exceed; each grid line \
                   is ten times the one below. Lower is better.";
    plot(sweep, backend, rows, &lines, scale, question, reading)
}

fn plot(
    sweep: Sweep,
    backend: &str,
    rows: &[&Measurement],
    lines: &[Line<'_>],
    scale: Scale,
    question: String,
    reading: &str,
) -> Plot {
    Plot {
        kind: "sweep",
        place: format!("{backend} · {}", sweep.name()),
        question,
        spoken: spoken(sweep, lines, scale),
        reading: format!("{reading}{}", shape(sweep, rows)),
        drawing: lines::draw(lines, scale, grows(sweep)),
    }
}

/// Returns the name of the horizontal axis.
fn grows(sweep: Sweep) -> &'static str {
    match sweep {
        Sweep::Threads => "threads",
        Sweep::Sizes => "connections",
        Sweep::FairAfter => "ms",
    }
}

fn shape(sweep: Sweep, rows: &[&Measurement]) -> String {
    let Some(row) = rows.first() else { return String::new() };
    let held = match row.hold_ns {
        0 => String::new(),
        ns => format!(", each held for {}", duration(ns as f64)),
    };
    match sweep {
        Sweep::Threads => format!(" {} connections{held}.", row.size),
        Sweep::Sizes => format!(" {} threads; connections{held}.", row.threads),
        Sweep::FairAfter => format!(" {} threads, {} connections.", row.threads, row.size),
    }
}

/// Returns a line for each contender that has at least one figure.
fn lines<'r>(
    sweep: Sweep,
    rows: &[&'r Measurement],
    figure: impl Fn(&Measurement) -> Option<f64>,
) -> Vec<Line<'r>> {
    let point = |row: &&Measurement| Some((sweep.step_of(row).max(1), figure(row)?));
    let groups = grouped(rows.iter().copied(), |row| &row.pool).into_iter();
    let lines = groups
        .map(|rows| Line { pool: &rows[0].pool, points: rows.iter().filter_map(point).collect() });
    lines.filter(|line| !line.points.is_empty()).collect()
}

fn values(lines: &[Line<'_>]) -> impl Iterator<Item = f64> {
    lines.iter().flat_map(|line| &line.points).map(|point| point.1)
}

fn spoken(sweep: Sweep, lines: &[Line<'_>], scale: Scale) -> String {
    list(lines.iter().map(|line| {
        let ends = [line.points.first(), line.points.last()].into_iter().flatten();
        let ends: Vec<_> = ends
            .map(|&(step, value)| format!("{} {step}: {}", grows(sweep), scale.told(value)))
            .collect();
        format!("{}: {}", line.pool, ends.join(", "))
    }))
}
