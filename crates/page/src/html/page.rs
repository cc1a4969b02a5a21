//! The document: the answer first, then what differs, then all plots and tables, folded.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use threadwise_figures::{ContenderKind, Measurement, Report, Sweep, is_enough};

use super::plot::Plot;
use super::{
    breakdown, cards, claims, differences, fairness, figures, memory, scenarios, sweep, throughput,
    timeline, trade, waits,
};
use crate::matchup::{Matchup, Role, matchups};
use crate::unfair::{self, Group};

const STYLE: &str = concat!(include_str!("plot.css"), include_str!("page.css"));
const SECURITY: &str = "default-src 'none'; style-src 'unsafe-inline'";

pub(super) fn render(report: &Report) -> Markup {
    let matchups = matchups(report);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(SECURITY);
                title { "threadwise: which pool for which threads?" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (heading(report))
                main {
                    (answer(report, &matchups))
                    (errors(report))
                    (differences::render(report, &matchups))
                    (unfair(report))
                    (plots(report, &matchups))
                    (tables(&matchups))
                    (about(report))
                }
            }
        }
    }
}

fn heading(report: &Report) -> Markup {
    let stamp = &report.stamp;
    html! {
        header {
            h1 { "Which pool for which threads?" }
            p.reading {
                (stamp.machine.cpu) ", " (stamp.machine.cores) " cores · "
                (stamp.date.split('T').next().unwrap_or_default())
                " · best peer: the best other pool, with the settings that its users get"
            }
            (glance(report))
        }
    }
}

/// Warns if the run was interrupted, or too short to say much.
fn glance(report: &Report) -> Markup {
    let is_short = report.rounds > 0 && !is_enough(report.rounds, report.window());
    html! {
        @if report.interrupted {
            p.note { "This run was interrupted, so some figures are missing." }
        } @else if is_short {
            p.note {
                "This was a glance: it had too few turns, or too short ones, so random differences are \
                 large."
            }
        }
    }
}

