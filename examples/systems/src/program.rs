//! A server of these examples, started as a program by its load generator.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A running program. It ends when this value is dropped.
pub struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
    address: String,
}

impl Program {
    /// Starts the program of this name, which is in the folder of this program, on the database `db`.
    /// Waits until it prints `listening on ADDRESS`.
    ///
    /// # Errors
    ///
    /// If the program is not built, or ends before it listens.
    pub fn start(name: &str, db: &str, arguments: &[(&str, &str)]) -> io::Result<Self> {
        let path = std::env::current_exe()?.with_file_name(name);
        let mut command = Command::new(&path);
        command.args(arguments.iter().flat_map(|(option, value)| [option, value]));
        command.env("THREADWISE_DB", db); // not an argument: all users can see those
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            let build = "cargo build -p threadwise-systems --bins";
            let what = format!("{}: {error}; `{build}` makes it", path.display());
            io::Error::new(error.kind(), what)
        })?;
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut program = Self { child, output, address: String::new() };
        loop {
            let mut line = String::new();
            if program.output.read_line(&mut line)? == 0 {
                return Err(program.failed(&format!("{name} {arguments:?} does not listen")));
            }
            if let Some(address) = line.trim().strip_prefix("listening on ") {
                program.address = address.to_owned();
                return Ok(program);
            }
        }
    }

    /// Where the program listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Lets the program finish its work.
    ///
    /// # Errors
    ///
    /// If the program does not end with success.
    pub fn finish(mut self) -> io::Result<()> {
        self.interrupt();
        self.output.read_to_end(&mut Vec::new())?; // children of the program have it open, too
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(self.failed(&format!("it ended with {status}"))) }
    }

    /// An error with what the program printed about it.
    fn failed(&mut self, what: &str) -> io::Error {
        let mut errors = String::new();
        if let Some(pipe) = &mut self.child.stderr {
            let _ = pipe.read_to_string(&mut errors); // what can be read
        }
        io::Error::other(format!("{what}: {errors}"))
    }

    fn interrupt(&self) {
        let pid = Pid::from_raw(self.child.id().try_into().expect("an id of a process"));
        let _ = kill(pid, Signal::SIGINT); // it may have ended
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.interrupt();
            let _ = self.child.wait();
        }
    }
}
