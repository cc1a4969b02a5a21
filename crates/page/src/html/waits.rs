//! How long threads wait.

use super::cdf::{self, Waited};
use super::dots::{self, Range};
use super::plot::{Plot, list};
use super::svg::Label;
use crate::matchup::{Matchup, Role, role};
use threadwise_figures::Measurement;
use threadwise_figures::units::duration;

/// Returns the plot of waits; `None` if no wait was timed.
///
/// If there are more threads than connections, this draws the whole distribution of waits. For
/// other workloads, and for reports without distributions, it draws dots for each contender.
pub(super) fn plot(matchup: &Matchup<'_>) -> Option<Plot> {
    let row = matchup.rows[0];
    let is_told = |row: &&Measurement| row.ops == 0 || !row.wait_distribution.is_empty();
    if row.threads > row.size && matchup.rows.iter().all(is_told) {
        distribution(matchup)
    } else {
        summary(matchup)
    }
}

fn distribution(matchup: &Matchup<'_>) -> Option<Plot> {
    let ranked = ranked(matchup);
    let served = || ranked.iter().filter(|row| !row.wait_distribution.is_empty());
    served().next()?;
    let lines: Vec<_> = served()
        .map(|row| Waited { pool: &row.pool, role: role(row), points: &row.wait_distribution })
        .collect();
    let unserved = ranked.iter().filter(|row| row.wait_distribution.is_empty());
    let unserved: String =
        unserved.map(|row| format!(" No operation of {} succeeded.", row.pool)).collect();
    Some(Plot {
        kind: "cdf",
        place: matchup.place(),
        question: "What share of the operations waits for how long?".into(),
        spoken: list(ranked.iter().map(|row| told(row))),
        reading: format!(
            "{}. Vertical axis: the share of operations that waited no longer. ● marks 50, 99 and \
             99.9 %, ○ the longest wait. Further left is better. A steep line means that all \
             operations wait about as long.{unserved}",
            matchup.shape()
        ),
        drawing: cdf::draw(&lines, matchup.ideal_wait_ns()),
    })
}

/// Returns the measurements with the shortest p99.9 wait first.
fn ranked<'r>(matchup: &Matchup<'r>) -> Vec<&'r Measurement> {
    matchup.ranked(|row| row.wait_p999_ns.map_or(f64::MIN, |ns| -(ns as f64)))
}

/// Draws four figures for each contender.
fn summary(matchup: &Matchup<'_>) -> Option<Plot> {
    let ranked = ranked(matchup);
    ranked.iter().find_map(|row| row.wait_max_ns)?;
    let best = matchup.best().and_then(|_| {
        let mut rivals = ranked.iter().filter(|row| role(row) != Role::Reference);
        rivals.find(|row| row.errors == 0 && row.wait_p999_ns.is_some())
    });
    let rows: Vec<_> = ranked
        .iter()
        .map(|row| Range {
            label: Label {
                pool: &row.pool,
                role: role(row),
                is_best: best.is_some_and(|best| best.pool == row.pool),
            },
            waits: waits(row),
            told: told(row),
        })
        .collect();
    Some(Plot {
        kind: "waits",
        place: matchup.place(),
        question: "How long does a thread wait for a connection?".into(),
        spoken: list(ranked.iter().map(|row| told(row))),
        reading: format!(
            "{}. ● median, ◆ p99, | p99.9, ○ longest; each grid line is ten times the one before. The \
             shortest p99.9 is first.",
            matchup.shape()
        ),
        drawing: dots::draw(&rows, matchup.ideal_wait_ns()),
    })
}

fn waits(row: &Measurement) -> Option<[f64; 4]> {
    let Measurement { wait_p50_ns, wait_p99_ns, wait_p999_ns, wait_max_ns, .. } = *row;
    let waits = [wait_p50_ns?, wait_p99_ns?, wait_p999_ns?, wait_max_ns?];
    Some(waits.map(|ns| ns as f64))
}

fn told(row: &Measurement) -> String {
    let pool = &row.pool;
    match waits(row).map(|waits| waits.map(duration)) {
        None => format!("{pool}: nothing succeeded"),
        Some([p50, p99, p999, max]) => {
            format!("{pool}: median {p50}, p99 {p99}, p99.9 {p999}, longest {max}")
        }
    }
}
