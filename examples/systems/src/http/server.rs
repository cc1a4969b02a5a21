//! A small HTTP/1.1 server with keep-alive, which counts its connections and misbehaves when told to.
//!
//! HTTP libraries behave well. A client must also be tested with servers that hang up, send slowly,
//! lie about lengths or do not speak HTTP. So this server has the sockets to itself, and writes what
//! a [`Reply`] says, byte for byte. For real clients there is [`serve`](super::serve).

mod counts;
mod reply;

pub use counts::Counts;
pub use reply::{Reply, Then};

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use ureq_proto::http::{Method, Request, header};
use ureq_proto::server::Reply as Protocol;

use crate::Shutdown;
use crate::sockets::{Room, accept, block_on};
use counts::Counting;

const MAX_HEAD: usize = 16 * 1024;
const MAX_BODY: usize = 1024 * 1024;
const MAX_CLIENTS: usize = 1000;

/// How long the server keeps a connection without a request.
const IDLE: Duration = Duration::from_secs(15);

/// A request, and its connection.
pub struct Asked {
    /// The method, target and headers.
    pub request: Request<()>,
    /// The body of the request.
    pub body: Vec<u8>,
    /// The number of its connection, from 1. A connection gets a number with its first request.
    pub connection: usize,
    /// The number of the request on that connection, from 1.
    pub nth: usize,
}

/// How the server treats its clients.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// The simulated distance. The server waits for one round trip before it first reads from a
    /// connection, and for one before each answer.
    pub round_trip: Duration,
}

/// A running server. Dropping it stops it.
pub struct Server {
    address: SocketAddr,
    shutdown: Arc<Shutdown>,
    counting: Arc<Counting>,
    thread: Option<JoinHandle<()>>,
}

struct Site {
    settings: Settings,
    shutdown: Arc<Shutdown>,
    counting: Arc<Counting>,
    handler: Box<dyn Fn(&Asked) -> Reply + Send>,
}

impl Server {
    /// Serves on a free port of loopback.
    ///
    /// # Errors
    ///
    /// If the system has no port or no thread left.
    pub fn start(
        settings: Settings,
        handler: impl Fn(&Asked) -> Reply + Send + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (shutdown, counting) = (Arc::<Shutdown>::default(), Arc::<Counting>::default());
        let site = Site {
            settings,
            shutdown: Arc::clone(&shutdown),
            counting: Arc::clone(&counting),
            handler: Box::new(handler),
        };
        let thread = thread::Builder::new().name("http server".to_owned());
        let thread = thread.spawn(move || site.serve(listener).expect("an event loop"))?;
        Ok(Self { address, shutdown, counting, thread: Some(thread) })
    }

    /// The server's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server's counts.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counting.now()
    }

    /// Waits until the counts satisfy `wish`, for `limit` at most. Returns whether they do.
    #[must_use]
    pub fn wait(&self, limit: Duration, wish: impl Fn(Counts) -> bool) -> bool {
        self.counting.wait(limit, wish)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.begin();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // a panic has printed its message
        }
    }
}

impl Site {
    fn serve(self, listener: TcpListener) -> io::Result<()> {
        let site = Rc::new(self);
        block_on(1, async {
            accept(listener, MAX_CLIENTS, &site.shutdown, |stream, room| {
                let site = Rc::clone(&site);
                async move {
                    site.counting.count(|counts| {
                        counts.accepted += 1;
                        counts.open += 1;
                    });
                    if room == Room::Yes {
                        site.serve_one(stream).await; // which closes it, before that is counted
                    }
                    site.counting.count(|counts| counts.open -= 1);
                }
            })
            .await
        })?
    }

    async fn serve_one(&self, mut stream: TcpStream) {
        sleep(self.settings.round_trip).await;
        let mut input = Vec::new(); // received, and not used yet
        let mut connection = None;
        for nth in 1.. {
            let request = timeout(IDLE, next_request(&mut stream, &mut input));
            let request = tokio::select! {
                request = request => request,
                () = self.shutdown.begun() => return,
            };
            let Ok(Some((request, body))) = request else { return };
            let number = || self.counting.count(|counts| counts.used += 1).used;
            let connection = *connection.get_or_insert_with(number);
            self.counting.count(|counts| counts.requests += 1);
            sleep(self.settings.round_trip).await;
            let asked = Asked { request, body, connection, nth };
            let reply = (self.handler)(&asked);
            let is_last = reply.is_last() || is_last(&asked.request);
            let bytes = reply.bytes(asked.request.method() == Method::HEAD);
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
            let then = async {
                match reply.then {
                    Then::KeepOpen => {}
                    Then::Close => drop(self.counting.count(|counts| counts.left += 1)),
                    Then::Hang => ignore(&mut stream).await,
                    Then::Dribble(bytes) => dribble(&mut stream, bytes).await,
                }
            };
            tokio::select! { () = then => {}, () = self.shutdown.begun() => return }
            if reply.then != Then::KeepOpen || is_last {
                return;
            }
        }
    }
}

/// Whether the client says that this is its last request.
fn is_last(request: &Request<()>) -> bool {
    request.headers().get(header::CONNECTION).is_some_and(|value| value == "close")
}

/// Reads a request, with a body if it has a length. Returns `None` at the end of the connection,
/// and for what is not a request.
async fn next_request(
    stream: &mut TcpStream,
    input: &mut Vec<u8>,
) -> Option<(Request<()>, Vec<u8>)> {
    let request = loop {
        let (used, request) = Protocol::new().ok()?.try_request(input).ok()?;
        input.drain(..used);
        if let Some(request) = request {
            break request;
        }
        if input.len() > MAX_HEAD || stream.read_buf(input).await.ok()? == 0 {
            return None;
        }
    };
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.map_or(Some(0), |length| length.to_str().ok()?.parse().ok())?;
    while input.len() < length {
        if length > MAX_BODY || stream.read_buf(input).await.ok()? == 0 {
            return None;
        }
    }
    Some((request, input.drain(..length).collect()))
}

/// Reads until the client is gone.
async fn ignore(stream: &mut TcpStream) {
    let mut part = [0; 1024];
    while stream.read(&mut part).await.is_ok_and(|read| read > 0) {}
}

async fn dribble(stream: &mut TcpStream, bytes: &[u8]) {
    while stream.write_all(bytes).await.is_ok() {
        sleep(Duration::from_millis(20)).await;
    }
}
