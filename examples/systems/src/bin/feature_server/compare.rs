//! The same requests on each pool, in turn.

use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use threadwise_systems::args::count;
use threadwise_systems::{Figures, PoolChoice, Shutdown, Source, Turn, table};

use crate::scorer::{Fetch, Plan, Scorer};
use crate::server::{self, Limits};

/// The settings of a comparison.
#[derive(Args)]
pub(crate) struct Comparison {
    /// Clients of --compare. Each sends its next request as soon as it has an answer.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = count(256))]
    clients: usize,

    /// Seconds for each pool of --compare.
    #[arg(long, value_name = "S", default_value = "3", value_parser = seconds)]
    seconds: Duration,

    /// Rounds of --compare, each with all pools; the best of each is shown.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count(100))]
    rounds: usize,
}

/// What is the same for all pools.
pub(crate) struct Place<'p> {
    pub(crate) source: &'p Source,
    pub(crate) connections: usize,
    pub(crate) plan: Plan,
    pub(crate) limits: Limits,
}

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn seconds(text: &str) -> std::result::Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "from 0.1 to 600".to_owned())
}

impl Comparison {
    /// Prints a row for each pool, and one for sequential fetches. Each row is the best of some
    /// rounds, because other work on the machine only makes a round slower.
    pub(crate) fn run(&self, place: &Place<'_>, shutdown: &Shutdown) -> Result<()> {
        let Self { clients, seconds, rounds } = self;
        println!(
            "{} connections, {clients} clients, {seconds:?} for each pool, the best of {rounds}",
            place.connections
        );
        let rows = PoolChoice::ALL.map(|kind| (kind, place.plan.fetch));
        let rows = rows.into_iter().chain([(PoolChoice::Shared, Fetch::Sequential)]);
        let mut best: Vec<Turn> = Vec::new();
        for _ in 0..*rounds {
            for (row, (kind, fetch)) in rows.clone().enumerate() {
                if shutdown.has_begun() {
                    return Ok(()); // half a table tells nothing
                }
                let turn = self.measure(place, kind, fetch)?;
                match best.get_mut(row) {
                    Some(best) if best.rate() >= turn.rate() => {}
                    Some(best) => *best = turn,
                    None => best.push(turn),
                }
            }
        }
        println!("{}", table("requests", &best));
        Ok(())
    }

    /// One round of one pool.
    fn measure(&self, place: &Place<'_>, kind: PoolChoice, fetch: Fetch) -> Result<Turn> {
        let name = match fetch {
            Fetch::Sequential => format!("{kind}, one feature after the other"),
            _ => kind.to_string(),
        };
        eprintln!("{name}…");
        let pool = kind.build(place.source.manager(), place.connections)?;
        let mut plan = place.plan;
        plan.fetch = fetch;
        let scorer = Arc::new(Scorer::new(pool, plan, place.connections)?);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let end = Arc::<Shutdown>::default();
        let turn = thread::scope(|threads| {
            let serve = || server::run(listener, self.clients, place.limits, &end, &scorer);
            let server = threads.spawn(serve);
            let (until, users) = (Instant::now() + self.seconds, scorer.users());
            let client = |seed| move || Ok(ask(address, users, seed, until));
            let turn = Turn::run(name, (0..self.clients as u64).map(client));
            end.begin();
            server.join().expect("a server that does not panic").and(turn)
        })?;
        scorer.close();
        Ok(turn)
    }
}

/// Asks for one score after the other.
fn ask(address: SocketAddr, users: i64, seed: u64, end: Instant) -> Figures {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(30)));
    let agent = config.build().new_agent();
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut figures = Figures::default();
    while Instant::now() < end {
        let began = Instant::now();
        let url = format!("http://{address}/score/{}", rng.i64(1..users + 1));
        let answer = agent.get(url).call().map(|mut answer| {
            let body = answer.body_mut().read_to_string();
            answer.status() == 200 && body.is_ok()
        });
        match answer {
            Ok(true) => figures.done(began),
            Ok(false) | Err(_) => figures.failed(),
        }
    }
    figures
}
