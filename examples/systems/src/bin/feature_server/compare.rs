//! The same requests on each pool, in turn.

use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use threadwise_systems::{Figures, PoolChoice, Shutdown, Source, Turn, table};

use crate::scorer::{Fetch, Plan, Scorer};
use crate::server::{self, Limits};

/// The settings of a comparison.
pub(crate) struct Comparison {
    pub(crate) plan: Plan,
    pub(crate) limits: Limits,
    pub(crate) connections: usize,
    /// Clients at once. Each has a thread and a connection, and sends its next request as soon as
    /// it has an answer.
    pub(crate) clients: usize,
    pub(crate) time: Duration,
    pub(crate) rounds: usize,
}

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Prints a row for each pool, and one for sequential fetches. Each row is the best of some rounds,
/// because other work on the machine only makes a round slower.
pub(crate) fn run(comparison: &Comparison, source: &Source, shutdown: &Shutdown) -> Result<()> {
    let rows = PoolChoice::ALL.map(|kind| (kind, comparison.plan.fetch));
    let rows = rows.into_iter().chain([(PoolChoice::Shared, Fetch::Sequential)]);
    let mut best: Vec<Turn> = Vec::new();
    for _ in 0..comparison.rounds {
        for (place, (kind, fetch)) in rows.clone().enumerate() {
            if shutdown.has_begun() {
                return Ok(()); // half a table tells nothing
            }
            let turn = measure(comparison, source, kind, fetch)?;
            match best.get_mut(place) {
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
fn measure(
    comparison: &Comparison,
    source: &Source,
    kind: PoolChoice,
    fetch: Fetch,
) -> Result<Turn> {
    let plan = Plan { fetch, ..comparison.plan };
    let name = match fetch {
        Fetch::Sequential => format!("{kind}, one feature after the other"),
        _ => kind.to_string(),
    };
    eprintln!("{name}…");
    let scorer = Scorer::new(kind.build(source.manager(), comparison.connections)?, plan)?;
    let scorer = Arc::new(scorer);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let end = Arc::<Shutdown>::default();
    let turn = thread::scope(|threads| {
        let server = threads.spawn(|| server::run(listener, comparison.limits, &end, &scorer));
        let (until, users) = (Instant::now() + comparison.time, scorer.users());
        let client = |seed| move || Ok(ask(address, users, seed, until));
        let turn = Turn::run(name, (0..comparison.clients as u64).map(client));
        end.begin();
        server.join().expect("a server that does not panic").and(turn)
    })?;
    scorer.close();
    Ok(turn)
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
