//! What goes over the wire, seen from between the driver and the server.
//!
//! The driver shows neither its socket nor the transaction's status, and has no timeout for an
//! answer. But it reads and writes through a stream that its user may provide, since that is how it
//! does TLS. [`stream`] is such a stream, with or without TLS below it. So this crate sees every text
//! that is sent, whatever method of the driver sends it, and every answer.
//!
//! | file | holds |
//! |---|---|
//! | [`framer`] | cuts bytes into messages |
//! | [`connector`] | makes the stream when the driver connects |
//! | [`stream`] | the stream: it limits waits, and looks at the socket if asked |
//! | [`tls`] | any TLS connector of the driver, with its type erased |

pub(crate) mod connector;
mod framer;
pub(crate) mod stream;
pub(crate) mod tls;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use threadwise_core::parts::sync::Mutex;

use self::framer::{Framer, Message};
use crate::session::commits::{CommitTracker, Commits};
use crate::session::history::History;

/// Longer texts count as ones that may do anything.
const MAX_TEXT_BYTES: usize = 1 << 20;
/// Longer names of statements are not remembered; the driver's own are short.
const MAX_NAME_BYTES: usize = 256;

/// The answer of a server that has nothing open: to the empty query, and that it is ready.
const EMPTY_QUERY: &[u8] = b"Q\0\0\0\x05\0";

/// The part of a connection that its stream and its owner share.
pub(crate) type Wire = Arc<Mutex<WireState>>;

/// What a stream has seen.
pub(crate) struct WireState {
    client: Framer,
    server: Framer,
    /// The requests that the server has not answered to the end, the oldest first.
    outstanding: VecDeque<Request>,
    /// What was sent since the last request ended.
    unfinished: Option<Request>,
    /// The kind of the last of them.
    last_request: u8,
    /// The request whose rows of a `COPY` the server takes.
    copies_in: Option<Request>,
    commits: CommitTracker,
    /// The transaction's status in the server's last answer: `I` for none, `T`, or `E` for a failed
    /// one.
    status: u8,
    /// When the server last ended an answer.
    answered: Instant,
    /// When bytes last went in either direction.
    moved: Instant,
    /// Whether the server has said that it ends the session.
    has_ended: bool,
    /// Whether the server has refused to write although nothing asked for read-only transactions.
    refuses_writes: bool,
    /// The server's number for the session, and the secret to cancel its statements.
    key: Option<(i32, i32)>,
    /// How long an answer may take.
    read_timeout: Option<Duration>,
    /// When the present connect, check or reset must end.
    until: Option<Instant>,
    look: Look,
    /// How many empty queries the stream has kept to itself and not answered. The driver waits for each
    /// of these answers, also if the one who looked does no longer.
    unanswered_looks: u32,
    pub(crate) history: History,
}

/// What the messages up to the next answer ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Request {
    /// Only to close statements, which the driver asks for some time after it has dropped them.
    Close,
    Other {
        /// Whether the server may commit something while it carries this out.
        may_commit: bool,
    },
}

impl Request {
    const HARMLESS: Self = Self::Other { may_commit: false };

    fn may_commit(self) -> bool {
        matches!(self, Self::Other { may_commit: true })
    }
}

/// A look at the socket: the owner asks the driver for the smallest round trip, and the stream
/// answers in place of the server after it has seen what the socket has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    None,
    /// The next empty query is not sent.
    Wanted,
    /// The same, but the server owes the answer to a close. The runtime looks for that first.
    WantedAgain,
}

impl WireState {
    pub(crate) fn new(history: History, read_timeout: Option<Duration>) -> Wire {
        let now = Instant::now();
        Arc::new(Mutex::new(Self {
            client: Framer::of_client(),
            server: Framer::of_server(),
            outstanding: VecDeque::new(),
            unfinished: None,
            last_request: 0,
            copies_in: None,
            commits: CommitTracker::default(),
            status: b'I',
            answered: now,
            moved: now,
            has_ended: false,
            refuses_writes: false,
            key: None,
            read_timeout,
            until: None,
            look: Look::None,
            unanswered_looks: 0,
            history,
        }))
    }

    /// Whether a transaction is open, or may be: the server has not answered yet.
    pub(crate) fn may_be_in_transaction(&self) -> bool {
        self.status != b'I' || !self.is_idle()
    }

    /// Whether the server has answered all requests but those that close statements.
    pub(crate) fn is_idle(&self) -> bool {
        self.outstanding.iter().all(|request| *request == Request::Close)
            && self.unfinished.is_none()
            && self.copies_in.is_none()
    }

    /// Whether the server may have committed something that it has not answered. After the end of
    /// the connection the answer stays the same.
    pub(crate) fn may_have_committed(&self) -> bool {
        self.outstanding.iter().chain(&self.unfinished).any(|request| request.may_commit())
    }

