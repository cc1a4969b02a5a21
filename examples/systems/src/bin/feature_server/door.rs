//! Reads the clients' requests, and enforces their deadlines.
//!
//! One thread watches all of them with `mio` and reads what comes. It never waits for one of them.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown as Half;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use threadwise_systems::{Shutdown, note};
use ureq_proto::http::StatusCode;

use crate::http::{self, Exchange, MAX_REQUEST, Refused};
use crate::server::Limits;

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
/// How often the thread looks for clients whose time is over.
const TICK: Duration = Duration::from_millis(250);
/// How long a client that gets its last answer may keep sending, and how many bytes. If the server
/// closed the connection at once, the client's system might throw the answer away before the client
/// reads it.
const LEAVE: Duration = Duration::from_secs(1);
const LEAVE_BYTES: usize = 1 << 20;
/// The most clients beyond the limit that get an error at the same time. The server hangs up on any
/// others.
const TURNED_AWAY: usize = 100;

/// A whole request, for a worker.
pub(crate) struct Job {
    pub(crate) client: Token,
    pub(crate) stream: Arc<TcpStream>,
    pub(crate) exchange: Exchange,
    pub(crate) deadline: Instant,
}

/// A request that a worker has answered, and whether its client may ask again.
pub(crate) struct Answered {
    pub(crate) client: Token,
    pub(crate) stays: bool,
}

/// Accepts clients and reads their requests.
pub(crate) struct Door {
    poll: Poll,
    waker: Arc<Waker>,
    listener: Option<TcpListener>, // `None` at the end
    is_pressed: bool,              // the system could not take a client: try again soon
    limits: Limits,
    clients: HashMap<Token, Client>,
    next: usize,
    jobs: Sender<Job>,
    answered: Receiver<Answered>,
}

struct Client {
    stream: Arc<TcpStream>,
    phase: Phase,
    since: Instant,
    received: Vec<u8>,
    /// The client sends nothing more, but may read.
    has_ended: bool,
    /// The bytes that the client sent while it was leaving.
    ignored: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The thread waits for the next request, or reads it.
    Reading,
    /// A worker has the request. Any further input stays in the socket.
    Served,
    /// The client has its last answer, and has to go.
    Leaving,
}

impl Door {
    pub(crate) fn open(
        listener: std::net::TcpListener,
        limits: Limits,
        jobs: Sender<Job>,
        answered: Receiver<Answered>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let (clients, listener) = (HashMap::new(), Some(listener));
        let (is_pressed, next) = (false, WAKER.0 + 1);
        Ok(Self { poll, waker, listener, is_pressed, limits, clients, next, jobs, answered })
    }

