//! `report.json`: every field's name, meaning and unit.
//!
//! Names do not change after a release. New ones may be added.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::breakdown::Breakdown;
use crate::claims::Verdict;
use crate::distribution::WaitAt;
use crate::machine::Machine;
use crate::memory::Footprint;
use crate::scenario::ScenarioRun;

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The machine of the measurement.
    pub machine: Machine,
    /// The full commit of the source tree in which the harness was built, with `-dirty` at its end
    /// if files there differ from it; `unknown` without a Git checkout.
    pub commit: String,
    /// When the measurement ended: RFC 3339, UTC.
    pub date: String,
    /// The command, without the URL of a server. This and the next two are empty or 0 in older
    /// reports.
    #[serde(default)]
    pub command: String,
    /// How many turns each contender was to have at a workload, besides the warmup. Workloads on
    /// MariaDB with claims, and the sweeps, have another number of turns of another length, which
    /// each measurement has.
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
}

/// The figures of one contender on one workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// `synthetic`, `sqlite` or `mysql`.
    pub backend: String,
    /// The workload's name.
    pub workload: String,
    /// The contender's name.
    pub pool: String,
    /// Threads that borrow connections.
    pub threads: usize,
    /// Connections that the contender was to have. `dedicated` and `persistent` have one for each
    /// thread instead, `connect-per-use` has no limit: see `opened`.
    pub size: usize,
    /// How long each operation was to hold its connection besides the query, in nanoseconds: asleep
    /// (the system makes it longer), or computing on `short-holds`; the mean on `long-tail`; 0 if
    /// the query alone is the hold, or if there is no hold.
    pub hold_ns: u64,
    /// How many rounds were measured. 0 if the contender could not be built. This and the next are
    /// 0 in older reports.
    #[serde(default)]
    pub rounds: usize,
    /// How long each was to take, in milliseconds.
    #[serde(default)]
    pub window_ms: f64,
    /// Operations (borrow, use, return) that succeeded, all measured rounds together.
    pub ops: u64,
    /// The mean time that one thread took for an operation, in nanoseconds, from the median
    /// throughput: `threads` × 10⁹ / `ops_per_s`. If there are more threads than processors, this
    /// includes the time in which others ran; on `think-time` it includes the idle time. `null` if
    /// no operation succeeded.
    pub ns_per_op: Option<f64>,
    /// Operations per second of all threads together: the median of the measured rounds.
    pub ops_per_s: f64,
    /// Likewise: those of the slowest round. This and the next are 0 in older reports.
    #[serde(default)]
    pub ops_per_s_min: f64,
    /// Likewise: those of the fastest round.
    #[serde(default)]
    pub ops_per_s_max: f64,
    /// The median time from asking for a connection to having it, in nanoseconds, over the timed
    /// operations of all measured rounds. These are all operations, or one in 256 on synthetic
    /// connections without holds and waits. Includes reading the clock, some tens of nanoseconds.
    /// `null` if no operation got a connection.
    pub wait_p50_ns: Option<u64>,
    /// Likewise: 99 in 100 waited no longer.
    pub wait_p99_ns: Option<u64>,
    /// Likewise: 999 in 1000 waited no longer.
    pub wait_p999_ns: Option<u64>,
    /// Likewise: the longest wait.
    pub wait_max_ns: Option<u64>,
    /// Operations of the slowest thread divided by those of the fastest, from 0 to 1: the median of
    /// the measured rounds.
    pub fairness: f64,
    /// Connections opened from building the contender to the end, including the warmup. Counted
    /// where the driver is called. `mysql-pool` and `mysql-pool-tuned` dial by themselves, so for
    /// them it is the connections that they lent. 0 for `floor` and `fifo`, which have none.
    pub opened: u64,
    /// Rows per second that a writer added at the same time, on its own connection: the median of
    /// the measured rounds. `null` if the workload has no writer.
    pub writes_per_s: Option<f64>,
    /// Operations that failed, including those of the writer and the warmup; 1 if the contender
    /// could not be built.
    pub errors: u64,
    /// The message of the first error. `null` if there was none.
    #[serde(default)]
    pub first_error: Option<String>,
    /// Seconds of processor time that the whole process used outside the kernel, all measured
    /// rounds together: the contender's threads and, if there is one, the writer, but no server.
    /// This and the next three are `null` if the system does not tell, and in older reports.
    #[serde(default)]
    pub cpu_user_s: Option<f64>,
    /// Likewise: inside the kernel.
    #[serde(default)]
    pub cpu_system_s: Option<f64>,
    /// Likewise: how often a thread went to sleep to wait for something.
    #[serde(default)]
    pub switches_voluntary: Option<u64>,
    /// Likewise: how often the system took a running thread off its processor.
    #[serde(default)]
    pub switches_involuntary: Option<u64>,
    /// The distribution of the waits, from which the four figures above come, in a few points.
    /// Shares and waits rise. Empty in the sweeps, if no operation got a connection, and in older
    /// reports.
    #[serde(default)]
    pub wait_distribution: Vec<WaitAt>,
    /// Round trips to the server per operation, on average: counted afterwards, on some more
    /// operations behind a proxy. `null` without a server, if they could not be counted, in the
    /// sweeps, and in older reports.
    #[serde(default)]
    pub round_trips: Option<f64>,
    /// Allocations of the process per operation, counted in separate turns after the measured ones.
    /// `null` if they are not counted: on SQLite and MariaDB, whose drivers allocate, in `crowd-…`
    /// and `asleep-…`, and in older reports.
    #[serde(default)]
    pub allocations_per_op: Option<f64>,
}

