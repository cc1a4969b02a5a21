//! The document: heading, sections in order, style.

use super::escape::Escaped;
use super::plot::Plot;
use super::{
    answer, breakdown, claims, fairness, figures, memory, scenarios, sweep, timeline, waits,
};
use crate::matchup::{Matchup, is_ours, kind, matchups};
use threadwise_figures::{ContenderKind, Measurement, Report, Sweep, is_enough};

const STYLE: &str = concat!(include_str!("plot.css"), include_str!("page.css"));

pub(super) fn render(report: &Report) -> String {
    let matchups = matchups(report);
    let mut sections = String::new();
    sections += &errors(report);
    sections += &section("Which pool for which threads?", &answer_lead(&matchups), || {
        grid(matchups.iter().map(answer::plot))
    });
    sections += &section("How long do threads wait?", WAITS, || {
        grid(matchups.iter().filter_map(waits::plot))
    });
    sections += &section("Are all threads served alike?", FAIRNESS, || {
        grid(matchups.iter().filter_map(fairness::plot))
    });
    sections += &section("What does each additional thread cost?", THREADS, || {
        grid(sweep::plots(Sweep::Threads, &report.sweep).into_iter())
    });
    sections += &section("How many connections are enough?", SIZES, || {
        grid(sweep::plots(Sweep::Sizes, &report.sizes).into_iter())
    });
    sections += &section("Where does the time of a query go?", BREAKDOWN, || {
        grid(breakdown::plots(&report.breakdowns).into_iter())
    });
    sections += &section("What do pools keep in memory?", MEMORY, || {
        grid(memory::plots(&report.memory).into_iter())
    });
    sections += &section("What happens when things go wrong?", SCENARIOS, || {
        let timelines = timeline::plots(&report.scenarios);
        grid(scenarios::plots(report, &report.scenarios).into_iter().chain(timelines))
    });
    let claims_lead = format!("<p>{CLAIMS} {}</p>", claims::summary(&report.claims));
    sections += &section("Does SharedPool keep its promises?", &claims_lead, || {
        claims::list(&report.claims)
    });
    sections += &section("All figures", FIGURES, || {
        fold("Tables", matchups.iter().map(figures::table).collect())
    });
    document(&(heading(report) + &contents(&sections)), &sections)
}

const WAITS: &str = "<p>A wait is the time from asking for a connection to having it. Some workloads \
    have more threads than connections. Their plots have a line for each pool: it shows for each wait \
    the share of operations that waited no longer. Each step up leaves a tenth of the rest. <b>●</b> \
    marks 50, 99 and 99.9 %, <b>○</b> at the top is the longest wait. In the other workloads each pool \
    has a row: <b>●</b> is the median, <b>◆</b> p99 (99 of 100 operations waited no longer), \
    <b>|</b> p99.9, and <b>○</b> the longest wait. Percentiles are over operations. A pool that always \
    serves the same few threads has a short median, so look at the longest wait, too.</p>";
const FAIRNESS: &str = "<p>A pool that promises to serve threads in order should be near 1. Order \
    does not matter where threads hold connections for almost no time.</p>";
const THREADS: &str = "<p>The same work on the same connections, by more and more threads. Each step \
    to the right doubles the threads. A pool that needs a connection for each thread has no points \
    beyond the number of connections.</p>";
const SIZES: &str = "<p>The same work by the same threads, on more and more connections. Where a line \
    stops rising, more connections do not help. A pool that needs a connection for each thread has a \
    single point.</p>";
const MEMORY: &str =
    "<p>Memory besides the driver's connections, measured with a thousand of each.</p>";
const BREAKDOWN: &str = "<p>One thread reads a row. The time from asking for a connection to having \
    returned it has three parts. <b>Round trips</b>: as many as a proxy counted, each as long as a \
    ping. <b>Pool</b>: borrowing and returning, without the round trips for that. <b>The query \
    itself</b>: the work of the server and the driver. If the pool makes the server forget prepared \
    statements, this includes preparing them again.</p>";
const SCENARIOS: &str = "<p>Each scenario happens once and ends in one figure. The spike has a second \
    plot, which shows its course.</p>";
const CLAIMS: &str = "A claim is a limit that the pool promises to keep. It holds if the dot is on the \
    shaded side of the line. The scale is logarithmic and ends at eight times the limit.";
const FIGURES: &str = "<p>A dot after the name: for comparison only, because it is not a pool for use, \
    or it has more connections than the workload. Trips/op: how often an operation sends something \
    to the server and waits for the answer. CPU/op: processor time for each operation. Sleeps/op: how \
    often a thread fell asleep for each operation. Preempted/s: how often the system took a processor \
    away from a thread, for each second of processor time. The last three are of the whole process: \
    the contender's threads, the pool's own and the writer's, but not the server's.</p>";

fn document(heading: &str, sections: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <meta name=\"color-scheme\" content=\"light dark\"/>\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n\
         <title>threadwise: which pool for which threads?</title>\n<style>\n{STYLE}</style>\n\
         </head>\n<body>\n{heading}<main>\n{sections}</main>\n</body>\n</html>\n"
    )
}

