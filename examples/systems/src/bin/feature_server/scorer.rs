//! Reads features from the database, computes the score, and stores it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use crossbeam_channel::{Sender, unbounded};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::{Serialize, Serializer};
use threadwise::{AnyConnection, AnyPool, Outcome, Pool, State};
use threadwise_systems::args::count;
use threadwise_systems::{Database, Error, Troubles, Value, note};

use crate::features::{self, Feature};
use crate::model::{Example, Model};
use crate::order::Order;
use crate::refusal::{Refusal, text_of};
use crate::seed;

/// How the features of a person are fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fetch {
    /// Each feature in its own task, on its own connection.
    Parallel,
    /// One feature after the other, on one connection.
    Sequential,
    /// Like `parallel`, but in a task that holds a connection meanwhile, for the row that it will
    /// write. Do not do this: it is here to show what happens.
    Holding,
}

/// The settings of a scorer.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// How the features of a request are fetched.
    #[arg(long, value_enum, default_value_t = Fetch::Parallel)]
    pub(crate) fetch: Fetch,

    /// rayon's threads, which fetch; none needs more than one connection [default: --connections].
    #[arg(long, value_name = "N", value_parser = count(256))]
    fetchers: Option<usize>,

    /// Features of each person.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = count(20))]
    pub(crate) features: usize,

    /// People to make up, if the database has none.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(i64).range(1..=100_000))]
    users: i64,

    /// Do not store scores.
    #[arg(long)]
    no_log: bool,

    /// Simulate distance to the database: microseconds to sleep for each question to it.
    #[arg(long, value_name = "US", default_value_t = 0)]
    #[arg(value_parser = clap::value_parser!(u64).range(..=1_000_000))]
    distance_us: u64,
}

impl Plan {
    pub(crate) fn fetchers(&self, connections: usize) -> usize {
        self.fetchers.unwrap_or(connections)
    }
}

/// Scores people. Only its own threads ask the database, so it needs as many connections as it has
/// threads.
pub(crate) struct Scorer {
    core: Arc<Core>,
    threads: ThreadPool,
    fetch: Fetch,
    users: i64,
    troubles: Troubles,
}

/// The values that the tasks share.
struct Core {
    pool: AnyPool<Database>,
    features: &'static [Feature],
    model: Model,
    log: bool,
    distance: Duration,
}

/// A score. If the log is on, it is stored: the answer is the acknowledgement.
#[derive(Debug, Serialize)]
pub(crate) struct Scored {
    pub(crate) request: String,
    pub(crate) user: i64,
    pub(crate) score: f64,
    #[serde(serialize_with = "as_object")]
    pub(crate) features: Vec<(&'static str, f64)>,
}

/// How many people the model learns from. It does not know the others.
const EXAMPLES: i64 = 300;

impl Scorer {
    /// Fills an empty database, and trains the model on what is there.
    pub(crate) fn new(
        pool: AnyPool<Database>,
        plan: Plan,
        connections: usize,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let threads = ThreadPoolBuilder::new()
            .num_threads(plan.fetchers(connections))
            .thread_name(|number| format!("fetcher {number}"))
            .panic_handler(|_| note!("a task panicked; its request gets an error"))
            .build()?;
        let features = &features::ALL[..plan.features];
        let users = threads.install(|| seed::fill(&mut *pool.get()?, plan.users).map_err(wrong))?;
        let model = threads.install(|| train(&pool, features, users.min(EXAMPLES)))?;
        let (log, distance) = (!plan.no_log, Duration::from_micros(plan.distance_us));
        let core = Arc::new(Core { pool, features, model, log, distance });
        Ok(Self { core, threads, fetch: plan.fetch, users, troubles: Troubles::default() })
    }

    /// Prints an error.
    pub(crate) fn report(&self, why: &str) {
        self.troubles.report(format_args!("no score: {why}"));
    }

    /// How many people there are.
    pub(crate) fn users(&self) -> i64 {
        self.users
    }

