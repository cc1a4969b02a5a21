//! All figures in tables.

use maud::{Markup, html};
use threadwise_figures::Measurement;
use threadwise_figures::units::{count, duration, three_digits};

use crate::matchup::{Matchup, Role, is_ours, role};

#[rustfmt::skip]
const HEADER: [&str; 15] = [
    "pool", "ops/s", "per op", "p50", "p99", "p99.9", "longest", "fair", "opened", "writes/s", "trips/op",
    "CPU/op", "sleeps/op", "preempted/s", "errors",
];

/// Returns a table, with the fastest contender first.
pub(super) fn table(matchup: &Matchup<'_>) -> Markup {
    html! {
        div.wide {
            table {
                caption {
                    div.still { (matchup.place()) " " span.reading { (matchup.shape()) } }
                }
                thead { tr { @for name in HEADER { th scope="col" { (name) } } } }
                tbody {
                    @for row in matchup.ranked(|row| row.ops_per_s) {
                        tr.own[is_ours(&row.pool)].reference[role(row) == Role::Reference] {
                            th scope="row" {
                                (row.pool)
                                @if role(row) == Role::Reference { " ·" }
                            }
                            @for cell in cells(row) { td { (cell) } }
                        }
                    }
                }
            }
        }
    }
}

fn cells(row: &Measurement) -> [String; 14] {
    // These are of the whole process, so they say most per operation and per second of CPU time.
    let cpu_s = row.cpu_user_s.zip(row.cpu_system_s).map(|(user, system)| user + system);
    let per_op = |total: f64| (row.ops > 0).then(|| total / row.ops as f64);
    let sleeps = row.switches_voluntary.and_then(|switches| per_op(switches as f64));
    let preempted = row.switches_involuntary.zip(cpu_s.filter(|cpu_s| *cpu_s > 0.0));
    let wait = |ns: Option<u64>| ns.map_or_else(dash, |ns| duration(ns as f64));
    [
        count(row.ops_per_s),
        row.ns_per_op.map_or_else(dash, duration),
        wait(row.wait_p50_ns),
        wait(row.wait_p99_ns),
        wait(row.wait_p999_ns),
        wait(row.wait_max_ns),
        three_digits(row.fairness),
        row.opened.to_string(),
        row.writes_per_s.map_or_else(dash, count),
        row.round_trips.map_or_else(dash, |trips| format!("{}", (trips * 100.0).round() / 100.0)),
        cpu_s.and_then(per_op).map_or_else(dash, |cpu_s| duration(cpu_s * 1e9)),
        sleeps.map_or_else(dash, few),
        preempted.map_or_else(dash, |(switches, cpu_s)| count(switches as f64 / cpu_s)),
        row.errors.to_string(),
    ]
}

/// Formats a number that may be far below 1.
fn few(number: f64) -> String {
    if number >= 0.01 || number == 0.0 { three_digits(number) } else { "< 0.01".into() }
}

fn dash() -> String {
    "–".into()
}
