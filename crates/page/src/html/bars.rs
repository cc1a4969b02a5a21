//! Bars: a row for each contender, with its figure.

use maud::html;

use super::svg::{Drawing, LABELS, Label, ROW, WIDTH, cut, line, rect, row, text};
use crate::matchup::Role;

/// The left end of bars, and the length of a bar that reaches the end of the scale.
const BEGIN: f64 = LABELS + 6.0;
const LENGTH: f64 = 126.0;

/// A row.
pub(super) struct Bar<'a> {
    pub(super) label: Label<'a>,
    /// The length, relative to the mark. `None`: there is no figure.
    pub(super) share: Option<f64>,
    /// The text to the right of the bar.
    pub(super) figure: String,
    /// The text below the bar; may be empty.
    pub(super) remark: String,
}

impl<'a> Bar<'a> {
    /// A bar of a contender that is not marked as the best, without a remark.
    pub(super) fn of(pool: &'a str, role: Role, share: Option<f64>, figure: String) -> Self {
        let label = Label { pool, role, is_best: false };
        Self { label, share, figure, remark: String::new() }
    }
}

/// Draws rows on a scale that ends at `end`, with a line at each of `marks`.
pub(super) fn draw(bars: &[Bar<'_>], end: f64, marks: &[(f64, String)]) -> Drawing {
    let head = if marks.is_empty() { 4.0 } else { 16.0 };
    let pitch = if bars.iter().any(|bar| !bar.remark.is_empty()) { ROW + 16.0 } else { ROW };
    let height = head + pitch * bars.len() as f64 + 4.0;
    let body = html! {
        @for (at, name) in marks {
            @let x = BEGIN + LENGTH * at / end;
            (line("mark", (x, head - 2.0), (x, height - 2.0)))
            (text("tick", x, head - 6.0, name))
        }
        @for (number, bar) in bars.iter().enumerate() {
            (draw_row(bar, head + pitch * number as f64 + 3.0, end))
        }
    };
    Drawing { height, body }
}

fn draw_row(bar: &Bar<'_>, top: f64, end: f64) -> maud::Markup {
    let height = ROW - 7.0;
    let middle = top + height / 2.0;
    let marks = html! {
        @if let Some(share) = bar.share {
            @let length = (LENGTH * (share / end).clamp(0.0, 1.0)).max(1.5); // always visible
            (rect("bar", (BEGIN, top), length, height))
            @if share > end { (cut(BEGIN + LENGTH - 14.0, top, height)) }
        }
        (text("figure", WIDTH - 2.0, middle + 4.0, &bar.figure))
        @if !bar.remark.is_empty() {
            (text("remark below", WIDTH - 2.0, top + height + 12.0, &bar.remark))
        }
    };
    row(&bar.label, middle, &format!("{}: {}", bar.label.pool, bar.figure), &marks)
}
