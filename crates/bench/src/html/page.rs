//! The document: heading, sections in order, style.

use super::escape::Escaped;
use super::matchup::{Matchup, is_ours, kind, matchups};
use super::plot::Plot;
use super::{
    answer, breakdown, claims, fairness, figures, memory, scenarios, sweep, timeline, waits,
};
use crate::names::ContenderKind;
use crate::report::{Measurement, Report};
use crate::sweep::Sweep;

const STYLE: &str = concat!(include_str!("plot.css"), include_str!("page.css"));
/// Fewer rounds, or shorter ones, than it takes for chance to even out.
const FEW_ROUNDS: usize = 3;
const SHORT_MS: f64 = 100.0;

pub(super) fn render(report: &Report) -> String {
    let matchups = matchups(&report.results);
    let mut sections = String::new();
    sections += &errors(report);
    sections += &section("Which pool for which threads?", &answer_lead(&matchups), || {
        grid(matchups.iter().map(answer::plot))
    });
    sections += &section("How long do threads wait?", WAITS, || {
        grid(matchups.iter().filter_map(waits::plot))
    });
    sections += &section("Is everybody served alike?", FAIRNESS, || {
        grid(matchups.iter().filter_map(fairness::plot))
    });
    sections += &section("What does each additional thread cost?", CURVE, || {
        grid(sweep::plots(Sweep::Threads, &report.sweep).into_iter())
    });
    sections += &section("How many connections are enough?", SIZES, || {
        grid(sweep::plots(Sweep::Sizes, &report.sizes).into_iter())
    });
    sections += &section("Where does the time of a query go?", SPLIT, || {
        grid(breakdown::plots(&report.breakdowns).into_iter())
    });
    sections += &section("What do pools keep in memory?", MEMORY, || {
        grid(memory::plots(&report.memory).into_iter())
    });
    sections += &section("What happens when things go wrong?", SCENES, || {
        let timelines = timeline::plots(&report.scenarios);
        grid(scenarios::plots(&report.scenarios).into_iter().chain(timelines))
    });
    let bounds_lead = format!("<p>{CLAIMS} {}</p>", claims::summary(&report.claims));
    sections += &section("Does SharedPool keep its promises?", &bounds_lead, || {
        claims::list(&report.claims)
    });
    sections += &section("All figures", FIGURES, || {
        fold("Tables", matchups.iter().map(figures::table).collect())
    });
    document(&(heading(report) + &contents(&sections)), &sections)
}

const WAITS: &str = "<p>From asking for a connection to having it. Where there are more threads than \
    connections, a line shows for each wait which share of the operations waited no longer: each \
    step upwards leaves a tenth of the rest, <b>●</b> are 50, 99 and 99.9 %, and <b>○</b> on top is the \
    longest. Elsewhere each pool has a row, in which <b>●</b> is the median, <b>◆</b> 99 in 100 waited \
    no longer, <b>|</b> 999 in 1000, and <b>○</b> is the longest. Percentiles are over operations: a \
    pool that serves a few threads all the time has a short median, so look at the longest.</p>";
const FAIRNESS: &str = "<p>Who promises an order should get near to 1. Where connections are held \
    for next to nothing nobody needs one.</p>";
const CURVE: &str = "<p>The same work by more and more threads on the same few connections; each step \
    to the right doubles them. Who needs a connection for each thread ends where there are as many \
    threads as connections.</p>";
const SIZES: &str = "<p>The same work by the same threads on more and more connections. Where a line no \
    longer rises, more of them are of no use. Who needs one for each thread has a single point.</p>";
const MEMORY: &str =
    "<p>What there is besides a driver's connections, measured with a thousand of each.</p>";
const SPLIT: &str = "<p>One thread reads a row, and what it takes from asking for a connection to \
    having given it back has three parts. <b>Round trips</b>: so many as were counted, each as long as a \
    ping. <b>Pool</b>: borrowing and giving back, less the round trips for that. <b>The query \
    itself</b>: what server and driver work for it, which includes preparing the statement where the pool \
    makes the server forget it.</p>";
const SCENES: &str = "<p>Experiments in time: each happens once, and ends in one figure. Of the spike \
    it is shown, too, how it went.</p>";
const CLAIMS: &str = "A dot on the shaded side of the line keeps to the limit. The scale is \
    logarithmic, and ends at eight times the limit.";
const FIGURES: &str = "<p>A dot marks what is no rival: no pool for use, or more connections than the \
    workload has. Trips/op is how often an operation speaks with the server and waits for its answer. \
    CPU/op is processor time for each operation, sleeps/op how often a thread went to sleep for it, \
    preempted/s how often a thread was taken off its processor in each second of processor time. These \
    three are of the whole process: a pool's threads, its own and the writer's, but not a server's.</p>";

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
            "{rounds} of {} ms for each, besides warming up; more and shorter ones for claims on MariaDB",
            report.window_ms
        ),
    };
    let facts = [
        fact("machine", &report.machine.to_string()),
        fact("date", &report.date),
        fact("commit", &report.commit),
        fact("command", &report.command),
        fact("turns", &turns),
    ];
    format!(
        "<header>\n<h1>Connection pools for threads, compared</h1>\n<dl>{}</dl>\n{}{}</header>\n",
        facts.concat(),
        glance(report),
        key(report)
    )
}

/// Says so if they were measured too briefly to say much.
fn glance(report: &Report) -> String {
    let is_known = report.rounds > 0;
    if report.interrupted {
        "<p class=\"note\">This run was interrupted: what is missing was not measured.</p>\n".into()
    } else if is_known && (report.rounds < FEW_ROUNDS || report.window_ms < SHORT_MS) {
        "<p class=\"note\">This was a glance: turns were so few or so short that chance decides much \
         of what is below.</p>\n"
            .into()
    } else {
        String::new()
    }
}

/// Who takes part, and what each of them is, in the colours of the plots.
fn key(report: &Report) -> String {
    let taking_part = |pool: &ContenderKind| {
        let rows = report.results.iter().chain(&report.sweep);
        let results = rows.map(|row| &row.pool);
        results.chain(report.scenarios.iter().map(|run| &run.pool)).any(|it| it == pool.name())
    };
    let item = |pool: ContenderKind| {
        // Of two threads on one connection: only what is no pool at all is a reference there.
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
         <span class=\"swatch reference\"></span> for comparison only: no pool for use, or more connections \
         than the workload has. ★ is the best pool.</p>\n\
         <details><summary>What each of them is</summary>\n<ul class=\"key\">\n{items}</ul></details>\n"
    )
}

fn answer_lead(matchups: &[Matchup<'_>]) -> String {
    format!("<p>{}</p>", answer::summary(matchups))
}

/// A heading, a lead and a body; nothing if there is no body.
fn section(title: &str, lead: &str, body: impl FnOnce() -> String) -> String {
    let body = body();
    if body.is_empty() {
        return body;
    }
    let name: String = title.chars().filter(char::is_ascii_alphabetic).collect();
    format!("<section>\n{HEADING}{name}\">{title}</h2>\n{lead}\n{body}</section>\n")
}

/// How each section begins.
const HEADING: &str = "<h2 id=\"";

/// The way to each section: on a phone the page is long.
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

/// Shown when it is asked for; nothing of nothing.
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

/// What failed, before anything else.
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
    let lead = "<p>Operations that failed, or contenders that could not be built. Their figures are \
                shown, and do not count as best.</p>";
    section("Errors", lead, || match &*items {
        "" => String::new(),
        items => format!("<ul class=\"errors\">\n{items}</ul>\n"),
    })
}
