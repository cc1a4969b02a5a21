//! The parts that all plots share: the frame, rows with labels, scales.

use std::fmt::Write;
use threadwise_figures::ContenderKind;

use super::escape::Escaped;
use crate::matchup::{Role, is_ours, kind};

/// The width of a plot in units of SVG. It is the width of a phone, so that its letters stay
/// readable there. A wider window shows several plots side by side.
pub(super) const WIDTH: f64 = 360.0;
/// The right end of row labels, with room for a star and the longest name.
pub(super) const LABELS: f64 = 122.0;
/// The distance from one row to the next.
pub(super) const ROW: f64 = 22.0;

/// A plot with its texts.
pub(super) struct Plot {
    /// The kind of plot, for tests and styles.
    pub(super) kind: &'static str,
    /// The backend and the workload.
    pub(super) place: String,
    /// The question that the plot answers.
    pub(super) question: String,
    /// The same figures in words, for screen readers.
    pub(super) spoken: String,
    /// How to read the plot.
    pub(super) reading: String,
    pub(super) drawing: Drawing,
}

impl Plot {
    pub(super) fn render(&self) -> String {
        let Self { kind, place, question, spoken, reading, drawing } = self;
        let (place, question) = (Escaped(place), Escaped(question));
        let (spoken, reading) = (Escaped(spoken), Escaped(reading));
        let svg = drawing.svg(&question.to_string(), &spoken.to_string());
        format!(
            "<figure class=\"plot {kind}\" data-plot=\"{kind}\">\n\
             <figcaption><span class=\"place\">{place}</span>\
             <strong>{question}</strong></figcaption>\n\
             {svg}\
             <p class=\"reading\">{reading}</p>\n</figure>\n"
        )
    }
}

/// The inside of an SVG.
pub(super) struct Drawing {
    height: f64,
    body: String,
}

impl Drawing {
    pub(super) fn of_height(height: f64) -> Self {
        Self { height, body: String::new() }
    }

    pub(super) fn height(&self) -> f64 {
        self.height
    }

    /// Returns all elements.
    pub(super) fn body(&self) -> &str {
        &self.body
    }

    /// Returns the whole SVG. Browsers show `title`; screen readers read `spoken` aloud.
    /// The caller has escaped both.
    pub(super) fn svg(&self, title: &str, spoken: &str) -> String {
        let Self { height, body } = self;
        format!(
            "<svg role=\"img\" aria-label=\"{title} {spoken}\" viewBox=\"0 0 {WIDTH} {height:.0}\">\n\
             <title>{title}</title>\n{body}</svg>\n"
        )
    }

    /// Adds an element as it is. The caller has escaped its text.
    pub(super) fn add(&mut self, element: &str) {
        self.body += element;
        self.body.push('\n');
    }

    pub(super) fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        let text = Escaped(text);
        self.add(&format!("<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{text}</text>"));
    }

    pub(super) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.add(&format!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    /// Begins a row: its label, and a group in the contender's colour that [`end_row`] ends.
    ///
    /// [`end_row`]: Self::end_row
    pub(super) fn begin_row(&mut self, label: &Label<'_>, middle: f64, told: &str) {
        let ours = if is_ours(label.pool) { " own" } else { "" };
        let (role, star) = (label.role.class(), if label.is_best { "★ " } else { "" });
        let about = kind(label.pool).map_or("", ContenderKind::about);
        let (told, about) = (Escaped(told), Escaped(about));
        self.add(&format!("<g class=\"row {role}{ours}\"><title>{told}. {about}</title>"));
        let name = format!("{star}{}", label.pool);
        self.text("label", LABELS, middle + 4.0, &name);
    }

    /// Marks a bar as cut, because it is longer than there is room for.
    pub(super) fn break_bar(&mut self, x: f64, top: f64, height: f64) {
        let (bottom, across) = (top + height + 2.0, height + 4.0);
        self.add(&format!(
            "<path class=\"break\" d=\"M{x} {bottom:.1}l6 -{across} m4 0l-6 {across}\"/>"
        ));
    }

    pub(super) fn end_row(&mut self) {
        self.add("</g>");
    }
}

/// The label before a row.
pub(super) struct Label<'a> {
    pub(super) pool: &'a str,
    pub(super) role: Role,
    pub(super) is_best: bool,
}

/// Joins items with semicolons.
pub(super) fn list(items: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for item in items {
        let between = if text.is_empty() { "" } else { "; " };
        let _ = write!(text, "{between}{item}"); // writing to a string cannot fail
    }
    text
}

/// A logarithmic axis over whole powers of ten.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decades {
    first: i32,
    last: i32,
    from: f64,
    to: f64,
}

impl Decades {
    /// Returns an axis between two places with the fewest decades, at least two, that contain all
    /// values.
    pub(super) fn around(values: impl Iterator<Item = f64>, (from, to): (f64, f64)) -> Self {
        let values = values.filter(|value| value.is_finite()).map(|value| value.max(1.0));
        let (low, high) =
            values.fold((f64::MAX, 1.0_f64), |(low, high), it| (low.min(it), high.max(it)));
        let first = low.min(high).log10().floor() as i32;
        let last = (high.log10().ceil() as i32).max(first + 2);
        Self { first, last, from, to }
    }

    pub(super) fn at(self, value: f64) -> f64 {
        let share =
            (value.max(1.0).log10() - f64::from(self.first)) / f64::from(self.last - self.first);
        self.from + share.clamp(0.0, 1.0) * (self.to - self.from)
    }

    /// Returns each power of ten, and whether there is room for its name.
    pub(super) fn ticks(self) -> impl Iterator<Item = (f64, bool)> {
        let every = 1 + (self.last - self.first) / 6;
        (self.first..=self.last)
            .map(move |power| (10_f64.powi(power), (power - self.first) % every == 0))
    }
}

/// Formats a power of ten of nanoseconds in the unit that gives the shortest text.
pub(super) fn tick_of_time(ns: f64) -> String {
    match ns {
        ns if ns < 1e3 => format!("{ns:.0} ns"),
        ns if ns < 1e6 => format!("{:.0} µs", ns / 1e3),
        ns if ns < 1e9 => format!("{:.0} ms", ns / 1e6),
        ns => format!("{:.0} s", ns / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_contains_all_values() {
        let axis = Decades::around([30.0, 4_000_000.0].into_iter(), (100.0, 300.0));
        let ticks: Vec<_> = axis.ticks().map(|(tick, _)| tick_of_time(tick)).collect();
        assert_eq!(ticks, ["10 ns", "100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms"]);
        assert!(axis.at(30.0) > 100.0 && axis.at(4e6) < 300.0);
        assert!((axis.at(10.0) - 100.0).abs() < 1e-9 && (axis.at(1e7) - 300.0).abs() < 1e-9);
    }

    #[test]
    fn an_axis_of_no_value_or_one_value_still_has_a_length() {
        for values in [&[][..], &[0.0], &[100.0]] {
            let axis = Decades::around(values.iter().copied(), (0.0, 10.0));
            assert!(axis.ticks().count() == 3 && axis.at(1e30) == 10.0, "{values:?}: {axis:?}");
        }
    }
}
