//! A chat room: a page, WebSockets, a thread for each chatter, and a few connections for all of
//! them.
//!
//! | file | holds |
//! |---|---|
//! | `main` | the options, the beginning and the end |
//! | `http` | which requests are allowed, and the page |
//! | `chatter` | one chatter's life, from the request to the goodbye |
//! | `outbox` | the thread that writes to one chatter, and its bounded queue |
//! | `protocol` | what is said over a WebSocket, as JSON |
//! | `room` | the users who are present, and what each is told, in one order for all |
//! | `store` | the tables and the statements |
//! | `load` | `--load`: 200 chatters, every kind of pool, and how long they wait |

mod chatter;
mod http;
mod load;
mod outbox;
mod protocol;
mod room;
mod store;

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use clap::Parser;
use threadwise::{AnyPool, Pool, chain};
use threadwise_systems::args::{DatabaseArgs, ListenArgs, PoolArgs};
use threadwise_systems::http::{ServerLimits, serve};
use threadwise_systems::sockets::block_on;
use threadwise_systems::{
    Clients, Connection, Database, Error, Shutdown, Troubles, exit_code, note,
};

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
    args.listen.make_room(5); // its socket, and copies for the room, the reader and the writer
    let shutdown = Shutdown::on_signals()?;
    let listener = args.listen.bind()?;
    let PoolArgs { pool, connections } = args.pool;
    println!("{}; pool: {pool}, --connections {connections}", args.database.db);
    let pool = args.pool.build(args.database.db.manager());
    let server = Server {
        pool: pool
            .map_err(|error| format!("no connection to the database (--db): {}", chain(&error)))?,
        listener,
        rules: args.rules.clone(),
        max_clients: args.listen.max_clients,
        shutdown,
    };
    let address = server.listener.local_addr()?;
    println!("listening on http://{address}/ (open it in two windows; Ctrl-C ends it)");
    println!("closed; the last message is number {}", server.run()?);
    Ok(())
}

/// A room that is ready to open.
pub(crate) struct Server {
    pool: AnyPool<Database>,
    listener: TcpListener,
    rules: Rules,
    max_clients: usize,
    shutdown: Arc<Shutdown>,
}

impl Server {
    /// Serves until shutdown begins. Returns the number of the last message.
    fn run(self) -> Result<i64, Box<dyn std::error::Error>> {
        let last = store::prepare(&mut *self.pool.get()?)?;
        let address = self.listener.local_addr()?;
        let chat = Arc::new(Chat {
            pool: self.pool,
            room: Room::new(last, self.max_clients),
            rules: self.rules,
            address,
            shutdown: Arc::clone(&self.shutdown),
            troubles: Troubles::default(),
        });
        let lifecycle = thread::spawn({
            let chat = Arc::clone(&chat);
            move || chat.look_after()
        });

        let clients = Clients::new(self.max_clients + AT_THE_DOOR);
        let limits = ServerLimits { clients: AT_THE_DOOR, request: HEAD_TIME, idle: HEAD_TIME };
        let answer = {
            let (chat, clients) = (Arc::clone(&chat), Arc::clone(&clients));
            move |request| Arc::clone(&chat).answer(request, Arc::clone(&clients))
        };
        block_on(1, serve(self.listener, limits, &self.shutdown, answer))??;

        clients.close(); // what was read is still saved, and acknowledged
        if !clients.wait(Duration::from_secs(15)) {
            note!("{} clients did not go in time", clients.count());
        }
        let _ = lifecycle.join();
        chat.pool.close();
        Ok(chat.room.last())
    }
}

impl Chat {
    /// Lends a connection to `work` for its statements only. `work` must be safe to run twice: if
    /// the connection breaks, it runs again on another one.
    // ANCHOR: with
    fn with<T>(&self, work: impl FnMut(&mut Connection) -> Result<T, Error>) -> Result<T, NotDone> {
        let done = match self.pool.get_timeout(PATIENCE) {
            Ok(mut conn) => conn.steady(work).map_err(|e| (NotDone::Unsure, chain(&e).to_string())),
            Err(error) => Err((NotDone::NoConnection, chain(&error).to_string())),
        }; // here the connection is back, before anything is written to a socket
        done.map_err(|(how, error)| {
            self.troubles.report(format_args!("the database failed: {error}"));
            how
        })
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
    /// The database failed or closed the connection meanwhile. It may or may not have done the
    /// work.
    Unsure,
}
