//! `--load`: many chatters, every kind of pool, and how long they wait for an acknowledgement.

use std::convert::Infallible;
use std::error::Error;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use threadwise::chain;
use threadwise_systems::{Figures, PoolChoice, Shutdown, Turn, table};
use tungstenite::{Message, WebSocket};

use crate::{Args, Rules, Server};

/// How many chatters talk, and how much they say.
#[derive(clap::Args, Clone)]
pub(crate) struct Amount {
    /// With --load: chatters, each on a thread.
    #[arg(long, value_name = "N", default_value_t = 200, requires = "load")]
    #[arg(value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(2..=1000))]
    chatters: usize,
    /// With --load: what each of them says to its neighbour, waiting for each acknowledgement.
    #[arg(long, value_name = "N", default_value_t = 50, requires = "load")]
    messages: usize,
}

type Socket = WebSocket<TcpStream>;

/// Runs the chat on each kind of pool, and prints the times.
pub(crate) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let Amount { chatters, messages } = args.amount;
    let size = args.pool.connections;
    println!(
        "{}; {chatters} chatters, {messages} messages each, --connections {size}",
        args.database.db
    );
    let mut turns = Vec::new();
    for kind in PoolChoice::ALL {
        turns.push(turn(args, kind).map_err(|error| format!("{kind}: {}", chain(&*error)))?);
    }
    println!("{}", table("messages", &turns));
    Ok(())
}

fn turn(args: &Args, kind: PoolChoice) -> Result<Turn, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let shutdown = Arc::new(Shutdown::default());
    let pool = kind.build(args.database.db.manager(), args.pool.connections)?;
    let rules = Rules { origin: Vec::new(), rate: 1_000_000, ping: 15 };
    let chatters = args.amount.chatters;
    let server = Server::new(pool, listener, rules, chatters, Arc::clone(&shutdown))?;
    let serving = thread::spawn(move || server.run());
    let turn = chat(args, address, &kind.to_string());
    shutdown.begin();
    serving.join().map_err(|_| "the server panicked")??;
    Ok(turn)
}

/// All enter, then all talk at once. A chatter that cannot enter or go on counts as failed.
fn chat(args: &Args, address: SocketAddr, kind: &str) -> Turn {
    let Amount { chatters, messages } = args.amount;
    let run = fastrand::u32(..);
    let name = |number: usize| format!("{run:x}-{}", number % chatters);
    let inside: Vec<_> = (0..chatters).map(|number| enter(address, &name(number)).ok()).collect();
    let talk = |(number, socket)| {
        let neighbour = name(number + 1);
        move || Ok::<_, Infallible>(talk(socket, &neighbour, messages))
    };
    let Ok(turn) = Turn::run(kind, inside.into_iter().enumerate().map(talk));
    turn
}

fn enter(address: SocketAddr, name: &str) -> Result<Socket, Box<dyn Error>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let url = format!("ws://{address}/ws?nick={name}&token={name}-0123456789");
    let mut socket = tungstenite::client(url, stream)?.0;
    until(&mut socket, "\"present\"")?;
    Ok(socket)
}

fn talk(socket: Option<Socket>, to: &str, messages: usize) -> Figures {
    let mut figures = Figures::default();
    let Some(mut socket) = socket else {
        (0..messages).for_each(|_| figures.failed());
        return figures;
    };
    for number in 0..messages {
        let text =
            serde_json::json!({ "msg": "How are you?", "to": to, "key": number.to_string() });
        let began = Instant::now();
        let sent = socket.send(Message::text(text.to_string()));
        match sent.map_err(Into::into).and_then(|()| until(&mut socket, "\"ack\"")) {
            Ok(()) => figures.done(began),
            Err(_) => figures.failed(),
        }
    }
    figures
}

/// Reads frames until one has this type. An error frame is an error.
fn until(socket: &mut Socket, kind: &str) -> Result<(), Box<dyn Error>> {
    loop {
        let message = socket.read()?;
        let text = message.to_text().unwrap_or_default();
        if text.starts_with(&format!("{{\"type\":{kind}")) {
            return Ok(());
        }
        if text.starts_with("{\"type\":\"error\"") || message.is_close() {
            return Err(text.into());
        }
    }
}
