//! The claims, and whether each one held.

use super::escape::Escaped;
use super::plot::{Drawing, WIDTH};
use threadwise_figures::units::three_digits;
use threadwise_figures::{Sense, Verdict};

const HEIGHT: f64 = 22.0;
/// The scale ends at this many times the limit, and begins at the limit divided by it.
const SPAN: f64 = 8.0;

/// Returns a list of all claims with a gauge each; an empty string if there are none.
pub(super) fn list(verdicts: &[Verdict]) -> String {
    let items: String = verdicts.iter().map(item).collect();
    if items.is_empty() { items } else { format!("<ul class=\"claims\">\n{items}</ul>\n") }
}

/// Says how many claims held.
pub(super) fn summary(verdicts: &[Verdict]) -> String {
    let count = |holds| verdicts.iter().filter(|verdict| verdict.holds == holds).count();
    let (held, broken, unjudged) = (count(Some(true)), count(Some(false)), count(None));
    let judged = held + broken;
    let text = match (judged, broken) {
        (0, _) => String::new(),
        (_, 0) => format!("All {held} held in this run."),
        _ => format!("{held} of {judged} held in this run; {broken} did not."),
    };
    if unjudged == 0 {
        return text;
    }
    let rest = format!("{unjudged} could not be judged: the measurement was too short.");
    if text.is_empty() { rest } else { format!("{text} {rest}") }
}

fn item(verdict: &Verdict) -> String {
    let Verdict { workload, promise, sense, limit, measured, holds, .. } = verdict;
    let word = verdict.word();
    let (class, mark) = match holds {
        Some(true) => ("held", "✓"),
        Some(false) => ("broken", "✗"),
        None => ("unjudged", "?"),
    };
    let limit = format!("{} {limit}", sense.name());
    let (measured, range) = (three_digits(*measured), verdict.range());
    let (workload, promise) = (Escaped(workload), Escaped(promise));
    let title = format!("Does it hold? {workload}: {promise}");
    let gauge = gauge(verdict).svg(&title, &format!("{limit}; measured {measured}: {word}"));
    format!(
        "<li class=\"claim {class}\"><p><span class=\"verdict\">{mark} {word}</span> \
         <span class=\"place\">{workload}</span><br/>{promise}</p>{gauge}\
         <p class=\"reading\">{limit}; measured <b>{measured}</b> {range}</p></li>\n"
    )
}

/// Draws the limit in the middle, and shades the side on which the claim holds.
fn gauge(verdict: &Verdict) -> Drawing {
    let mut drawing = Drawing::of_height(HEIGHT);
    let (middle, y) = (WIDTH / 2.0, HEIGHT / 2.0);
    let begin = if verdict.sense == Sense::AtMost { 8.0 } else { middle };
    let width = middle - 8.0;
    drawing.add(&format!(
        "<rect class=\"allowed\" x=\"{begin}\" y=\"{}\" width=\"{width}\" height=\"8\" rx=\"2\"/>",
        y - 4.0
    ));
    drawing.line("grid", (8.0, y), (WIDTH - 8.0, y));
    drawing.line("mark", (middle, 2.0), (middle, HEIGHT - 2.0));
    let distance = (verdict.measured.max(1e-9) / verdict.limit.max(1e-9)).ln() / SPAN.ln();
    let x = middle + (width - 8.0) * distance.clamp(-1.0, 1.0);
    drawing.add(&format!(
        "<g class=\"row ours\"><circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y}\" r=\"5.5\"/></g>"
    ));
    drawing
}
