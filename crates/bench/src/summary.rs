//! A contender's figures for the report, from its rounds.

use std::time::Duration;

use threadwise_figures::{Backend, Measurement};

use crate::distribution;
use crate::measure::Rounds;
use crate::workload::{Order, Workload};

/// Sums up the rounds of a contender, each of which was to take `window`. The caller adds the
/// figures that do not come from the rounds: connections, processor time, round trips and
/// allocations.
pub(crate) fn of_rounds(
    backend: Backend,
    workload: &Workload,
    pool: &str,
    rounds: &Rounds,
    window: Duration,
) -> Measurement {
    let ops_per_s = rounds.median_of(|turn| turn.ops_per_s);
    let (ops_per_s_min, ops_per_s_max) = rounds.ops_per_s_range();
    Measurement {
        backend: backend.name().into(),
        workload: workload.name.into(),
        pool: pool.into(),
        threads: workload.threads,
        size: workload.size,
        hold_ns: workload.hold_on(backend).duration().as_nanos() as u64,
        hold: workload.hold_on(backend).kind(),
        think_ns: workload.think().as_nanos() as u64,
        ideal_wait_ns: workload.ideal_wait(backend).map(|wait| wait.as_nanos() as u64),
        fair_after_ms: match workload.order {
            Order::FairAfter(wait) => Some(wait.as_millis() as usize),
            _ => None,
        },
        rounds: rounds.turns.len(),
        window_ms: window.as_secs_f64() * 1e3,
        ops: rounds.ops,
        ns_per_op: (ops_per_s > 0.0).then(|| workload.threads as f64 * 1e9 / ops_per_s),
        ops_per_s,
        ops_per_s_min,
        ops_per_s_max,
        wait_p50_ns: rounds.waits.at(0.5),
        wait_p99_ns: rounds.waits.at(0.99),
        wait_p999_ns: rounds.waits.at(0.999),
        wait_max_ns: rounds.waits.max(),
        fairness: rounds.median_of(|turn| turn.fairness),
        writes_per_s: rounds.writes_per_s(),
        errors: rounds.errors,
        first_error: rounds.first_error.as_ref().map(ToString::to_string),
        wait_distribution: distribution::of(&rounds.waits),
        ..Measurement::default()
    }
}
