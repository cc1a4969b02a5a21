//! The most important plots as separate SVG files, for documents.
//!
//! Each file contains its question, how to read it, and the machine, date and commit. It is
//! readable in light and dark: it has its own background, because some viewers do not tell a
//! picture which of the two they use.

use super::answer;
use super::escape::Escaped;
use super::plot::{Drawing, Plot, WIDTH};
use super::{breakdown, scenarios, sweep, timeline, waits};
use crate::matchup::{Matchup, matchups};
use threadwise_figures::{Backend, Report, ScenarioRun};

/// The style of marks. The page uses it, too.
pub(super) const STYLE: &str = include_str!("plot.css");
const TEXT: &str = "\
text { font-family: system-ui, -apple-system, \"Segoe UI\", Roboto, \"DejaVu Sans\", sans-serif; }
.card { fill: var(--card); }
svg .question { font-size: 13px; font-weight: 700; }
";
const KEY: &str = "Blue: threadwise. Orange: other pools. Grey: for comparison only.";
const MARGIN: f64 = 14.0;
/// The longest line of the question, and of the text below the plot, in letters.
const QUESTION: usize = 44;
const SMALL: usize = 60;
/// How much larger a chart is than a plot on the page.
const SCALE: f64 = 1.5;

/// A file's name without its ending, which is stable, and its content.
pub(super) struct Chart {
    pub(super) name: &'static str,
    pub(super) svg: String,
}

/// Returns the charts whose figures the report has, at most six.
pub(super) fn of(report: &Report) -> Vec<Chart> {
    let matchups = matchups(report);
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

/// Returns the timeline of the spike; its final figures if the report has no timeline.
fn spike(report: &Report) -> Option<Plot> {
    let is_it =
        |run: &&ScenarioRun| (&*run.backend, &*run.scenario) == (Backend::Mysql.name(), "spike");
    let spikes: Vec<_> = report.scenarios.iter().filter(is_it).cloned().collect();
    let plots = timeline::plots(&spikes).into_iter();
    plots.chain(scenarios::plots(report, &spikes)).next()
}

/// Names the machine, the date and the commit of the figures.
fn about(report: &Report) -> String {
    let day = report.stamp.date.split('T').next().unwrap_or_default();
    let commit: String = report.stamp.commit.chars().take(12).collect();
    let cores = report.stamp.machine.cores;
    format!("{}, {cores} cores · {day} · commit {commit}", report.stamp.machine.cpu)
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

/// Breaks a text into lines of at most `most` letters. A longer word has its own line.
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
