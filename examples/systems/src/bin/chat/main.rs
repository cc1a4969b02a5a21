//! A chat room: a page, WebSockets, a thread for each chatter, and a few connections for all of
//! them.
//!
//! | file | holds |
//! |---|---|
//! | `main` | the options, the beginning and the end |
//! | `http` | which requests are allowed, and the page |
//! | `chatter` | one chatter's life, from the request to the goodbye |
//! | `outbox` | the thread that writes to one chatter, and its bounded queue |
//! | `protocol` | the frames of a WebSocket, as JSON |
//! | `room` | the users who are present, and their messages in one order for all |
//! | `store` | the tables and the statements |
//! | `load` | `--load`: 200 chatters, every kind of pool, and how long they wait |

mod chatter;
mod http;
mod load;
mod outbox;
mod protocol;
mod room;
mod store;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Parser;
use threadwise::{AnyPool, Outcome, Pool, chain};
use threadwise_systems::args::{DatabaseArgs, ListenArgs, PoolArgs};
use threadwise_systems::http::{ServerLimits, serve};
use threadwise_systems::sockets::block_on;
use threadwise_systems::{Connection, Database, Error, Shutdown, Troubles, exit_code, note};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use room::Room;

/// A chat room in the browser: group and private messages, stored in a database.
///
/// Open the address that it prints in two browser windows and enter a name. Stop it with Ctrl-C and
/// start it again: with `--db sqlite:PATH` or a server the history is still there, and the pages
/// connect again by themselves. Two hundred chatters need only `--connections`: each has a thread,
/// and borrows a connection for one statement only.
#[derive(Parser)]
pub(crate) struct Args {
    #[command(flatten)]
    listen: ListenArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    pool: PoolArgs,
    #[command(flatten)]
    rules: Rules,
    /// Instead of serving, measure messages per second, and the time to an answer, with each kind
    /// of pool. It chats in the database that `--db` names, under made-up names.
    #[arg(long)]
    load: bool,
    #[command(flatten)]
    amount: load::Amount,
}

/// What chatters may do.
#[derive(clap::Args, Clone)]
pub(crate) struct Rules {
    /// Pages of this origin may also chat, as a browser sees it (`https://chat.example.org`). Pages
    /// of this server under its own address and `localhost` always may.
    #[arg(long, value_name = "URL")]
    origin: Vec<String>,
    /// Messages per second from one chatter. It may send those of three seconds at once.
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// Seconds between pings. A chatter that does not answer three of them is gone.
    #[arg(long, value_name = "SECONDS", default_value_t = 15)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=3600))]
    ping: u64,
}

/// All that the threads of the chatters share.
pub(crate) struct Chat {
    pool: AnyPool<Database>,
    room: Room,
    rules: Rules,
    address: SocketAddr,
    shutdown: Arc<Shutdown>,
    troubles: Troubles,
    /// The most threads of chatters, also of those that are not in the room yet.
    threads: usize,
    /// A thread's place is free when it ends.
    places: Arc<Semaphore>,
}

/// How many clients may be connected that are not in the room: they load the page, or get an error
/// because the room is full.
const AT_THE_DOOR: usize = 64;

/// How long a client may take to send a request.
const HEAD_TIME: Duration = Duration::from_secs(5);

/// How long a chatter waits for a connection. After that it gets an error.
const PATIENCE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let args = Args::parse();
    exit_code(if args.load { load::run(&args) } else { run(&args) })
}

fn run(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    args.listen.make_room(4); // its socket, and copies for the room, the reader and the writer
    let shutdown = Shutdown::on_signals()?;
    let listener = args.listen.bind()?;
    let PoolArgs { pool, connections } = args.pool;
    println!("{}; pool: {pool}, --connections {connections}", args.database.db);
    let pool = args.pool.build(args.database.db.manager());
    let pool =
        pool.map_err(|error| format!("no connection to the database (--db): {}", chain(&error)))?;
    let (rules, max_clients) = (args.rules.clone(), args.listen.max_clients);
    let server = Server::new(pool, listener, rules, max_clients, shutdown)?;
    let address = server.chat.address;
    println!("listening on http://{address}/ (open it in two windows; Ctrl-C ends it)");
    println!("closed; the last message is number {}", server.run()?);
    Ok(())
}

