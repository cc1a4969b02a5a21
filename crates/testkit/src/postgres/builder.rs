//! The settings of a private server.

use super::{Postgres, StartError};

/// Settings for a [`Postgres`], made by [`Postgres::builder`].
///
/// They also hold for restarts.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    pub(super) max_connections: Option<u32>,
    pub(super) settings: Vec<String>,
    pub(super) durable: bool,
}

impl Builder {
    /// How many connections the server accepts; 100 unless set. Three of them are reserved for the
    /// superuser `postgres`.
    #[must_use]
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = Some(connections);
        self
    }

    /// Adds a setting of the server, such as `statement_timeout=1s`.
    ///
    /// It comes after those of this crate, and the server lets the last one win. Leave the
    /// directories, the addresses and the port alone: this crate relies on them.
    #[must_use]
    pub fn setting(mut self, setting: impl Into<String>) -> Self {
        self.settings.push(setting.into());
        self
    }

    /// Whether a commit reaches the disk before it is acknowledged; off unless set.
    ///
    /// Off, a commit reaches the operating system only: it survives a killed server but not a killed
    /// machine, and does not wait for the disk.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Initialises a new directory and starts a server in it, in about a second.
    ///
    /// # Errors
    ///
    /// If the server's programs are not installed, if the server refuses to start, or if the
    /// operating system refuses a file, a process or a port. Nothing is left behind.
    pub fn start(self) -> Result<Postgres, StartError> {
        let mut server = Postgres::prepare(self)?;
        server.launch_on_free_port()?;
        Ok(server)
    }
}
