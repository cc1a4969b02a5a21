//! All figures in tables.

use super::contest::{Contest, Role, is_ours, role};
use super::escape::Escaped;
use crate::report::Measurement;
use crate::units::{count, duration, three_digits};

const HEADER: [&str; 11] = [
    "pool", "ops/s", "per op", "p50", "p99", "p99.9", "longest", "fair", "opened", "writes/s",
    "errors",
];

/// A table, fastest first.
pub(super) fn table(contest: &Contest<'_>) -> String {
    let head: String = HEADER.map(|name| format!("<th scope=\"col\">{name}</th>")).concat();
    let rows: String = contest.ranked(|row| row.ops_per_s).into_iter().map(row).collect();
    let (place, shape) = (contest.place(), contest.shape());
    format!(
        "<div class=\"wide\"><table>\n<caption>{} <span class=\"reading\">{}</span></caption>\n\
         <thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n",
        Escaped(place),
        Escaped(shape)
    )
}

fn row(row: &Measurement) -> String {
    let dot = if role(row) == Role::Reference { " ·" } else { "" };
    let own = if is_ours(&row.pool) { " own" } else { "" };
    let cells = cells(row).map(|cell| format!("<td>{}</td>", Escaped(cell))).concat();
    let (class, pool) = (role(row).class(), Escaped(&row.pool));
    format!("<tr class=\"{class}{own}\"><th scope=\"row\">{pool}{dot}</th>{cells}</tr>\n")
}

fn cells(row: &Measurement) -> [String; 10] {
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
        row.errors.to_string(),
    ]
}

fn dash() -> String {
    "–".into()
}
