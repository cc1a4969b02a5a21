//! A connection for each thread, while threads start and end, beside the server's own list.
//!
//! The origin is DBUtils' `PersistentDB`: one connection per thread, closed when the thread ends.
//! Here several kinds of threads start and end. After each step the program prints what the pool
//! says is open, and what the server says. Both agree, and `closed` grows when threads end, not
//! when connections are returned.
//!
//! ```text
//! cargo run -p threadwise-systems --bin thread_lifetimes
//! ```

mod detached;
mod limited;
mod rayons;
mod recycled;
mod scoped;
mod stage;
mod standard;
mod witness;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use threadwise::persistent::PersistentPool;
use threadwise_systems::args::{DatabaseArgs, millis};
use threadwise_systems::{Shutdown, Source, exit_code};

use stage::{Result, Stage};
use witness::Witness;

/// Starts and ends threads, and lists the open connections after each step.
///
/// Each row is a step: what the pool has open, and what the database sees. On MySQL and MariaDB
/// that is the process list, read through a separate connection. SQLite has no server; there it is
/// the number of handles of its log that this process has open, one for each connection that has
/// read (on Linux). Nothing is written to the database.
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
    let done = run(&args.database.db, args.pause);
    exit_code(done.map_err(|error| -> Box<dyn Error> { error }))
}

fn run(source: &Source, pause: Duration) -> Result {
    let shutdown = Shutdown::on_signals()?;
    let witness = Arc::new(Witness::of(source)?);
    println!("{source}");

    let pool = PersistentPool::builder().build_lazy(source.manager())?;
    let stage = Stage { pool: &pool, witness: &witness, shutdown: &shutdown, pause };
    let played = play(&stage);
    pool.close(); // also after Ctrl-C, when threads may have handles of it
    played?;

    let pool = PersistentPool::builder().max_threads(2).max_overflow(1);
    let pool = pool.build_lazy(source.manager())?;
    limited::play(&Stage { pool: &pool, ..stage })
}

fn play(stage: &Stage<'_>) -> Result {
    standard::play(stage)?;
    scoped::play(stage)?;
    rayons::play(stage)?;
    recycled::play(stage)?;
    detached::play(stage)
}
