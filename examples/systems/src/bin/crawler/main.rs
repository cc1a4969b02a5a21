//! A crawler whose threads share a pool of HTTP connections, pages and images alike.

mod compare;
mod crawl;
mod frontier;
mod links;
mod report;
mod site;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser};
use threadwise_systems::args::{PoolArgs, count, seconds};
use threadwise_systems::http::server::{Server, Settings};
use threadwise_systems::http::{Http, Limits};
use threadwise_systems::{Shutdown, exit_code};
use url::Url;

use crawl::Crawl;
use frontier::{Bounds, Frontier};

/// Crawls a site: follows its links and fetches its images, on a pool of connections.
///
/// Without --url it serves its own site, with the traps of real ones: redirects in a circle, a
/// calendar without end, connections that close, a page that is too large, broken HTML. The last
/// line shows how many connections the server has seen for how many requests. With --pool none
/// there is one for each request; --compare shows all pools side by side.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Args {
    #[command(flatten)]
    pool: PoolArgs,

    /// Threads that fetch.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = count(256))]
    threads: usize,

    /// Your own server, crawled from this page on, and not beyond it. Plain http:// only, without
    /// TLS; robots.txt is not read.
    #[arg(long, value_name = "http://HOST:PORT/PATH")]
    url: Option<Url>,

    #[command(flatten)]
    bounds: Bounds,

    /// The largest page or image to read.
    #[arg(long, value_name = "BYTES", default_value_t = 1024 * 1024)]
    max_bytes: u64,

    /// Seconds in which a server must accept a connection, and answer to the end.
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds(1..=3600))]
    timeout: Duration,

    /// Crawl the site once on each kind of pool, and once on none, and compare.
    ///
    /// By default, --round-trip is then 5 and --connections three quarters of the threads: a pool
    /// helps if the server is far away, and if threads share.
    #[arg(long, conflicts_with_all = ["url", "pool"])]
    compare: bool,

    /// The size of the program's own site: shelves with a dozen books each.
    #[arg(long, value_name = "N", default_value_t = 6, conflicts_with = "url")]
    #[arg(value_parser = count(10_000))]
    shelves: usize,

    /// The distance of the program's own server, in milliseconds: it waits that long before it
    /// reads from a new connection, and before each answer.
    #[arg(long, value_name = "MS", default_value_t = 0, conflicts_with = "url")]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=1000))]
    round_trip: u64,
}

fn main() -> ExitCode {
    exit_code(run(&Args::read()))
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let shutdown = Shutdown::on_signals()?;
    if args.compare {
        return compare::all_pools(args, &shutdown);
    }
    let (server, start) = match &args.url {
        Some(url) => (None, url.clone()),
        None => {
            let server = args.serve()?;
            let start = start_of(&server)?;
            (Some(server), start)
        }
    };
    let frontier = args.frontier(start);
    let http = args.http(&frontier)?;
    println!(
        "crawling {} with {} threads on {} connections, pool {}; Ctrl-C ends it",
        frontier.start(),
        args.threads,
        args.pool.connections,
        args.pool.pool
    );
    let crawl = Crawl { frontier: &frontier, threads: args.threads, shutdown: &shutdown };
    let crawled = crawl.run(&args.pool.build(http)?, |outcome| println!("{outcome}"));
    print!("{}", report::summary(&crawled, &frontier, server.as_ref()));
    Ok(())
}

/// How far away the server of a comparison is, in milliseconds, unless the user says it.
const COMPARED_ROUND_TRIP: u64 = 5;

impl Args {
    /// Reads the options from the command line.
    fn read() -> Self {
        let matches = Self::command().get_matches();
        let mut args = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let is_said = |id| matches.value_source(id) != Some(ValueSource::DefaultValue);
        if args.compare && !is_said("round_trip") {
            args.round_trip = COMPARED_ROUND_TRIP;
        }
        if args.compare && !is_said("connections") {
            args.pool.connections = (args.threads * 3 / 4).max(1);
        }
        args
    }

    fn serve(&self) -> std::io::Result<Server> {
        let round_trip = Duration::from_millis(self.round_trip);
        Server::start(Settings { round_trip }, site::with(self.shelves))
    }

    fn http(&self, frontier: &Frontier) -> Result<Http, threadwise_systems::http::Error> {
        let timeout = self.timeout;
        Ok(Http::for_url(frontier.start())?.limits(Limits {
            connect: timeout,
            read: timeout,
            write: timeout,
            exchange: timeout,
            body: self.max_bytes,
            ..Limits::default()
        }))
    }

    fn frontier(&self, start: Url) -> Arc<Frontier> {
        Frontier::new(start, self.bounds)
    }
}

fn start_of(server: &Server) -> Result<Url, url::ParseError> {
    format!("http://{}/", server.address()).parse()
}