fn heading(report: &Report) -> String {
    let fact = |name: &str, value: &str| match value {
        "" => String::new(),
        value => format!("<div><dt>{name}</dt><dd>{}</dd></div>", Escaped(value)),
    };
    let turns = match report.rounds {
        0 => String::new(),
        rounds => format!(
            "{rounds} of {} ms for each pool, after a warmup; more and shorter ones for claims on MariaDB",
            report.window_ms
        ),
    };
    let facts = [
        fact("machine", &report.stamp.machine.to_string()),
        fact("date", &report.stamp.date),
        fact("commit", &report.stamp.commit),
        fact("command", &report.stamp.command),
        fact("turns", &turns),
    ];
    format!(
        "<header>\n<h1>Connection pools for threads, compared</h1>\n<dl>{}</dl>\n{}{}</header>\n",
        facts.concat(),
        glance(report),
        key(report)
    )
}

/// Returns a warning if the run was interrupted, or too short to say much.
fn glance(report: &Report) -> String {
    let is_known = report.rounds > 0;
    if report.interrupted {
        "<p class=\"note\">This run was interrupted, so some figures are missing.</p>\n".into()
    } else if is_known && !is_enough(report.rounds, report.window()) {
        "<p class=\"note\">This was a glance: it had too few turns, or too short ones, so random \
         differences are large.</p>\n"
            .into()
    } else {
        String::new()
    }
}

/// Lists and explains the contenders that take part, in the colours of the plots.
fn key(report: &Report) -> String {
    let taking_part = |pool: &ContenderKind| {
        let rows = report.results.iter().chain(&report.sweep);
        let results = rows.map(|row| &row.pool);
        results.chain(report.scenarios.iter().map(|run| &run.pool)).any(|it| it == pool.name())
    };
    let item = |pool: ContenderKind| {
        // With 1 thread on 1 connection, only a contender that is no pool at all is a reference.
        let class = match kind(pool.name()) {
            _ if is_ours(pool.name()) => "ours own",
            Some(pool) if pool.is_reference(1, 1) => "reference",
            _ => "peer",
        };
        format!(
            "<li class=\"{class}\"><span class=\"swatch\"></span><span><b>{}</b> {}</span></li>\n",
            pool.name(),
            Escaped(pool.about())
        )
    };
    let items: String = ContenderKind::ALL.into_iter().filter(taking_part).map(item).collect();
    if items.is_empty() {
        return items;
    }
    format!(
        "<p class=\"legend\"><span class=\"swatch ours\"></span> threadwise \
         <span class=\"swatch peer\"></span> other pools \
         <span class=\"swatch reference\"></span> for comparison only: not a pool for use, or it has more \
         connections than the workload. ★ is the best pool.</p>\n\
         <details><summary>What each name means</summary>\n<ul class=\"key\">\n{items}</ul></details>\n"
    )
}

fn answer_lead(matchups: &[Matchup<'_>]) -> String {
    format!("<p>{}</p>", answer::summary(matchups))
}

/// Returns a heading, a lead and a body; an empty string if the body is empty.
fn section(title: &str, lead: &str, body: impl FnOnce() -> String) -> String {
    let body = body();
    if body.is_empty() {
        return body;
    }
    let name: String = title.chars().filter(char::is_ascii_alphabetic).collect();
    format!("<section>\n{HEADING}{name}\">{title}</h2>\n{lead}\n{body}</section>\n")
}

/// The beginning of each section's heading.
const HEADING: &str = "<h2 id=\"";

/// Returns links to all sections, because the page is long on a phone.
fn contents(sections: &str) -> String {
    let headings = sections.split(HEADING).skip(1);
    let headings = headings.filter_map(|rest| rest.split_once("</h2>")?.0.split_once("\">"));
    let items: String = headings
        .map(|(name, title)| format!("<li><a href=\"#{name}\">{title}</a></li>\n"))
        .collect();
    match &*items {
        "" => items,
        items => format!("<nav><ul>\n{items}</ul></nav>\n"),
    }
}

/// Returns a body that the reader can unfold; an empty string if the body is empty.
fn fold(summary: &str, body: String) -> String {
    match &*body {
        "" => body,
        body => format!("<details><summary>{summary}</summary>\n{body}</details>\n"),
    }
}

fn grid(plots: impl Iterator<Item = Plot>) -> String {
    let plots: String = plots.map(|plot| plot.render()).collect();
    if plots.is_empty() { plots } else { format!("<div class=\"grid\">\n{plots}</div>\n") }
}

/// Returns the section about failures, which comes first.
fn errors(report: &Report) -> String {
    let failed = report.results.iter().chain(&report.sweep).filter(|row| row.errors > 0);
    let items: String = failed
        .map(|row| {
            let Measurement { backend, workload, pool, threads, .. } = row;
            let place = format!("{backend} · {workload} · {pool}, threads: {threads}");
            let first = row.first_error.as_deref().unwrap_or("it was not recorded");
            let (place, first) = (Escaped(place), Escaped(first));
            format!("<li><b>{place}</b>: errors: {}, the first: {first}</li>\n", row.errors)
        })
        .collect();
    let lead = "<p>These operations failed, or these contenders could not be built. Their figures are \
                shown, but never count as best.</p>";
    section("Errors", lead, || match &*items {
        "" => String::new(),
        items => format!("<ul class=\"errors\">\n{items}</ul>\n"),
    })
}
