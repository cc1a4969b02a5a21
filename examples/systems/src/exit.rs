//! The end of a program.

use std::error::Error;
use std::process::{ExitCode, Termination};

use threadwise::chain;

/// The user pressed Ctrl-C before the program was done.
#[derive(Debug, thiserror::Error)]
#[error("interrupted: the pool is closed")]
pub struct Interrupted;

/// The exit code for what a program did. It prints an error with its causes, behind the program's
/// name. [`Interrupted`] is a success.
pub fn exit_code(done: Result<impl Termination, Box<dyn Error>>) -> ExitCode {
    let error = match done {
        Ok(done) => return done.report(),
        Err(error) => error,
    };
    if error.is::<Interrupted>() {
        println!("{error}");
        return ExitCode::SUCCESS;
    }
    let program = std::env::current_exe().unwrap_or_default();
    let name = program.file_stem().unwrap_or_default().display();
    eprintln!("{name}: {}", chain(&*error));
    ExitCode::FAILURE
}
