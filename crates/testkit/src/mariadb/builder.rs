//! The settings of a private server.

use std::ffi::OsString;

use super::{MariaDb, StartError};

/// Settings for a [`MariaDb`], made by [`MariaDb::builder`].
///
/// They also hold for restarts.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    pub(super) max_connections: Option<u32>,
    pub(super) arguments: Vec<OsString>,
    pub(super) durable: bool,
}

impl Builder {
    /// How many connections the server accepts; 151 unless set.
    ///
    /// The server raises numbers below 10 to 10, and reserves one more place for an administrator
    /// such as [`MariaDb::admin`].
    #[must_use]
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = Some(connections);
        self
    }

    /// Adds an option for `mariadbd`, such as `--wait-timeout=1`.
    ///
    /// It comes after the options of this crate, and the server lets the last one win. Leave the
    /// data and temporary directories, the socket, the port and the pid file alone: this crate
    /// relies on them.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Whether a commit reaches the disk before it is acknowledged; off unless set.
    ///
    /// Off, a commit reaches the operating system only: it survives a killed server but not a
    /// killed machine, and does not wait for the disk.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Initialises a new directory and starts a server in it, in about half a second.
    ///
    /// # Errors
    ///
    /// If the server program or its SQL files are not installed, if the server refuses to start,
    /// or if the operating system refuses a file, a process or a port. Nothing is left behind.
    pub fn start(self) -> Result<MariaDb, StartError> {
        let mut server = MariaDb::prepare(self)?;
        server.launch_on_free_port()?;
        Ok(server)
    }
}
