//! A program of another language, which speaks the protocol.

use std::process::Command;
use std::time::Duration;

use super::protocol::{Figures, Mark, Message};
use crate::child::{Child, START};
use crate::{Failure, Result};

/// A running program. Dropping it ends the process.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) child: Child,
    /// The versions of the packages and of the language.
    pub(super) versions: String,
}

impl Program {
    /// Starts a program, and waits until it is ready. Errors call it by `name`.
    ///
    /// # Errors
    ///
    /// If the program cannot be started, ends, or is not ready in time.
    pub(super) fn start(name: &str, command: Command) -> Result<Self> {
        let child = Child::start(name, command).map_err(|failure| {
            Failure::new(format_args!("{failure}; `just bench abroad` installs it if it can"))
        })?;
        let mut program = Self { child, versions: String::new() };
        match program.hear(START)? {
            Message::Ready { ready } => program.versions = ready,
            other => return Err(program.unexpected("the ready line", &other)),
        }
        Ok(program)
    }

    /// Runs a round of this length, and waits for its figures.
    ///
    /// # Errors
    ///
    /// If the program ends, or has not answered `patience` after the round.
    pub(super) fn round(&mut self, window: Duration, patience: Duration) -> Result<Figures> {
        self.child.tell(&format!("round {}", window.as_millis()))?;
        self.hear_figures(window + patience)
    }

    /// Waits for this event.
    ///
    /// # Errors
    ///
    /// If the program ends, writes anything else, or writes nothing for this long.
    pub(super) fn hear_mark(&mut self, expected: Mark, patience: Duration) -> Result<()> {
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
    pub(super) fn hear_figures(&mut self, patience: Duration) -> Result<Figures> {
        match self.hear(patience)? {
            Message::Figures(figures) => Ok(figures),
            other => Err(self.unexpected("figures", &other)),
        }
    }

    fn hear(&mut self, patience: Duration) -> Result<Message> {
        let line = self.child.hear(patience)?;
        serde_json::from_str(&line).map_err(|_| {
            let shown: String = line.chars().take(80).collect();
            self.child.failed(&format!("wrote `{shown}`, which is not of the protocol"))
        })
    }

    fn unexpected(&mut self, expected: &str, message: &Message) -> Failure {
        let shown: String = format!("{message:?}").chars().take(80).collect();
        self.child.failed(&format!("wrote {shown} instead of {expected}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn shell(script: &str) -> Result<Program> {
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
        assert_eq!(program.versions, "shell 1");
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
        assert!(program.child.tell("round 0").is_err());
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
