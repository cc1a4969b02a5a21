//! The same requests on each pool, in turn.

use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use threadwise::Pool;
use threadwise_systems::{Database, Figures, PoolChoice, Shutdown, Source, Turn, UsePool, table};

use crate::scorer::{Fetch, Plan, Scorer};
use crate::server::{self, Limits};

/// The settings of a comparison.
#[derive(Clone)]
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
                Some(best) if rate(best) >= rate(&turn) => {}
                Some(best) => *best = turn,
                None => best.push(turn),
            }
        }
    }
    println!("{}", table("requests", &best));
    Ok(())
}

fn rate(turn: &Turn) -> f64 {
    turn.figures.count() as f64 / turn.elapsed.as_secs_f64()
}

fn measure(
    comparison: &Comparison,
    source: &Source,
    kind: PoolChoice,
    fetch: Fetch,
) -> Result<Turn> {
    let mut comparison = comparison.clone();
    comparison.plan.fetch = fetch;
    let name = match fetch {
        Fetch::Sequential => format!("{kind}, one feature after the other"),
        _ => kind.to_string(),
    };
    eprintln!("{name}…");
    let connections = comparison.connections;
    kind.build(source.manager(), connections, One { comparison, name })?
}

/// One round of one pool.
struct One {
    comparison: Comparison,
    name: String,
}

impl UsePool<Database> for One {
    type Output = Result<Turn>;

    fn run<P: Pool<Manager = Database> + 'static>(self, pool: P) -> Result<Turn> {
        let Comparison { plan, limits, clients, time, .. } = self.comparison;
        let scorer = Arc::new(Scorer::new(pool, plan)?);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let end = Arc::<Shutdown>::default();
        let (figures, elapsed) = thread::scope(|threads| -> Result<_> {
            let server = threads.spawn(|| server::run(listener, limits, &end, &scorer));
            let (began, users) = (Instant::now(), scorer.users());
            let until = began + time;
            let clients: Vec<_> = (0..clients as u64)
                .map(|seed| threads.spawn(move || ask(address, users, seed, until)))
                .collect();
            let mut figures = Figures::default();
            for client in clients {
                figures.add(&client.join().expect("a client that does not panic"));
            }
            let elapsed = began.elapsed();
            end.begin();
            server.join().expect("a server that does not panic")?;
            Ok((figures, elapsed))
        })?;
        scorer.close();
        Ok(Turn { name: self.name, figures, elapsed })
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
