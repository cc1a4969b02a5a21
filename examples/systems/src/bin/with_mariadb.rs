//! Runs a command on a private MariaDB, which ends with it:
//! `with_mariadb target/debug/chat --listen 127.0.0.1:8080` adds `--db mysql://…` to the command.

use std::error::Error;
use std::process::{Child, Command, ExitCode};
use std::thread;

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;
use threadwise_systems::exit_code;
use threadwise_testkit::mariadb::MariaDb;

fn main() -> ExitCode {
    exit_code(run())
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: with_mariadb PROGRAM [ARGUMENT]...");
        return Ok(ExitCode::from(2));
    };
    // Runs before other threads exist. The program gets its own mask, unblocked.
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    signals.thread_block()?;
    let server = MariaDb::builder().durable(true).start()?;
    let url = server.url_for(&server.create_database("example"));
    let mut child = Command::new(&program)
        .args(arguments)
        .arg("--db")
        .arg(url)
        .spawn()
        .map_err(|error| format!("{} did not start: {error}", program.display()))?;
    pass_on(signals, &child);
    let status = child.wait()?;
    Ok(ExitCode::from(status.code().and_then(|code| code.try_into().ok()).unwrap_or(1)))
}

/// Passes `SIGTERM` on to the program, because it reaches only this process. Ctrl-C reaches the
/// program, too, and the server stays until the program has ended.
fn pass_on(signals: SigSet, child: &Child) {
    let child = Pid::from_raw(child.id().try_into().expect("an id of a process"));
    thread::spawn(move || {
        while let Ok(signal) = signals.wait() {
            if signal == Signal::SIGTERM {
                let _ = kill(child, Signal::SIGTERM); // it may have ended
            }
        }
    });
}
