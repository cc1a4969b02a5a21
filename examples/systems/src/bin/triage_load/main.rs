//! Drives `triage_server` with many clients, and prints lines per second, p50 and p99.

mod compare;
mod load;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use threadwise_systems::args::{count, seconds};
use threadwise_systems::{exit_code, table};

/// Drives `triage_server` with clients that each send a case, wait for its answer, and send the
/// next.
///
/// `triage_load ADDRESS` drives a running server. `triage_load --compare` starts a server for each
/// kind of pool in turn, each with its own database, and prints one table; with the program
/// `with_mariadb` before it, on a private MariaDB.
///
/// Look at the p99 beside the throughput: a pool can win the one and lose the other.
#[derive(Parser)]
#[command(name = "triage_load")]
struct Options {
    /// Where `triage_server` listens, as it says at its start.
    #[arg(value_name = "ADDRESS", required_unless_present = "compare")]
    address: Option<String>,

    /// Clients at once.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = count(1000))]
    clients: usize,

    /// How long.
    #[arg(long, value_name = "SECONDS", default_value = "3", value_parser = seconds(1..=3600))]
    seconds: Duration,

    /// Start a server for each kind of pool, and compare them.
    #[arg(long, conflicts_with = "address")]
    compare: bool,

    #[command(flatten)]
    servers: compare::Servers,
}

fn main() -> ExitCode {
    exit_code(run(&Options::parse()))
}

fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let time = options.seconds;
    let turns = match &options.address {
        Some(address) => vec![load::turn(address, address, options.clients, time)?],
        None => options.servers.compare(options.clients, time)?,
    };
    println!("{}", table("cases", &turns));
    Ok(())
}
