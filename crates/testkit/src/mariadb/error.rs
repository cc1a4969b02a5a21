//! Why a private server could not be started.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The command that installs everything needed on Debian and its relatives.
const INSTALL: &str = "`apt-get install --no-install-recommends mariadb-server-core`";

/// Why a private server could not be started. The text is one line that says what to do.
#[non_exhaustive]
#[derive(Debug)]
pub enum StartError {
    /// There is no server program.
    NotInstalled {
        /// The value of the variable `MARIADBD`, if that names no program.
        variable: Option<PathBuf>,
        /// The directories that were searched, in order; empty if the variable is set.
        searched: Vec<PathBuf>,
    },
    /// The program is there, but not the SQL files that describe its system tables.
    NoSystemTables {
        /// The server program.
        program: PathBuf,
        /// The directories that were searched, in order.
        searched: Vec<PathBuf>,
    },
    /// The temporary directory's name is too long for a Unix socket in it.
    PathTooLong {
        /// The name that the socket would have had.
        socket: PathBuf,
    },
    /// The server program could not create its system tables.
    Bootstrap {
        /// How it ended.
        reason: String,
        /// The relevant lines of its log.
        log: String,
    },
    /// The server ended, or did not get ready, while it started.
    Start {
        /// How it ended.
        reason: String,
        /// The relevant lines of its log.
        log: String,
    },
    /// Another process uses the server's port.
    PortTaken {
        /// The port on 127.0.0.1.
        port: u16,
    },
    /// The operating system refused something.
    Io {
        /// The refused action.
        action: &'static str,
        /// The file of the action.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

impl StartError {
    /// Turns the operating system's refusal of `action` on `path` into this error.
    pub(super) fn io(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { action, path, source }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInstalled { variable: Some(path), .. } => write!(
                f,
                "no MariaDB server found: MARIADBD={} is not an executable file; \
                 correct or unset it, or run {INSTALL}",
                path.display()
            ),
            Self::NotInstalled { variable: None, searched } => write!(
                f,
                "no MariaDB server found: neither mariadbd nor mysqld is in {}; \
                 run {INSTALL}, or set MARIADBD to the program's path",
                listed(searched)
            ),
            Self::NoSystemTables { program, searched } => write!(
                f,
                "{} has neither mariadb_system_tables.sql nor mysql_system_tables.sql with its \
                 …_data.sql in {}; \
                 run {INSTALL}, or set MARIADBD to a complete MariaDB",
                program.display(),
                listed(searched)
            ),
            Self::PathTooLong { socket } => write!(
                f,
                "{} is too long a name for a Unix socket; set TMPDIR to a shorter path",
                socket.display()
            ),
            Self::Bootstrap { reason, log } => {
                write!(f, "mariadbd could not create its system tables: {reason}; its log: {log}")
            }
            Self::Start { reason, log } => {
                write!(f, "mariadbd did not start: {reason}; its log: {log}")
            }
            Self::PortTaken { port } => {
                write!(f, "mariadbd did not start: another process uses 127.0.0.1:{port}")
            }
            Self::Io { action, path, source } => {
                write!(f, "cannot {action} {}: {source}", path.display())
            }
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

fn listed(paths: &[PathBuf]) -> String {
    let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    names.join(", ")
}