    /// The state of the pool. It borrows no connection, so it never waits.
    pub(crate) fn state(&self) -> State {
        self.core.pool.state()
    }

    /// Closes the pool, at the end of the program.
    pub(crate) fn close(&self) {
        self.core.pool.close();
    }

    /// Scores a person. The calling thread waits until `deadline` at most. If the log is on, the
    /// row is committed when this returns `Ok`. If it returns an error, the row may or may not be
    /// committed.
    pub(crate) fn score(&self, person: i64, deadline: Instant) -> Result<Scored, Refusal> {
        match self.fetch {
            Fetch::Parallel => self.in_parallel(person, deadline),
            Fetch::Sequential => self.as_one_task(deadline, move |core, order| {
                let mut conn = core.borrow(order)?;
                let values =
                    core.features.iter().map(|feature| core.ask(&mut conn, feature, person));
                let scored = core.judge(person, values.collect::<Result<_, _>>()?);
                core.record(conn, order, &scored)?;
                Ok(scored)
            }),
            Fetch::Holding => self.as_one_task(deadline, move |core, order| {
                // ANCHOR: holding
                let conn = core.borrow(order)?; // for the row at the end
                let values = core.features.par_iter();
                // Waits for tasks that each need a connection, while it holds one itself.
                let values = values.map(|feature| core.fetch(order, feature, person));
                let scored = core.judge(person, values.collect::<Result<_, _>>()?);
                core.record(conn, order, &scored)?;
                // ANCHOR_END: holding
                Ok(scored)
            }),
        }
    }

    // ANCHOR: parallel
    /// This thread is not one of rayon's and holds no connection: it waits, and rayon's threads do
    /// the work in tasks that borrow one connection each, and wait for no other task.
    fn in_parallel(&self, person: i64, deadline: Instant) -> Result<Scored, Refusal> {
        let waiting = Order::until(deadline);
        let (send, answers) = unbounded();
        for (place, feature) in self.core.features.iter().enumerate() {
            self.spawn(waiting.order(), send.clone(), move |core, order| {
                Ok((place, core.fetch(order, feature, person)?))
            });
        }
        drop(send); // the last task to end is the last sender
        let mut values = vec![0.0; self.core.features.len()];
        for _ in 0..values.len() {
            let (place, value) = waiting.receive(&answers)?;
            values[place] = value;
        }
        // ANCHOR_END: parallel
        let scored = self.core.judge(person, values);
        if !self.core.log {
            return Ok(scored);
        }
        self.as_one_task(deadline, move |core, order| {
            core.record(core.borrow(order)?, order, &scored)?;
            Ok(scored)
        })
    }

    fn as_one_task(
        &self,
        deadline: Instant,
        work: impl FnOnce(&Core, &Order) -> Result<Scored, Refusal> + Send + 'static,
    ) -> Result<Scored, Refusal> {
        let waiting = Order::until(deadline);
        let (send, answers) = unbounded();
        self.spawn(waiting.order(), send, work);
        waiting.receive(&answers)
    }

    fn spawn<T: Send + 'static>(
        &self,
        order: Arc<Order>,
        answers: Sender<Result<T, Refusal>>,
        work: impl FnOnce(&Core, &Order) -> Result<T, Refusal> + Send + 'static,
    ) {
        let core = Arc::clone(&self.core);
        self.threads.spawn_fifo(move || {
            if order.is_wanted() {
                let _ = answers.send(work(&core, &order)); // fails if the worker waits no longer
            }
        });
    }
}

