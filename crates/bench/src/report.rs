//! `report.json`: every field's name, meaning and unit.
//!
//! Names stay as they are once released; new ones may be added.

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
    /// What it was measured on.
    pub machine: Machine,
    /// The commit of the source tree that the harness was built in, in full; with `-dirty` behind
    /// it if files there differ from it; `unknown` if it is no Git checkout.
    pub commit: String,
    /// When the measurement ended: RFC 3339, UTC.
    pub date: String,
    /// The command that measured it, the URL of a server left out. This and the next two are empty
    /// or 0 in reports from before they were there.
    #[serde(default)]
    pub command: String,
    /// How often each contender was to have its turn at a workload, besides warming up. Workloads on
    /// MariaDB that have claims, and the sweep, have another number of turns, of another length:
    /// see those of each measurement.
    #[serde(default)]
    pub rounds: usize,
    /// How long a turn was to take, in milliseconds.
    #[serde(default)]
    pub window_ms: f64,
    /// Whether the run was ended early by Ctrl-C. Then what is missing was not measured, and what was
    /// being measured had fewer rounds than the others.
    #[serde(default)]
    pub interrupted: bool,
    /// One entry for each contender of each workload on each backend, in the order of running.
    pub results: Vec<Measurement>,
    /// The sweep: one entry for each contender at each number of threads on each backend, the
    /// workload being `sweep`. Reports from before there was one have none.
    #[serde(default)]
    pub sweep: Vec<Measurement>,
    /// The sweep over connections: the same at each number of connections, the workload being `sizes`.
    /// Reports from before there was one have none.
    #[serde(default)]
    pub sizes: Vec<Measurement>,
    /// What contenders keep in memory. Reports from before it was measured have none.
    #[serde(default)]
    pub memory: Vec<Footprint>,
    /// One entry for each contender of each scenario on each backend. Reports from before there were
    /// scenarios have none.
    #[serde(default)]
    pub scenarios: Vec<ScenarioRun>,
    /// What `shared` promises about its speed and fairness, and whether it held in this run: one
    /// entry for each claim whose figures are all among the results, without errors. Their reasons
    /// stand in `claims.rs`. Reports from before there were claims have none.
    #[serde(default)]
    pub claims: Vec<Verdict>,
    /// Where the time of a point select goes, with one thread: one entry for each contender on MySQL.
    /// Reports from before it was there have none.
    #[serde(default)]
    pub breakdowns: Vec<Breakdown>,
}

/// How one contender did on one workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// `synthetic`, `sqlite` or `mysql`.
    pub backend: String,
    /// The workload's name.
    pub workload: String,
    /// The contender's name.
    pub pool: String,
    /// Threads that wanted connections.
    pub threads: usize,
    /// Connections that the contender was to have. `dedicated` and `persistent` have one for each
    /// thread instead, `connect-per-use` has no limit: see `opened`.
    pub size: usize,
    /// For how long each operation was meant to hold its connection besides the query, in
    /// nanoseconds: asleep (the system makes it longer), or computing on `short-holds`; the mean on
    /// `long-tail`; 0 where the query alone is the hold, or nothing is.
    pub hold_ns: u64,
    /// How many rounds were measured. 0 if the contender could not be built, and in reports from
    /// before this and the next were there.
    #[serde(default)]
    pub rounds: usize,
    /// How long each was to take, in milliseconds.
    #[serde(default)]
    pub window_ms: f64,
    /// Operations (borrow, use, give back) that succeeded, all measured rounds together.
    pub ops: u64,
    /// The mean time that one thread took for an operation, in nanoseconds, from the median
    /// throughput: `threads` × 10⁹ / `ops_per_s`. Where threads outnumber processors this includes
    /// the time in which others ran; on `think-time` it includes the thinking. `null` if no operation succeeded.
    pub ns_per_op: Option<f64>,
    /// Operations per second of all threads together: the median of the measured rounds.
    pub ops_per_s: f64,
    /// Likewise: those of the slowest round. This and the next are 0 in reports from before they were
    /// there.
    #[serde(default)]
    pub ops_per_s_min: f64,
    /// Likewise: those of the fastest round.
    #[serde(default)]
    pub ops_per_s_max: f64,
    /// The median time from asking for a connection to having it, in nanoseconds, over the timed
    /// operations of all measured rounds: all operations, or, on synthetic connections that nobody
    /// holds or waits for, one in 256. Includes reading the clock, some tens of nanoseconds. `null` if no
    /// operation got a connection.
    pub wait_p50_ns: Option<u64>,
    /// Likewise: 99 in 100 waited no longer.
    pub wait_p99_ns: Option<u64>,
    /// Likewise: 999 in 1000 waited no longer.
    pub wait_p999_ns: Option<u64>,
    /// Likewise: the longest wait.
    pub wait_max_ns: Option<u64>,
    /// Operations of the slowest thread over those of the fastest, from 0 to 1: the median of the
    /// measured rounds.
    pub fairness: f64,
    /// Connections opened from building the contender to the end, warming up included. Counted
    /// where the driver is called; for `mysql-pool` and its twin, which dial by themselves, the
    /// connections that they lent. 0 for `floor` and `fifo`, which have none.
    pub opened: u64,
    /// Rows that a writer beside the threads added per second, on a connection of its own: the
    /// median of the measured rounds. `null` where the workload has none.
    pub writes_per_s: Option<f64>,
    /// Operations that failed, the writer's and warming up included, and 1 if the contender could not be built.
    pub errors: u64,
    /// What the first of the errors said. `null` if there was none.
    #[serde(default)]
    pub first_error: Option<String>,
    /// Seconds of processor time that the whole process used outside the kernel, all measured rounds
    /// together: the contender's threads and, if there is one, the writer; no server. This and the
    /// next three are `null` where the system does not tell, and in reports from before they were
    /// there.
    #[serde(default)]
    pub cpu_user_s: Option<f64>,
    /// Likewise: inside the kernel.
    #[serde(default)]
    pub cpu_system_s: Option<f64>,
    /// Likewise: how often a thread went to sleep to wait for something.
    #[serde(default)]
    pub switches_voluntary: Option<u64>,
    /// Likewise: how often a thread was taken off its processor though it could have gone on.
    #[serde(default)]
    pub switches_involuntary: Option<u64>,
    /// The waits that the four figures above are taken from, as a distribution in a few points: shares
    /// and waits rise. Empty in the sweep, where no operation got a connection, and in reports from
    /// before it was there.
    #[serde(default)]
    pub wait_distribution: Vec<WaitAt>,
    /// How often an operation spoke with the server and waited for its answer, on average: counted
    /// afterwards, on some more operations behind a proxy. `null` where there is no server, where it
    /// could not be counted, in the sweep, and in reports from before it was there.
    #[serde(default)]
    pub round_trips: Option<f64>,
    /// How often the process asked for memory for an operation, counted in turns of their own after the
    /// measured ones. `null` where it is not counted: on SQLite and MariaDB, whose drivers allocate, in
    /// `crowd-…` and `asleep-…`, and in reports from before it was there.
    #[serde(default)]
    pub allocations_per_op: Option<f64>,
}

