//! What several test files need.

use std::path::PathBuf;

use tempfile::TempDir;

/// A database file in a directory of its own, removed at the end.
pub(crate) struct Scratch {
    pub(crate) dir: TempDir,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().expect("a temporary directory") }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("data.db")
    }
}
