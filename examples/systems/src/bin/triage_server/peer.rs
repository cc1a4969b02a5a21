//! One client, as the event loop sees it: its input, and its answers in order.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, TrySendError};
use mio::Token;
use mio::net::TcpStream;
use threadwise_systems::Lines;

use crate::job::{Job, Mailbox, Reply};
use crate::protocol::{Answer, Request};

/// If a client has this many bytes of unread answers, the server stops reading from it.
const MAX_UNREAD: usize = 64 * 1024;

/// The most reads of one turn. After that it is the next client's turn.
const READS: usize = 4;

/// How long a client may leave its answers unread during shutdown.
const DEAF: Duration = Duration::from_secs(5);

/// How long a client may take to read its last line, `bye`.
const LINGER: Duration = Duration::from_secs(2);

/// The limits of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) line: usize,   // bytes
    pub(crate) window: usize, // lines that wait for their answers
    pub(crate) idle: Duration,
}

/// The parts of the event loop that a client's lines need.
pub(crate) struct Desk {
    pub(crate) jobs: Sender<Job>,
    pub(crate) mailbox: Mailbox,
    pub(crate) limits: Limits,
    /// Whether clients wait for room in the job queue. A new client joins the end of their queue.
    pub(crate) has_line: bool,
}

/// A client.
pub(crate) struct Peer {
    stream: TcpStream,
    token: Token,
    stage: Stage,
    is_readable: bool,
    is_writable: bool,
    has_ended: bool, // it will write no more
    lines: Lines,
    held: Option<Request>,            // read, and not its turn yet
    places: VecDeque<Option<Answer>>, // one for each line that is owed an answer, in their order
    first: u64,                       // the number of the line of the first place
    asks: bool,                       // the line of the last place is a question
    out: Vec<u8>,
    queued: u64,                    // bytes that ever went into `out`
    pub(crate) is_waiting: bool,    // in the event loop's line
    unread: Option<(u64, Instant)>, // since when the bytes up to this count wait to be read
    active: Instant,                // the last line or answer
}

enum Stage {
    Open,
    /// The server reads nothing more, answers the lines that it has, and then sends this text.
    Ending(&'static str),
    /// The server has sent everything. It throws input away until the client closes, because a
    /// close with unread input would make the kernel throw away the last answers.
    Leaving(Instant),
}

/// The result of a turn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing more to do until an event or an answer comes.
    Wait,
    /// There is more to do now, after the other clients.
    Again,
    /// The client waits for room in the job queue.
    Stalled,
    /// The connection is finished.
    Gone,
}

impl Peer {
    pub(crate) fn new(stream: TcpStream, token: Token, limits: &Limits) -> Self {
        let _ = stream.set_nodelay(true); // answers are small, and a client waits for each
        Self {
            stream,
            token,
            stage: Stage::Open,
            is_readable: true,
            is_writable: true,
            has_ended: false,
            lines: Lines::new(limits.line),
            held: None,
            places: VecDeque::new(),
            first: 0,
            asks: false,
            out: Vec::new(),
            queued: 0,
            is_waiting: false,
            unread: None,
            active: Instant::now(),
        }
    }

    /// Notes an event. The system reports each event only once, so this keeps it until it is used.
    pub(crate) fn note(&mut self, is_readable: bool, is_writable: bool) {
        self.is_readable |= is_readable;
        self.is_writable |= is_writable;
    }

    /// Reads no further line, answers the lines that it has, then sends `bye` and closes.
    pub(crate) fn end(&mut self, bye: &'static str) {
        if matches!(self.stage, Stage::Open) {
            self.stage = Stage::Ending(bye);
            self.lines = Lines::new(0); // unused, like those that still are in the socket
            self.held = None;
        }
    }

    /// Takes the answer to one of the client's lines.
    pub(crate) fn deliver(&mut self, line: u64, answer: Answer) {
        let place = (line - self.first) as usize;
        self.places[place] = Some(answer);
    }

    /// Does all work that needs no waiting.
    pub(crate) fn advance(&mut self, desk: &Desk, buffer: &mut [u8]) -> io::Result<Next> {
        for _ in 0..READS {
            let is_stalled = self.take_lines(desk);
            self.flush()?;
            if is_stalled {
                return Ok(Next::Stalled);
            }
            if self.may_take(desk) && self.has_lines() {
                continue; // there was no room for answers, and now there is
            }
            if self.owes_nothing() && !self.finish()? {
                return Ok(Next::Gone);
            }
            if !self.may_read(desk) {
                return Ok(Next::Wait);
            }
            self.read(buffer)?;
        }
        Ok(Next::Again)
    }

