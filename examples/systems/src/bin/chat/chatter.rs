//! One chatter's life, from the request to the goodbye, on a thread of its own.

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hyper::upgrade::{Upgraded, on};
use sha2::{Digest, Sha256};
use threadwise_systems::http::{Answer, Body, Request, Socket, StatusCode};
use threadwise_systems::note;
use tokio::task::spawn_local;
use tungstenite::error::Error as SocketError;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{Role, WebSocketConfig};
use tungstenite::{Message as Frame, WebSocket};

use crate::outbox::{Duplex, Outbox, TooSlow};
use crate::protocol::{
    Incoming, MAX_FRAME, Message, Nick, Outgoing, Refusal, close, goodbye, is_token,
};
use crate::room::{NotEntered, Seat};
use crate::store::{self, Saved};
use crate::{Chat, NotDone, http};

/// The code and the reason of the last frame.
type Goodbye = (u16, String);

const STOPPING: &str = "the server is stopping";

struct Chatter<'c> {
    chat: &'c Chat,
    nick: Nick,
    outbox: Outbox,
    rate: Rate,
}

impl Chat {
    /// Answers a request: with the page, with an error, or with the room, which has a thread for
    /// each chatter.
    pub(crate) async fn answer(self: Arc<Self>, mut request: Request<Body>) -> Answer {
        let answer = http::answer(&request, self.address, &self.rules.origin);
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let query = request.uri().query().unwrap_or_default();
            let query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
            let upgrade = on(&mut request);
            spawn_local(async move {
                let Ok(upgraded) = upgrade.await else { return }; // the client is gone
                if let Err(error) = self.admit(upgraded, query) {
                    note!("no thread or handle for another client: {error}");
                }
            });
        }
        answer
    }

    /// Starts the thread of a chatter, if there is room for it.
    fn admit(
        self: Arc<Self>,
        upgraded: Upgraded,
        query: HashMap<String, String>,
    ) -> io::Result<()> {
        let parts = upgraded.downcast::<Socket>().expect("the socket of `serve`");
        let (mut stream, received) = (parts.io.into_blocking()?, parts.read_buf);
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Ok(()); // it is hung up on
        };
        let thread = thread::Builder::new().name("chatter".to_owned());
        thread.spawn(move || {
            if let Err(error) = self.converse(&mut stream, received.to_vec(), &query) {
                note!("a client could not be served: {error}"); // the system has no thread or handle
            }
            drop(place);
        })?;
        Ok(())
    }

    fn converse(
        &self,
        stream: &mut TcpStream,
        received: Vec<u8>,
        query: &HashMap<String, String>,
    ) -> io::Result<()> {
        let silence = Duration::from_secs(3 * self.rules.ping); // a pong is something to read
        stream.set_read_timeout(Some(silence))?;
        let (outbox, writer) = Outbox::start(stream.try_clone()?)?;
        let end = match self.welcome(query, &outbox, stream) {
            Ok((nick, _seat)) => {
                let rate = Rate::new(self.rules.rate);
                let outbox = outbox.clone();
                let mut chatter = Chatter { chat: self, nick, outbox, rate };
                chatter.listen(stream.try_clone()?, received)
            }
            Err(end) => Some(end),
        };
        if let Some((code, reason)) = end {
            let _ = outbox.send_patiently(&goodbye(code, &reason)); // it may be gone
        }
        drop(writer); // it writes the rest
        hang_up(stream);
        Ok(())
    }

    /// Lets a user in under a name, and sends the past.
    fn welcome(
        &self,
        query: &HashMap<String, String>,
        outbox: &Outbox,
        stream: &TcpStream,
    ) -> Result<(Nick, Seat<'_>), Goodbye> {
        let nick = self.identify(query)?;
        let after = query.get("after").and_then(|after| after.parse().ok());
        let seat = self.recall(&nick, after, outbox, stream)?;
        Ok((nick, seat))
    }

    fn identify(&self, query: &HashMap<String, String>) -> Result<Nick, Goodbye> {
        let nick = Nick::parse(query.get("nick").map_or("", String::as_str));
        let nick = nick.map_err(|error| (close::BAD_NAME, error))?;
        let token = query.get("token").filter(|token| is_token(token, 16));
        let token = token.ok_or_else(|| {
            let error = "a token of 16 to 64 letters and digits is needed: the name belongs to it";
            (close::BAD_NAME, error.to_owned())
        })?;
        let token = format!("{:x}", Sha256::digest(token)); // the database need not know it
        let is_theirs = self.with(|conn| store::claim(conn, &nick, &token)).map_err(unavailable)?;
        if !is_theirs {
            return Err((close::TAKEN, format!("the name {nick} belongs to another user")));
        }
        Ok(nick)
    }

    /// Sends the past to a chatter. The room sends what others say meanwhile, and sends nothing
    /// twice.
    fn recall(
        &self,
        nick: &Nick,
        after: Option<i64>,
        outbox: &Outbox,
        stream: &TcpStream,
    ) -> Result<Seat<'_>, Goodbye> {
        let gone = |TooSlow| (CloseCode::Away.into(), "too slow".to_owned());
        let mut past = self.with(|conn| store::past(conn, nick, after)).map_err(unavailable)?;
        let hello = Outgoing::Hello { you: nick, last: past.until };
        outbox.send_patiently(&hello.frame()).map_err(gone)?;
        loop {
            // This may take long, and holds no connection meanwhile.
            for message in &past.messages {
                outbox.send_patiently(&message.frame(Some(nick))).map_err(gone)?;
            }
            match self.room.enter(nick, outbox, stream, past.until) {
                Ok(seat) => return Ok(seat),
                Err(NotEntered::Full) => return Err((close::FULL, "the room is full".to_owned())),
                Err(NotEntered::Gone) => return Err(gone(TooSlow)),
                Err(NotEntered::Behind) => {} // so much was said meanwhile: read on
            }
            let shown = past.until;
            let more = self.with(|conn| store::past(conn, nick, Some(shown)));
            past = more.map_err(unavailable)?;
            past.messages.retain(|message| message.id > shown); // not the unseen ones again
        }
    }
}