impl Measurement {
    /// How far the rounds differ: half the distance between the slowest and the fastest, relative
    /// to the median throughput. `None` with fewer than two rounds, or without operations.
    #[must_use]
    pub fn spread(&self) -> Option<f64> {
        let is_known = self.rounds > 1 && self.ops_per_s > 0.0 && self.ops_per_s_max > 0.0;
        is_known.then(|| (self.ops_per_s_max - self.ops_per_s_min) / 2.0 / self.ops_per_s)
    }
}

impl Report {
    /// A report with these figures and the machine, the commit and the date of now.
    #[must_use]
    pub fn new(
        results: Vec<Measurement>,
        scenarios: Vec<ScenarioRun>,
        claims: Vec<Verdict>,
    ) -> Self {
        let date = jiff::Timestamp::now().round(jiff::Unit::Second);
        Self {
            machine: Machine::this(),
            commit: commit(),
            date: date.unwrap_or_default().to_string(),
            command: command(std::env::args()),
            rounds: 0,
            window_ms: 0.0,
            interrupted: false,
            results,
            sweep: Vec::new(),
            sizes: Vec::new(),
            memory: Vec::new(),
            scenarios,
            claims,
            breakdowns: Vec::new(),
        }
    }

    /// Sets how many turns each contender had, and how long a turn was.
    #[must_use]
    pub fn in_turns(self, rounds: usize, window: Duration) -> Self {
        Self { rounds, window_ms: window.as_secs_f64() * 1e3, ..self }
    }

    /// Writes the whole file, or leaves the old one as it is.
    ///
    /// # Errors
    ///
    /// Those of creating, writing and renaming a file.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        write_whole(path, &text)
    }
}

/// Writes a file under another name beside it and renames it, so that `path` never has a part of
/// it.
pub(crate) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut draft = draft_beside(path)?;
    draft.write_all(text.as_bytes())?;
    draft.persist(path)?;
    Ok(())
}

/// Checks before the measurement whether [`Report::write`] can write to this path. Creates the
/// directory if it is missing.
///
/// # Errors
///
/// Those of creating a directory or a file. Also if `path` is a directory or a device, which a file
/// must not replace.
pub fn check_writable(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if !found.is_file() => Err(io::Error::other("it is not a regular file")),
        Ok(_) => draft_beside(path).map(drop),
        Err(_) => {
            drop(draft_beside(path)?);
            fs::File::create_new(path)?; // a name may be too long or end with a slash
            fs::remove_file(path)
        }
    }
}

/// The default path of the report: `threadwise/report.json` in Cargo's target directory, which is
/// `CARGO_TARGET_DIR` or that of the workspace around the current directory.
#[must_use]
pub fn default_path() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from).unwrap_or_else(|| {
        let here = std::env::current_dir().unwrap_or_default();
        let workspace = here.ancestors().find(|directory| directory.join("Cargo.lock").exists());
        workspace.unwrap_or(&here).join("target")
    });
    target.join("threadwise").join("report.json")
}

