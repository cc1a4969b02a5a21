//! A server that sorts patients' cases by urgency, after it has saved them: lines in, lines out. One
//! thread reads and writes for all clients: [`LineServer`].
//!
//! | file | holds |
//! |---|---|
//! | `protocol.rs` | what a client may write, and what the server answers |
//! | `workers.rs` | the fixed set of threads that do the work |
//! | `store.rs` | cases and results in the database, through the pool |
//! | `classifier.rs`, `cases.txt` | naive Bayes over words, and what it learns from |

mod classifier;
mod protocol;
mod store;
mod workers;

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread;
use std::time::Duration;

use clap::Parser;
use clap::builder::RangedU64ValueParser;
use threadwise::{Counters, Pool};
use threadwise_systems::args::{DatabaseArgs, ListenArgs, PoolArgs, count, seconds};
use threadwise_systems::{LineServer, Served, Shutdown, exit_code};

use classifier::{CASES, Classifier};
use protocol::Answer;
use store::{Patience, Store};
use workers::Workers;

/// Saves patients' cases, sorts them by urgency, and answers each line with a line.
///
/// Write `anna-1;chest pain and cold sweat`, and it answers `saved anna-1;1;emergency;0.99` once
/// the case and its result are committed. If it knows no word of the case, the category is
/// `unknown`. `anna-1#k7;…` may be sent again without being saved twice. `?anna-1` lists her cases.
/// The cases from which it learns are made up: it is no medical advice.
///
/// One thread reads and writes for all clients, `--workers` threads do the work, and each borrows a
/// connection from `--pool` for each case.
///
/// While it runs, `triage_load ADDRESS` sends cases and prints lines per second, p50 and p99. `SHOW
/// PROCESSLIST` on a server shows its connections, never more than `--connections` (`--workers`
/// with `--pool persistent`). Try `kill -9` on the database meanwhile.
#[derive(Parser)]
#[command(name = "triage_server")]
struct Options {
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    pool: PoolArgs,

    /// Threads that classify and save. If there are more than connections, they wait for each
    /// other.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = count(1000))]
    workers: usize,

    /// The most bytes of a line.
    #[arg(long, value_name = "BYTES", default_value_t = 4096)]
    #[arg(value_parser = RangedU64ValueParser::<usize>::new().range(64..=60_000))]
    max_line: usize,

    /// The most lines of one client that wait for answers. The server reads no more until some are
    /// answered.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = count(10_000))]
    window: usize,

    /// Seconds after which the server closes a client that finishes no line, or does not read its
    /// answers.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds(1..=86_400))]
    idle_timeout: Duration,

    #[command(flatten)]
    patience: Patience,
}

/// How long the server may take to answer all lines that it had at Ctrl-C.
const DRAIN: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    exit_code(run(&Options::parse()))
}

fn run(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let (classifier, exam) = Classifier::from_cases(CASES);
    println!(
        "classifier: {} words learnt from made-up cases; {} of {} held-out cases told right ({:.0} %)",
        classifier.words(),
        exam.right,
        exam.asked,
        100.0 * exam.right as f64 / exam.asked as f64,
    );
    let shutdown = Shutdown::on_signals()?;
    let database = options.database.db.manager();
    store::create_tables(&database)
        .map_err(|error| format!("--db: {}", threadwise::chain(&error)))?;
    options.listen.make_room(1);
    let listener = options.listen.bind()?;
    let pool = options.pool.build(database);
    let pool = pool
        .map_err(|error| format!("--pool {}: {}", options.pool.pool, threadwise::chain(&error)))?;
    let count = options.workers;
    let (jobs, queue) = crossbeam_channel::unbounded(); // the server limits it
    options.greet(listener.local_addr()?);
    let workers = Workers {
        count,
        classifier,
        store: Store::new(pool.clone(), options.patience),
        is_away: AtomicBool::new(false),
        saved: AtomicU64::new(0),
    };
    let served = thread::scope(|threads| {
        for n in 0..count {
            let thread = thread::Builder::new().name(format!("worker-{n}"));
            thread.spawn_scoped(threads, || workers.work(&queue))?;
        }
        options.server().run(listener, &shutdown, jobs, protocol::read)
    })?;
    pool.close();
    let Counters { gets, waits, opened, .. } = pool.state().counters;
    if gets > 0 {
        println!(
            "{gets} times a connection was borrowed, {waits} times after a wait; {opened} were opened"
        );
    }
    Ok(report(served, workers.saved.into_inner()))
}

impl Options {
    fn server(&self) -> LineServer {
        let lost = "the server failed, and the case may or may not be saved: ask ?PATIENT";
        let too_idle =
            "bye: no line came for too long; connect again when there is something to say";
        LineServer {
            clients: self.listen.max_clients,
            line: self.max_line,
            window: self.window,
            jobs: self.workers * 8, // further lines wait in the sockets
            idle: self.idle_timeout,
            drain: DRAIN,
            full: "bye: there are too many clients; try again later".to_owned(),
            too_idle: too_idle.to_owned(),
            end: Some("bye: the server ends; lines without an answer were not used".to_owned()),
            lost: Answer::refused("uncertain", lost).to_string(),
        }
    }

    fn greet(&self, address: SocketAddr) {
        let PoolArgs { pool, connections } = self.pool;
        println!(
            "{}; pool: {pool}; connections: {connections}; workers: {}",
            self.database.db, self.workers
        );
        println!("listening on {address}");
        println!("try: echo 'anna-1;chest pain and cold sweat' | triage_client {address}");
        println!("or:  triage_load {address}");
    }
}

fn report(served: Served, saved: u64) -> ExitCode {
    let Served { clients, turned_away, cut_off } = served;
    println!("{saved} cases acknowledged to {clients} clients; {turned_away} clients turned away");
    if cut_off == 0 {
        return ExitCode::SUCCESS;
    }
    eprintln!("{cut_off} clients had not taken all their answers when the time to finish was up");
    ExitCode::FAILURE
}