    /// Ends the wait of `run`.
    pub(crate) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Runs until shutdown begins and the workers have answered their requests.
    pub(crate) fn run(mut self, shutdown: &Shutdown) -> io::Result<()> {
        let mut events = Events::with_capacity(256);
        let mut looked = Instant::now();
        loop {
            let is_idle = self.clients.is_empty() && !self.is_pressed;
            match self.poll.poll(&mut events, (!is_idle).then_some(TICK)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    WAKER => {}
                    client => self.read(client),
                }
            }
            while let Ok(Answered { client, stays }) = self.answered.try_recv() {
                self.take_back(client, stays);
            }
            if looked.elapsed() >= TICK {
                looked = Instant::now();
                self.expire();
            }
            if shutdown.has_begun() {
                self.listener = None;
                self.is_pressed = false;
                self.clients.retain(|_, client| client.phase == Phase::Served);
                if self.clients.is_empty() {
                    return Ok(());
                }
            }
        }
    }

    fn accept(&mut self) {
        self.is_pressed = false;
        while let Some(listener) = &self.listener {
            match listener.accept() {
                Ok((stream, _)) => self.welcome(stream),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    note!("a client could not be accepted: {error}");
                    self.is_pressed = true;
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, mut stream: TcpStream) {
        if self.clients.len() >= self.limits.clients + TURNED_AWAY {
            return;
        }
        let token = Token(self.next);
        self.next += 1;
        let _ = stream.set_nodelay(true); // or it is slower
        if let Err(error) = self.poll.registry().register(&mut stream, token, Interest::READABLE) {
            note!("a client could not be watched: {error}");
            return;
        }
        let is_too_many = self.clients.len() >= self.limits.clients;
        self.clients.insert(token, Client::new(stream));
        if is_too_many {
            let why = format!("{} clients are here already (`--max-clients`)", self.limits.clients);
            self.refuse(token, Refused { status: StatusCode::SERVICE_UNAVAILABLE, why });
        } else {
            self.read(token);
        }
    }

    /// Reads all input of a client. The system reports new input only once, so this must leave
    /// nothing.
    fn read(&mut self, token: Token) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        let is_alive = client.receive();
        match client.phase {
            _ if !is_alive => self.forget(token),
            Phase::Reading => self.begin(token),
            Phase::Served => {}
            Phase::Leaving if client.has_ended || client.ignored > LEAVE_BYTES => {
                self.forget(token);
            }
            Phase::Leaving => {}
        }
    }

    /// Gives the client's request to a worker, if it is whole.
    fn begin(&mut self, token: Token) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        match http::read(&client.received) {
            Ok(Some((used, exchange))) => {
                client.received.drain(..used);
                client.phase = Phase::Served;
                let stream = Arc::clone(&client.stream);
                let deadline = Instant::now() + self.limits.deadline;
                let job = Job { client: token, stream, exchange, deadline };
                assert!(self.jobs.send(job).is_ok(), "the workers outlive the door");
            }
            Ok(None) if client.has_ended => self.forget(token),
            Ok(None) => {}
            Err(refused) => self.refuse(token, refused),
        }
    }

    fn take_back(&mut self, token: Token, stays: bool) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        client.since = Instant::now();
        if stays {
            client.phase = Phase::Reading;
            self.read(token); // it may have sent its next request
        } else {
            self.leave(token);
        }
    }

    fn refuse(&mut self, token: Token, refused: Refused) {
        let Some(client) = self.clients.get(&token) else { return };
        let _ = (&*client.stream).write(&refused.into_bytes()); // fails if it does not read
        self.leave(token);
    }

    fn leave(&mut self, token: Token) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        client.phase = Phase::Leaving;
        client.since = Instant::now();
        client.received = Vec::new();
        let _ = client.stream.shutdown(Half::Write); // it may have gone by itself
        self.read(token);
    }

    fn expire(&mut self) {
        if self.is_pressed {
            self.accept();
        }
        let Limits { request, idle, .. } = self.limits;
        let is_over = |client: &Client| match client.phase {
            Phase::Served => false, // its deadline is the worker's matter
            Phase::Leaving => client.since.elapsed() > LEAVE,
            Phase::Reading if client.received.is_empty() => client.since.elapsed() > idle,
            Phase::Reading => client.since.elapsed() > request,
        };
        let over = self.clients.iter().filter(|(_, client)| is_over(client));
        let over: Vec<_> = over.map(|(token, client)| (*token, client.has_begun())).collect();
        for (token, has_begun) in over {
            if has_begun {
                let why = "the request did not come to its end in time (`--request-ms`)".to_owned();
                self.refuse(token, Refused { status: StatusCode::REQUEST_TIMEOUT, why });
            } else {
                self.forget(token);
            }
        }
    }

    fn forget(&mut self, token: Token) {
        self.clients.remove(&token); // and with the socket it is watched no more
    }
}

impl Client {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream: Arc::new(stream),
            phase: Phase::Reading,
            since: Instant::now(),
            received: Vec::new(),
            has_ended: false,
            ignored: 0,
        }
    }

    fn has_begun(&self) -> bool {
        self.phase == Phase::Reading && !self.received.is_empty()
    }

    /// Reads the socket, up to the largest useful amount. Returns whether the connection still
    /// works.
    fn receive(&mut self) -> bool {
        let mut bytes = [0; 4096];
        while self.phase == Phase::Leaving && self.ignored <= LEAVE_BYTES
            || self.phase == Phase::Reading && self.received.len() <= MAX_REQUEST
        {
            match (&*self.stream).read(&mut bytes) {
                Ok(0) => {
                    self.has_ended = true;
                    return true;
                }
                Ok(count) if self.phase == Phase::Leaving => self.ignored += count,
                Ok(count) => {
                    if self.received.is_empty() {
                        self.since = Instant::now();
                    }
                    self.received.extend_from_slice(&bytes[..count]);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
        true
    }
}
