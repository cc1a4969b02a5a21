//! HTTP connections in a pool, step by step: what each answer does to its connection, and the state
//! of the pool after it.

mod site;
mod walk;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use threadwise_systems::args::seconds;
use threadwise_systems::http::server::{Server, Settings};
use threadwise_systems::http::{Http, Limits};
use threadwise_systems::{PoolChoice, exit_code};
use url::Url;
use walk::Walk;

/// Walks through a pool of two HTTP connections and prints its state after each step.
///
/// Without --url it starts its own server, which closes connections and stops in the middle, as
/// real ones do. Look at which connection answers (the server numbers them), and at what is open
/// after an answer that was not read, or that announced to be the last one.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The pool to walk through.
    #[arg(long, value_enum, default_value_t = PoolChoice::Shared)]
    pool: PoolChoice,

    /// Your own server, for those steps that any server supports. Plain http:// only, without TLS.
    /// It gets a few GETs and a HEAD.
    #[arg(long, value_name = "http://HOST:PORT/PATH")]
    url: Option<Url>,

    /// Seconds in which your server must accept a connection, and answer.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds(1..=3600))]
    timeout: Duration,
}

const SIZE: usize = 2;

fn main() -> ExitCode {
    exit_code(run(Args::parse()))
}

fn run(args: Args) -> Result<(), Box<dyn Error>> {
    let (server, url) = match args.url {
        Some(url) => (None, url),
        None => {
            let server = Server::start(Settings::default(), site::answer)?;
            let url = format!("http://{}/", server.address()).parse()?;
            (Some(server), url)
        }
    };
    let limits = Limits { connect: args.timeout, read: args.timeout, ..Limits::default() };
    let http = Http::for_url(&url)?.limits(limits);
    println!("a pool for {url}, of kind {}, for {SIZE} connections", args.pool);
    let target = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
    Walk { pool: args.pool.build(http, SIZE)?, server, target }.run()
}
