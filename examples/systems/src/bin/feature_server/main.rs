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

use clap::Parser;
use threadwise_systems::args::{DatabaseArgs, ListenArgs, PoolArgs};
use threadwise_systems::{Shutdown, exit_code};

use crate::compare::{Comparison, Place};
use crate::scorer::{Plan, Scorer};
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

    #[command(flatten)]
    plan: Plan,
    #[command(flatten)]
    limits: Limits,

    /// Serve no clients: measure each pool in turn with its own clients, and print a table.
    #[arg(long)]
    compare: bool,

    #[command(flatten)]
    comparison: Comparison,
}

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    exit_code(run(Options::parse()).map_err(|error| -> Box<dyn Error> { error }))
}

fn run(options: Options) -> Result<()> {
    let shutdown = Shutdown::on_signals()?;
    let Options { listen, database, pool, plan, limits, .. } = options;
    println!(
        "{}; {} workers, {} fetchers, {} features, {:?}",
        database.db,
        limits.workers(),
        plan.fetchers(pool.connections),
        plan.features,
        plan.fetch,
    );
    if options.compare {
        let place = Place { source: &database.db, connections: pool.connections, plan, limits };
        return options.comparison.run(&place, &shutdown);
    }
    let scorer = pool.build(database.db.manager())?;
    let scorer = Arc::new(Scorer::new(scorer, plan, pool.connections)?);
    listen.make_room(1);
    let listener = listen.bind()?;
    let address = listener.local_addr()?;
    println!("listening on http://{address}/ with {} users", scorer.users());
    println!("try: curl -i http://{address}/score/7 and http://{address}/state");
    server::run(listener, listen.max_clients, limits, &shutdown, &scorer)?;
    println!("at the end: {}", scorer.state());
    scorer.close();
    Ok(())
}
