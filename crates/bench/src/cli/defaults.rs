//! What commands do unless their options say otherwise.

use std::path::PathBuf;

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
