//! What commands do unless their options say otherwise.

use std::path::PathBuf;
use std::time::Duration;

use threadwise_bench::plan::Plan;

/// With `--quick`, scenarios take this fraction of their time.
pub(super) const QUICK: f64 = 0.1;

/// How many turns there are and how long each is: as the options say, or else the default.
pub(super) fn turns(quick: bool, rounds: Option<u64>, millis: Option<u64>) -> (usize, Duration) {
    let Plan { rounds: usual, window, .. } = Plan::default();
    let (usual, window) = if quick { (1, Duration::from_millis(20)) } else { (usual, window) };
    let rounds = rounds.map_or(usual, |rounds| rounds as usize);
    (rounds, millis.map_or(window, Duration::from_millis))
}

/// The default path of the report: `threadwise/report.json` in Cargo's target directory.
pub(crate) fn report_path() -> PathBuf {
    target().join("threadwise").join("report.json")
}

/// Cargo's target directory: `CARGO_TARGET_DIR`, or that of the workspace around the current
/// directory.
pub(super) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from).unwrap_or_else(|| {
        let here = std::env::current_dir().unwrap_or_default();
        let workspace = here.ancestors().find(|directory| directory.join("Cargo.lock").exists());
        workspace.unwrap_or(&here).join("target")
    })
}
