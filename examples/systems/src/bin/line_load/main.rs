//! Sends lines to a `line_ingest`, again if no answer came, and prints how long they took.

mod sender;

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use parking_lot::Mutex;
use threadwise_systems::args::{count, seconds};
use threadwise_systems::{PoolChoice, Program, Turn, exit_code, table};

use crate::sender::Sender;

/// Sends lines to `line_ingest` and waits until each is acknowledged: through lost connections,
/// killed workers and a database that restarts.
///
/// Try it: `line_load 127.0.0.1:7000`, and meanwhile kill a worker with `kill -9`. Then count:
/// `sqlite3 lines.db 'SELECT count(*) FROM ingested'`. `line_load --compare` starts a `line_ingest`
/// for each kind of pool by itself, and prints a table.
#[derive(Parser)]
struct Args {
    /// Where a `line_ingest` listens.
    #[arg(required_unless_present = "compare")]
    address: Option<SocketAddr>,

    /// Clients at once.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = count(1000))]
    clients: usize,

    /// Lines of each client.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    lines: u64,

    /// Lines that a client sends before the first of them is acknowledged.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = count(1000))]
    window: usize,

    /// Bytes of text in each line.
    #[arg(long, value_name = "N", default_value_t = 80, value_parser = count(8000))]
    length: usize,

    /// The clients' name, followed by a number; the same name sends the same lines.
    #[arg(long, default_value_t = format!("load{}", std::process::id()))]
    name: String,

    /// Seconds that a client continues without an acknowledgement.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds(..))]
    patience: Duration,

    /// Start a server for each kind of pool, with batches and with single lines, and compare them.
    #[arg(long, conflicts_with = "address")]
    compare: bool,

    /// With --compare: the servers' database; `sqlite` is a temporary file for each.
    #[arg(long, value_name = "URL", env = "THREADWISE_DB", hide_env_values = true)]
    #[arg(default_value = "sqlite")]
    db: String,

    /// With --compare: the servers' workers.
    #[arg(long, value_name = "N", default_value_t = 2)]
    workers: usize,

    /// With --compare: connections of each worker.
    #[arg(long, value_name = "N", default_value_t = 4)]
    connections: usize,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let Some(address) = args.address else {
        println!("{}", table("lines", &compare(args)?));
        return Ok(());
    };
    let (turn, Again { connections, lines }) = load(args, address, &args.name, "all")?;
    println!("{}", table("lines", &[turn]));
    println!("connected again {connections} times, sent {lines} lines again");
    Ok(())
}

/// How often the clients had to try again.
struct Again {
    connections: u64,
    lines: u64,
}

/// Sends all clients' lines to one server.
fn load(args: &Args, address: SocketAddr, name: &str, row: &str) -> io::Result<(Turn, Again)> {
    let sender = |client: usize| Sender {
        address,
        name: format!("{name}-{client}"),
        lines: args.lines,
        window: args.window,
        length: args.length,
        patience: args.patience,
    };
    let again = Mutex::new(Again { connections: 0, lines: 0 });
    let client = |client| {
        let again = &again;
        move || {
            let report = sender(client).run()?;
            let mut again = again.lock();
            again.connections += report.connections - 1;
            again.lines += report.repeated;
            io::Result::Ok(report.figures)
        }
    };
    let turn = Turn::run(row, (1..=args.clients).map(client))?;
    Ok((turn, again.into_inner()))
}

/// Runs a server for each kind of pool, with its batches, and with a transaction for each line.
fn compare(args: &Args) -> Result<Vec<Turn>, Box<dyn Error>> {
    let [workers, connections] = [args.workers, args.connections].map(|n| n.to_string());
    let mut turns = Vec::new();
    for (batch, what) in [("500", "batches"), ("1", "single lines")] {
        for kind in PoolChoice::ALL.map(|kind| kind.to_string()) {
            let options = [
                ("--pool", &*kind),
                ("--batch", batch),
                ("--workers", &workers),
                ("--connections", &connections),
            ];
            let server = Program::start("line_ingest", &args.db, &options)?;
            let name = format!("{}-{kind}-{batch}", std::process::id());
            let address = server.address().parse()?;
            turns.push(load(args, address, &name, &format!("{kind}, {what}"))?.0);
            server.finish()?;
        }
    }
    Ok(turns)
}