/// The cards and the picture.
fn answer(report: &Report, matchups: &[Matchup<'_>]) -> Markup {
    html! {
        section.answer {
            (cards::render(matchups))
            @if let Some(plot) = trade::plot(report, matchups) { (plot.render()) }
        }
    }
}

/// The section about failures; nothing if nothing failed.
fn errors(report: &Report) -> Markup {
    let rows = [&report.results, &report.sweep, &report.sizes, &report.fair_after];
    let failed: Vec<_> = rows.into_iter().flatten().filter(|row| row.errors > 0).collect();
    html! {
        @if !failed.is_empty() {
            section {
                h2 #errors { "Errors" }
                p {
                    "These operations failed, or these contenders could not be built. Their figures are \
                     shown, but never count as best."
                }
                ul.errors { @for row in failed { (error(row)) } }
            }
        }
    }
}

fn error(row: &Measurement) -> Markup {
    let Measurement { backend, workload, pool, threads, errors, first_error, .. } = row;
    let first = first_error.as_deref().unwrap_or("it was not recorded");
    html! {
        li {
            b { (backend) " · " (workload) " · " (pool) ", threads: " (threads) }
            ": errors: " (errors) ", the first: " (first)
        }
    }
}

/// The section about what is unfair; nothing without pools of other languages.
fn unfair(report: &Report) -> Markup {
    let groups = unfair::groups(report);
    html! {
        @if !groups.is_empty() {
            section.unfair {
                h2 { "What is unfair" }
                ul {
                    @for Group { title, lines } in &groups {
                        li { (title) @if !lines.is_empty() { ul { @for line in lines { li { (line) } } } } }
                    }
                }
                @for why in &report.left_out { p.note { (why) } }
            }
        }
    }
}

fn plots(report: &Report, matchups: &[Matchup<'_>]) -> Markup {
    let Report { sweep: threads, sizes, breakdowns, memory, scenarios: runs, .. } = report;
    let mut verdicts: Vec<_> = report.claims.iter().collect();
    verdicts.sort_by_key(|verdict| verdict.holds != Some(false)); // stable
    html! {
        (section("How fast is each pool?", THROUGHPUT, grid(matchups.iter().map(throughput::plot))))
        (section("How long do threads wait?", WAITS, grid(matchups.iter().filter_map(waits::plot))))
        (section(
            "Are all threads served alike?",
            FAIRNESS,
            grid(matchups.iter().filter_map(fairness::plot)),
        ))
        (section(
            "What does each additional thread cost?",
            THREADS,
            grid(sweep::plots(Sweep::Threads, threads)),
        ))
        (section("How many connections are enough?", SIZES, grid(sweep::plots(Sweep::Sizes, sizes))))
        (section("Where does the time of a query go?", BREAKDOWN, grid(breakdown::plots(breakdowns))))
        (section("What do pools keep in memory?", MEMORY, grid(memory::plots(memory))))
        (section(
            "What happens when things go wrong?",
            SCENARIOS,
            grid(scenarios::plots(report, runs).into_iter().chain(timeline::plots(runs))),
        ))
        (section(
            &format!("Does SharedPool keep its promises? {}", claims::summary(&report.claims)),
            CLAIMS,
            claims::list(&verdicts),
        ))
    }
}

fn tables(matchups: &[Matchup<'_>]) -> Markup {
    let tables = html! { @for matchup in matchups { (figures::table(matchup)) } };
    html! { div.tables { (section("All figures", FIGURES, tables)) } }
}

/// A title that unfolds a lead and a body; nothing if the body is empty.
fn section(title: &str, lead: &str, body: Markup) -> Markup {
    html! {
        @if !body.0.is_empty() {
            details.section { summary { h2 { (title) } } p { (PreEscaped(lead)) } (body) }
        }
    }
}

fn grid(plots: impl IntoIterator<Item = Plot>) -> Markup {
    let plots: Vec<_> = plots.into_iter().map(|plot| plot.render()).collect();
    html! { @if !plots.is_empty() { div.grid { @for plot in plots { (plot) } } } }
}

/// Where the figures come from, and the contenders that take part.
fn about(report: &Report) -> Markup {
    let stamp = &report.stamp;
    let turns = match report.rounds {
        0 => String::new(),
        rounds => format!(
            "{rounds} of {} ms for each pool, after a warmup; more and shorter ones for claims on MariaDB",
            report.window_ms
        ),
    };
    let facts = [
        ("machine", stamp.machine.to_string()),
        ("date", stamp.date.clone()),
        ("commit", stamp.commit.clone()),
        ("command", stamp.command.clone()),
        ("turns", turns),
    ];
    let body = html! {
        dl {
            @for (name, value) in facts.iter().filter(|fact| !fact.1.is_empty()) {
                div { dt { (name) } dd { (value) } }
            }
        }
        (key(report))
    };
    section("What was measured, and how", KEY, body)
}

/// Lists and explains the contenders that take part, in the colours of the plots.
fn key(report: &Report) -> Markup {
    let rows = report.results.iter().chain(&report.sweep).map(|row| &row.pool);
    let pools: Vec<_> = rows.chain(report.scenarios.iter().map(|run| &run.pool)).collect();
    let takes_part = |pool: &ContenderKind| pools.iter().any(|it| *it == pool.name());
    html! {
        ul.key {
            @for pool in ContenderKind::ALL.into_iter().filter(takes_part) {
                li.(Role::of(pool.name()).class()) {
                    span.swatch {}
                    span { b { (pool.name()) } " " (pool.about()) ". " (pool.unfair()) }
                }
            }
        }
    }
}

const KEY: &str = "Blue is threadwise, orange is other pools, grey is for comparison only: not a pool \
    for use, one of ours with a manager for r2d2, or it has more connections than the workload. ★ is the best pool.";
const THROUGHPUT: &str = "Operations per second, relative to the best pool of each workload.";
const WAITS: &str = "A wait is the time from asking for a connection to having it. Some workloads \
    have more threads than connections. Their plots have a line for each pool: it shows for each wait \
    the share of operations that waited no longer. Each step up leaves a tenth of the rest. <b>●</b> \
    marks 50, 99 and 99.9 %, <b>○</b> at the top is the longest wait. In the other workloads each pool \
    has a row: <b>●</b> is the median, <b>◆</b> p99 (99 of 100 operations waited no longer), \
    <b>|</b> p99.9, and <b>○</b> the longest wait. Percentiles are over operations. A pool that always \
    serves the same few threads has a short median, so look at the longest wait, too.";
const FAIRNESS: &str = "A pool that promises to serve threads in order should be near 1. Order does \
    not matter where threads hold connections for almost no time.";
const THREADS: &str = "The same work on the same connections, by more and more threads. Each step to \
    the right doubles the threads. A pool that needs a connection for each thread has no points beyond \
    the number of connections.";
const SIZES: &str = "The same work by the same threads, on more and more connections. Where a line \
    stops rising, more connections do not help. A pool that needs a connection for each thread has a \
    single point.";
const MEMORY: &str = "Memory besides the driver's connections, measured with a thousand of each.";
const BREAKDOWN: &str = "One thread reads a row. The time from asking for a connection to having \
    returned it has three parts. <b>Round trips</b>: as many as a proxy counted, each as long as a \
    ping. <b>Pool</b>: borrowing and returning, without the round trips for that. <b>The query \
    itself</b>: the work of the server and the driver. If the pool makes the server forget prepared \
    statements, this includes preparing them again.";
const SCENARIOS: &str = "Each scenario happens once and ends in one figure. The spike has a second \
    plot, which shows its course.";
const CLAIMS: &str = "Those that do not hold are first. A claim is a limit that the pool promises to keep. It holds if the dot is on the \
    shaded side of the line. The scale is logarithmic and ends at eight times the limit.";
const FIGURES: &str = "A dot after the name: for comparison only, because it is not a pool for use, is one \
    of ours with a manager for r2d2, or has more connections than the workload. Trips/op: how often an operation sends something to the \
    server and waits for the answer. CPU/op: processor time for each operation. Sleeps/op: how often a \
    thread fell asleep for each operation. Preempted/s: how often the system took a processor away from \
    a thread, for each second of processor time. The last three are of the whole process: the \
    contender's threads, the pool's own and the writer's, but not the server's.";
