//! `report.json`: every field's name, meaning and unit.
//!
//! Names do not change after a release. New ones may be added.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::breakdown::Breakdown;
use crate::footprint::Footprint;
use crate::measurement::Measurement;
use crate::note::Note;
use crate::scenario::ScenarioRun;
use crate::stamp::Stamp;
use crate::verdict::Verdict;

/// The whole file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Where the figures come from.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// The question that each workload and scenario asks, in one line, by its name. This and
    /// the next two are empty or 0 in older reports.
    #[serde(default)]
    pub questions: BTreeMap<String, String>,
    /// How many turns each contender was to have at a workload, besides the warmup. Workloads on
    /// MariaDB with claims, and the sweeps, have another number of turns of another length, and
    /// contenders of undecided claims have extra turns; each measurement has its own numbers.
    #[serde(default)]
    pub rounds: usize,
    /// How long a turn was to take, in milliseconds.
    #[serde(default)]
    pub window_ms: f64,
    /// Whether Ctrl-C ended the run early. Then missing figures were not measured, and the workload
    /// at that moment has fewer rounds than the others.
    #[serde(default)]
    pub interrupted: bool,
    /// One entry for each contender of each workload on each backend, in the order of running.
    pub results: Vec<Measurement>,
    /// The sweep over threads: one entry for each contender at each number of threads on each
    /// backend, with `sweep` as the workload. Older reports have none.
    #[serde(default)]
    pub sweep: Vec<Measurement>,
    /// The sweep over connections: the same at each number of connections, with `sizes` as the
    /// workload. Older reports have none.
    #[serde(default)]
    pub sizes: Vec<Measurement>,
    /// The sweep over `fair_after`: one entry for the shared pool at each value on MySQL, with
    /// `fair-after` as the workload. Older reports have none.
    #[serde(default)]
    pub fair_after: Vec<Measurement>,
    /// The memory of the contenders. Older reports have none.
    #[serde(default)]
    pub memory: Vec<Footprint>,
    /// One entry for each contender of each scenario on each backend. Older reports have none.
    #[serde(default)]
    pub scenarios: Vec<ScenarioRun>,
    /// The claims, and whether each holds in this run: one entry for each claim whose figures are
    /// all among the results, without errors. `claims.rs` has the reason for each. Older reports
    /// have none.
    #[serde(default)]
    pub claims: Vec<Verdict>,
    /// Where the time of a point select goes, with one thread: one entry for each contender on
    /// MySQL. Older reports have none.
    #[serde(default)]
    pub breakdowns: Vec<Breakdown>,
    /// One entry for each pool of another language, in the order of running: what is unfair about it.
    /// This and the next are of `abroad` alone.
    #[serde(default)]
    pub abroad: Vec<Note>,
    /// Why pools of a language, or workloads, are missing.
    #[serde(default)]
    pub left_out: Vec<String>,
}

impl Report {
    /// The question that a workload or a scenario asks; its name if the report has no question for it.
    pub fn question<'r>(&'r self, name: &'r str) -> &'r str {
        self.questions.get(name).map_or(name, String::as_str)
    }

    /// Sets how many turns each contender had, and how long a turn was.
    #[must_use]
    pub fn in_turns(self, rounds: usize, window: Duration) -> Self {
        Self { rounds, window_ms: window.as_secs_f64() * 1e3, ..self }
    }

    /// How long a turn was to take.
    pub fn window(&self) -> Duration {
        Duration::from_secs_f64(self.window_ms / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first version's fields, of which later versions have all.
    const OLD: &str = r#"{
        "machine": {"cpu": "c", "cores": 2, "memory_bytes": 1, "os": "o", "kernel": "k"},
        "commit": "abc", "date": "2026-01-01T00:00:00Z",
        "results": [{
            "backend": "synthetic", "workload": "starved", "pool": "shared", "threads": 32,
            "size": 4, "hold_ns": 100000, "ops": 7, "ns_per_op": 1.5, "ops_per_s": 2.5,
            "wait_p50_ns": 1, "wait_p99_ns": 2, "wait_p999_ns": 3, "wait_max_ns": null,
            "fairness": 0.5, "opened": 4, "writes_per_s": null, "errors": 0
        }]
    }"#;

    #[test]
    fn an_old_report_can_be_read_and_written_again() {
        let report: Report = serde_json::from_str(OLD).unwrap();
        assert_eq!((&*report.stamp.commit, report.stamp.machine.cores), ("abc", 2));
        assert_eq!((report.results[0].wait_p99_ns, report.results[0].think_ns), (Some(2), 0));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.json");
        crate::write_json(&path, &report).unwrap();
        let again: Report = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!((&again.results, &again.stamp), (&report.results, &report.stamp));
    }
}
