//! The most telling plots as SVG files of their own, to be shown in documents.
//!
//! Each has its question, how to read it and where it is from in it, and is readable in light and dark:
//! the picture has its own background, since not every viewer tells it which it is on.

use super::answer;
use super::escape::Escaped;
use super::matchup::{Matchup, matchups};
use super::plot::{Drawing, Plot, WIDTH};
use super::{breakdown, scenarios, sweep, timeline, waits};
use crate::backend::Backend;
use crate::report::Report;
use crate::scenario::Scenario;

/// The marks' style, which the page has, too.
pub(super) const STYLE: &str = include_str!("plot.css");
const TEXT: &str = "\
text { font-family: system-ui, -apple-system, \"Segoe UI\", Roboto, \"DejaVu Sans\", sans-serif; }
.card { fill: var(--card); }
svg .question { font-size: 13px; font-weight: 700; }
";
const KEY: &str = "Blue is threadwise, orange are other pools, grey is for comparison only.";
const MARGIN: f64 = 14.0;
/// How many letters there is room for in a line of the question, and of what is below the plot.
const QUESTION: usize = 44;
const SMALL: usize = 60;
/// A chart is shown larger than a plot on the page.
const SCALE: f64 = 1.5;

/// A file's name without its ending, which stays the same for ever, and what is in it.
pub(super) struct Chart {
    pub(super) name: &'static str,
    pub(super) svg: String,
}

/// Those whose figures are in the report, at most six.
pub(super) fn of(report: &Report) -> Vec<Chart> {
    let matchups = matchups(&report.results);
    let find = |backend: Backend, workload: &str| {
        let is_it = |matchup: &&Matchup<'_>| {
            matchup.rows[0].backend == backend.name() && matchup.rows[0].workload == workload
        };
        matchups.iter().find(is_it)
    };
    let plots = [
        ("checkout", find(Backend::Synthetic, "uncontended").map(answer::plot)),
        ("reading", find(Backend::Mysql, "point-select").map(answer::plot)),
        ("waits", find(Backend::Synthetic, "long-holds").and_then(waits::plot)),
        ("threads", sweep::waits_on(Backend::Mysql, &report.sweep)),
        ("breakdown", breakdown::plots(&report.breakdowns).into_iter().next()),
        ("spike", spike(report)),
    ];
    let about = about(report);
    let drawn = plots.into_iter().filter_map(|(name, plot)| Some((name, plot?)));
    drawn.map(|(name, plot)| Chart { name, svg: svg(&plot, &about) }).collect()
}

/// As it went; of reports that do not have that, how it ended.
fn spike(report: &Report) -> Option<Plot> {
    let is_it = |run: &&crate::scenario::ScenarioRun| {
        (&*run.backend, &*run.scenario) == (Backend::Mysql.name(), Scenario::Spike.name())
    };
    let spikes: Vec<_> = report.scenarios.iter().filter(is_it).cloned().collect();
    timeline::plots(&spikes).into_iter().chain(scenarios::plots(&spikes)).next()
}

/// Where the figures are from.
fn about(report: &Report) -> String {
    let day = report.date.split('T').next().unwrap_or_default();
    let commit: String = report.commit.chars().take(12).collect();
    let cores = report.machine.cores;
    format!("{}, {cores} cores · {day} · commit {commit}", report.machine.cpu)
}

fn svg(plot: &Plot, about: &str) -> String {
    let question = lines(&plot.question, QUESTION);
    let small = [&*plot.reading, KEY, about].map(|text| lines(text, SMALL)).concat();
    let head = MARGIN + 16.0 + 17.0 * question.len() as f64 + 4.0;
    let foot = head + plot.drawing.height() + 14.0;
    let height = foot + 14.0 * small.len() as f64 + 4.0;
    let width = WIDTH + 2.0 * MARGIN;
    let mut text = Drawing::of_height(height);
    text.text("remark", MARGIN, MARGIN + 10.0, &plot.place);
    for (line, number) in question.iter().zip(1_u32..) {
        text.text("question", MARGIN, MARGIN + 12.0 + 17.0 * f64::from(number), line);
    }
    for (line, number) in small.iter().zip(0_u32..) {
        text.text("remark", MARGIN, foot + 14.0 * f64::from(number), line);
    }
    let (title, spoken) = (Escaped(&plot.question), Escaped(&plot.spoken));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" aria-label=\"{title} {spoken}\" \
         viewBox=\"0 0 {width} {height:.0}\" width=\"{:.0}\" height=\"{:.0}\">\n\
         <title>{title}</title>\n\
         <style>\n{STYLE}{TEXT}</style>\n\
         <rect class=\"card\" width=\"{width}\" height=\"{height:.0}\" rx=\"8\"/>\n\
         {}<g transform=\"translate({MARGIN} {head:.0})\">\n{}</g>\n</svg>\n",
        width * SCALE,
        height * SCALE,
        text.body(),
        plot.drawing.body()
    )
}

/// The text in lines of at most so many letters, where no word is longer.
fn lines(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= most => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words() {
        assert_eq!(lines("how long is it?", 8), ["how long", "is it?"]);
        assert_eq!(lines("incomprehensible", 8), ["incomprehensible"]);
        assert_eq!(lines("", 8), [""; 0]);
    }
}
