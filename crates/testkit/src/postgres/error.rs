//! Why a private PostgreSQL could not be started.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The command that installs everything needed on Debian and its relatives.
const INSTALL: &str = "`apt-get install --no-install-recommends postgresql`";

/// Why a private server could not be started. The text is one line that says what to do.
#[non_exhaustive]
#[derive(Debug)]
pub enum StartError {
    /// There is no server program.
    NotInstalled {
        /// The value of the variable `POSTGRES_BIN`, if that directory has no server.
        variable: Option<PathBuf>,
        /// The directories that were searched, in order; empty if the variable is set.
        searched: Vec<PathBuf>,
    },
    /// The server refuses to run as root, and no other user was found for it.
    NoUser,
    /// The temporary directory's name is too long for a Unix socket in it.
    PathTooLong {
        /// The name that the socket would have had.
        socket: PathBuf,
    },
    /// `initdb` could not create the data directory.
    Initdb {
        /// How it ended.
        reason: String,
        /// The last lines of its output.
        log: String,
    },
    /// The server ended, or did not get ready, while it started.
    Start {
        /// How it ended.
        reason: String,
        /// The last lines of its log.
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
                "no PostgreSQL server found: POSTGRES_BIN={} has no programs `initdb` and \
                 `postgres`; correct or unset it, or run {INSTALL}",
                path.display()
            ),
            Self::NotInstalled { variable: None, searched } => {
                let names: Vec<_> =
                    searched.iter().map(|path| path.display().to_string()).collect();
                write!(
                    f,
                    "no PostgreSQL server found: `initdb` and `postgres` are in none of {}; run \
                     {INSTALL}, or set POSTGRES_BIN to their directory",
                    names.join(", ")
                )
            }
            Self::NoUser => write!(
                f,
                "PostgreSQL refuses to run as root, and /etc/passwd has neither the user \
                 `postgres` nor `nobody`; add one, or run the tests as an ordinary user"
            ),
            Self::PathTooLong { socket } => write!(
                f,
                "{} is too long a name for a Unix socket; set TMPDIR to a shorter path",
                socket.display()
            ),
            Self::Initdb { reason, log } => {
                write!(f, "initdb could not create the data directory: {reason}; it says: {log}")
            }
            Self::Start { reason, log } => {
                write!(f, "postgres did not start: {reason}; its log: {log}")
            }
            Self::PortTaken { port } => {
                write!(f, "postgres did not start: another process uses 127.0.0.1:{port}")
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