impl Core {
    fn borrow(&self, order: &Order) -> Result<AnyConnection<'_, Database>, Refusal> {
        Ok(self.pool.get_timeout(order.left())?)
    }

    fn fetch(&self, order: &Order, feature: &Feature, person: i64) -> Result<f64, Refusal> {
        self.ask(&mut self.borrow(order)?, feature, person)
    }

    fn ask(
        &self,
        conn: &mut AnyConnection<'_, Database>,
        feature: &Feature,
        person: i64,
    ) -> Result<f64, Refusal> {
        self.travel();
        value(&self.pool, conn, feature, person)
    }

    /// Sleeps. For a pool, a database that is far away and a slow one are the same: a thread holds
    /// its connection for longer, and no processor is busy.
    fn travel(&self) {
        if !self.distance.is_zero() {
            thread::sleep(self.distance);
        }
    }

    fn judge(&self, person: i64, values: Vec<f64>) -> Scored {
        let score = self.model.score(&values);
        let features = self.features.iter().map(|feature| feature.name).zip(values).collect();
        Scored { request: format!("{:032x}", fastrand::u128(..)), user: person, score, features }
    }

    // ANCHOR: record
    /// Writes the row, and commits it: outside a transaction each statement is one. If the
    /// connection breaks while the database commits, the row may or may not be there, and `steady`
    /// does not try again. The key is unique, so a second try on another connection settles it.
    fn record(
        &self,
        mut conn: AnyConnection<'_, Database>,
        order: &Order,
        scored: &Scored,
    ) -> Result<(), Refusal> {
        if !self.log {
            return Ok(());
        }
        self.travel();
        let row = [scored.request.as_str().into(), scored.user.into(), scored.score.into()];
        let Err(error) = insert(&mut conn, &row) else { return Ok(()) };
        if conn.outcome(&error) != Outcome::Unknown {
            return Err(Refusal::of(self.pool.manager(), &error));
        }
        drop(conn); // it may be the only one
        let unsure = || Refusal::Unsure(text_of(&error));
        let mut another = self.borrow(order).map_err(|_| unsure())?;
        insert(&mut another, &row).map_err(|_| unsure())
    }
    // ANCHOR_END: record
}

/// Stores a row with its key, unless it is there.
fn insert(conn: &mut AnyConnection<'_, Database>, row: &[Value]) -> Result<(), Error> {
    let sql = "INSERT INTO scored (request, person, score) VALUES (?, ?, ?)";
    match conn.steady(|conn| conn.execute(sql, row)) {
        Ok(_) => Ok(()),
        Err(error) if error.is_duplicate() => Ok(()), // an earlier try did it
        Err(error) => Err(error),
    }
}

/// Asks for one feature. It only reads, so it may run again on a new connection.
fn value(
    pool: &AnyPool<Database>,
    conn: &mut AnyConnection<'_, Database>,
    feature: &Feature,
    person: i64,
) -> Result<f64, Refusal> {
    let rows = conn.steady(|conn| conn.query(feature.sql, &[person.into()]));
    let rows = rows.map_err(|error| Refusal::of(pool.manager(), &error))?;
    rows.first().ok_or(Refusal::Unknown(person))?.real(0).map_err(wrong)
}

/// Trains the model. It reads the features with the same code as later requests, so that both mean
/// the same.
fn train(pool: &AnyPool<Database>, features: &[Feature], people: i64) -> Result<Model, Refusal> {
    let example = |person: i64| {
        let mut conn = pool.get()?;
        let rows = conn.query("SELECT bought FROM person WHERE id = ?", &[person.into()]);
        let rows = rows.map_err(wrong)?;
        let bought = rows.first().ok_or(Refusal::Unknown(person))?.integer(0).map_err(wrong)? == 1;
        let values = features.iter().map(|feature| value(pool, &mut conn, feature, person));
        Ok(Example { features: values.collect::<Result<_, Refusal>>()?, bought })
    };
    let people: Vec<_> = (1..=people).collect();
    let examples: Result<Vec<_>, Refusal> = people.into_par_iter().map(example).collect();
    Ok(Model::train(&examples?))
}

fn wrong(error: Error) -> Refusal {
    Refusal::Broken(threadwise::chain(&error).to_string())
}

fn as_object<S: Serializer>(pairs: &[(&str, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().copied())
}
