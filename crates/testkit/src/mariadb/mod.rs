//! A private MariaDB server for tests and measurements.
//!
//! Each [`MariaDb`] is a real `mariadbd` with its own directory, Unix socket and loopback port. It
//! needs the server program only: no service, no client tools, no root. It can be killed, stopped,
//! restarted on the same data and frozen, and it never outlives the process that started it,
//! however that process ends.

mod builder;
mod error;
pub mod galera;
mod home;
mod install;
mod process;
mod queries;

pub use builder::Builder;
pub use error::StartError;
pub use install::find_mariadbd;

use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use home::Home;
use process::Process;

use crate::server::{poll, port};

/// How many ports a first start tries before it gives up.
const PORT_ATTEMPTS: usize = 8;
/// How long a restart waits for its own port, if another process has taken it.
const PORT_WAIT: Duration = Duration::from_secs(60);
/// How long [`MariaDb::stop`] waits for a graceful shutdown.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// One private MariaDB server, running or stopped.
///
/// The account `root` has an empty password and every privilege, from this machine only. Besides
/// the system databases there is an empty database `test`.
///
/// A first start takes about half a second, a restart about a tenth. Each server takes some 60 MB
/// of memory and 20 MB of disk. Dropping the value kills the server and removes its directory. A
/// value that is never dropped (a static, `std::process::exit`, `kill -9`) is cleaned up by a
/// small helper process a moment after its owner is gone.
pub struct MariaDb {
    process: Option<Process>, // dropped first: the server must end before its directory is removed
    home: Home,
    program: PathBuf,
    settings: Builder,
    port: u16,
    /// The numbers of this value's own connections that the server may not have closed yet.
    own_connections: Mutex<HashSet<u64>>,
}

impl MariaDb {
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
        static SHARED: OnceLock<Result<MariaDb, StartError>> = OnceLock::new();
        match SHARED.get_or_init(Self::start) {
            Ok(server) => server,
            Err(error) => panic!("{error}"),
        }
    }

    /// Prepares everything but the running server: its directory and its system tables.
    fn prepare(settings: Builder) -> Result<Self, StartError> {
        let program = find_mariadbd()?;
        let home = Home::create()?;
        install::initialise(&program, &home)?;
        Ok(Self {
            process: None,
            home,
            program,
            settings,
            port: 0,
            own_connections: Mutex::default(),
        })
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
        let own = self.own_connections.get_mut().unwrap_or_else(PoisonError::into_inner);
        // A new server counts its connections from the start, so old numbers would hide new ones.
        own.clear();
        let socket = self.home.socket();
        let answers = || match queries::connect(socket) {
            Ok(connection) => own.insert(u64::from(connection.connection_id())),
            // A refusal is an answer too.
            Err(error) => matches!(error, mysql::Error::MySqlError(_)),
        };
        let process =
            Process::start(&self.program, &self.home, &self.settings, self.port, answers)?;
        self.process = Some(process);
        Ok(())
    }

    /// The server's Unix socket. The file exists while the server runs.
    #[must_use]
    pub fn socket(&self) -> &Path {
        self.home.socket()
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

    /// Ends the server at once, as a crash would, and returns when its process is gone.
    ///
    /// Committed data survives. Nothing happens if the server is not running.
    pub fn kill9(&mut self) {
        self.process = None;
    }

    /// Asks the server to shut down and returns when its process is gone.
    ///
    /// A frozen server is thawed first. A server that still runs after a minute is killed.
    /// Nothing happens if the server is not running.
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

    /// Stops all threads of the server (`SIGSTOP`), and returns when they stand still.
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
            panic!("cannot {purpose} the private MariaDB on port {}: it is stopped", self.port)
        };
        process
    }
}

impl fmt::Debug for MariaDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MariaDb")
            .field("directory", &self.home.path())
            .field("port", &self.port)
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}
