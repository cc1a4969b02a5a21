//! A small HTTP/1.1 server with keep-alive, which counts its connections and misbehaves when told to.
//!
//! HTTP libraries behave well. A client must also be tested with servers that hang up, send slowly,
//! lie about lengths or do not speak HTTP. So the sockets are here, and HTTP itself is the same
//! `ureq-proto` that the client uses.

mod counts;
mod exchange;
mod reply;

pub use counts::Counts;
pub use reply::{Reply, Then};

use std::io::{self, Read, Write};
use std::net::{Shutdown as Direction, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ureq_proto::http::Request;

use crate::{Clients, Shutdown};
use counts::Counting;
use exchange::Exchanges;

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
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long the server keeps a connection without a request.
    pub idle: Duration,
    /// How many connections the server keeps. It closes any others at once.
    pub max_clients: usize,
    /// The simulated distance. The server waits for one round trip before it first reads from a
    /// connection, and for one before each answer.
    pub round_trip: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let idle = Duration::from_secs(15);
        Self { idle, max_clients: 1000, round_trip: Duration::ZERO }
    }
}

/// A running server. Dropping it stops it.
pub struct Server {
    address: SocketAddr,
    site: Arc<Site>,
    acceptor: Option<JoinHandle<()>>,
}

struct Site {
    settings: Settings,
    shutdown: Shutdown,
    clients: Arc<Clients>,
    counting: Counting,
    handler: Box<dyn Fn(&Asked) -> Reply + Send + Sync>,
}

impl Server {
    /// Serves on a free port of loopback.
    ///
    /// # Errors
    ///
    /// If the system has no port or no thread left.
    pub fn start(
        settings: Settings,
        handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let site = Arc::new(Site {
            settings,
            shutdown: Shutdown::default(),
            clients: Clients::new(settings.max_clients),
            counting: Counting::default(),
            handler: Box::new(handler),
        });
        let host = Arc::clone(&site);
        let acceptor = thread::Builder::new().name("http server".to_owned()).spawn(move || {
            let accepted = host.shutdown.accept(&listener, |stream| host.admit(stream));
            accepted.expect("the listener has an address: it was asked before");
        })?;
        Ok(Self { address, site, acceptor: Some(acceptor) })
    }

    /// The server's address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The server's counts.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.site.counting.now()
    }

    /// Waits until the counts satisfy `wish`, for `limit` at most. Returns whether they do.
    #[must_use]
    pub fn wait(&self, limit: Duration, wish: impl Fn(Counts) -> bool) -> bool {
        self.site.counting.wait(limit, wish)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.site.shutdown.begin();
        self.site.clients.close(); // what was asked is answered, nothing more is read
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        let _ = self.site.clients.wait(Duration::from_secs(5));
    }
}

impl Site {
    /// Starts a thread for a client, if there is room for it.
    fn admit(self: &Arc<Self>, stream: TcpStream) {
        self.counting.accepted();
        let site = Arc::clone(self);
        let spawned = thread::Builder::new().spawn(move || {
            if let Ok(Some(_client)) = site.clients.enter(&stream) {
                site.serve(&stream);
            }
            let _ = stream.shutdown(Direction::Both); // before it is counted
            site.counting.closed();
        });
        if spawned.is_err() {
            self.counting.closed();
        }
    }

    fn serve(&self, stream: &TcpStream) {
        let timed = stream
            .set_read_timeout(Some(self.settings.idle))
            .and_then(|()| stream.set_write_timeout(Some(Duration::from_secs(10))))
            .and_then(|()| stream.set_nodelay(true));
        if timed.is_err() {
            return;
        }
        thread::sleep(self.settings.round_trip);
        let mut exchanges = Exchanges::new(stream);
        let mut connection = None;
        while let Some((exchange, asked)) = exchanges.next_request() {
            let connection = *connection.get_or_insert_with(|| self.counting.used());
            let asked = Asked { connection, ..asked };
            self.counting.asked();
            thread::sleep(self.settings.round_trip);
            let reply = (self.handler)(&asked);
            let Ok(may_go_on) = exchanges.answer(exchange, reply.what) else { return };
            match reply.then {
                Then::KeepOpen if may_go_on => {}
                Then::KeepOpen => return,
                Then::Close => return self.leave(stream),
                Then::Hang => return wait_for_the_client_to_go(stream),
                Then::Dribble(bytes) => return self.dribble(stream, bytes),
            }
        }
    }

    fn leave(&self, stream: &TcpStream) {
        let _ = stream.shutdown(Direction::Both);
        self.counting.left();
    }

    fn dribble(&self, mut stream: &TcpStream, bytes: &[u8]) {
        let pause = Duration::from_millis(20);
        while stream.write_all(bytes).is_ok() && !self.shutdown.wait_timeout(pause) {}
    }
}

fn wait_for_the_client_to_go(mut stream: &TcpStream) {
    let _ = stream.flush();
    let _ = stream.set_read_timeout(None); // `Server::drop` ends it
    let mut part = [0; 1024];
    while stream.read(&mut part).is_ok_and(|read| read > 0) {}
}
