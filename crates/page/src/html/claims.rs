//! The claims, and whether each one held.

use maud::{Markup, html};
use threadwise_figures::units::three_digits;
use threadwise_figures::{Sense, Verdict};

use super::svg::{Drawing, WIDTH, circle, line, rect};

const HEIGHT: f64 = 22.0;
/// The scale ends at this many times the limit, and begins at the limit divided by it.
const SPAN: f64 = 8.0;

/// Returns a list of claims with a gauge each; nothing if there are none.
pub(super) fn list(verdicts: &[&Verdict]) -> Markup {
    html! {
        @if !verdicts.is_empty() { ul.claims { @for verdict in verdicts { (item(verdict)) } } }
    }
}

/// Says how many claims held.
pub(super) fn summary(verdicts: &[Verdict]) -> String {
    let count = |holds| verdicts.iter().filter(|verdict| verdict.holds == holds).count();
    let (held, broken) = (count(Some(true)), count(Some(false)));
    let unclear = verdicts.iter().filter(|verdict| verdict.is_undecided()).count();
    let unjudged = count(None) - unclear;
    let judged = held + broken;
    let text = match (judged, broken) {
        (0, _) => String::new(),
        (_, 0) if unclear == 0 => format!("All {held} hold in this run."),
        (_, 0) => format!("{held} hold in this run, and none fails."),
        (_, 1) => format!("{held} of {judged} hold in this run; 1 fails."),
        _ => format!("{held} of {judged} hold in this run; {broken} fail."),
    };
    let unclear = match unclear {
        0 => String::new(),
        _ => format!("Of {unclear} the run cannot tell: the limit lies within the noise."),
    };
    let unjudged = match unjudged {
        0 => String::new(),
        _ => format!("{unjudged} could not be judged: the measurement was too short."),
    };
    let parts = [text, unclear, unjudged];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

fn item(verdict: &Verdict) -> Markup {
    let Verdict { workload, promise, sense, limit, measured, holds, .. } = verdict;
    let word = verdict.word();
    let (class, mark) = match holds {
        Some(true) => ("held", "✓"),
        Some(false) => ("broken", "✗"),
        None => ("unjudged", "?"),
    };
    let limit = format!("{} {limit}", sense.name());
    let measured = three_digits(*measured);
    let title = format!("Does it hold? {workload}: {promise}");
    html! {
        li class={ "claim " (class) } {
            p {
                span.verdict { (mark) " " (word) } " " span.place { (workload) }
                br;
                (promise)
            }
            (gauge(verdict).svg(&title, &format!("{limit}; measured {measured}: {word}")))
            p.reading { (limit) "; measured " b { (measured) } " " (verdict.range()) }
        }
    }
}

/// Draws the limit in the middle, and shades the side on which the claim holds.
fn gauge(verdict: &Verdict) -> Drawing {
    let (middle, y) = (WIDTH / 2.0, HEIGHT / 2.0);
    let begin = if verdict.sense == Sense::AtMost { 8.0 } else { middle };
    let width = middle - 8.0;
    let distance = (verdict.measured.max(1e-9) / verdict.limit.max(1e-9)).ln() / SPAN.ln();
    let x = middle + (width - 8.0) * distance.clamp(-1.0, 1.0);
    let body = html! {
        (rect("allowed", (begin, y - 4.0), width, 8.0))
        (line("grid", (8.0, y), (WIDTH - 8.0, y)))
        (line("mark", (middle, 2.0), (middle, HEIGHT - 2.0)))
        g.row.ours { (circle("dot", (x, y), 5.5, "")) }
    };
    Drawing { height: HEIGHT, body }
}
