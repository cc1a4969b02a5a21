//! Where the time of a query goes: a stacked bar for each contender.

use super::plot::{Drawing, LABELS, Label, Plot, ROW, WIDTH, list};
use crate::matchup::{Role, capitalised, is_ours, kind};
use threadwise_figures::units::duration;
use threadwise_figures::{Breakdown, Parts};

const BEGIN: f64 = LABELS + 6.0;
const LENGTH: f64 = WIDTH - BEGIN - 62.0; // room for the total
const HEAD: f64 = 22.0;
const PITCH: f64 = ROW + 16.0;
/// Each part's class and name, in the order of the bar.
const PARTS: [(&str, &str); 3] =
    [("pool", "pool"), ("trips", "round trips"), ("query", "the query itself")];

/// Returns a plot for each backend that has breakdowns.
pub(super) fn plots(breakdowns: &[Breakdown]) -> Vec<Plot> {
    let mut backends: Vec<&str> = breakdowns.iter().map(|breakdown| &*breakdown.backend).collect();
    backends.dedup();
    backends.into_iter().filter_map(|backend| plot(backend, breakdowns)).collect()
}

fn plot(backend: &str, breakdowns: &[Breakdown]) -> Option<Plot> {
    let here = || breakdowns.iter().filter(|breakdown| breakdown.backend == backend);
    let mut ranked: Vec<_> = here().filter_map(|it| Some((&*it.pool, it.parts?))).collect();
    ranked.sort_by(|a, b| a.1.total_ns.total_cmp(&b.1.total_ns));
    // A contender that opens a connection for each use would make all others look the same.
    let is_measure = |pool: &str| role(pool) != Role::Reference;
    let pools = ranked.iter().filter(|(pool, _)| is_measure(pool));
    let totals = |parts: &Parts| parts.total_ns;
    let end = pools.map(|(_, parts)| totals(parts)).fold(0.0, f64::max);
    let end = if end > 0.0 { end } else { ranked.first().map(|it| totals(&it.1))? };
    let failed = here().filter_map(|it| Some((&it.pool, it.error.as_ref()?)));
    let failed: String = failed.map(|(pool, error)| format!(" {pool} failed: {error}.")).collect();
    Some(Plot {
        kind: "breakdown",
        place: format!("{backend} · {}", Breakdown::NAME),
        question: capitalised(Breakdown::ABOUT),
        spoken: list(ranked.iter().map(|(pool, parts)| format!("{pool}: {}", told(parts)))),
        reading: format!(
            "1 thread on 1 connection. Shorter is better. A round trip takes as long as a ping on the \
             same connection. A cut bar is longer than there is room for.{failed}"
        ),
        drawing: draw(&ranked, end),
    })
}

fn role(pool: &str) -> Role {
    match kind(pool) {
        _ if is_ours(pool) => Role::Ours,
        Some(kind) if kind.is_reference(1, 1) => Role::Reference,
        _ => Role::Peer,
    }
}

fn told(parts: &Parts) -> String {
    let Parts { total_ns, pool_ns, query_ns, .. } = *parts;
    let [total, pool, query] = [total_ns, pool_ns, query_ns].map(duration);
    format!("{total}, of which pool {pool}, round trips {}, query {query}", trips(parts))
}

fn trips(parts: &Parts) -> String {
    let Parts { round_trips, round_trip_ns, .. } = *parts;
    let number = (round_trips * 100.0).round() / 100.0;
    format!("{number} × {}", duration(round_trip_ns))
}

fn draw(ranked: &[(&str, Parts)], end: f64) -> Drawing {
    let mut drawing = Drawing::of_height(HEAD + PITCH * ranked.len() as f64 + 4.0);
    draw_key(&mut drawing);
    for (number, (pool, parts)) in ranked.iter().enumerate() {
        draw_row(&mut drawing, pool, parts, HEAD + PITCH * number as f64 + 3.0, end);
    }
    drawing
}

fn draw_key(drawing: &mut Drawing) {
    // The key shows both colours of the pool's part: other pools' and ours.
    let both = format!(
        "<rect class=\"part pool\" x=\"{}\" y=\"3\" width=\"5\" height=\"9\"/>",
        BEGIN - 5.0
    );
    drawing.add(&format!("<g class=\"own\">{both}</g>"));
    for ((class, name), x) in PARTS.into_iter().zip([BEGIN, BEGIN + 50.0, BEGIN + 134.0]) {
        drawing.add(&format!(
            "<rect class=\"part {class}\" x=\"{x}\" y=\"3\" width=\"9\" height=\"9\" rx=\"2\"/>"
        ));
        drawing.text("remark", x + 13.0, 12.0, name);
    }
}

fn draw_row(drawing: &mut Drawing, pool: &str, parts: &Parts, top: f64, end: f64) {
    let height = ROW - 7.0;
    let middle = top + height / 2.0;
    let label = Label { pool, role: role(pool), is_best: false };
    drawing.begin_row(&label, middle, &format!("{pool}: {}", told(parts)));
    let mut x = BEGIN;
    let lengths = [parts.pool_ns, parts.round_trips_ns(), parts.query_ns];
    for ((class, _), ns) in PARTS.into_iter().zip(lengths) {
        let width = (LENGTH * ns.max(0.0) / end).min(BEGIN + LENGTH - x).max(0.0);
        drawing.add(&format!(
            "<rect class=\"part {class}\" x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" \
             height=\"{height}\"/>"
        ));
        x += width;
    }
    if parts.total_ns > end * 1.001 {
        drawing.break_bar(BEGIN + LENGTH - 14.0, top, height);
    }
    drawing.text("figure", WIDTH - 2.0, middle + 4.0, &duration(parts.total_ns));
    let Parts { pool_ns, query_ns, .. } = *parts;
    let remark = format!("{} + {} + {}", duration(pool_ns), trips(parts), duration(query_ns));
    drawing.text("remark below", WIDTH - 2.0, top + height + 12.0, &remark);
    drawing.end_row();
}
