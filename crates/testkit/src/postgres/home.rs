//! The directory of one private server, and the paths in it.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{self, Path, PathBuf};

use super::StartError;
use super::install::{User, server_user};
use crate::server::random;
use crate::server::reaper::{Kill, Reaper};

/// The longest name of a Unix socket, in bytes: macOS takes 103, Linux 107.
const SOCKET_NAME_LIMIT: usize = 103;
/// How many lines of the log an error quotes.
const QUOTED_LINES: usize = 6;

/// A directory of mode 700 under the system's temporary directory, which belongs to the user that
/// runs the server.
///
/// Dropping it removes it. If this process ends without that, the reaper removes it.
pub(super) struct Home {
    path: PathBuf,
    /// The user to become, if this process is root.
    user: Option<User>,
    _reaper: Reaper, // dropped after the directory is gone, which lets it end at once
}

impl Home {
    pub(super) fn create() -> Result<Self, StartError> {
        let parent = std::env::temp_dir();
        let parent = path::absolute(&parent).map_err(StartError::io("locate", &parent))?;
        let path = parent.join(format!("postgres-{:016x}", random::number()));
        let socket = path.join(".s.PGSQL.65535");
        if socket.as_os_str().as_bytes().len() > SOCKET_NAME_LIMIT {
            return Err(StartError::PathTooLong { socket });
        }
        let reaper = Reaper::create_and_watch(&path, Kill::Politely)
            .map_err(StartError::io("create", &path))?;
        let mut home = Self { path, user: None, _reaper: reaper };
        let metadata = fs::metadata(&home.path).map_err(StartError::io("inspect", &home.path))?;
        if metadata.uid() == 0 {
            let user = server_user()?;
            chown(&home.path, Some(user.id), Some(user.group))
                .map_err(StartError::io("give to the server's user", &home.path))?;
            home.user = Some(user);
        }
        Ok(home)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn user(&self) -> Option<User> {
        self.user
    }

    /// The data directory. The reaper's script knows this name too: it finds the server's processes
    /// by it.
    pub(super) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    fn log(&self) -> PathBuf {
        self.path.join("log")
    }

    /// Who may log in, and how: `postgres` without a password, all others over TCP with theirs.
    pub(super) fn write_access_rules(&self) -> Result<(), StartError> {
        let path = self.data().join("pg_hba.conf");
        let rules = "local all all trust\n\
                     host all postgres 127.0.0.1/32 trust\n\
                     host all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(&path, rules).map_err(StartError::io("write", &path))
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

    /// The last lines of the log in one line.
    pub(super) fn log_summary(&self) -> String {
        let log = self.read_log();
        let lines: Vec<_> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        match lines.as_slice() {
            [] => "(empty)".to_owned(),
            lines => lines[lines.len().saturating_sub(QUOTED_LINES)..].join(" | "),
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // The reaper removes what cannot be removed now, because a killed server still writes.
        let _ = fs::remove_dir_all(&self.path);
    }
}
