//! The server's process and its children, from the command line to their end.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::home::Home;
use super::{Builder, StartError};
use crate::server::{poll, signal};

/// `initdb` takes a second; a machine that needs longer than this is stuck.
const INITDB_LIMIT: Duration = Duration::from_secs(120);
/// A start takes a tenth of a second; a machine that needs longer than this is stuck.
const START_LIMIT: Duration = Duration::from_secs(120);
/// The kernel stops processes in microseconds.
const FREEZE_LIMIT: Duration = Duration::from_secs(60);
/// How long a dropped server may take to give its shared memory back.
const QUIT_LIMIT: Duration = Duration::from_secs(30);

/// Settings that keep memory small and starts short, and keep all files in the data directory.
const SMALL: &[&str] = &[
    "shared_buffers=16MB",
    "max_wal_size=64MB",
    "min_wal_size=32MB",
    "dynamic_shared_memory_type=mmap",
    "autovacuum=off",
    "max_parallel_workers=0",
    "logging_collector=off",
];
/// Settings that let the operating system decide when data reaches the disk. A commit is written
/// before it is acknowledged, so it survives a killed server.
const UNSAFE_ON_POWER_LOSS: &[&str] = &["fsync=off", "full_page_writes=off"];

fn command(program: &Path, home: &Home) -> Result<Command, StartError> {
    let log = home.new_log()?;
    let output = log.try_clone().map_err(StartError::io("share", home.path()))?;
    let mut command = Command::new(program);
    command.current_dir("/").env_remove("PGDATA").env("LC_ALL", "C");
    if let Some(user) = home.user() {
        command.uid(user.id).gid(user.group);
    }
    // In its own process group the server does not get Ctrl-C from the terminal.
    command.stdin(Stdio::null()).stdout(output).stderr(log).process_group(0);
    Ok(command)
}

/// Creates the data directory with the superuser `postgres`.
pub(super) fn initialise(programs: &Path, home: &Home) -> Result<(), StartError> {
    let program = programs.join("initdb");
    let mut command = command(&program, home)?;
    command
        .arg("--pgdata")
        .arg(home.data())
        .args(["--username=postgres", "--auth=trust", "--no-sync", "--no-instructions"])
        .args(["--encoding=UTF8", "--locale=C"]);
    let mut child = command.spawn().map_err(StartError::io("run", &program))?;
    let reason = match poll::until(INITDB_LIMIT, || child.try_wait().transpose()) {
        Some(Ok(status)) if status.success() => return home.write_access_rules(),
        Some(Ok(status)) => status.to_string(),
        Some(Err(error)) => error.to_string(),
        None => format!("not done after {} seconds", INITDB_LIMIT.as_secs()),
    };
    // Both fail only if the process has already ended.
    let _ = child.kill();
    let _ = child.wait();
    Err(StartError::Initdb { reason, log: home.log_summary() })
}

/// A server process that has not been waited for, so that its id cannot mean another process.
/// Dropping it ends the process and its children, and returns when it is gone.
pub(super) struct Process {
    child: Child,
}

/// The outcome of a start.
enum Start {
    Ready,
    Ended(ExitStatus),
}

impl Process {
    /// Starts the server and returns when `answers` says that it serves connections.
    pub(super) fn start(
        programs: &Path,
        home: &Home,
        settings: &Builder,
        port: u16,
        answers: impl FnMut() -> bool,
    ) -> Result<Self, StartError> {
        let program = programs.join("postgres");
        let mut command = command(&program, home)?;
        command.arg("-D").arg(home.data());
        let directory = home.path().display();
        let own = [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={directory}"),
        ];
        let durable: &[&str] = if settings.durable { &[] } else { UNSAFE_ON_POWER_LOSS };
        for setting in SMALL.iter().chain(durable) {
            command.args(["-c", setting]);
        }
        for setting in own.iter().chain(&settings.settings) {
            command.args(["-c", setting]);
        }
        if let Some(connections) = settings.max_connections {
            command.args(["-c", &format!("max_connections={connections}")]);
        }
        let child = command.spawn().map_err(StartError::io("run", &program))?;
        Self { child }.until_ready(home, port, answers)
    }

    fn until_ready(
        mut self,
        home: &Home,
        port: u16,
        mut answers: impl FnMut() -> bool,
    ) -> Result<Self, StartError> {
        let start = poll::until(START_LIMIT, || match self.child.try_wait() {
            Ok(Some(status)) => Some(Ok(Start::Ended(status))),
            Err(error) => Some(Err(error)),
            Ok(None) => answers().then_some(Ok(Start::Ready)),
        });
        let reason = match start {
            Some(Ok(Start::Ready)) => return Ok(self),
            Some(Ok(Start::Ended(_))) if home.read_log().contains("could not bind IPv4") => {
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

    /// Asks the server to end its sessions and to shut down; kills it if it is still there after
    /// `limit`.
    pub(super) fn terminate(mut self, limit: Duration) {
        self.thaw();
        signal::send(&self.child, libc::SIGINT); // "fast": it does not wait for its clients
        poll::until(limit, || self.child.try_wait().transpose());
    }

    /// Ends the server and all its children at once.
    pub(super) fn kill9(mut self) {
        let children = self.children();
        // Both fail only if the process has already been waited for.
        let _ = self.child.kill();
        for child in &children {
            signal::send_to(*child, libc::SIGKILL);
        }
        let _ = self.child.wait();
        // A new server refuses to start while a child of the old one is there.
        poll::until(FREEZE_LIMIT, || {
            children.iter().all(|child| parent_of(*child).is_none()).then_some(())
        });
    }

    /// Stops the server and its children, and returns when all stand still.
    pub(super) fn freeze(&self) {
        signal::send(&self.child, libc::SIGSTOP);
        let stopped = poll::until(FREEZE_LIMIT, || signal::is_stopped(&self.child).then_some(()));
        assert!(stopped.is_some(), "the private PostgreSQL {} could not be stopped", self.id());
        let children = self.children(); // a server that stands still makes no new ones
        for child in &children {
            signal::send_to(*child, libc::SIGSTOP);
        }
        // A child that was ending meanwhile stays a zombie, because the stopped server does not
        // reap it.
        let stands = |child: &u32| state_of(*child).is_none_or(|state| matches!(state, 'T' | 'Z'));
        let all = || children.iter().all(stands);
        let stopped = poll::until(FREEZE_LIMIT, || all().then_some(()));
        assert!(stopped.is_some(), "the children of {} could not be stopped", self.id());
    }

    pub(super) fn thaw(&self) {
        for child in self.children() {
            signal::send_to(child, libc::SIGCONT);
        }
        signal::send(&self.child, libc::SIGCONT);
    }

    /// The server's children: one for each session, and its helpers.
    fn children(&self) -> Vec<u32> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|id| parent_of(*id) == Some(self.id())).collect()
    }
}

/// What the kernel says of a process after its name: the state, the parent, …
fn stat(id: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    Some(text.rsplit_once(") ")?.1.to_owned())
}

fn state_of(id: u32) -> Option<char> {
    stat(id)?.chars().next()
}

/// The parent of a process; `None` if the process is gone, or waits to be reaped.
fn parent_of(id: u32) -> Option<u32> {
    let stat = stat(id)?;
    let mut fields = stat.split(' ');
    if fields.next()? == "Z" {
        return None;
    }
    fields.next()?.parse().ok()
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return; // it has ended, and has been waited for
        }
        self.thaw();
        signal::send(&self.child, libc::SIGQUIT); // "immediate": without a checkpoint
        poll::until(QUIT_LIMIT, || self.child.try_wait().transpose());
        // Both fail only if the process has already been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