    pub(crate) fn status(&self) -> u8 {
        self.status
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// Whether the server has refused to write although nothing in this session asked for that.
    pub(crate) fn refuses_writes(&self) -> bool {
        self.refuses_writes
    }

    pub(crate) fn answered(&self) -> Instant {
        self.answered
    }

    pub(crate) fn key(&self) -> Option<(i32, i32)> {
        self.key
    }

    pub(crate) fn set_until(&mut self, until: Option<Instant>) {
        self.until = until;
    }

    pub(crate) fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read_timeout = timeout;
    }

    /// Has the next empty query answered by the stream. Returns `false` if that is impossible now,
    /// because the server still answers something.
    pub(crate) fn want_look(&mut self) -> bool {
        let is_quiet = self.is_idle()
            && self.client.is_between_messages()
            && self.server.is_between_messages();
        if is_quiet {
            self.look = Look::Wanted;
        }
        is_quiet
    }

    pub(crate) fn end_look(&mut self) {
        self.look = Look::None;
    }

    /// When the present wait must end. `is_writing`: the server does not even take the request.
    fn due(&self, is_writing: bool) -> Option<Instant> {
        let awaits_server = is_writing || !self.outstanding.is_empty();
        let by_timeout = self
            .read_timeout
            .filter(|_| awaits_server)
            .and_then(|timeout| self.moved.checked_add(timeout));
        by_timeout.into_iter().chain(self.until).min()
    }

    /// Records bytes that the driver has sent.
    fn client_sent(&mut self, bytes: &[u8]) {
        self.moved = Instant::now();
        let (status, has_ended) = (self.status, self.has_ended);
        let Self { client, history, outstanding, unfinished, last_request, copies_in, .. } = self;
        let commits = &mut self.commits;
        let wanted = |kind| match kind {
            b'Q' | b'P' => MAX_TEXT_BYTES,
            b'B' => 2 * MAX_NAME_BYTES,
            b'C' => MAX_NAME_BYTES,
            _ => 0,
        };
        client.feed(bytes, wanted, |message| {
            let runs = note_request(history, &message);
            let may_commit = runs.is_some_and(|runs| commits.starts(runs, status)) && !has_ended;
            match message.kind {
                b'C' => *unfinished = unfinished.or(Some(Request::Close)),
                b'P' | b'B' | b'D' | b'E' => {
                    let before = unfinished.is_some_and(Request::may_commit);
                    *unfinished = Some(Request::Other { may_commit: before || may_commit });
                }
                b'Q' | b'F' => {
                    outstanding.push_back(Request::Other { may_commit });
                    *unfinished = None;
                    *last_request = message.kind;
                }
                b'S' => {
                    outstanding.push_back(unfinished.take().unwrap_or(Request::HARMLESS));
                    *last_request = message.kind;
                }
                // Without the end of its rows, the server undoes a `COPY`.
                b'c' => {
                    let request = copies_in.take();
                    if *last_request == b'S' {
                        *unfinished = request;
                    }
                }
                b'f' => *copies_in = None,
                _ => {}
            }
        });
    }

    /// Records bytes that the server has sent.
    fn server_sent(&mut self, bytes: &[u8]) {
        self.moved = Instant::now();
        let Self { server, history, outstanding, status, answered, moved, has_ended, key, .. } =
            self;
        let (refuses_writes, copies_in) = (&mut self.refuses_writes, &mut self.copies_in);
        let commits = &mut self.commits;
        let last_request = self.last_request;
        let wanted = |kind| match kind {
            b'Z' => 1,
            b'K' => 8,
            b'S' => MAX_NAME_BYTES,
            b'E' => 1024,
            _ => 0,
        };
        server.feed(bytes, wanted, |message| match message.kind {
            b'Z' => {
                outstanding.pop_front();
                *copies_in = None;
                *status = message.content.first().copied().unwrap_or(b'I');
                *answered = *moved;
                if outstanding.iter().all(|request| *request == Request::Close) {
                    commits.all_answered(*status);
                    if *status == b'I' {
                        history.transaction_ended();
                    }
                }
            }
            b'E' => {
                *has_ended |= is_fatal(message.content);
                let is_refusal = fields(message.content).any(|field| field == b"C25006");
                *refuses_writes |= is_refusal && !history.asked_for_read_only();
            }
            // The server ignores the request that ended the one to copy. Another one ends the copy.
            b'G' => {
                let request = match last_request {
                    b'S' => outstanding.pop_front(),
                    _ => outstanding.front().copied(),
                };
                *copies_in = Some(request.unwrap_or(Request::HARMLESS));
            }
            b'S' => note_parameter(history, message.content),
            b'K' => {
                if let [a, b, c, d, e, f, g, h] = *message.content {
                    let id = i32::from_be_bytes([a, b, c, d]);
                    *key = Some((id, i32::from_be_bytes([e, f, g, h])));
                }
            }
            _ => {}
        });
    }
}

