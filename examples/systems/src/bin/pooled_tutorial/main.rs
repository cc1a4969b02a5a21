//! The pool of a DBUtils tutorial, each of its parameters, and its state after each step.
//!
//! The tutorial (Python, pymysql) makes a `PooledDB` with a limit of six connections, takes one
//! out, gets a cursor, selects and closes. Here is the same pool as a `SharedPool`. Look at the
//! columns `open` and `idle`, and at the seventh thread, which waits for one of six connections.
//!
//! ```text
//! cargo run -p threadwise-systems --bin pooled_tutorial
//! ```

mod parameters;
mod report;
mod sharing;
mod steps;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use threadwise_systems::args::{DatabaseArgs, millis};
use threadwise_systems::{Shutdown, Source, exit_code};

/// Walks through the pool of a DBUtils tutorial, step by step.
///
/// Prints each parameter of Python's `PooledDB` beside its Rust name, then the pool's state after
/// each step. It creates its own table in the database, and drops it at the end.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    database: DatabaseArgs,

    /// Milliseconds to wait after each step, to look at the server meanwhile (`SHOW PROCESSLIST`).
    #[arg(long = "pause-ms", value_name = "MS", default_value = "0", value_parser = millis(..))]
    pause: Duration,
}

fn main() -> ExitCode {
    let args = Args::parse();
    exit_code(run(&args.database.db, args.pause))
}

fn run(source: &Source, pause: Duration) -> Result<(), Box<dyn Error>> {
    let shutdown = Shutdown::on_signals()?;
    println!("{source}\n");
    parameters::print();
    steps::walk(source, &shutdown, pause)?;
    sharing::walk(source, &shutdown, pause)
}
