//! The directory of one private server, and the paths in it.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{self, Path, PathBuf};

use super::StartError;
use crate::server::random;
use crate::server::reaper::{Kill, Reaper};

/// The longest name of a Unix socket, in bytes: macOS takes 103, Linux 107.
const SOCKET_NAME_LIMIT: usize = 103;
/// How many lines of the log an error quotes.
const QUOTED_LINES: usize = 6;

/// A directory of mode 700 under the system's temporary directory.
///
/// Dropping it removes it. If this process ends without that, the reaper removes it.
pub(super) struct Home {
    path: PathBuf,
    socket: PathBuf,
    _reaper: Reaper, // dropped after the directory is gone, which lets it end at once
}

impl Home {
    pub(super) fn create() -> Result<Self, StartError> {
        let parent = std::env::temp_dir();
        let parent = path::absolute(&parent).map_err(StartError::io("locate", &parent))?;
        let path = parent.join(format!("mariadb-{:016x}", random::number()));
        let socket = path.join("socket");
        if socket.as_os_str().as_bytes().len() > SOCKET_NAME_LIMIT {
            return Err(StartError::PathTooLong { socket });
        }
        let reaper = Reaper::create_and_watch(&path, Kill::AtOnce)
            .map_err(StartError::io("create", &path))?;
        Ok(Self { path, socket, _reaper: reaper })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// The data directory. The reaper's script knows this name too: it finds the server's process
    /// by its `--datadir` option.
    pub(super) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The directory of the server's temporary tables. It must not be the system's temporary
    /// directory: each server that starts deletes all temporary tables that it finds, also those of
    /// other servers.
    pub(super) fn temporary(&self) -> PathBuf {
        self.path().join("tmp")
    }

    pub(super) fn pid_file(&self) -> PathBuf {
        self.path().join("pid")
    }

    /// The SQL text that creates the system tables.
    pub(super) fn bootstrap_script(&self) -> PathBuf {
        self.path().join("bootstrap.sql")
    }

    fn log(&self) -> PathBuf {
        self.path().join("log")
    }

    /// Creates an empty log, so that it holds only what the next process writes.
    pub(super) fn new_log(&self) -> Result<File, StartError> {
        File::create(self.log()).map_err(StartError::io("create", self.log()))
    }

    pub(super) fn read_log(&self) -> String {
        fs::read(self.log())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The end of the log in one line: its errors, or its last lines if there are none.
    pub(super) fn log_summary(&self) -> String {
        let log = self.read_log();
        // The server writes "[ERROR] ..." after a date; a bootstrap also writes "ERROR: ...".
        let error = |line: &str| line.find("[ERROR]").or_else(|| line.find("ERROR:"));
        let errors: Vec<_> =
            log.lines().filter_map(|line| error(line).map(|at| line[at..].trim())).collect();
        let lines = if errors.is_empty() {
            log.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
        } else {
            errors
        };
        match lines.as_slice() {
            [] => "(empty)".to_owned(),
            lines => lines[lines.len().saturating_sub(QUOTED_LINES)..].join(" | "),
        }
    }

    /// Whether this process runs as root, told by the owner of the directory it has just made.
    pub(super) fn owner_is_root(&self) -> Result<bool, StartError> {
        let metadata = fs::metadata(self.path());
        Ok(metadata.map_err(StartError::io("inspect", self.path()))?.uid() == 0)
    }

    /// Removes a file of an earlier run, if it is there.
    pub(super) fn remove_stale(&self, path: &Path) -> Result<(), StartError> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StartError::io("remove", path)(error))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // The reaper removes what cannot be removed now, because a killed server still writes.
        let _ = fs::remove_dir_all(&self.path);
    }
}
