//! A pre-forked server that stores lines: each becomes a row, is acknowledged when it is committed,
//! and is stored once, however often it is sent. (On a Unix.)
//!
//! | file | holds |
//! |---|---|
//! | `main` | what happens before the fork, and after it |
//! | `supervisor`, `signals`, `fork` | the parent |
//! | `worker`, `protocol` | a child, and what its clients send |
//! | `batch`, `store` | many lines in one transaction, each line once |

mod batch;
mod fork;
mod protocol;
mod signals;
mod store;
mod supervisor;
mod worker;

use std::error::Error;
use std::process::{ExitCode, exit};
use std::time::Duration;

use clap::Parser;
use sd_notify::NotifyState;
use threadwise::{AnyPool, ManageConnection, Pool};
use threadwise_systems::args::{DatabaseArgs, ListenArgs, PoolArgs, count, seconds};
use threadwise_systems::{Database, LineServer, exit_code};

use crate::batch::Batching;
use crate::protocol::{Outcome, answer};
use crate::signals::Signals;
use crate::supervisor::{Role, Supervisor};
use crate::worker::Orders;

/// Stores lines that arrive over TCP, and answers `ok` when they are committed.
///
/// Try it: `line_ingest --listen 127.0.0.1:7000 --db sqlite:lines.db`, and elsewhere `nc 127.0.0.1
/// 7000`. Type a text; or `@me:1 a text`, twice, and it is stored once. Look at `pstree -p` of the
/// process, kill one of its children with `kill -9`, and another takes its place. `line_load
/// ADDRESS` sends many lines. Ctrl-C stores what was read, answers, and ends; SIGHUP renews the
/// workers, one after the other.
#[derive(Parser)]
#[command(mut_arg("pool", |arg| arg.default_value("queue")))]
#[command(mut_arg("connections", |arg| arg.help("Connections, and writers, of each worker")))]
#[command(mut_arg("max_clients", |arg| arg.help("Clients at once, of each worker; more are sent away")))]
struct Args {
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    pool: PoolArgs,
    #[command(flatten)]
    listen: ListenArgs,

    /// Processes that serve clients.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = count(64))]
    workers: usize,

    /// Build the pool in the parent, as many servers do. Its children find it empty, and open their
    /// own connections. Not on SQLite, which must not be carried across a fork.
    #[arg(long)]
    pool_before_fork: bool,

    #[command(flatten)]
    batching: Batching,

    /// Bytes in a line.
    #[arg(long, value_name = "N", default_value_t = 8192, value_parser = count(60_000))]
    max_line: usize,

    /// Seconds in which a client must finish a line, and take an answer.
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds(1..=86_400))]
    idle: Duration,
}

fn main() -> ExitCode {
    exit_code(run(&Args::parse()))
}

fn run(args: &Args) -> Result<ExitCode, Box<dyn Error>> {
    // A child creates the table, too, because a parent that forks must never open SQLite.
    if !supervisor::in_child(|| prepare(args))? {
        return Ok(ExitCode::FAILURE); // it has said why
    }
    let orders = args.orders()?;
    let signals = Signals::block()?; // before anything starts a thread, as some pools do
    // ANCHOR: before
    // If the parent builds the pool before the fork, its children have copies of it.
    let before = args.pool_before_fork.then(|| args.pool_in_use()).transpose()?;
    match supervise(args, &orders, signals)? {
        Role::Supervisor(code) => Ok(code),
        Role::Worker(post) => match before.map_or_else(|| args.pool.build(args.database()), Ok) {
            Ok(pool) => leave(orders.work(&pool, post)),
            Err(error) => {
                eprintln!("worker {} has no pool: {}", post.number, threadwise::chain(&error));
                leave(false) // another one is forked, later
            }
        },
    }
    // ANCHOR_END: before
}

/// Ends a child at once, without destructors. They would remove files of the parent, such as the
/// temporary database.
fn leave(well: bool) -> ! {
    exit(i32::from(!well))
}

/// Opens one connection and creates the table. Prints an error if there is one.
fn prepare(args: &Args) -> bool {
    let database = args.database();
    let made = database.connect().and_then(|mut conn| {
        store::create_table(&mut conn)?;
        database.close(conn);
        Ok(())
    });
    if let Err(error) = &made {
        eprintln!("the table could not be made (--db): {}", threadwise::chain(error));
    }
    made.is_ok()
}

fn supervise(args: &Args, orders: &Orders, signals: Signals) -> Result<Role, Box<dyn Error>> {
    let address = orders.listener.local_addr()?;
    // The workers end by themselves before their time is up.
    let limit = orders.server.drain + Duration::from_secs(2);
    let supervisor = Supervisor::new(signals, args.workers, limit);
    let role = supervisor.run(|| {
        println!("storing lines in {}, through a pool ({})", args.database.db, args.pool.pool);
        println!("try: nc {} {}", address.ip(), address.port());
        println!("listening on {address}");
        tell_the_service_manager(NotifyState::Ready);
    });
    Ok(role?)
}

/// Tells the service manager, if its socket is named in the environment.
fn tell_the_service_manager(what: NotifyState) {
    if let Err(error) = sd_notify::notify(&[what]) {
        eprintln!("cannot notify the service manager: {error}");
    }
}

impl Args {
    fn database(&self) -> Database {
        self.database.db.manager().program_name("line_ingest")
    }

    /// The pool of `--pool-before-fork`.
    fn pool_in_use(&self) -> Result<AnyPool<Database>, Box<dyn Error>> {
        if !self.database.db.is_server() {
            return Err("--pool-before-fork is for a server: SQLite must not be carried across a \
                        fork, its pools are built in the children"
                .into());
        }
        let pool = self.pool.build(self.database())?;
        drop(pool.get()?); // it is a pool in use
        println!("the parent has {} connections open", pool.state().open);
        Ok(pool)
    }

    fn orders(&self) -> Result<Orders, Box<dyn Error>> {
        self.listen.make_room(1); // of each worker, which inherits the limit
        let listener = self.listen.bind()?;
        // All processes share this one listener, and each has a copy of its descriptor.
        listener.set_nonblocking(true)?;
        let again = |why: &str| answer(None, &Outcome::Again(why.to_owned()));
        let Self { batching, idle, .. } = self;
        let too_idle = format!("no line came for {idle:?} (--idle)");
        Ok(Orders {
            listener,
            writers: self.pool.connections,
            batching: *batching,
            server: LineServer {
                clients: self.listen.max_clients,
                line: self.max_line,
                window: batching.lines,
                // While one batch is being committed, the next one gathers.
                jobs: 2 * batching.lines * self.pool.connections,
                idle: *idle,
                drain: batching.patience + Duration::from_secs(2),
                full: again("this worker has all the clients that it may have (--max-clients)"),
                too_idle: answer(None, &Outcome::Refused(too_idle)),
                end: None,
                lost: again("the worker lost track of it"),
            },
        })
    }
}
