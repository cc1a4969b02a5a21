//! A child process that answers in lines, before a deadline.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
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
    errors: Errors,
}

/// The last lines that a program wrote on standard error.
#[derive(Debug)]
struct Errors {
    lines: Arc<Mutex<VecDeque<String>>>,
    /// Disconnected at the end of standard error.
    is_open: Receiver<()>,
}

impl Child {
    /// Starts a process. Errors call it by `name`.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start(name: &str, mut command: Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        let spawned = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0) // Ctrl-C is for this program, which then ends its children
            .spawn();
        let mut process = spawned.map_err(|error| {
            Failure::new(format_args!("{name}: cannot start {program} ({error})"))
        })?;
        let input = process.stdin.take();
        let lines = read_lines(process.stdout.take().expect("it is piped"));
        let errors = Errors::read(process.stderr.take().expect("it is piped"));
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
        let errors = match self.errors.last_lines() {
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

impl Errors {
    fn read(output: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let (is_alive, is_open): (SyncSender<()>, _) = mpsc::sync_channel(0);
        let kept = Arc::clone(&lines);
        thread::spawn(move || {
            let _until_the_end = is_alive;
            let mut output = BufReader::new(output);
            while let Some(Ok(line)) = next_line(&mut output) {
                if line.trim().is_empty() {
                    continue;
                }
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.truncate(LAST_LINES - 1);
                kept.push_front(line.trim().chars().take(300).collect());
            }
        });
        Self { lines, is_open }
    }

    /// Returns the last lines. Call it after the end of the process: it waits a moment for the
    /// reader.
    fn last_lines(&self) -> String {
        let _ = self.is_open.recv_timeout(END);
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().rev().map(String::as_str).collect::<Vec<_>>().join(" | ")
    }
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
