//! A child process that answers in lines, before a deadline.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{process, thread};

use crate::{Failure, Result};

/// How long a child may take to begin. A virtual machine on a busy computer takes seconds.
pub const START: Duration = Duration::from_secs(60);
/// How long a child may take to end after its input has ended.
const END: Duration = Duration::from_secs(5);
/// The longest line: the waits of a long round have some megabytes.
const LONGEST_LINE: u64 = 256 << 20;
/// The lines of standard error that an error shows.
const LAST_LINES: usize = 3;

/// A child process. Dropping it ends its input, and then the process.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: process::Child,
    /// `None` after the end of the process.
    input: Option<ChildStdin>,
    lines: Receiver<Result<String, String>>,
    /// What it writes on standard error.
    errors: File,
}

impl Child {
    /// Starts a process. Errors call it by `name`.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(name: &str, mut command: Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let cannot_start = |error: io::Error| {
            Failure::new(format_args!("{name}: cannot start {program} ({error})"))
        };
        let errors = tempfile::tempfile().map_err(cannot_start)?;
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors.try_clone().map_err(cannot_start)?)
            .process_group(0); // Ctrl-C is for this program, which then ends its children
        let mut process = command.spawn().map_err(cannot_start)?;
        let input = process.stdin.take();
        let lines = read_lines(process.stdout.take().expect("it is piped"));
        Ok(Self { name: name.into(), process, input, lines, errors })
    }

    /// Writes a line.
    ///
    /// # Errors
    ///
    /// If the process has ended.
    pub fn tell(&mut self, line: &str) -> Result<()> {
        let written = match &mut self.input {
            Some(input) => input.write_all(format!("{line}\n").as_bytes()).is_ok(),
            None => false,
        };
        if written { Ok(()) } else { Err(self.failed("has ended")) }
    }

    /// Waits for a line.
    ///
    /// # Errors
    ///
    /// If the process ends, or writes no line for this long.
    pub fn hear(&mut self, patience: Duration) -> Result<String> {
        match self.lines.recv_timeout(patience) {
            Ok(Ok(line)) => Ok(line.trim_end().into()),
            Ok(Err(unreadable)) => Err(self.failed(&unreadable)),
            Err(RecvTimeoutError::Timeout) => {
                Err(self.failed(&format!("has not answered for {patience:?}")))
            }
            Err(RecvTimeoutError::Disconnected) => Err(self.failed("has ended")),
        }
    }

    /// Ends the process, and returns the error with what it wrote on standard error.
    pub fn failed(&mut self, what: &str) -> Failure {
        self.input = None;
        let _ = self.process.kill(); // it may have ended by itself
        let _ = self.process.wait();
        let errors = match last_lines(&self.errors) {
            lines if lines.is_empty() => " is empty".into(),
            lines => format!(": {lines}"),
        };
        let name = &self.name;
        Failure::new(format_args!("{name}: the program {what}; its standard error{errors}"))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.input = None; // a process ends with its input
        let end = Instant::now() + END;
        while let Ok(None) = self.process.try_wait() {
            if Instant::now() > end {
                let _ = self.process.kill();
                let _ = self.process.wait();
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Reads lines on a thread, until the output ends or no receiver is left.
fn read_lines(output: impl Read + Send + 'static) -> Receiver<Result<String, String>> {
    let (sender, lines) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        while let Some(line) = next_line(&mut output) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn next_line(output: &mut impl BufRead) -> Option<Result<String, String>> {
    let mut line = Vec::new();
    match output.take(LONGEST_LINE).read_until(b'\n', &mut line) {
        Ok(0) => None,
        Ok(_) if line.len() as u64 == LONGEST_LINE => Some(Err("wrote a line without end".into())),
        Ok(_) => Some(String::from_utf8(line).map_err(|_| "wrote what is not UTF-8".into())),
        Err(error) => Some(Err(format!("cannot be read: {error}"))),
    }
}

/// The last lines of standard error, as far as it can be read.
fn last_lines(mut errors: &File) -> String {
    let mut written = Vec::new();
    let _ = errors.rewind().and_then(|()| errors.read_to_end(&mut written));
    let written = String::from_utf8_lossy(&written);
    let lines = written.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<String> = lines.map(|line| line.chars().take(300).collect()).collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_does_not_answer_is_ended() {
        let mut command = Command::new("sleep");
        command.arg("1000");
        let mut child = Child::start("sleeper", command).unwrap();
        let error = child.hear(Duration::from_millis(20)).unwrap_err().to_string();
        assert!(error.starts_with("sleeper: the program has not answered for 20ms"), "{error}");
        assert!(child.process.try_wait().unwrap().is_some(), "the process has ended");
        assert!(child.tell("hello").is_err());
    }
}
