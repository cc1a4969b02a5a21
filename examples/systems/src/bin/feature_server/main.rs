//! Scores people over HTTP: twenty features out of the database for each request, fetched in
//! parallel, and a small model.
//!
//! ```text
//! cargo run -p threadwise-systems --bin feature_server -- --listen 127.0.0.1:8080
//! curl -i http://127.0.0.1:8080/score/7
//! ```

mod compare;
mod features;
mod http;
mod model;
mod order;
mod refusal;
mod routes;
mod scorer;
mod seed;
mod server;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Parser;
use threadwise_systems::args::{DatabaseArgs, ListenArgs, PoolArgs, count};
use threadwise_systems::http::ServerLimits;
use threadwise_systems::{Shutdown, exit_code};

use crate::compare::Comparison;
use crate::scorer::{Fetch, Plan, Scorer};
use crate::server::Limits;

/// Scores made-up people over HTTP: GET /score/USER fetches twenty features of a person from the
/// database and says how likely this person is to buy again. Each score is also written to the
/// table `scored`, and committed before its answer is sent.
///
/// While it runs, GET /state shows how many connections are open and how many gets had to wait. Try
/// --fetch sequential, and --fetch holding --connections 1.
#[derive(Parser)]
#[command(name = "feature_server")]
struct Options {
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    pool: PoolArgs,

    /// Threads that answer requests [default: as many as processors].
    #[arg(long, value_name = "N", value_parser = count(256))]
    workers: Option<usize>,

    /// rayon's threads, which fetch; none needs more than one connection [default: --connections].
    #[arg(long, value_name = "N", value_parser = count(256))]
    fetchers: Option<usize>,

    /// How the features of a request are fetched.
    #[arg(long, value_enum, default_value_t = Fetch::Parallel)]
    fetch: Fetch,

    /// Features of each person.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = count(20))]
    features: usize,

    /// People to make up, if the database has none.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(i64).range(1..=100_000))]
    users: i64,

    /// Milliseconds from the end of a request to its answer; a later one is 503.
    #[arg(long, value_name = "MS", default_value_t = 2000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=60_000))]
    deadline_ms: u64,

    /// Milliseconds in which a client must send a request.
    #[arg(long, value_name = "MS", default_value_t = 5000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=600_000))]
    request_ms: u64,

    /// Milliseconds that a client may stay without a request.
    #[arg(long, value_name = "MS", default_value_t = 60_000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    idle_ms: u64,

    /// Do not store scores.
    #[arg(long)]
    no_log: bool,

    /// Simulate distance to the database: microseconds to sleep for each question to it.
    #[arg(long, value_name = "US", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=1_000_000))]
    distance_us: u64,

    /// Serve no clients: measure each pool in turn with its own clients, and print a table.
    #[arg(long)]
    compare: bool,

    /// Clients of --compare.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = count(256))]
    clients: usize,

    /// Seconds for each pool of --compare.
    #[arg(long, value_name = "S", default_value = "3", value_parser = seconds)]
    seconds: Duration,

    /// Rounds of --compare, each with all pools; the best of each is shown.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count(100))]
    rounds: usize,
}

fn seconds(text: &str) -> std::result::Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "from 0.1 to 600".to_owned())
}

impl Options {
    fn plan(&self) -> Plan {
        Plan {
            fetch: self.fetch,
            fetchers: self.fetchers.unwrap_or(self.pool.connections),
            features: self.features,
            users: self.users,
            log: !self.no_log,
            distance: Duration::from_micros(self.distance_us),
        }
    }

    fn limits(&self) -> Limits {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Limits {
            workers: self.workers.unwrap_or(processors),
            deadline: Duration::from_millis(self.deadline_ms),
            clients: ServerLimits {
                clients: self.listen.max_clients,
                request: Duration::from_millis(self.request_ms),
                idle: Duration::from_millis(self.idle_ms),
            },
        }
    }
}

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    exit_code(run(Options::parse()).map_err(|error| -> Box<dyn Error> { error }))
}

fn run(options: Options) -> Result<()> {
    let shutdown = Shutdown::on_signals()?;
    let (plan, limits) = (options.plan(), options.limits());
    println!(
        "{}; {} workers, {} fetchers, {} features, {:?}",
        options.database.db, limits.workers, plan.fetchers, plan.features, plan.fetch,
    );
    let connections = options.pool.connections;
    if options.compare {
        let Options { clients, seconds: time, rounds, .. } = options;
        println!(
            "{connections} connections, {clients} clients, {time:?} for each pool, the best of {rounds}"
        );
        let comparison = Comparison { plan, limits, connections, clients, time, rounds };
        return compare::run(&comparison, &options.database.db, &shutdown);
    }
    let pool = options.pool.build(options.database.db.manager())?;
    let scorer = Arc::new(Scorer::new(pool, plan)?);
    options.listen.make_room(1);
    let listener = options.listen.bind()?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}/ with {} users", scorer.users());
    println!("try: curl -i http://{address}/score/7 and http://{address}/state");
    server::run(listener, limits, &shutdown, &scorer)?;
    println!("at the end: {}", scorer.state());
    scorer.close();
    Ok(())
}
