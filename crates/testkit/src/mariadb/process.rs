//! The server's process, from its command line to its end.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::home::Home;
use super::{Builder, StartError};
use crate::server::{poll, signal};

/// A start takes a tenth of a second; a machine that needs longer than this is stuck.
const START_LIMIT: Duration = Duration::from_secs(120);
/// The kernel stops the threads of a process in microseconds.
const FREEZE_LIMIT: Duration = Duration::from_secs(60);

/// Options that keep files and memory small, and with them the time to create and read them.
pub(super) const SMALL: &[&str] = &[
    "--innodb-log-file-size=4M",
    "--innodb-buffer-pool-size=16M",
    "--innodb-temp-data-file-path=ibtmp1:1M:autoextend",
    "--innodb-buffer-pool-dump-at-shutdown=0",
    "--innodb-buffer-pool-load-at-startup=0",
    "--aria-pagecache-buffer-size=1M",
    "--key-buffer-size=1M",
    "--performance-schema=off",
    "--skip-log-bin",
];
/// Options that let the operating system decide when data reaches the disk. A commit is still
/// written (2, not 0, as log flushing), so it survives a killed server.
pub(super) const UNSAFE_ON_POWER_LOSS: &[&str] = &[
    "--innodb-flush-method=nosync",
    "--innodb-flush-log-at-trx-commit=2",
    "--skip-innodb-doublewrite",
];

/// The server program with the options of all its runs: no configuration of the machine's own
/// server, this directory, this log, and no tie to the terminal.
pub(super) fn command(program: &Path, home: &Home) -> Result<Command, StartError> {
    let log = home.new_log()?;
    let mut command = Command::new(program);
    command
        .arg("--no-defaults")
        .arg(option("--datadir=", &home.data()))
        .arg(option("--tmpdir=", &home.temporary()));
    if home.owner_is_root()? {
        // The server refuses to run as root unless told to.
        command.arg("--user=root");
    }
    let output = log.try_clone().map_err(StartError::io("share", home.path()))?;
    // Programs that the server calls may be in its directory.
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = [home.path().to_owned()].into_iter().chain(std::env::split_paths(&path));
    if let Ok(path) = std::env::join_paths(places) {
        command.env("PATH", path);
    }
    // In its own process group the server does not get Ctrl-C from the terminal.
    command.stdin(Stdio::null()).stdout(output).stderr(log).process_group(0);
    Ok(command)
}

fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(path);
    option
}

/// A server process that has not been waited for, so that its id cannot mean another process.
/// Dropping it kills the process and returns when it is gone.
pub(super) struct Process {
    child: Child,
}

/// The outcome of a start.
enum Start {
    Ready,
    Ended(ExitStatus),
}

impl Process {
    /// Starts the server and returns when `answers` has made a connection to it.
    ///
    /// Its pid file and its socket exist a moment before it serves connections. They are not
    /// enough: a shutdown request in that moment makes the server hang.
    pub(super) fn start(
        program: &Path,
        home: &Home,
        settings: &Builder,
        port: u16,
        answers: impl FnMut() -> bool,
    ) -> Result<Self, StartError> {
        // A killed server leaves these files behind. They must not be taken for those of the new
        // one.
        home.remove_stale(&home.pid_file())?;
        home.remove_stale(home.socket())?;

        let mut command = command(program, home)?;
        command
            .arg(option("--socket=", home.socket()))
            .arg(option("--pid-file=", &home.pid_file()))
            .arg(format!("--port={port}"))
            .args(["--bind-address=127.0.0.1", "--skip-name-resolve"])
            .args(SMALL);
        if !settings.durable {
            command.args(UNSAFE_ON_POWER_LOSS);
        }
        if let Some(connections) = settings.max_connections {
            command.arg(format!("--max-connections={connections}"));
        }
        command.args(&settings.arguments);
        let child = command.spawn().map_err(StartError::io("run", program))?;
        Self { child }.until_ready(home, port, answers)
    }

    fn until_ready(
        mut self,
        home: &Home,
        port: u16,
        mut answers: impl FnMut() -> bool,
    ) -> Result<Self, StartError> {
        let pid_file = home.pid_file();
        let start = poll::until(START_LIMIT, || match self.child.try_wait() {
            Ok(Some(status)) => Some(Ok(Start::Ended(status))),
            Err(error) => Some(Err(error)),
            Ok(None) => (pid_file.exists() && answers()).then_some(Ok(Start::Ready)),
        });
        let reason = match start {
            Some(Ok(Start::Ready)) => return Ok(self),
            Some(Ok(Start::Ended(_))) if home.read_log().contains("Bind on TCP/IP port") => {
                return Err(StartError::PortTaken { port });
            }
            Some(Ok(Start::Ended(status))) => status.to_string(),
            Some(Err(error)) => error.to_string(),
            None => format!("not ready after {} seconds", START_LIMIT.as_secs()),
        };
        Err(StartError::Start { reason, log: home.log_summary() })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks the process to shut down; kills it if it is still there after `limit`.
    pub(super) fn terminate(mut self, limit: Duration) {
        signal::send(&self.child, libc::SIGTERM);
        // A stopped process sees the request only after it continues.
        signal::send(&self.child, libc::SIGCONT);
        poll::until(limit, || self.child.try_wait().transpose());
    }

    /// Stops the process and returns when all its threads stand still.
    pub(super) fn freeze(&self) {
        signal::send(&self.child, libc::SIGSTOP);
        let stopped = poll::until(FREEZE_LIMIT, || signal::is_stopped(&self.child).then_some(()));
        assert!(stopped.is_some(), "the private MariaDB {} could not be stopped", self.id());
    }

    pub(super) fn thaw(&self) {
        signal::send(&self.child, libc::SIGCONT);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only if the process has already been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
