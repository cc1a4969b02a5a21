//! Runs one `line_ingest` for each kind of pool, under the same load.

use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A server for one measurement.
pub(crate) struct Server {
    child: Child,
    output: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts the `line_ingest` in the same folder as this program.
    pub(crate) fn start(db: &str, arguments: &[String]) -> io::Result<Self> {
        let program: PathBuf = std::env::current_exe()?.with_file_name("line_ingest");
        let mut command = Command::new(&program);
        // The URL goes into the environment, because all users of the machine can see arguments,
        // and it may have a password.
        command
            .args(arguments)
            .env("THREADWISE_DB", db)
            .stdout(Stdio::piped())
            .stdin(Stdio::null());
        let mut child = command.spawn().map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error} (build it first)", program.display()))
        })?;
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        let address = loop {
            line.clear();
            if output.read_line(&mut line)? == 0 {
                let status = child.wait()?;
                return Err(io::Error::other(format!("line_ingest did not start: {status}")));
            }
            if let Some(address) = line.trim_end().strip_prefix("listening on ") {
                break address.parse().map_err(io::Error::other)?;
            }
        };
        Ok(Self { child, output, address })
    }

    /// Ends the server as Ctrl-C does.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.interrupt();
        self.output.read_to_end(&mut Vec::new())?; // the workers have it open, too
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("its end: {status}"))) }
    }

    fn interrupt(&self) {
        let pid = Pid::from_raw(self.child.id().try_into().expect("an id of a process"));
        let _ = kill(pid, Signal::SIGINT); // it is gone, then
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.interrupt();
            let _ = self.child.wait();
        }
    }
}
