//! A plot with its texts.

use maud::{Markup, html};

use super::svg::Drawing;

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
    pub(super) fn render(&self) -> Markup {
        let Self { kind, place, question, spoken, reading, drawing } = self;
        html! {
            figure class={ "plot " (kind) } data-plot=(kind) {
                figcaption { span.place { (place) } strong { (question) } }
                (drawing.svg(question, spoken))
                p.reading { (reading) }
            }
        }
    }
}

/// Joins items with semicolons.
pub(super) fn list(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join("; ")
}
