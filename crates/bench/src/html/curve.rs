//! The curve: throughput and waits as threads grow, for each backend.

use super::contest::{Role, is_ours, kind};
use super::lines::{self, Line, Scale};
use super::plot::{Plot, list};
use crate::pool_kind::PoolKind;
use crate::report::Measurement;
use crate::units::{count, duration};

/// Two plots for each backend.
pub(super) fn plots(curve: &[Measurement]) -> Vec<Plot> {
    let mut backends: Vec<&str> = Vec::new();
    for row in curve {
        if !backends.contains(&&*row.backend) {
            backends.push(&row.backend);
        }
    }
    let plots = backends.into_iter().flat_map(|backend| {
        let rows: Vec<_> = curve.iter().filter(|row| row.backend == backend).collect();
        [throughput(backend, &rows), waits(backend, &rows)]
    });
    plots.collect()
}

fn throughput(backend: &str, rows: &[&Measurement]) -> Plot {
    let lines = lines(rows, |row| (row.ops > 0).then_some(row.ops_per_s));
    let tell = |value: f64| format!("{} operations per second", count(value));
    Plot {
        kind: "curve",
        place: format!("{backend} · curve"),
        question: "Do more threads mean more throughput, or less?".into(),
        spoken: spoken(&lines, tell),
        reading: format!(
            "Upwards: operations per second of all threads. Higher is faster.{}",
            shape(rows)
        ),
        drawing: lines::draw(&lines, Scale::Throughput),
    }
}

fn waits(backend: &str, rows: &[&Measurement]) -> Plot {
    let lines = lines(rows, |row| row.wait_p99_ns.map(|ns| ns as f64));
    Plot {
        kind: "curve",
        place: format!("{backend} · curve"),
        question: "How long is the 99th of 100 waits as threads grow?".into(),
        spoken: spoken(&lines, duration),
        reading: format!(
            "Upwards: p99 wait, each line ten times as long. Lower is sooner.{}",
            shape(rows)
        ),
        drawing: lines::draw(&lines, Scale::Time),
    }
}

fn shape(rows: &[&Measurement]) -> String {
    let Some(row) = rows.first() else { return String::new() };
    let held = match row.hold_ns {
        0 => String::new(),
        ns => format!(", each held for {}", duration(ns as f64)),
    };
    format!(" {} connections{held}.", row.size)
}

/// A line for each contender that has a figure anywhere.
fn lines<'r>(
    rows: &[&'r Measurement],
    figure: impl Fn(&Measurement) -> Option<f64>,
) -> Vec<Line<'r>> {
    let mut lines: Vec<Line<'r>> = Vec::new();
    for row in rows {
        let Some(value) = figure(row) else { continue };
        let point = (row.threads.max(1), value);
        match lines.iter_mut().find(|line| line.pool == row.pool) {
            Some(line) => line.points.push(point),
            None => {
                lines.push(Line { pool: &row.pool, role: role(&row.pool), points: vec![point] });
            }
        }
    }
    lines
}

/// Nobody here has more connections than the rest.
fn role(pool: &str) -> Role {
    match kind(pool) {
        _ if is_ours(pool) => Role::Ours,
        Some(kind) if PoolKind::is_reference(kind, 1, 1) => Role::Reference,
        _ => Role::Peer,
    }
}

fn spoken(lines: &[Line<'_>], tell: impl Fn(f64) -> String) -> String {
    list(lines.iter().map(|line| {
        let ends = [line.points.first(), line.points.last()].into_iter().flatten();
        let ends: Vec<_> =
            ends.map(|&(threads, value)| format!("threads {threads}: {}", tell(value))).collect();
        format!("{}: {}", line.pool, ends.join(", "))
    }))
}
