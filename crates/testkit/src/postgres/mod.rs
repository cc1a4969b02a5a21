//! A private PostgreSQL server for tests and measurements.
//!
//! Each [`Postgres`] is a real server with its own directory, Unix socket and loopback port. It needs
//! the server's programs only: no service, no root. Where the tests run as root, the server runs as
//! the user `postgres` or `nobody`, because it refuses to be root. It can be killed, stopped,
//! restarted on the same data and frozen, and it never outlives the process that started it, however
//! that process ends.

mod builder;
mod error;
mod home;
mod install;
mod process;
mod queries;
mod session_state;

pub use builder::Builder;
pub use error::StartError;
pub use install::find_postgres;
pub use session_state::PgSessionState;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use home::Home;
use process::Process;

use crate::server::{poll, port};

/// How many ports a first start tries before it gives up.
const PORT_ATTEMPTS: usize = 8;
/// How long a restart waits for its own port, if another process has taken it.
const PORT_WAIT: Duration = Duration::from_secs(60);
/// How long [`Postgres::stop`] waits for a graceful shutdown.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// One private PostgreSQL server, running or stopped.
///
/// The superuser `postgres` logs in without a password. All others need theirs over TCP. Besides the
/// system's databases there is nothing.
///
/// A first start takes about a second, a restart about a tenth. Dropping the value ends the server and
/// removes its directory. A value that is never dropped (a static, `std::process::exit`, `kill -9`) is
/// cleaned up by a small helper process a moment after its owner is gone.
pub struct Postgres {
    process: Option<Process>, // dropped first: the server must end before its directory is removed
    home: Home,
    programs: PathBuf,
    settings: Builder,
    port: u16,
}

impl Postgres {
    /// Starts a server with default settings.
    ///
    /// # Errors
    ///
    /// The same as [`Builder::start`].
    pub fn start() -> Result<Self, StartError> {
        Self::builder().start()
    }

    /// The settings of a server that has not started yet.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The server that all tests of this process share. The first call starts it.
    ///
    /// Tests that share it use separate databases, by [`create_database`](Self::create_database).
    ///
    /// # Panics
    ///
    /// If the server cannot be started, with the one line of the [`StartError`], on every call: a
    /// failed start is not tried again.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Result<Postgres, StartError>> = OnceLock::new();
        match SHARED.get_or_init(Self::start) {
            Ok(server) => server,
            Err(error) => panic!("{error}"),
        }
    }

    /// Prepares everything but the running server: its directory and its system tables.
    fn prepare(settings: Builder) -> Result<Self, StartError> {
        let programs = find_postgres()?;
        let home = Home::create()?;
        process::initialise(&programs, &home)?;
        Ok(Self { process: None, home, programs, settings, port: 0 })
    }

    /// Starts the prepared server on a free port.
    ///
    /// Another process may take the port before the server binds it. Then this tries another port.
    fn launch_on_free_port(&mut self) -> Result<(), StartError> {
        let mut attempt = 1;
        loop {
            self.port = port::free().map_err(StartError::io("find a free port", "127.0.0.1"))?;
            match self.launch() {
                Err(StartError::PortTaken { .. }) if attempt < PORT_ATTEMPTS => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    fn launch(&mut self) -> Result<(), StartError> {
        let (directory, port) = (self.directory().to_owned(), self.port);
        let answers = || queries::connect(&directory, port, "postgres").is_ok();
        let process =
            Process::start(&self.programs, &self.home, &self.settings, self.port, answers)?;
        self.process = Some(process);
        Ok(())
    }

    /// The directory of the server's Unix socket, as clients take it for a host.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.home.path()
    }

    /// The TCP port on 127.0.0.1, the same for the value's whole life.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's process id, or `None` after [`kill9`](Self::kill9) or [`stop`](Self::stop).
    ///
    /// A server that ended by itself keeps its id until one of these is called.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Ends the server and its children at once, as a crash of the machine would, and returns when
    /// they are gone.
    ///
    /// Committed data survives. Nothing happens if the server is not running.
    pub fn kill9(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill9();
        }
    }

    /// Asks the server to end its sessions and to shut down ("fast"), and returns when its process is
    /// gone.
    ///
    /// A frozen server is thawed first. A server that still runs after a minute is killed. Nothing
    /// happens if the server is not running.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.terminate(STOP_LIMIT);
        }
    }

    /// Starts the server again with the same data, port, socket and settings. A running server is
    /// stopped first.
    ///
    /// # Errors
    ///
    /// [`StartError::PortTaken`] if another process holds the port for a minute, otherwise the
    /// same as [`Builder::start`]. Then the server is not running, and another restart may be
    /// tried.
    pub fn restart(&mut self) -> Result<(), StartError> {
        self.stop();
        let mut outcome = self.launch();
        poll::until(PORT_WAIT, || {
            if !matches!(outcome, Err(StartError::PortTaken { .. })) {
                return Some(());
            }
            outcome = self.launch();
            None
        });
        outcome
    }

    /// Stops the server and its sessions (`SIGSTOP`), and returns when they stand still.
    ///
    /// The kernel still completes TCP connects and accepts requests, but nothing is answered.
    ///
    /// # Panics
    ///
    /// If the server is not running.
    pub fn freeze(&self) {
        self.running("freeze").freeze();
    }

    /// Lets a frozen server continue (`SIGCONT`). It then answers what it was sent meanwhile.
    ///
    /// # Panics
    ///
    /// If the server is not running.
    pub fn thaw(&self) {
        self.running("thaw").thaw();
    }

    fn running(&self, purpose: &str) -> &Process {
        let Some(process) = &self.process else {
            panic!("cannot {purpose} the private PostgreSQL on port {}: it is stopped", self.port)
        };
        process
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres")
            .field("directory", &self.directory())
            .field("port", &self.port)
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}