fn draft_beside(path: &Path) -> io::Result<tempfile::NamedTempFile> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(directory).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => io::ErrorKind::NotADirectory.into(), // part of the path is a file
        _ => error,
    })?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".report-").suffix(".json");
    allow_all(&mut builder);
    builder.tempfile_in(directory)
}

/// Temporary files are private by default, but a report gets the permissions of an ordinary file.
#[cfg(unix)]
fn allow_all(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(Permissions::from_mode(0o666)); // less the umask
}

#[cfg(not(unix))]
fn allow_all(_: &mut tempfile::Builder<'_, '_>) {}

/// The program's name and its arguments, without the URL of a server, because it has a password.
fn command(words: impl Iterator<Item = String>) -> String {
    let mut shown: Vec<String> = Vec::new();
    for word in words {
        let is_url = shown.last().is_some_and(|before| before == URL_OPTION);
        shown.push(match word.strip_prefix(URL_OPTION) {
            Some(rest) if rest.starts_with('=') => format!("{URL_OPTION}=…"),
            _ if is_url => "…".into(),
            _ if shown.is_empty() => file_name(&word),
            _ => word,
        });
    }
    shown.join(" ")
}

const URL_OPTION: &str = "--mysql-url";

fn file_name(path: &str) -> String {
    let name = Path::new(path).file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(["-C", env!("CARGO_MANIFEST_DIR")])
            .args(arguments)
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "HEAD"]) else { return "unknown".into() };
    let clean = git(&["status", "--porcelain"]).is_some_and(|changes| changes.is_empty());
    if clean { commit } else { commit + "-dirty" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report::new(Vec::new(), Vec::new(), Vec::new())
    }

    #[test]
    fn a_report_replaces_the_old_one_and_leaves_no_draft() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/report.json");
        report().write(&path).unwrap();
        fs::write(&path, "old").unwrap();
        report().write(&path).unwrap();
        let read: Report = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert!(read.results.is_empty());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_or_a_file_in_the_path_is_found_before_the_measurement() {
        let directory = tempfile::tempdir().unwrap();
        assert!(check_writable(directory.path()).is_err());
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let below = check_writable(&file.join("report.json")).unwrap_err();
        assert_eq!(below.kind(), io::ErrorKind::NotADirectory);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_invalid_file_name_and_a_device_are_found_before_the_measurement() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["report/", &"r".repeat(300)] {
            assert!(check_writable(&directory.path().join(name)).is_err(), "{name}");
        }
        assert!(check_writable(Path::new("/dev/null")).is_err(), "a file would replace it");
        check_writable(&directory.path().join("report.json")).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_command_is_shown_without_the_url_of_a_server() {
        let shown = |words: &str| command(words.split(' ').map(str::to_owned));
        let url = "mysql://me:secret@db/test";
        assert_eq!(shown("/a/bench compare --quick"), "bench compare --quick");
        assert_eq!(shown(&format!("bench --mysql-url {url} -q")), "bench --mysql-url … -q");
        assert_eq!(shown(&format!("bench --mysql-url={url} -q")), "bench --mysql-url=… -q");
    }

    #[test]
    fn the_spread_is_half_the_range_over_the_median() {
        let of = |rounds, (least, median, greatest)| Measurement {
            rounds,
            ops_per_s: median,
            ops_per_s_min: least,
            ops_per_s_max: greatest,
            ..Measurement::default()
        };
        assert_eq!(of(5, (90.0, 100.0, 130.0)).spread(), Some(0.2));
        assert_eq!(of(1, (100.0, 100.0, 100.0)).spread(), None, "one round has no other");
        assert_eq!(of(5, (0.0, 0.0, 0.0)).spread(), None);
        assert_eq!(of(5, (0.0, 100.0, 0.0)).spread(), None, "in older reports");
    }

    #[test]
    fn the_date_is_rfc_3339_in_utc() {
        let date = report().date;
        assert!(date.ends_with('Z') && date.parse::<jiff::Timestamp>().is_ok(), "{date}");
    }
}
