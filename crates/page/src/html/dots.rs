//! Dots from the median to the longest on a logarithmic axis.

use maud::{Markup, html};

use super::axis::Decades;
use super::svg::{Drawing, LABELS, Label, ROW, WIDTH, circle, decades, line, path, row, text};

const BEGIN: f64 = LABELS + 10.0;
const END: f64 = WIDTH - 20.0; // room for half of the last tick's name

/// A row: four waits in nanoseconds, in rising order. `None`: no operation succeeded.
pub(super) struct Range<'a> {
    pub(super) label: Label<'a>,
    pub(super) waits: Option<[f64; 4]>,
    pub(super) told: String,
}

/// Draws rows, and a line at the ideal wait if there is one.
pub(super) fn draw(rows: &[Range<'_>], ideal: Option<f64>) -> Drawing {
    let values = rows.iter().flat_map(|row| row.waits.into_iter().flatten()).chain(ideal);
    let axis = Decades::around(values, (BEGIN, END));
    let head = if ideal.is_some() { 18.0 } else { 4.0 };
    let foot = head + ROW * rows.len() as f64;
    let body = html! {
        (decades(axis, head, foot))
        @if let Some(ideal) = ideal {
            @let x = axis.at(ideal);
            (line("mark", (x, head - 2.0), (x, foot)))
            (text("tick", x, head - 6.0, "ideal"))
        }
        @for (number, row) in rows.iter().enumerate() {
            (draw_row(row, head + ROW * (number as f64 + 0.5), axis))
        }
    };
    Drawing { height: foot + 20.0, body }
}

fn draw_row(range: &Range<'_>, y: f64, axis: Decades) -> Markup {
    let marks = match range.waits.map(|waits| waits.map(|ns| axis.at(ns))) {
        None => text("remark", BEGIN, y + 4.0, "nothing succeeded"),
        Some([p50, p99, p999, max]) => html! {
            (line("thin", (p50, y), (max, y)))
            (line("thick", (p50, y), (p99, y)))
            (line("stroke", (p999, y - 5.0), (p999, y + 5.0)))
            (circle("ring", (max, y), 4.0, ""))
            (path("dot", &format!("M{p99:.1} {:.1}l5.5 5.5 -5.5 5.5 -5.5 -5.5z", y - 5.5)))
            (circle("dot", (p50, y), 4.0, ""))
        },
    };
    row(&range.label, y, &range.told, &marks)
}
