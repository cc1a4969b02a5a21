//! Whether the path of a database still names the file that a connection has open.
//!
//! A connection goes on with its file when another one is renamed over the path, or when it is
//! deleted: what is written then is lost with the last descriptor. SQLite itself notices that only
//! without write-ahead log, and only in a statement that writes.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::raw::coarse_time;

/// How much time passes between two looks at the paths without a reason. A pool need not validate
/// for that: two of the three do so only if they are told to.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// Which file a path names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// `None` if there is none, or if the system does not say.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        look(path).ok().flatten()
    }
}

#[cfg(unix)]
fn look(path: &Path) -> io::Result<Option<FileId>> {
    use std::os::unix::fs::MetadataExt;

    let data = fs::metadata(path)?;
    Ok(Some(FileId { device: data.dev(), inode: data.ino() }))
}

/// Elsewhere a file that is open can be neither replaced nor deleted.
#[cfg(not(unix))]
fn look(path: &Path) -> io::Result<Option<FileId>> {
    fs::metadata(path).map(|_| None)
}

/// The files that a connection has open, by the paths that led to them.
#[derive(Debug, Default)]
pub(crate) struct Place {
    files: Vec<(PathBuf, FileId)>,
    /// When the paths were last looked at.
    looked: Duration,
}

impl Place {
    /// The database file and its write-ahead log, of a connection that has been opened by `path` and
    /// has read the file. `before` is what the path named before it was opened: if that is another
    /// file, it is unknown which of them the connection has, and it will not pass the first check.
    pub(crate) fn of(
        conn: &rusqlite::Connection,
        path: Option<PathBuf>,
        before: Option<FileId>,
    ) -> Self {
        let Some(path) = path else { return Self::default() };
        // SQLite looks for the log beside the file itself, not beside a symbolic link to it.
        let log = conn.path().map(|file| {
            let mut log = OsString::from(file);
            log.push("-wal");
            PathBuf::from(log)
        });
        let log = log.and_then(|log| FileId::of(&log).map(|id| (log, id)));
        let file = before.or_else(|| FileId::of(&path)).map(|id| (path, id));
        Self { files: file.into_iter().chain(log).collect(), looked: coarse_time() }
    }

    /// Whether the last look at the paths was so long ago that another one is due; if it is, the time
    /// of the next one counts from now. Costs a look at a coarse clock, some 5 ns on Linux, and
    /// nothing for a database in memory.
    pub(crate) fn is_look_due(&mut self) -> bool {
        if self.files.is_empty() {
            return false;
        }
        let now = coarse_time();
        // A clock that was set back is no reason to look no more.
        let is_due = now < self.looked || now - self.looked >= BETWEEN_LOOKS;
        if is_due {
            self.looked = now;
        }
        is_due
    }

    /// The first path that names another file now, or none. Where the system does not say (it may
    /// refuse to, for a time), the path counts as unchanged. Costs a system call for each file.
    pub(crate) fn moved(&self) -> Option<&Path> {
        let moved = |path: &Path, id: FileId| match look(path) {
            Ok(now) => now.is_some_and(|now| now != id),
            Err(error) => {
                matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
            }
        };
        self.files.iter().find(|(path, id)| moved(path, *id)).map(|(path, _)| path.as_path())
    }
}
