//! Sends lines to a `line_ingest`, again if no answer came, and prints how long they took.

mod compare;
mod sender;

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use clap::builder::RangedU64ValueParser;
use threadwise_systems::{PoolChoice, Turn, table};

use crate::compare::Server;
use crate::sender::{Report, Sender};

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
    #[arg(long, value_name = "N", default_value_t = 16)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    clients: usize,

    /// Lines of each client.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    lines: u64,

    /// Lines that a client sends before the first of them is acknowledged.
    #[arg(long, value_name = "N", default_value_t = 16)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    window: usize,

    /// Bytes of text in each line.
    #[arg(long, value_name = "N", default_value_t = 80)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(1..=8000))]
    length: usize,

    /// The clients' name, followed by a number; the same name sends the same lines.
    #[arg(long, default_value_t = format!("load{}", std::process::id()))]
    name: String,

    /// Seconds that a client continues without an acknowledgement.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    patience: u64,

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
    let args = Args::parse();
    let done = match args.address {
        Some(address) => load(&args, address, &args.name, "all").map(|(turn, report)| {
            println!("{}", table("lines", &[turn]));
            let again = report.connections - args.clients as u64;
            println!("connected again {again} times, sent {} lines again", report.repeated);
        }),
        None => compare(&args).map(|turns| println!("{}", table("lines", &turns))),
    };
    done.map_or_else(
        |error| {
            eprintln!("{}", threadwise::chain(&*error));
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

/// Sends all clients' lines to one server.
fn load(
    args: &Args,
    address: SocketAddr,
    name: &str,
    row: &str,
) -> Result<(Turn, Report), Box<dyn Error>> {
    let sender = |client: usize| Sender {
        address,
        name: format!("{name}-{client}"),
        lines: args.lines,
        window: args.window,
        length: args.length,
        patience: Duration::from_secs(args.patience),
    };
    let began = Instant::now();
    let reports = thread::scope(|scope| {
        let clients: Vec<_> =
            (1..=args.clients).map(|client| scope.spawn(move || sender(client).run())).collect();
        let joined = clients.into_iter().map(|client| client.join().expect("no panic"));
        joined.collect::<Result<Vec<_>, _>>()
    });
    let elapsed = began.elapsed();
    let mut all = Report::default();
    for report in reports? {
        all.figures.add(&report.figures);
        all.repeated += report.repeated;
        all.connections += report.connections;
    }
    Ok((Turn { name: row.to_owned(), figures: all.figures.clone(), elapsed }, all))
}

/// Runs a server for each kind of pool, with its batches, and with a transaction for each line.
fn compare(args: &Args) -> Result<Vec<Turn>, Box<dyn Error>> {
    let mut turns = Vec::new();
    for (batch, what) in [("500", "batches"), ("1", "single lines")] {
        for kind in PoolChoice::ALL {
            let options = [
                ("--pool", kind.to_string()),
                ("--batch", batch.to_owned()),
                ("--workers", args.workers.to_string()),
                ("--connections", args.connections.to_string()),
            ];
            let options = options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
            let server = Server::start(&args.db, &options.collect::<Vec<_>>())?;
            let name = format!("{}-{kind}-{batch}", std::process::id());
            turns.push(load(args, server.address, &name, &format!("{kind}, {what}"))?.0);
            server.finish()?;
        }
    }
    Ok(turns)
}
