//! The most important plots as separate SVG files, for documents.
//!
//! Each file contains its question, how to read it, and the machine, date and commit. It is
//! readable in light and dark: it has its own background, because some viewers do not tell a
//! picture which of the two they use.

use maud::{PreEscaped, html};
use threadwise_figures::{Backend, Report, ScenarioRun};

use super::plot::Plot;
use super::svg::{Px, WIDTH, rect, text};
use super::{breakdown, scenarios, sweep, throughput, timeline, trade, waits};
use crate::matchup::matchups;
use crate::width::between_words;

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

/// Returns the charts whose figures the report has, at most seven.
pub(super) fn of(report: &Report) -> Vec<Chart> {
    let matchups = matchups(report);
    let find = |backend: Backend, workload: &str| {
        matchups.iter().find(|matchup| matchup.is(backend.name(), workload))
    };
    let plots = [
        ("trade", trade::plot(report, &matchups)),
        ("checkout", find(Backend::Synthetic, "uncontended").map(throughput::plot)),
        ("reading", find(Backend::Mysql, "point-select").map(throughput::plot)),
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
        |run: &&ScenarioRun| run.backend == Backend::Mysql.name() && run.scenario == "spike";
    let spikes = || report.scenarios.iter().filter(is_it);
    timeline::plots(spikes()).into_iter().chain(scenarios::plots(report, spikes())).next()
}

/// Names the machine, the date and the commit of the figures.
fn about(report: &Report) -> String {
    let day = report.stamp.date.split('T').next().unwrap_or_default();
    let commit: String = report.stamp.commit.chars().take(12).collect();
    let cores = report.stamp.machine.cores;
    format!("{}, {cores} cores · {day} · commit {commit}", report.stamp.machine.cpu)
}

fn svg(plot: &Plot, about: &str) -> String {
    let question = textwrap::wrap(&plot.question, between_words(QUESTION));
    let small = [&*plot.reading, KEY, about]
        .map(|text| textwrap::wrap(text, between_words(SMALL)))
        .concat();
    let head = MARGIN + 16.0 + 17.0 * question.len() as f64 + 4.0;
    let foot = head + plot.drawing.height + 14.0;
    let height = foot + 14.0 * small.len() as f64 + 4.0;
    let width = WIDTH + 2.0 * MARGIN;
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label={ (plot.question) " " (plot.spoken) }
            viewBox={ "0 0 " (Px(width)) " " (Px(height)) } width=(Px(width * SCALE)) height=(Px(height * SCALE)) {
            title { (plot.question) }
            style { (PreEscaped(STYLE)) (PreEscaped(TEXT)) }
            (rect("card", (0.0, 0.0), width, height))
            (text("remark", MARGIN, MARGIN + 10.0, &plot.place))
            @for (line, number) in question.iter().zip(1_u32..) {
                (text("question", MARGIN, MARGIN + 12.0 + 17.0 * f64::from(number), line))
            }
            @for (line, number) in small.iter().zip(0_u32..) {
                (text("remark", MARGIN, foot + 14.0 * f64::from(number), line))
            }
            g transform={ "translate(" (Px(MARGIN)) " " (Px(head)) ")" } { (plot.drawing.body) }
        }
    };
    // Messages may have control characters, which XML does not allow.
    svg.into_string().replace(|letter: char| letter.is_control() && letter != '\n', "") + "\n"
}