/// Tells the history what a request runs, and returns what that may commit; `None` for a request that
/// runs nothing.
fn note_request(history: &mut History, message: &Message<'_>) -> Option<Commits> {
    let mut fields = fields(message.content);
    match message.kind {
        b'Q' => {
            let text = fields.next().filter(|_| message.is_complete);
            Some(history.text_starts(text.and_then(|text| str::from_utf8(text).ok())))
        }
        b'P' => {
            let (name, text) = (fields.next().unwrap_or_default(), fields.next());
            let text = text.filter(|_| message.is_complete);
            history.prepared(name, text.and_then(|text| str::from_utf8(text).ok()));
            None
        }
        b'B' => {
            let _portal = fields.next();
            // The last field is cut if the names are very long. Then no statement has that name.
            Some(history.prepared_starts(fields.next().unwrap_or_default()))
        }
        b'C' if message.content.first() == Some(&b'S') => {
            let name = fields.next().and_then(|field| field.get(1..)).unwrap_or_default();
            history.forget_prepared(name);
            None
        }
        // The driver has no function calls by number, but its user's library might.
        b'F' => Some(history.text_starts(None)),
        _ => None,
    }
}

/// Whether an error of the server ends the session. Its fields are a letter and a text; `V` is the
/// severity, never translated, `S` the one that older servers translate.
fn is_fatal(content: &[u8]) -> bool {
    fields(content).any(|field| matches!(field, b"VFATAL" | b"VPANIC" | b"SFATAL" | b"SPANIC"))
}

/// The parts of a message that end with a zero byte.
fn fields(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split(|byte| *byte == 0)
}

fn note_parameter(history: &mut History, content: &[u8]) {
    let mut fields = fields(content);
    if let (Some(b"standard_conforming_strings"), Some(value)) = (fields.next(), fields.next()) {
        history.set_plain_backslashes(value == b"on");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::catalog::Catalog;

    fn wire() -> Wire {
        WireState::new(History::new(Arc::new(Catalog::default())), Some(Duration::from_secs(60)))
    }

    fn message(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), content].concat()
    }

    #[test]
    fn the_servers_status_tells_if_a_transaction_is_open() {
        let wire = wire();
        let mut wire = wire.lock();
        wire.client_sent(&8_u32.to_be_bytes());
        wire.client_sent(&[0; 4]);
        for (status, is_open) in [(b"I", false), (b"T", true), (b"E", true), (b"I", false)] {
            wire.client_sent(&message(b'Q', b"SELECT 1\0"));
            assert!(wire.may_be_in_transaction(), "no answer yet");
            wire.server_sent(&message(b'Z', status));
            assert_eq!(wire.may_be_in_transaction(), is_open);
        }
    }

    #[test]
    fn a_wait_is_limited_only_while_the_server_owes_an_answer() {
        let wire = wire();
        let mut wire = wire.lock();
        wire.client_sent(&8_u32.to_be_bytes());
        wire.client_sent(&[0; 4]);
        assert_eq!(wire.due(false), None, "a wait for notifications may last");
        wire.client_sent(&message(b'Q', b"SELECT 1\0"));
        assert!(wire.due(false).is_some());
        wire.server_sent(&message(b'Z', b"I"));
        assert_eq!(wire.due(false), None);
    }

    #[test]
    fn a_close_that_is_not_answered_yet_leaves_the_connection_idle() {
        let wire = wire();
        let mut wire = wire.lock();
        wire.client_sent(&8_u32.to_be_bytes());
        wire.client_sent(&[0; 4]);
        wire.client_sent(&[message(b'C', b"Ss0\0"), message(b'S', b"")].concat());
        assert!(wire.is_idle() && wire.want_look());
        let execute = [message(b'B', b"\0s1\0"), message(b'E', b"\0"), message(b'S', b"")];
        wire.client_sent(&execute.concat());
        assert!(!wire.is_idle() && !wire.want_look());
        wire.server_sent(&message(b'Z', b"I"));
        assert!(!wire.is_idle());
        wire.server_sent(&message(b'Z', b"I"));
        assert!(wire.is_idle());
    }

    #[test]
    fn a_fatal_error_ends_the_connection_and_another_does_not() {
        for (severity, ends) in [("ERROR", false), ("FATAL", true), ("PANIC", true)] {
            let wire = wire();
            let mut wire = wire.lock();
            let content = format!("S{severity}\0V{severity}\0C57P01\0Mterminating\0\0");
            wire.server_sent(&message(b'E', content.as_bytes()));
            assert_eq!(wire.has_ended(), ends, "{severity}");
        }
    }

    #[test]
    fn the_key_to_cancel_is_read() {
        let wire = wire();
        wire.lock().server_sent(&message(b'K', &[0, 0, 1, 0, 0, 0, 0, 7]));
        assert_eq!(wire.lock().key(), Some((256, 7)));
    }
}
