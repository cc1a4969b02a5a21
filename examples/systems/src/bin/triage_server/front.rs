//! The event loop: one thread that reads and writes for all clients, and never waits for one.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use threadwise_systems::{Shutdown, note};

use crate::job::{Delivery, Job, Mailbox};
use crate::peer::{Desk, Limits, Next, Peer};
use crate::protocol::Answer;

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);

/// How many clients beyond the limit get an error at the same time. The server closes any others
/// without a word.
const LOBBY: usize = 64;

/// How often the thread looks for clients whose time is over.
const TICK: Duration = Duration::from_millis(250);

/// How long the server may take to answer all lines that it had at Ctrl-C.
const DRAIN: Duration = Duration::from_secs(30);

/// All clients, and the channels to the workers and back.
pub(crate) struct Front {
    poll: Poll,
    listener: Option<TcpListener>, // until the end begins
    max_clients: usize,
    desk: Desk,
    answers: Receiver<Delivery>,
    peers: HashMap<Token, Peer>,
    turned_away: HashMap<Token, Peer>,
    next_token: usize, // never used twice, so a late answer cannot reach another client
    waiting: VecDeque<Token>, // for room in the workers' queue, or for their turn
    buffer: Vec<u8>,
    tally: Tally,
}

/// The counts for the last message.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) clients: u64,
    pub(crate) turned_away: u64,
    pub(crate) saved: u64,        // answers that say so
    pub(crate) unanswered: usize, // clients that had not taken all answers when time was up
}

impl Front {
    /// Makes the event loop. Workers receive from the other end of `jobs`.
    pub(crate) fn new(
        mut listener: TcpListener,
        max_clients: usize,
        limits: Limits,
        jobs: Sender<Job>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (mailbox, answers) = crossbeam_channel::unbounded(); // as many as jobs were given out
        Ok(Self {
            poll,
            listener: Some(listener),
            max_clients,
            desk: Desk {
                jobs,
                mailbox: Mailbox { answers: mailbox, waker },
                limits,
                has_line: false,
            },
            answers,
            peers: HashMap::new(),
            turned_away: HashMap::new(),
            next_token: 2,
            waiting: VecDeque::new(),
            buffer: vec![0; 16 * 1024],
            tally: Tally::default(),
        })
    }

    /// Serves until shutdown begins and all lines that it has read are answered.
    pub(crate) fn run(mut self, shutdown: &Shutdown) -> io::Result<Tally> {
        let waker = Arc::clone(&self.desk.mailbox.waker);
        shutdown.at_begin(move || drop(waker.wake()));
        let mut events = Events::with_capacity(256);
        let mut tick = Instant::now();
        let mut end = None;
        loop {
            let has_work = !self.waiting.is_empty() && !self.desk.jobs.is_full();
            self.wait(&mut events, if has_work { Duration::ZERO } else { TICK })?;
            for event in &events {
                match event.token() {
                    LISTENER => self.accept(),
                    WAKER => {}
                    token => self.turn(token, |peer| {
                        peer.note(event.is_readable(), event.is_writable());
                    }),
                }
            }
            self.take_answers();
            self.serve_waiting();
            if tick.elapsed() >= TICK {
                tick = Instant::now();
                self.look_at_clocks();
                self.accept(); // after an error there may be no further event
            }
            if shutdown.has_begun() && end.is_none() {
                end = Some(Instant::now() + DRAIN);
                self.begin_to_end();
            }
            if end.is_some_and(|end| self.peers.is_empty() || Instant::now() > end) {
                self.tally.unanswered = self.peers.len();
                return Ok(self.tally);
            }
        }
    }

    fn wait(&mut self, events: &mut Events, limit: Duration) -> io::Result<()> {
        match self.poll.poll(events, Some(limit)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            done => done,
        }
    }

    fn accept(&mut self) {
        while let Some(listener) = &self.listener {
            match listener.accept() {
                Ok((stream, _)) => self.enter(stream),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return note!("a client could not be accepted: {error}"),
            }
        }
    }

    fn enter(&mut self, mut stream: TcpStream) {
        let token = Token(self.next_token);
        self.next_token += 1;
        let both = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut stream, token, both) {
            return note!("a client could not be watched: {error}");
        }
        let mut peer = Peer::new(stream, token, &self.desk.limits);
        if self.peers.len() < self.max_clients {
            self.tally.clients += 1;
            self.peers.insert(token, peer);
        } else {
            self.tally.turned_away += 1;
            if self.turned_away.len() >= LOBBY {
                return;
            }
            peer.end("bye: there are too many clients; try again later");
            self.turned_away.insert(token, peer);
        }
        self.turn(token, |_| {});
    }

    /// Lets a client do all that it can, if it is still there. It must not overtake clients that
    /// wait for the workers.
    fn turn(&mut self, token: Token, prepare: impl FnOnce(&mut Peer)) {
        self.desk.has_line = !self.waiting.is_empty();
        self.advance(token, prepare);
    }

    fn advance(&mut self, token: Token, prepare: impl FnOnce(&mut Peer)) {
        let of_these =
            if self.peers.contains_key(&token) { &mut self.peers } else { &mut self.turned_away };
        let Some(peer) = of_these.get_mut(&token) else { return };
        prepare(peer);
        match peer.advance(&self.desk, &mut self.buffer) {
            Ok(Next::Wait) => {}
            Ok(Next::Again | Next::Stalled) => {
                if !std::mem::replace(&mut peer.is_waiting, true) {
                    self.waiting.push_back(token);
                }
            }
            Ok(Next::Gone) => drop(of_these.remove(&token)),
            Err(_) => drop(of_these.remove(&token)), // the client is gone
        }
    }

    /// Serves each waiting client once, in the order of arrival.
    fn serve_waiting(&mut self) {
        for _ in 0..self.waiting.len() {
            if self.desk.jobs.is_full() {
                return; // the next answer is the next chance
            }
            let Some(token) = self.waiting.pop_front() else { return };
            self.desk.has_line = false; // it was the first
            self.advance(token, |peer| peer.is_waiting = false);
        }
    }

    fn take_answers(&mut self) {
        // Only the present answers. Later answers have woken this thread again.
        for _ in 0..self.answers.len() {
            let Ok(Delivery { client, line, answer }) = self.answers.try_recv() else { return };
            self.tally.saved += u64::from(matches!(answer, Answer::Saved { .. }));
            if self.peers.contains_key(&client) {
                self.turn(client, |peer| peer.deliver(line, answer));
            }
        }
    }

    fn look_at_clocks(&mut self) {
        let now = Instant::now();
        let mut told = Vec::new();
        for peers in [&mut self.peers, &mut self.turned_away] {
            peers.retain(|token, peer| {
                let next = peer.check(now, &self.desk.limits);
                if next == Next::Again {
                    told.push(*token);
                }
                next != Next::Gone
            });
        }
        told.into_iter().for_each(|token| self.turn(token, |_| {}));
    }

    fn begin_to_end(&mut self) {
        self.listener = None;
        let all: Vec<Token> = self.peers.keys().copied().collect();
        for token in all {
            self.turn(token, |peer| {
                peer.end("bye: the server ends; lines without an answer were not used");
            });
        }
    }
}