impl Measurement {
    /// How far the rounds are apart: half the distance from the slowest to the fastest, relative to
    /// the median throughput. `None` where there are not two rounds to be apart, or nothing was done.
    #[must_use]
    pub fn spread(&self) -> Option<f64> {
        let is_known = self.rounds > 1 && self.ops_per_s > 0.0 && self.ops_per_s_max > 0.0;
        is_known.then(|| (self.ops_per_s_max - self.ops_per_s_min) / 2.0 / self.ops_per_s)
    }
}

impl Report {
    /// Adds the machine, the commit and the date to what was measured just now.
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

    /// Adds how often and for how long each contender had its turn.
    #[must_use]
    pub fn in_turns(self, rounds: usize, window: Duration) -> Self {
        Self { rounds, window_ms: window.as_secs_f64() * 1e3, ..self }
    }

    /// Writes the file as a whole or not at all.
    ///
    /// # Errors
    ///
    /// As creating, writing and renaming a file.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        write_whole(path, &text)
    }
}

/// Writes a file as a whole or not at all: under another name beside it first.
pub(crate) fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut draft = draft_beside(path)?;
    draft.write_all(text.as_bytes())?;
    draft.persist(path)?;
    Ok(())
}

/// Finds out now whether [`Report::write`] could write there, rather than after the measurement.
/// Creates the directory if it is missing.
///
/// # Errors
///
/// As creating a directory or a file, and when at `path` there is what a file should not take the
/// place of: a directory, a device.
pub fn check_writable(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if !found.is_file() => Err(io::Error::other("it is no regular file")),
        Ok(_) => draft_beside(path).map(drop),
        Err(_) => {
            drop(draft_beside(path)?);
            fs::File::create_new(path)?; // a name may be too long or end with a slash
            fs::remove_file(path)
        }
    }
}

/// Where the report goes unless told otherwise: `threadwise/report.json` in Cargo's target
/// directory, which is `CARGO_TARGET_DIR` or that of the workspace around the current directory.
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
        io::ErrorKind::AlreadyExists => io::ErrorKind::NotADirectory.into(), // a file is in the way
        _ => error,
    })?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(".report-").suffix(".json");
    allow_all(&mut builder);
    builder.tempfile_in(directory)
}

/// Drafts are private unless told otherwise; a report is a file like any other.
#[cfg(unix)]
fn allow_all(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(Permissions::from_mode(0o666)); // less the umask
}

#[cfg(not(unix))]
fn allow_all(_: &mut tempfile::Builder<'_, '_>) {}

/// The program by its name, then its arguments, but for a server's URL: that has a password in it.
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
    fn a_report_replaces_the_one_before_and_leaves_no_draft() {
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
    fn a_directory_or_a_file_in_the_way_is_found_out_beforehand() {
        let directory = tempfile::tempdir().unwrap();
        assert!(check_writable(directory.path()).is_err());
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let below = check_writable(&file.join("report.json")).unwrap_err();
        assert_eq!(below.kind(), io::ErrorKind::NotADirectory);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_name_that_no_file_can_have_and_a_device_are_found_out_beforehand() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["report/", &"r".repeat(300)] {
            assert!(check_writable(&directory.path().join(name)).is_err(), "{name}");
        }
        assert!(check_writable(Path::new("/dev/null")).is_err(), "else a file took its place");
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
        assert_eq!(of(5, (0.0, 100.0, 0.0)).spread(), None, "in reports from before");
    }

    #[test]
    fn the_date_is_rfc_3339_in_utc() {
        let date = report().date;
        assert!(date.ends_with('Z') && date.parse::<jiff::Timestamp>().is_ok(), "{date}");
    }
}
