//! SVG in parts: marks, texts, and rows with labels.

use std::fmt::Write;

use maud::{Markup, Render, html};
use threadwise_figures::ContenderKind;

use super::axis::{Decades, tick_of_time};
use crate::matchup::{Role, is_ours, kind};

/// The width of a plot in units of SVG. It is the width of a phone, so that its letters stay
/// readable there. A wider window shows several plots side by side.
pub(super) const WIDTH: f64 = 360.0;
/// The right end of row labels, with room for a star and the longest name.
pub(super) const LABELS: f64 = 122.0;
/// The distance from one row to the next.
pub(super) const ROW: f64 = 22.0;

/// A coordinate or a length, with one decimal.
pub(super) struct Px(pub(super) f64);

impl Render for Px {
    fn render_to(&self, buffer: &mut String) {
        let _ = write!(buffer, "{:.1}", self.0); // writing to a string cannot fail
    }
}

/// The inside of an SVG.
pub(super) struct Drawing {
    pub(super) height: f64,
    pub(super) body: Markup,
}

impl Drawing {
    /// Returns the whole SVG. Browsers show `title`; screen readers read `spoken` aloud.
    pub(super) fn svg(&self, title: &str, spoken: &str) -> Markup {
        let view = format!("0 0 {WIDTH} {:.0}", self.height);
        html! {
            svg role="img" aria-label={ (title) " " (spoken) } viewBox=(view) {
                title { (title) }
                (self.body)
            }
        }
    }
}

pub(super) fn text(class: &str, x: f64, y: f64, text: &str) -> Markup {
    html! { text class=(class) x=(Px(x)) y=(Px(y)) { (text) } }
}

pub(super) fn line(class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> Markup {
    html! { line class=(class) x1=(Px(x1)) y1=(Px(y1)) x2=(Px(x2)) y2=(Px(y2)) {} }
}

pub(super) fn rect(class: &str, (x, y): (f64, f64), width: f64, height: f64) -> Markup {
    html! { rect class=(class) x=(Px(x)) y=(Px(y)) width=(Px(width)) height=(Px(height)) rx="2" {} }
}

pub(super) fn path(class: &str, d: &str) -> Markup {
    html! { path class=(class) d=(d) {} }
}

/// A line through points.
pub(super) fn curve(points: impl Iterator<Item = (f64, f64)>) -> Markup {
    let points: Vec<_> = points.map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
    path("curve", &format!("M{}", points.join("L")))
}

/// The vertical lines of a horizontal axis of times, and their names below.
pub(super) fn decades(axis: Decades, top: f64, bottom: f64) -> Markup {
    html! {
        @for (tick, is_named) in axis.ticks() {
            @let x = axis.at(tick);
            (line("grid", (x, top), (x, bottom)))
            @if is_named { (text("tick", x, bottom + 14.0, &tick_of_time(tick))) }
        }
    }
}

/// A circle; browsers show what is `told`.
pub(super) fn circle(class: &str, (x, y): (f64, f64), radius: f64, told: &str) -> Markup {
    html! {
        circle class=(class) cx=(Px(x)) cy=(Px(y)) r=(radius) {
            @if !told.is_empty() { title { (told) } }
        }
    }
}

/// The label before a row.
pub(super) struct Label<'a> {
    pub(super) pool: &'a str,
    pub(super) role: Role,
    pub(super) is_best: bool,
}

/// A row: its label, and its marks in the contender's colour.
pub(super) fn row(label: &Label<'_>, middle: f64, told: &str, marks: &Markup) -> Markup {
    let about = kind(label.pool).map_or("", ContenderKind::about);
    let name = format!("{}{}", if label.is_best { "★ " } else { "" }, label.pool);
    html! {
        g class=(class(label.pool, label.role)) {
            title { (told) ". " (about) }
            (text("label", LABELS, middle + 4.0, &name))
            (marks)
        }
    }
}

/// The classes of all marks of a contender.
pub(super) fn class(pool: &str, role: Role) -> String {
    let own = if is_ours(pool) { " own" } else { "" };
    format!("row {}{own}", role.class())
}

/// Marks a bar as cut, because it is longer than there is room for.
pub(super) fn cut(x: f64, top: f64, height: f64) -> Markup {
    let (bottom, across) = (top + height + 2.0, height + 4.0);
    path("break", &format!("M{x:.1} {bottom:.1}l6 -{across:.1} m4 0l-6 {across:.1}"))
}