    /// Gives lines to the workers, up to the client's limit. Returns whether the queue is full.
    fn take_lines(&mut self, desk: &Desk) -> bool {
        self.hand_out();
        while self.may_take(desk) {
            let request = match self.held.take().map(Ok).or_else(|| self.next_request()) {
                None => return false,
                Some(Ok(request)) => request,
                Some(Err(refusal)) => {
                    self.places.push_back(Some(refusal)); // no worker is needed for that
                    self.hand_out();
                    continue;
                }
            };
            let asks = matches!(request, Request::History(_));
            if asks && !self.places.is_empty() {
                self.held = Some(request); // a question is about all lines before it
                return false;
            }
            if desk.has_line {
                self.held = Some(request);
                return true;
            }
            let line = self.first + self.places.len() as u64;
            let reply = Reply::new(desk.mailbox.clone(), self.token, line);
            match desk.jobs.try_send(Job { request, reply }) {
                Ok(()) => {
                    self.places.push_back(None);
                    self.asks = asks;
                }
                Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => {
                    job.reply.cancel();
                    self.held = Some(job.request);
                    return true;
                }
            }
        }
        false
    }

    fn next_request(&mut self) -> Option<Result<Request, Answer>> {
        let line = self.lines.next_line()?;
        self.active = Instant::now();
        Some(line.map_err(Answer::from).and_then(|line| Request::parse(&line)))
    }

    /// Sends answers in the order of their lines. The first missing answer holds up the rest.
    fn hand_out(&mut self) {
        while let Some(Some(_)) = self.places.front() {
            let answer = self.places.pop_front().flatten().expect("it was there");
            self.first += 1;
            self.say(&answer.to_string());
        }
        self.asks &= !self.places.is_empty();
    }

    fn say(&mut self, line: &str) {
        self.out.extend_from_slice(line.as_bytes());
        self.out.push(b'\n');
        self.queued += line.len() as u64 + 1;
        self.active = Instant::now();
    }

    // ANCHOR: back_pressure
    fn may_take(&self, desk: &Desk) -> bool {
        let is_asking = self.asks || matches!(self.held, Some(Request::History(_)));
        let limit = if is_asking { 1 } else { desk.limits.window }; // a question is alone
        self.places.len() < limit && self.out.len() < MAX_UNREAD
    }

    /// Whether to read from the client. The server stops if too many of the client's lines wait for
    /// answers, or if the client does not read them. The client's own kernel then makes it wait.
    fn may_read(&self, desk: &Desk) -> bool {
        let input_matters = match self.stage {
            Stage::Open => self.may_take(desk) && !self.has_lines(),
            Stage::Ending(_) => false,
            Stage::Leaving(_) => true,
        };
        input_matters && self.is_readable && !self.has_ended
    }
    // ANCHOR_END: back_pressure

    fn has_lines(&self) -> bool {
        self.held.is_some() || self.lines.ready() > 0
    }

    fn owes_nothing(&self) -> bool {
        self.places.is_empty() && !self.has_lines() && self.out.is_empty()
    }

    /// Called when all lines are answered. Sends `bye` if the connection has to end. Returns
    /// whether the client may still send something.
    fn finish(&mut self) -> io::Result<bool> {
        match self.stage {
            Stage::Open | Stage::Leaving(_) => Ok(!self.has_ended),
            Stage::Ending(bye) => {
                self.say(bye);
                self.flush()?; // an empty buffer takes it; if it does not, the client is past caring
                self.stream.shutdown(Shutdown::Write)?;
                self.stage = Stage::Leaving(Instant::now());
                Ok(true)
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        match self.stream.read(buffer) {
            Ok(0) => {
                self.has_ended = true;
                if self.lines.has_begun() && matches!(self.stage, Stage::Open) {
                    let why = "the last line has no end (`\\n`); it was not used";
                    self.places.push_back(Some(Answer::refused("line", why)));
                }
            }
            Ok(n) if matches!(self.stage, Stage::Open) => self.lines.feed(&buffer[..n]),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_readable = false,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.is_writable && !self.out.is_empty() {
            match self.stream.write(&self.out) {
                Ok(n) => drop(self.out.drain(..n)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let written = self.queued - self.out.len() as u64;
        self.unread = match self.unread {
            _ if self.out.is_empty() => None,
            Some((until, since)) if written < until => Some((until, since)),
            _ => Some((self.queued, Instant::now())),
        };
        Ok(())
    }

    /// Checks the client's deadlines. Returns `Again` if there is a last line to send, and `Gone`
    /// if the connection must end.
    pub(crate) fn check(&mut self, now: Instant, limits: &Limits) -> Next {
        let is_over = |since: Instant, limit| now.saturating_duration_since(since) >= limit;
        if let Stage::Leaving(since) = self.stage {
            return if is_over(since, LINGER) { Next::Gone } else { Next::Wait };
        }
        let patience = match self.stage {
            Stage::Ending(_) => limits.idle.min(DEAF), // it would hold up the end
            _ => limits.idle,
        };
        if self.unread.is_some_and(|(_, since)| is_over(since, patience)) {
            return Next::Gone; // it does not read, so it cannot be told
        }
        // Counts from the last whole line: a single byte now and then does not keep a client alive.
        if self.owes_nothing() && is_over(self.active, limits.idle) {
            self.end(
                "bye: no line came for too long; connect again when there is something to say",
            );
            return Next::Again;
        }
        Next::Wait
    }
}
