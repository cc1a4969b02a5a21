//! What a program says on its terminal: errors on one line, and output that may be cut off.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use indicatif::{ProgressBar, ProgressStyle};

/// Reports an error that the user can fix.
pub fn refuse(problem: &str) -> ExitCode {
    eprintln!("error: {problem}");
    ExitCode::from(2)
}

/// Parses the command line. If there is nothing to run, because it asks for help or has an error,
/// prints that and returns the exit code.
///
/// # Errors
///
/// See above.
pub fn parse<A: Parser>() -> Result<A, ExitCode> {
    A::try_parse().map_err(|error| {
        if error.use_stderr() {
            return refuse(&one_line(&error));
        }
        let _ = error.print();
        ExitCode::SUCCESS
    })
}

/// Unlike `print!`, does not panic if the reader closes the pipe (`… list | head`).
pub fn print(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

const BAR: &str = "{msg:32!} {wide_bar} {pos}/{len} turns, {eta} left";

/// A bar for progress in turns; hidden without a terminal.
pub fn bar() -> ProgressBar {
    if io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() }
}

/// Begins so many turns with a bar.
pub fn begin(bar: &ProgressBar, turns: usize) {
    bar.set_position(0);
    bar.set_length(turns as u64);
    bar.set_style(ProgressStyle::with_template(BAR).expect("the template is well-formed"));
    bar.reset_eta();
}

/// Accepts a number from 1 to `most`.
pub fn at_least_one(most: u64) -> impl TypedValueParser<Value = usize> {
    clap::value_parser!(u64).range(1..=most).map(|number| number as usize)
}

/// Returns the message of an argument error, without the usage lines around it.
fn one_line(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "a subcommand is missing; try --help".into(); // clap's text is the whole help
    }
    let text = error.to_string();
    let lines: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let line = lines.join(" ");
    format!("{}; try --help", without_passwords(line.strip_prefix("error: ").unwrap_or(&line)))
}

/// Removes user and password from a URL in an argument that should not be a URL.
fn without_passwords(line: &str) -> String {
    let Some((before, url)) = line.split_once("://") else { return line.to_owned() };
    match url.rsplit_once('@') {
        Some((_, rest)) => format!("{before}://…@{rest}"),
        None => line.to_owned(),
    }
}
