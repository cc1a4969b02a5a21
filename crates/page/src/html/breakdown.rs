//! Where the time of a query goes: a stacked bar for each contender.

use maud::{Markup, html};
use threadwise_figures::units::duration;
use threadwise_figures::{Breakdown, Parts};

use super::plot::{Plot, list};
use super::svg::{Drawing, LABELS, Label, ROW, WIDTH, cut, rect, row, text};
use crate::matchup::{Role, capitalised, grouped};

const BEGIN: f64 = LABELS + 6.0;
const LENGTH: f64 = WIDTH - BEGIN - 62.0; // room for the total
const HEAD: f64 = 22.0;
const PITCH: f64 = ROW + 16.0;
/// Each part's class and name, in the order of the bar.
const PARTS: [(&str, &str); 3] =
    [("pool", "pool"), ("trips", "round trips"), ("query", "the query itself")];

/// Returns a plot for each backend that has breakdowns.
pub(super) fn plots(breakdowns: &[Breakdown]) -> Vec<Plot> {
    let groups = grouped(breakdowns, |breakdown| &breakdown.backend);
    groups.iter().filter_map(|group| plot(group)).collect()
}

fn plot(breakdowns: &[&Breakdown]) -> Option<Plot> {
    let backend = &breakdowns[0].backend;
    let mut ranked: Vec<_> =
        breakdowns.iter().filter_map(|it| Some((&*it.pool, it.parts?))).collect();
    ranked.sort_by(|a, b| a.1.total_ns.total_cmp(&b.1.total_ns));
    // A contender that opens a connection for each use would make all others look the same.
    let is_measure = |pool: &str| Role::of(pool) != Role::Reference;
    let pools = ranked.iter().filter(|(pool, _)| is_measure(pool));
    let totals = |parts: &Parts| parts.total_ns;
    let end = pools.map(|(_, parts)| totals(parts)).fold(0.0, f64::max);
    let end = if end > 0.0 { end } else { ranked.first().map(|it| totals(&it.1))? };
    let failed = breakdowns.iter().filter_map(|it| Some((&it.pool, it.error.as_ref()?)));
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
    let body = html! {
        (key())
        @for (number, (pool, parts)) in ranked.iter().enumerate() {
            (draw_row(pool, parts, HEAD + PITCH * number as f64 + 3.0, end))
        }
    };
    Drawing { height: HEAD + PITCH * ranked.len() as f64 + 4.0, body }
}

/// Names the parts. It shows both colours of the pool's part: other pools' and ours.
fn key() -> Markup {
    html! {
        g.own { (rect("part pool", (BEGIN - 5.0, 3.0), 5.0, 9.0)) }
        @for ((class, name), x) in PARTS.into_iter().zip([BEGIN, BEGIN + 50.0, BEGIN + 134.0]) {
            (rect(&format!("part {class}"), (x, 3.0), 9.0, 9.0))
            (text("remark", x + 13.0, 12.0, name))
        }
    }
}

fn draw_row(pool: &str, parts: &Parts, top: f64, end: f64) -> Markup {
    let height = ROW - 7.0;
    let middle = top + height / 2.0;
    let Parts { pool_ns, query_ns, total_ns, .. } = *parts;
    let mut x = BEGIN;
    let pieces = PARTS.into_iter().zip([pool_ns, parts.round_trips_ns(), query_ns]);
    let pieces = pieces.map(|((class, _), ns)| {
        let width = (LENGTH * ns.max(0.0) / end).min(BEGIN + LENGTH - x).max(0.0);
        let from = x;
        x += width;
        rect(&format!("part {class}"), (from, top), width, height)
    });
    let pieces: Vec<_> = pieces.collect();
    let remark = format!("{} + {} + {}", duration(pool_ns), trips(parts), duration(query_ns));
    let marks = html! {
        @for piece in pieces { (piece) }
        @if total_ns > end * 1.001 { (cut(BEGIN + LENGTH - 14.0, top, height)) }
        (text("figure", WIDTH - 2.0, middle + 4.0, &duration(total_ns)))
        (text("remark below", WIDTH - 2.0, top + height + 12.0, &remark))
    };
    let label = Label { pool, role: Role::of(pool), is_best: false };
    row(&label, middle, &format!("{pool}: {}", told(parts)), &marks)
}
