//! A fleet of real processes: processes of this program, each with its threads and its pool.
//!
//! A process reads its task from its standard input, so that the system's list of processes shows
//! no password. It reports when it is ready, and starts on a signal, so that all processes work in
//! the same window.

use std::io::{BufRead, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use threadwise_bench::child::{Child, START};
use threadwise_bench::{Failure, Result};

use crate::address::Database;
use crate::turn::{self, Load, Setup};

/// The subcommand that starts a process of the fleet.
pub const WORKER: &str = "worker";
const READY: &str = "ready";
const GO: &str = "go";
/// How long after its work a process may take to report.
const PATIENCE: Duration = Duration::from_secs(60);
/// The number of quantiles in which a process reports its waits.
const QUANTILES: usize = 1_000;

/// The task of one process.
#[derive(Clone, Serialize, Deserialize)]
pub struct Task {
    /// The database, as on the command line. May hold a password.
    pub db: String,
    /// Whether the query may write.
    pub allow_writes: bool,
    /// The query.
    pub query: String,
    /// The pool.
    pub setup: Setup,
    /// What its threads do.
    pub load: Load,
}

/// The figures of one process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Outcome {
    ops_per_s: f64,
    waits: u64,
    mean_wait_ns: f64,
    wait_quantiles_ns: Vec<u64>,
    errors: u64,
    error: Option<String>,
}

/// The figures of a real fleet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Processes.
    pub instances: usize,
    /// Operations per second of all of them.
    pub ops_per_s: f64,
    /// From asking for a connection to having it, in nanoseconds: the mean.
    pub wait_mean_ns: f64,
    /// The median.
    pub wait_p50_ns: u64,
    /// The wait that 99 in 100 did not exceed.
    pub wait_p99_ns: u64,
}

/// Runs this many processes of `program` at the same time.
///
/// # Errors
///
/// If a process cannot be started, or fails at its task.
pub fn observe(program: &Path, task: &Task, instances: usize) -> Result<Observed> {
    let task_line = serde_json::to_string(task).map_err(Failure::of)?;
    let start = |_| -> Result<Child> {
        let mut command = Command::new(program);
        command.arg(WORKER);
        let mut process = Child::start("--verify", command)?;
        process.tell(&task_line)?;
        Ok(process)
    };
    let mut fleet = (0..instances).map(start).collect::<Result<Vec<_>, _>>()?;
    for process in &mut fleet {
        let line = process.hear(START)?;
        if line != READY {
            outcome_in(process, &line)?;
        }
    }
    for process in &mut fleet {
        process.tell(GO)?;
    }
    let patience = task.load.warm_up + task.load.window + PATIENCE;
    let outcomes = fleet.iter_mut().map(|process| {
        let line = process.hear(patience)?;
        outcome_in(process, &line)
    });
    Ok(together(&outcomes.collect::<Result<Vec<_>, _>>()?))
}

/// The outcome that a process has written, unless it failed.
fn outcome_in(process: &mut Child, line: &str) -> Result<Outcome> {
    let outcome: Outcome =
        serde_json::from_str(line).map_err(|_| process.failed("ended without figures"))?;
    match &outcome.error {
        Some(error) => Err(Failure::new(format_args!("--verify: a process failed: {error}"))),
        None => Ok(outcome),
    }
}

fn together(outcomes: &[Outcome]) -> Observed {
    let waits: u64 = outcomes.iter().map(|it| it.waits).sum();
    let sum: f64 = outcomes.iter().map(|it| it.mean_wait_ns * it.waits as f64).sum();
    // Each quantile of a process stands for the same number of its waits.
    let mut weighed: Vec<(u64, f64)> = outcomes
        .iter()
        .flat_map(|it| {
            let weight = it.waits as f64 / it.wait_quantiles_ns.len().max(1) as f64;
            it.wait_quantiles_ns.iter().map(move |&ns| (ns, weight))
        })
        .collect();
    weighed.sort_unstable_by_key(|(ns, _)| *ns);
    let at = |share: f64| {
        let mut below = 0.0;
        let found = weighed.iter().find(|(_, weight)| {
            below += weight;
            below >= share * waits as f64
        });
        found.map_or(0, |(ns, _)| *ns)
    };
    Observed {
        instances: outcomes.len(),
        ops_per_s: outcomes.iter().map(|it| it.ops_per_s).sum(),
        wait_mean_ns: sum / waits.max(1) as f64,
        wait_p50_ns: at(0.5),
        wait_p99_ns: at(0.99),
    }
}

/// The main function of a process of the fleet: reads its task, works, and writes its figures. Ends
/// without output if the process that started it has ended.
pub fn work(input: impl BufRead, mut output: impl Write) {
    let mut lines = input.lines().map_while(Result::ok);
    let Some(task) = lines.next() else { return };
    let mut send = |line: &str| writeln!(output, "{line}").and_then(|()| output.flush()).is_ok();
    let ready = serde_json::from_str::<Task>(&task).map_err(Failure::of).and_then(|task| {
        let database = Database::parse(&task.db, task.allow_writes)?;
        Ok((turn::build(&database, task.setup, &task.query)?, task.load))
    });
    let outcome = match ready {
        Err(failure) => Outcome { error: Some(failure.to_string()), ..Outcome::default() },
        Ok((pool, load)) => {
            if !send(READY) || lines.next().as_deref() != Some(GO) {
                return;
            }
            pool.run(load).map_or_else(
                |failure| Outcome { error: Some(failure.to_string()), ..Outcome::default() },
                |turn| outcome(&turn),
            )
        }
    };
    // If this fails, the reader gets no figures and reports that as an error.
    send(&serde_json::to_string(&outcome).unwrap_or_default());
}

fn outcome(turn: &turn::Turn) -> Outcome {
    let quantile = |index: usize| turn.waits.at((index as f64 + 0.5) / QUANTILES as f64);
    Outcome {
        ops_per_s: turn.ops_per_s(),
        waits: turn.waits.count(),
        mean_wait_ns: turn.waits.mean_s() * 1e9,
        wait_quantiles_ns: (0..QUANTILES).filter_map(quantile).collect(),
        errors: turn.errors,
        error: turn.first_error.as_ref().map(ToString::to_string),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_of_processes_are_merged_by_their_number() {
        let outcome = |waits, ns: [u64; 2]| Outcome {
            ops_per_s: 10.0,
            waits,
            mean_wait_ns: ns[0].midpoint(ns[1]) as f64,
            wait_quantiles_ns: ns.into(),
            ..Outcome::default()
        };
        let seen = together(&[outcome(100, [10, 20]), outcome(300, [40, 60])]);
        assert_eq!((seen.instances, seen.ops_per_s), (2, 20.0));
        assert_eq!((seen.wait_p50_ns, seen.wait_p99_ns), (40, 60));
        assert_eq!(seen.wait_mean_ns, (15.0 * 100.0 + 50.0 * 300.0) / 400.0);
    }

    #[test]
    fn a_process_without_a_task_ends_without_output() {
        let mut output = Vec::new();
        work(&b""[..], &mut output);
        assert!(output.is_empty());
        work(&b"no task\n"[..], &mut output);
        assert!(String::from_utf8(output).unwrap().contains("\"error\":\""));
    }
}
