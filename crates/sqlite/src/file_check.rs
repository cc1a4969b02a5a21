//! Whether the path of a database still names the file that a connection has open.
//!
//! A connection keeps its file when another one is renamed over the path, or when the file is
//! deleted. What is written then is lost with the last descriptor. SQLite itself notices that only
//! without the write-ahead log, and only in a statement that writes.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::raw::coarse_time;

/// The time between two checks for which there is no other reason. They do not depend on
/// validation, because two of the three pools validate only if they are told to.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// The file that a path names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// `None` if there is no file, or if the system does not say.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        identify(path).ok().flatten()
    }
}

#[cfg(unix)]
fn identify(path: &Path) -> io::Result<Option<FileId>> {
    use std::os::unix::fs::MetadataExt;

    let data = fs::metadata(path)?;
    Ok(Some(FileId { device: data.dev(), inode: data.ino() }))
}

/// On other systems an open file can be neither replaced nor deleted.
#[cfg(not(unix))]
fn identify(path: &Path) -> io::Result<Option<FileId>> {
    fs::metadata(path).map(|_| None)
}

/// The files that a connection has open, and the paths that led to them.
#[derive(Debug, Default)]
pub(crate) struct OpenFiles {
    files: Vec<(PathBuf, FileId)>,
    /// When the paths were last checked.
    checked: Duration,
}

impl OpenFiles {
    /// The database file and its write-ahead log, for a connection that was opened by `path` and
    /// has read the file. `before` is the file that the path named before the open. If that is
    /// another file, it is unknown which of them is open, and the first check fails.
    pub(crate) fn of(
        conn: &rusqlite::Connection,
        path: Option<PathBuf>,
        before: Option<FileId>,
    ) -> Self {
        let Some(path) = path else { return Self::default() };
        // SQLite keeps the log beside the file itself, not beside a symbolic link to it.
        let log = conn.path().map(|file| {
            let mut log = OsString::from(file);
            log.push("-wal");
            PathBuf::from(log)
        });
        let log = log.and_then(|log| FileId::of(&log).map(|id| (log, id)));
        let file = before.or_else(|| FileId::of(&path)).map(|id| (path, id));
        Self { files: file.into_iter().chain(log).collect(), checked: coarse_time() }
    }

    /// Whether the last check is so long ago that another one is due. If so, the time to the next
    /// one starts now. Costs a look at a coarse clock, about 5 ns on Linux, and nothing for a
    /// database in memory.
    pub(crate) fn is_check_due(&mut self) -> bool {
        if self.files.is_empty() {
            return false;
        }
        let now = coarse_time();
        // If the clock was set back, a check is due too.
        let is_due = now < self.checked || now - self.checked >= CHECK_INTERVAL;
        if is_due {
            self.checked = now;
        }
        is_due
    }

    /// The first path that names another file now, if there is one. If the system does not say, the
    /// path counts as unchanged. Costs a system call for each file.
    pub(crate) fn moved(&self) -> Option<&Path> {
        let moved = |path: &Path, id: FileId| match identify(path) {
            Ok(now) => now.is_some_and(|now| now != id),
            Err(error) => {
                matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            }
        };
        self.files.iter().find(|(path, id)| moved(path, *id)).map(|(path, _)| path.as_path())
    }
}
