//! What differs by more than the noise: ours against the best peer, workload by workload.

use maud::{Markup, html};
use threadwise_figures::units::three_digits;
use threadwise_figures::{Measurement, Report, ScenarioRun};

use super::cards::finding;
use super::scenarios;
use crate::comparison::{Comparison, Figure, Finding, is_decided};
use crate::matchup::{Matchup, Role, capitalised, grouped, is_ours, role};

/// Returns the list, with what is within the noise folded away; nothing if no peer took part.
pub(super) fn render(report: &Report, matchups: &[Matchup<'_>]) -> Markup {
    let compared = matchups.iter().filter_map(Compared::of);
    let (open, rest): (Vec<_>, Vec<_>) = compared.partition(Compared::differs);
    let (others, same): (Vec<_>, Vec<_>) = rest.into_iter().partition(|it| is_decided(it.matchup));
    let scenarios: Vec<_> =
        runs_by_scenario(report).iter().filter_map(|runs| render_scenario(report, runs)).collect();
    html! {
        @if !open.is_empty() || !others.is_empty() || !same.is_empty() || !scenarios.is_empty() {
            section.differences {
                h2 { "What differs by more than the noise" }
                p.reading {
                    "The best threadwise pool against the best peer: "
                    span.finding.better { span.mark { "▲" } " better" } ", "
                    span.finding.worse { span.mark { "▼" } " worse" } ", "
                    span.finding.same { span.mark { "≈" } " the same" }
                    ". Throughputs differ if no round of one is as fast as any round of the other, p99 \
                     waits if one is 1.5 times the other. Waits are compared if the slowest thread gets \
                     at least a tenth of the fastest one's turns."
                }
                ul.rows {
                    @for compared in &open { (compared.render()) }
                    @for scenario in &scenarios { (scenario) }
                }
                (fold("others", "The best of both are within the noise, other pools differ", &others))
                (fold("same", "All pools are within the noise", &same))
            }
        }
    }
}

fn fold(class: &str, title: &str, rows: &[Compared<'_, '_>]) -> Markup {
    let workloads = if rows.len() == 1 { "workload" } else { "workloads" };
    html! {
        @if !rows.is_empty() {
            details class=(class) {
                summary { (title) ": " (rows.len()) " " (workloads) }
                ul.rows { @for compared in rows { (compared.render()) } }
            }
        }
    }
}

/// Returns the runs of each scenario on the backend with the most contenders, the last of these: a
/// real server rather than a simulated one.
fn runs_by_scenario(report: &Report) -> Vec<Vec<&ScenarioRun>> {
    let groups = grouped(&report.scenarios, |run| &run.scenario).into_iter();
    let of_backends = groups.map(|runs| grouped(runs, |run| &run.backend));
    of_backends.filter_map(|backends| backends.into_iter().max_by_key(Vec::len)).collect()
}

struct Compared<'m, 'r> {
    matchup: &'m Matchup<'r>,
    throughput: Comparison<'r>,
    /// If threads must wait for each other.
    wait: Option<Comparison<'r>>,
}

impl<'m, 'r> Compared<'m, 'r> {
    fn of(matchup: &'m Matchup<'r>) -> Option<Self> {
        let is_meant = |row: &Measurement| role(row) == Role::Ours;
        let throughput = Comparison::of(matchup, Figure::Throughput, is_meant)?;
        let wait = Comparison::of(matchup, Figure::WaitP99, is_meant);
        Some(Self { matchup, throughput, wait: wait.filter(|_| matchup.is_starved()) })
    }

    fn findings(&self) -> impl Iterator<Item = &Comparison<'r>> {
        [Some(&self.throughput), self.wait.as_ref()].into_iter().flatten()
    }

    fn differs(&self) -> bool {
        self.findings().any(|found| found.finding() != Finding::Same)
    }

    fn render(&self) -> Markup {
        item(
            &self.matchup.place(),
            &self.matchup.question(),
            &html! {
                @for found in self.findings() {
                    div {
                        @if found.figure == Figure::WaitP99 { "p99: " }
                        (found.ours.pool)
                        @if let Some(value) = found.figure.of(found.ours) {
                            " " b { (found.figure.text(value)) }
                        }
                        " " (finding(found))
                    }
                }
            },
        )
    }
}

fn item(place: &str, question: &str, findings: &Markup) -> Markup {
    // An older report has no question, and then the name stands for it.
    let is_name = place.ends_with(&question.to_lowercase());
    html! {
        li {
            p.question { span.place { (place) } @if !is_name { " " (question) } }
            (findings)
        }
    }
}

/// Figures of scenarios that differ by less than this factor count as the same.
const SAME: f64 = 1.1;

/// A scenario runs once and has no noise to compare with, so it is always shown.
fn render_scenario(report: &Report, runs: &[&ScenarioRun]) -> Option<Markup> {
    let order = |run: &&&ScenarioRun| run.figure.unwrap_or(f64::INFINITY);
    let best = |is_own: bool| {
        let those = runs.iter().filter(|run| is_ours(&run.pool) == is_own);
        those.min_by(|a, b| order(a).total_cmp(&order(b)))
    };
    let (ours, peer) = (best(true)?, best(false)?);
    let (finding, words) = match ours.figure.zip(peer.figure) {
        Some((one, other)) if one * SAME < other => {
            let times = other / one.max(1e-9);
            (Finding::Better(times), format!("{}× less than", three_digits(times)))
        }
        Some((one, other)) if one > other * SAME => {
            let times = one / other.max(1e-9);
            (Finding::Worse(times), format!("{}× more than", three_digits(times)))
        }
        None if ours.figure.is_some() => (Finding::Better(f64::INFINITY), "unlike".into()),
        None if peer.figure.is_some() => (Finding::Worse(f64::INFINITY), "unlike".into()),
        _ => (Finding::Same, "about the same as".into()),
    };
    let place = format!("{} · {}", ours.backend, ours.scenario);
    Some(item(
        &place,
        &capitalised(report.question(&ours.scenario)),
        &html! {
            div {
                (ours.pool) " " b { (scenarios::figure(ours)) } " "
                span.finding.(finding.class()) {
                    span.mark { (finding.mark()) } " " (words) " " (peer.pool)
                    span.theirs { " (" (scenarios::figure(peer)) ")" }
                }
            }
        },
    ))
}