fn unavailable(_: NotDone) -> Goodbye {
    (close::UNAVAILABLE, "the database does not answer".to_owned())
}

impl Chatter<'_> {
    /// Reads what the chatter sends, until one of the two hangs up. Returns the last frame to send,
    /// unless the other side has already closed.
    fn listen(&mut self, stream: TcpStream, received: Vec<u8>) -> Option<Goodbye> {
        let config = WebSocketConfig::default()
            .read_buffer_size(4096)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_FRAME))
            .max_frame_size(Some(MAX_FRAME));
        let duplex = Duplex { stream, outbox: self.outbox.clone() };
        let mut socket =
            WebSocket::from_partially_read(duplex, received, Role::Server, Some(config));
        loop {
            if self.chat.shutdown.has_begun() {
                return Some((CloseCode::Away.into(), STOPPING.to_owned()));
            }
            let heard = match socket.read() {
                Ok(Frame::Text(text)) => self.hear(&text),
                Ok(Frame::Binary(_)) => {
                    Err(refusal("malformed", "send text frames, not binary ones"))
                }
                Ok(_) => Ok(()), // pings are answered, a close too; a pong shows that it is there
                Err(error) => return self.part(&socket.get_ref().stream, &error),
            };
            if let Err(refusal) = heard
                && self.outbox.send_patiently(&refusal.frame()).is_err()
            {
                return None; // gone
            }
        }
    }

    fn part(&self, stream: &TcpStream, error: &SocketError) -> Option<Goodbye> {
        let (code, reason) = match error {
            SocketError::Capacity(_) => (CloseCode::Size, "frames are too large beyond 32 KiB"),
            SocketError::Utf8(_) => (CloseCode::Invalid, "that is not UTF-8"),
            SocketError::ConnectionClosed => return None,
            _ if self.chat.shutdown.has_begun() => (CloseCode::Away, STOPPING),
            SocketError::Io(_) => {
                let _ = stream.shutdown(Shutdown::Both); // not heard of for too long, or broken
                return None;
            }
            _ => return None, // it went away, or speaks some other protocol
        };
        Some((code.into(), reason.to_owned()))
    }

    fn hear(&mut self, text: &str) -> Result<(), Refusal> {
        let incoming = serde_json::from_str(text).map_err(|_| {
            refusal("malformed", "write {\"msg\": \"…\"}, with \"to\": \"NAME\" to tell one only")
        })?;
        let is_allowed = self.rate.allows_one();
        match incoming {
            Incoming::Say { msg, to, key } => {
                let message = Message::said(&self.nick, msg, to, key)?;
                if !is_allowed {
                    let rate = self.chat.rules.rate;
                    let error = format!("too fast: at most {rate} a second (--rate)");
                    return Err(Refusal { code: "too_fast", error, key: Some(message.key) });
                }
                self.say(message)
            }
            Incoming::Seen { .. } if !is_allowed => Ok(()), // a later one says the same, and more
            Incoming::Seen { seen } => {
                // If this fails, the page shows these messages again, and recognizes them by their
                // numbers.
                let _ = self.chat.with(|conn| store::seen(conn, &self.nick, seen));
                Ok(())
            }
        }
    }

    /// Saves it; tells it to others, and its number to the chatter, when it is committed.
    // ANCHOR: say
    fn say(&self, message: Message) -> Result<(), Refusal> {
        let Chat { room, .. } = self.chat;
        let absent = message.to.as_ref().filter(|to| !room.is_present(to));
        let saved = self.chat.with(|conn| {
            if let Some(to) = absent
                && !store::is_known(conn, to)?
            {
                return Ok(None);
            }
            store::save(conn, &message).map(Some)
        }); // the connection is back, and only now the others get the message
        // ANCHOR_END: say
        let (code, error) = match saved {
            Ok(Some(Saved::Now(saved))) => {
                room.tell(saved);
                return Ok(());
            }
            Ok(Some(Saved::Before(saved)))
                if saved.text == message.text && saved.to == message.to =>
            {
                room.tell_again(saved);
                return Ok(());
            }
            Ok(Some(Saved::Before(_))) => ("key_used", "something else was said under this key"),
            Ok(None) => ("unknown_recipient", "no user of this name has ever been here"),
            Err(NotDone::NoConnection) => ("not_saved", "not saved: the database does not answer"),
            Err(NotDone::Failed) => ("not_saved", "not saved: the database failed"),
            Err(NotDone::Unsure) => (
                "unknown",
                "it is unknown whether this is saved: the database failed while it committed; sent \
                 again under its key, it is saved once",
            ),
        };
        Err(Refusal { code, error: error.to_owned(), key: Some(message.key) })
    }
}

/// Waits a second for the other side to end its output. If this side closed a socket with unread
/// input, the system would throw away the last bytes that it sent.
fn hang_up(stream: &mut TcpStream) {
    let end = Instant::now() + Duration::from_secs(1);
    let _ = stream.set_read_timeout(Some(Duration::from_millis(500)));
    let mut rest = [0; 1024];
    while Instant::now() < end && stream.read(&mut rest).is_ok_and(|n| n > 0) {}
}

fn refusal(code: &'static str, error: &str) -> Refusal {
    Refusal { code, error: error.to_owned(), key: None }
}

/// A limit of messages per second; a chatter may send those of three seconds at once.
struct Rate {
    per_second: f64,
    left: f64,
    counted: Instant,
}

impl Rate {
    fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        Self { per_second, left: 3.0 * per_second, counted: Instant::now() }
    }

    fn allows_one(&mut self) -> bool {
        let now = Instant::now();
        let earned = now.duration_since(self.counted).as_secs_f64() * self.per_second;
        self.left = (self.left + earned).min(3.0 * self.per_second);
        self.counted = now;
        let is_allowed = self.left >= 1.0;
        self.left -= f64::from(u8::from(is_allowed));
        is_allowed
    }
}