/// A room that is ready to open.
pub(crate) struct Server {
    chat: Arc<Chat>,
    listener: TcpListener,
}

impl Server {
    /// Creates the tables, if they do not exist.
    pub(crate) fn new(
        pool: AnyPool<Database>,
        listener: TcpListener,
        rules: Rules,
        max_clients: usize,
        shutdown: Arc<Shutdown>,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let last = store::prepare(&mut *pool.get()?)?;
        let chat = Arc::new(Chat {
            pool,
            room: Room::new(last, max_clients),
            rules,
            address: listener.local_addr()?,
            shutdown,
            troubles: Troubles::default(),
            threads: max_clients + AT_THE_DOOR,
            places: Arc::new(Semaphore::new(max_clients + AT_THE_DOOR)),
        });
        Ok(Self { chat, listener })
    }

    /// Serves until shutdown begins. Returns the number of the last message.
    pub(crate) fn run(self) -> Result<i64, io::Error> {
        let Self { chat, listener } = self;
        let lifecycle = thread::spawn({
            let chat = Arc::clone(&chat);
            move || chat.look_after()
        });
        let limits = ServerLimits { clients: AT_THE_DOOR, request: HEAD_TIME, idle: HEAD_TIME };
        let answer = {
            let chat = Arc::clone(&chat);
            move |request| Arc::clone(&chat).answer(request)
        };
        block_on(1, async {
            serve(listener, limits, &chat.shutdown, answer).await?;
            chat.room.close(); // what was read is still saved, and acknowledged
            let all_places = chat.places.acquire_many(chat.threads as u32);
            if timeout(Duration::from_secs(15), all_places).await.is_err() {
                note!("some chatters did not go in time");
            }
            io::Result::Ok(())
        })??;
        let _ = lifecycle.join();
        chat.pool.close();
        Ok(chat.room.last())
    }
}

impl Chat {
    /// Lends a connection to `work` for its statements only. `work` must be safe to run twice, also
    /// after it has committed: if the connection breaks, it runs again on another one.
    // ANCHOR: with
    fn with<T>(
        &self,
        mut work: impl FnMut(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, NotDone> {
        match self.attempt(&mut work) {
            // `steady` does not repeat a commit. What `work` saves has a key, so a second attempt
            // finds it or saves it.
            Err(NotDone::Unsure) => self.attempt(&mut work).map_err(|_| NotDone::Unsure),
            done => done,
        }
    }

    fn attempt<T>(
        &self,
        work: impl FnMut(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, NotDone> {
        let (how, error) = match self.pool.get_timeout(PATIENCE) {
            Ok(mut conn) => match conn.steady(work) {
                Ok(done) => return Ok(done),
                Err(error) => (NotDone::of(conn.outcome(&error)), chain(&error).to_string()),
            },
            Err(error) => (NotDone::NoConnection, chain(&error).to_string()),
        }; // here the connection is back, before anything is written to a socket
        self.troubles.report(format_args!("the database failed: {error}"));
        Err(how)
    }
    // ANCHOR_END: with

    /// Pings all chatters and fills gaps, until shutdown begins.
    fn look_after(&self) {
        let second = Duration::from_secs(1);
        let mut seconds = 0;
        while !self.shutdown.wait_timeout(second) {
            seconds += 1;
            if seconds % self.rules.ping == 0 {
                self.room.ping();
            }
            self.mend();
        }
    }

    /// Reads missing messages from the database. A message may be saved although its thread got an
    /// error, and the room holds back all later messages until it has this one.
    fn mend(&self) {
        let Some((last, next)) = self.room.hole() else { return };
        if let Ok(found) = self.with(|conn| store::between(conn, last, next)) {
            self.room.mend(found, next);
        }
    }
}

/// Why the chat did not do what a user asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NotDone {
    /// The thread got no connection, so the database certainly did nothing.
    NoConnection,
    /// The database failed or closed the connection before it committed.
    Failed,
    /// The database failed or closed the connection while it may have been committing.
    Unsure,
}

impl NotDone {
    fn of(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Failed | Outcome::Lost => Self::Failed,
            _ => Self::Unsure,
        }
    }
}
