//! A program of another language: a child process that answers in lines, before a deadline.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::protocol::{Figures, Mark, Message};
use crate::Failure;

/// How long a program may take to begin. A virtual machine on a busy computer takes seconds.
const START: Duration = Duration::from_secs(60);
/// How long a program may take to end after its input has ended.
const END: Duration = Duration::from_secs(5);
/// The longest line: the waits of a long round have some megabytes.
const LONGEST_LINE: u64 = 256 << 20;
/// The lines of standard error that an error shows.
const LAST_LINES: usize = 3;

/// A running program. Dropping it ends the process.
#[derive(Debug)]
pub(super) struct Program {
    name: String,
    child: Child,
    /// `None` after the end of the program.
    input: Option<ChildStdin>,
    lines: Receiver<Result<String, String>>,
    errors: Errors,
    versions: String,
}

/// The last lines that a program wrote on standard error.
#[derive(Debug)]
struct Errors {
    lines: Arc<Mutex<VecDeque<String>>>,
    /// Disconnected at the end of standard error.
    is_open: Receiver<()>,
}

impl Program {
    /// Starts a program, and waits until it is ready. Errors call it by `name`.
    ///
    /// # Errors
    ///
    /// If the program cannot be started, ends, or is not ready in time.
    pub(super) fn start(name: &str, mut command: Command) -> Result<Self, Failure> {
        let program = command.get_program().to_string_lossy().into_owned();
        let spawned = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0) // Ctrl-C is for the harness, which then ends its programs
            .spawn();
        let mut child = spawned.map_err(|error| {
            Failure::new(format_args!(
                "{name}: cannot start {program} ({error}); `just bench abroad` installs it if it can"
            ))
        })?;
        let input = child.stdin.take();
        let lines = read_lines(child.stdout.take().expect("it is piped"));
        let errors = Errors::read(child.stderr.take().expect("it is piped"));
        let mut started =
            Self { name: name.into(), child, input, lines, errors, versions: String::new() };
        match started.hear(START)? {
            Message::Ready { ready } => started.versions = ready,
            other => return Err(started.unexpected("the ready line", &other)),
        }
        Ok(started)
    }

    /// Returns the versions of the packages and of the language.
    pub(super) fn versions(&self) -> &str {
        &self.versions
    }

    /// Runs a round of this length, and waits for its figures.
    ///
    /// # Errors
    ///
    /// If the program ends, or has not answered `patience` after the round.
    pub(super) fn round(
        &mut self,
        window: Duration,
        patience: Duration,
    ) -> Result<Figures, Failure> {
        self.tell(&format!("round {}", window.as_millis()))?;
        self.hear_figures(window + patience)
    }

    /// Writes a line.
    ///
    /// # Errors
    ///
    /// If the program has ended.
    pub(super) fn tell(&mut self, line: &str) -> Result<(), Failure> {
        let written = match &mut self.input {
            Some(input) => input.write_all(format!("{line}\n").as_bytes()).is_ok(),
            None => false,
        };
        if written { Ok(()) } else { Err(self.failed("has ended")) }
    }

    /// Waits for this event.
    ///
    /// # Errors
    ///
    /// If the program ends, writes anything else, or writes nothing for this long.
    pub(super) fn hear_mark(&mut self, expected: Mark, patience: Duration) -> Result<(), Failure> {
        match self.hear(patience)? {
            Message::Mark { mark } if mark == expected => Ok(()),
            other => Err(self.unexpected("a mark", &other)),
        }
    }

    /// Waits for the figures of a round.
    ///
    /// # Errors
    ///
    /// As for [`hear_mark`](Self::hear_mark).
    pub(super) fn hear_figures(&mut self, patience: Duration) -> Result<Figures, Failure> {
        match self.hear(patience)? {
            Message::Figures(figures) => Ok(figures),
            other => Err(self.unexpected("figures", &other)),
        }
    }

    fn hear(&mut self, patience: Duration) -> Result<Message, Failure> {
        let line = match self.lines.recv_timeout(patience) {
            Ok(Ok(line)) => line,
            Ok(Err(unreadable)) => return Err(self.failed(&unreadable)),
            Err(RecvTimeoutError::Timeout) => {
                return Err(self.failed(&format!("has not answered for {patience:?}")));
            }
            Err(RecvTimeoutError::Disconnected) => return Err(self.failed("has ended")),
        };
        serde_json::from_str(&line).map_err(|_| {
            let shown: String = line.trim_end().chars().take(80).collect();
            self.failed(&format!("wrote `{shown}`, which is not of the protocol"))
        })
    }

    fn unexpected(&mut self, expected: &str, message: &Message) -> Failure {
        let mut shown = format!("{message:?}");
        shown.truncate(shown.char_indices().nth(80).map_or(shown.len(), |(at, _)| at));
        self.failed(&format!("wrote {shown} instead of {expected}"))
    }

    /// Ends the process, and returns the error with what the program wrote on standard error.
    pub(super) fn failed(&mut self, what: &str) -> Failure {
        self.input = None;
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
        let name = &self.name;
        match self.errors.last_lines() {
            lines if lines.is_empty() => Failure::new(format_args!(
                "{name}: the program {what}; its standard error is empty"
            )),
            lines => Failure::new(format_args!(
                "{name}: the program {what}; its standard error: {lines}"
            )),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.input = None; // a program ends with its input
        let end = Instant::now() + END;
        while let Ok(None) = self.child.try_wait() {
            if Instant::now() > end {
                let _ = self.child.kill();
                let _ = self.child.wait();
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

    const PATIENCE: Duration = Duration::from_secs(30);

    fn shell(script: &str) -> Result<Program, Failure> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Program::start("pool", command)
    }

    fn error_of(script: &str) -> String {
        let error = shell(script).and_then(|mut it| it.round(Duration::ZERO, PATIENCE));
        error.expect_err("it does not follow the protocol").to_string()
    }

    const READY: &str = r#"echo '{"ready":"shell 1"}'; read command;"#;

    #[test]
    fn a_program_reports_its_versions_and_the_figures_of_a_round() {
        let figures = r#"{"threads":[],"first_error":null,"opened":3}"#;
        let mut program = shell(&format!("{READY} echo '{figures}'; read end")).unwrap();
        assert_eq!(program.versions(), "shell 1");
        assert_eq!(program.round(Duration::ZERO, PATIENCE).unwrap().opened, 3);
    }

    #[test]
    fn a_missing_program_is_told_in_one_sentence_that_says_what_to_do() {
        let error =
            Program::start("pool", Command::new("/nowhere/python")).unwrap_err().to_string();
        assert!(error.starts_with("pool: cannot start /nowhere/python ("), "{error}");
        assert!(error.ends_with("`just bench abroad` installs it if it can"), "{error}");
        assert_eq!(error.lines().count(), 1);
    }

    #[test]
    fn a_program_that_dies_fails_with_its_standard_error() {
        let error = error_of("echo first >&2; echo '' >&2; echo second >&2; exit 3");
        assert_eq!(error, "pool: the program has ended; its standard error: first | second");
        let error = error_of(&format!("{READY} exit 3"));
        assert_eq!(error, "pool: the program has ended; its standard error is empty");
    }

    #[test]
    fn a_program_that_writes_garbage_fails_with_the_garbage() {
        let error = error_of(&format!("{READY} echo reason >&2; echo hello; read end"));
        assert!(error.contains("wrote `hello`, which is not of the protocol"), "{error}");
        assert!(error.ends_with("its standard error: reason"), "{error}");
        let error = error_of(r#"echo '{"mark":"back"}'; read end"#);
        assert!(error.contains("instead of the ready line"), "{error}");
        assert!(error_of(r"printf '\377\n'; read end").contains("not UTF-8"));
    }

    #[test]
    fn a_program_that_does_not_answer_fails_and_ends() {
        // `exec`, so that the shell has no child that would outlive it.
        let mut program = shell(&format!("{READY} exec sleep 1000")).unwrap();
        let error = program.round(Duration::ZERO, Duration::from_millis(20)).unwrap_err();
        assert!(error.to_string().contains("has not answered for 20ms"), "{error}");
        assert!(program.child.try_wait().unwrap().is_some(), "the process has ended");
        assert!(program.tell("round 0").is_err());
    }

    #[test]
    fn a_program_ends_with_its_input() {
        let directory = tempfile::tempdir().unwrap();
        let end = directory.path().join("end");
        let program = shell(&format!("{READY} echo > {}", end.display())).unwrap();
        drop(program);
        assert!(end.exists(), "it was not killed before");
    }
}
