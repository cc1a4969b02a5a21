//! Runs a command on a private MariaDB, which ends with it:
//! `with_mariadb target/debug/chat --listen 127.0.0.1:8080` adds `--db mysql://…` to the command.

use std::process::{Command, ExitCode, exit};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use threadwise_testkit::mariadb::MariaDb;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: with_mariadb PROGRAM [ARGUMENT]...");
        return ExitCode::from(2);
    };
    // Ctrl-C goes to the program too, which takes its time; this one waits for it.
    let signals = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&signals);
    if let Err(error) = ctrlc::set_handler(move || {
        // Relaxed: it is the only thing that the handler shares.
        if count.fetch_add(1, Ordering::Relaxed) > 1 {
            exit(130);
        }
    }) {
        eprintln!("no handler for Ctrl-C: {error}");
        return ExitCode::FAILURE;
    }
    let server = match MariaDb::builder().durable(true).start() {
        Ok(server) => server,
        Err(error) => {
            eprintln!("no MariaDB: {error}");
            return ExitCode::FAILURE;
        }
    };
    let url = server.url_for(&server.create_database("example"));
    let status = Command::new(&program).args(arguments).arg("--db").arg(url).status();
    match status {
        Ok(status) => {
            ExitCode::from(status.code().and_then(|code| code.try_into().ok()).unwrap_or(1))
        }
        Err(error) => {
            eprintln!("{} did not start: {error}", program.display());
            ExitCode::FAILURE
        }
    }
}
