//! Tests the chat over its sockets, as programs use it.

mod common;

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::Server;
use serde_json::{Value, json};
use threadwise_testkit::mariadb::MariaDb;
use threadwise_testkit::wait;
use tungstenite::client::IntoClientRequest;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

const CHAT: &str = env!("CARGO_BIN_EXE_chat");

fn chat(arguments: &[&str]) -> Server {
    Server::start(CHAT, arguments)
}

/// A chatter in the place of a page.
struct Chatter {
    socket: WebSocket<TcpStream>,
    /// The earlier messages that the chatter got.
    past: Vec<Value>,
}

impl Chatter {
    fn enter(server: &Server, nick: &str) -> Self {
        Self::enter_at(server.address(), nick, "").expect("room for one more")
    }

    fn come_back(server: &Server, nick: &str, after: i64) -> Self {
        Self::enter_at(server.address(), nick, &format!("&after={after}")).expect("room")
    }

    /// Enters the room. `Err` is the code and the reason with which the server closed the
    /// connection instead.
    fn enter_at(address: SocketAddr, nick: &str, rest: &str) -> Result<Self, (u16, String)> {
        let url = format!("/ws?nick={nick}&token=token-of-{nick}-0123{rest}");
        let socket = connect(address, &url, None).expect("a WebSocket");
        let mut chatter = Self { socket, past: Vec::new() };
        loop {
            match chatter.next() {
                Ok(frame) if frame["type"] == "message" => chatter.past.push(frame),
                Ok(frame) if frame["type"] == "present" => return Ok(chatter),
                Ok(frame) => assert_eq!(frame["type"], "hello", "{frame}"),
                Err(end) => return Err(end),
            }
        }
    }

    fn send(&mut self, frame: &Value) {
        self.socket.send(Message::text(frame.to_string())).expect("an open socket");
    }

    fn next(&mut self) -> Result<Value, (u16, String)> {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return Ok(serde_json::from_str(&text).expect("JSON")),
                Ok(Message::Close(Some(close))) => {
                    return Err((close.code.into(), close.reason.to_string()));
                }
                Ok(_) => {}
                Err(error) => return Err((0, error.to_string())),
            }
        }
    }

    /// Reads up to the next frame of this type.
    fn until(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().unwrap_or_else(|end| panic!("{end:?} instead of {kind}"));
            if frame["type"] == kind {
                return frame;
            }
            assert_ne!(frame["type"], "error", "{frame}");
        }
    }

    /// Sends a frame, and returns the number of the message when it is acknowledged.
    fn say(&mut self, frame: &Value) -> i64 {
        self.send(frame);
        self.until("ack")["id"].as_i64().expect("a number")
    }

    /// Sends a message that the server refuses. Returns the code.
    fn refused(&mut self, message: Message) -> String {
        self.socket.send(message).expect("an open socket");
        let frame = self.next().expect("a frame");
        assert!(
            frame["type"] == "error" && !frame["error"].as_str().unwrap().is_empty(),
            "{frame}"
        );
        frame["code"].as_str().expect("a code").to_owned()
    }

    /// Reads to the end. Returns the reason of the close.
    fn end(mut self) -> (u16, String) {
        loop {
            if let Err(end) = self.next() {
                while self.socket.read().is_ok() {} // to the end of the goodbyes
                return end;
            }
        }
    }

    fn texts(&self) -> Vec<&str> {
        self.past.iter().map(|message| message["msg"].as_str().expect("text")).collect()
    }
}

fn connect(
    address: SocketAddr,
    path: &str,
    origin: Option<&str>,
) -> Result<WebSocket<TcpStream>, String> {
    let stream = TcpStream::connect(address).expect("the server");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    stream.set_nodelay(true).expect("a socket");
    let mut request = format!("ws://{address}{path}").into_client_request().expect("a request");
    if let Some(origin) = origin {
        request.headers_mut().insert("Origin", origin.parse().expect("a header"));
    }
    match tungstenite::client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(error) => Err(error.to_string()),
    }
}

/// Sends bytes, and returns the whole answer.
fn ask(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).expect("the server");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("UTF-8");
    answer
}

#[test]
fn a_message_reaches_all_others_and_its_sender_gets_its_number() {
    let server = chat(&[]);
    let mut ann = Chatter::enter(&server, "ann");
    let mut bob = Chatter::enter(&server, "Bob"); // the same as bob
    let mut eve = Chatter::enter(&server, "eve");
    assert_eq!(ann.until("joined")["who"], "bob");
    let id = ann.say(&json!({ "msg": "<b>Zoë</b> 🦀\n\"", "key": "k1" }));
    for other in [&mut bob, &mut eve] {
        let heard = other.until("message");
        assert_eq!((heard["from"].as_str(), heard["id"].as_i64()), (Some("ann"), Some(id)));
        assert_eq!(heard["msg"], "<b>Zoë</b> 🦀\n\"");
        assert!(heard.get("key").is_none() && heard.get("to").is_none(), "{heard}");
    }
    drop(eve);
    assert_eq!(bob.until("left")["who"], "eve");
    server.finish();
}

#[test]
fn a_private_message_is_for_its_recipient_only() {
    let server = chat(&[]);
    let mut ann = Chatter::enter(&server, "ann");
    let mut bob = Chatter::enter(&server, "bob");
    let mut eve = Chatter::enter(&server, "eve");
    let secret = ann.say(&json!({ "msg": "psst", "to": "bob" }));
    ann.say(&json!({ "msg": "hello" }));
    let heard = bob.until("message");
    assert_eq!((heard["msg"].as_str(), heard["to"].as_str()), (Some("psst"), Some("bob")));
    assert_eq!(eve.until("message")["msg"], "hello");
    drop((ann, eve));
    assert_eq!(Chatter::enter(&server, "eve").texts(), ["hello"]);
    assert_eq!(Chatter::come_back(&server, "eve", secret - 1).texts(), ["hello"]);
    assert_eq!(Chatter::enter(&server, "ann").texts(), ["psst", "hello"]); // what she said, too
    server.finish();
}

#[test]
fn a_private_message_waits_for_an_absent_user_however_much_is_said_meanwhile() {
    let server = chat(&["--rate", "1000"]);
    drop(Chatter::enter(&server, "bob"));
    let mut ann = Chatter::enter(&server, "ann");
    let id = ann.say(&json!({ "msg": "call me", "to": "bob" }));
    for number in 0..60 {
        ann.say(&json!({ "msg": number.to_string() }));
    }
    let mut bob = Chatter::enter(&server, "bob");
    assert_eq!((bob.past.len(), bob.texts()[0]), (51, "call me"));
    bob.send(&json!({ "seen": id }));
    bob.say(&json!({ "msg": "I will" })); // what was sent before it is done
    drop(bob);
    assert!(!Chatter::enter(&server, "bob").texts().contains(&"call me"));
    server.finish();
}

#[test]
fn the_last_fifty_messages_are_replayed_in_their_order() {
    let server = chat(&["--rate", "1000"]);
    let mut ann = Chatter::enter(&server, "ann");
    assert!(ann.past.is_empty());
    for number in 1..=60 {
        assert_eq!(ann.say(&json!({ "msg": number.to_string() })), number);
    }
    let expected: Vec<_> = (11..=60).map(|number| number.to_string()).collect();
    assert_eq!(Chatter::enter(&server, "bob").texts(), expected);
    server.finish();
}

#[test]
fn a_user_who_comes_back_gets_missed_messages_and_nothing_twice() {
    let server = chat(&["--rate", "10000"]);
    let mut ann = Chatter::enter(&server, "ann");
    let mut talker = Chatter::enter(&server, "talker");
    let mut last = talker.say(&json!({ "msg": "first" }));
    assert_eq!(ann.until("message")["id"], last);
    let address = server.address();
    // The chatter leaves and comes back while another user talks. The numbers have no gaps and no
    // repeats.
    let talking = thread::spawn(move || {
        for number in 0..600 {
            talker.say(&json!({ "msg": number.to_string() }));
        }
    });
    while last < 601 {
        drop(ann);
        ann = Chatter::enter_at(address, "ann", &format!("&after={last}")).expect("room");
        let past: Vec<_> = ann.past.iter().filter_map(|message| message["id"].as_i64()).collect();
        for id in past {
            assert_eq!(id, last + 1, "of the past");
            last = id;
        }
        while last < 601 {
            assert_eq!(ann.until("message")["id"].as_i64(), Some(last + 1));
            last += 1;
            if last % 50 == 0 {
                break;
            }
        }
    }
    talking.join().expect("a talker");
    server.finish();
}

#[test]
fn history_and_names_survive_a_restart_and_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = format!("sqlite:{}", folder.path().join("chat.db").display());
    let server = chat(&["--db", &db]);
    let mut ann = Chatter::enter(&server, "ann");
    ann.say(&json!({ "msg": "one", "key": "k1" }));
    assert!(server.finish().contains("the last message is number 1"));
    assert_eq!(ann.end().0, u16::from(CloseCode::Away));

    let server = chat(&["--db", &db]);
    let mut ann = Chatter::come_back(&server, "ann", 0);
    assert_eq!((ann.texts(), ann.past[0]["key"].as_str()), (vec!["one"], Some("k1")));
    assert_eq!(ann.say(&json!({ "msg": "two" })), 2);
    let url = "/ws?nick=ann&token=0123456789abcdef-somebody-else";
    let mut other = connect(server.address(), url, None).expect("a WebSocket");
    let Ok(Message::Close(Some(close))) = other.read() else { panic!("she is not ann") };
    assert_eq!(u16::from(close.code), 4002);
    server.kill9();
    drop(server);

    let server = chat(&["--db", &db]);
    assert_eq!(Chatter::enter(&server, "bob").texts(), ["one", "two"]);
    server.finish();
}

#[test]
fn a_message_that_is_sent_again_is_said_once() {
    let server = chat(&[]);
    let mut ann = Chatter::enter(&server, "ann");
    let mut bob = Chatter::enter(&server, "bob");
    let said = json!({ "msg": "once", "key": "k1" });
    let id = ann.say(&said);
    assert_eq!(ann.say(&said), id);
    let mut ann = Chatter::come_back(&server, "ann", id); // its acknowledgement was lost, say
    assert_eq!(ann.say(&said), id);
    let other = Message::text(json!({ "msg": "else", "key": "k1" }).to_string());
    assert_eq!(ann.refused(other), "key_used");
    let to_bob = Message::text(json!({ "msg": "once", "key": "k1", "to": "bob" }).to_string());
    assert_eq!(ann.refused(to_bob), "key_used");
    let next = ann.say(&json!({ "msg": "more" }));
    let heard = [bob.until("message"), bob.until("message")].map(|message| message["id"].as_i64());
    assert_eq!(heard, [Some(id), Some(next)]);
    server.finish();
}

#[test]
fn a_bad_frame_gets_an_error_and_the_connection_goes_on() {
    let server = chat(&["--rate", "1000"]);
    let mut ann = Chatter::enter(&server, "ann");
    let mut bob = Chatter::enter(&server, "bob");
    ann.until("joined");
    let long = "x".repeat(4001);
    for (sent, code) in [
        ("nonsense", "malformed"),
        ("{}", "malformed"),
        ("{\"msg\": 7}", "malformed"),
        ("{\"msg\": \"x\", \"form\": \"eve\"}", "malformed"),
        ("{\"msg\": \"x\", \"key\": \"a b\"}", "malformed"),
        ("{\"msg\": \" \\n\"}", "empty"),
        (&format!("{{\"msg\": \"{long}\"}}"), "too_long"),
        ("{\"msg\": \"x\", \"to\": \"nobody\"}", "unknown_recipient"),
        ("{\"msg\": \"x\", \"to\": \"'; DROP TABLE chat_message; --\"}", "unknown_recipient"),
        ("{\"msg\": \"x\", \"to\": \"ann\"}", "unknown_recipient"),
    ] {
        assert_eq!(ann.refused(Message::text(sent)), code, "{sent}");
    }
    assert_eq!(ann.refused(Message::binary(vec![0, 1, 2])), "malformed");
    let id = ann.say(&json!({ "msg": "x".repeat(4000) }));
    assert_eq!((id, bob.until("message")["id"].as_i64()), (1, Some(1))); // nothing before it was saved
    server.finish();
}

#[test]
fn a_frame_beyond_the_limit_ends_the_connection_and_no_other() {
    let server = chat(&[]);
    let mut ann = Chatter::enter(&server, "ann");
    let mut bob = Chatter::enter(&server, "bob");
    ann.send(&json!({ "msg": "x".repeat(100_000) }));
    assert_eq!(ann.end().0, u16::from(CloseCode::Size));
    assert_eq!(bob.until("left")["who"], "ann");
    bob.say(&json!({ "msg": "still here" }));
    server.finish();
}

#[test]
fn a_user_who_talks_too_fast_gets_an_error() {
    const SENT: usize = 60;
    let server = chat(&["--rate", "1"]);
    let mut ann = Chatter::enter(&server, "ann");
    let start = Instant::now();
    for number in 0..SENT {
        ann.send(&json!({ "msg": number.to_string() }));
    }
    let answers: Vec<_> = (0..SENT).map(|_| ann.next().expect("an answer")).collect();
    let (said, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|it| it["type"] == "ack");
    assert!(refused.iter().all(|it| it["code"] == "too_fast"), "{refused:?}");
    // Three at once, and one more each second.
    let most = 3 + start.elapsed().as_secs() as usize;
    assert!((3..=most).contains(&said.len()) && !refused.is_empty(), "{} of {most}", said.len());
    server.finish();
}

#[test]
fn a_name_is_taken_once_and_a_page_can_take_its_own_back() {
    let server = chat(&[]);
    let address = server.address();
    let first = Chatter::enter(&server, "ann");
    for (query, code) in [
        ("nick=ann&token=0123456789abcdef", 4002),
        ("nick=ann", 4001),
        ("nick=&token=0123456789abcdef", 4001),
        ("nick=%3Cb%3E&token=0123456789abcdef", 4001),
        ("nick=ann&token=short", 4001),
        ("", 4001),
    ] {
        let mut socket = connect(address, &format!("/ws?{query}"), None).expect("a WebSocket");
        let Ok(Message::Close(Some(close))) = socket.read() else { panic!("{query} was let in") };
        assert!(u16::from(close.code) == code && !close.reason.is_empty(), "{query}: {close:?}");
    }
    let mut bob = Chatter::enter(&server, "bob");
    let mut second = Chatter::enter(&server, "ann"); // the same page, after its connection broke
    assert_eq!(first.end().0, 4003);
    second.say(&json!({ "msg": "here again" }));
    let heard = bob.next().expect("a frame");
    assert_eq!(heard["msg"], "here again", "no user left or joined: {heard}");
    server.finish();
}

#[test]
fn names_have_letters_of_any_script_and_nothing_invisible() {
    let server = chat(&[]);
    let encode = |nick: &str| form_urlencoded::byte_serialize(nick.as_bytes()).collect::<String>();
    let mut ann = Chatter::enter(&server, "ann");
    for (number, (typed, name)) in [
        ("小A", "小a"),
        ("Zoë", "zoë"),
        ("Zoe\u{308}n", "zoën"),
        ("Ёлка", "ёлка"),
        ("محمد", "محمد"),
        ("مُحَمَّد", "مُحَمَّد"),
        ("नमस्ते", "नमस्ते"),
        ("น้ำ", "น้ำ"),
        ("한글", "한글"),
        ("Ωμέγα", "ωμέγα"),
        ("q\u{323}\u{307}", "q\u{323}\u{307}"),
        ("𠮷野", "𠮷野"),
        ("٣-Ⅷ", "٣-ⅷ"),
        (&"小".repeat(20), &"小".repeat(20)), // counted in characters, not in bytes
        (&"İ".repeat(20), &"i̇".repeat(20)),   // as they are typed
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/ws?nick={}&token=0123456789abcde{number:x}", encode(typed));
        let mut socket = connect(server.address(), &path, None).expect("a WebSocket");
        let Ok(Message::Text(hello)) = socket.read() else { panic!("{typed} was not let in") };
        let hello: Value = serde_json::from_str(&hello).unwrap();
        assert_eq!(hello["you"], name, "{hello}");
        let joined = ann.next().expect("a frame");
        assert_eq!((&joined["type"], &joined["who"]), (&json!("joined"), &json!(name)));
        ann.say(&json!({ "msg": "for you alone", "to": typed }));
        let heard = std::iter::repeat_with(|| socket.read().expect("a frame")).find_map(|frame| {
            let text = frame.into_text().ok()?;
            let frame: Value = serde_json::from_str(&text).ok()?;
            (frame["type"] == "message").then_some(frame)
        });
        assert_eq!(heard.map(|heard| heard["to"].clone()), Some(json!(name)));
        drop(socket);
        let left = ann.next().expect("a frame");
        assert_eq!((&left["type"], &left["who"]), (&json!("left"), &json!(name)));
    }
    for bad in [
        "a\u{202e}b", // right to left, whatever comes
        "\u{2066}a\u{2069}",
        "a\u{200b}",
        "a\u{200d}b",
        "\u{feff}a",
        "\u{ad}a",
        "\u{3164}", // a letter that is blank
        "\u{115f}",
        "a\u{fe0f}",
        "\u{301}a", // a mark for what stands before
        "a\u{85}",
        "a\u{2028}b",
        "a\u{a0}b",
        "a\u{e001}",
        "a\u{10ffff}",
        "a\n",
        "😀",
        "a/b",
        "a.b",
        "²",
        &"小".repeat(21),
    ] {
        let path = format!("/ws?nick={}&token=0123456789abcdef", encode(bad));
        let mut socket = connect(server.address(), &path, None).expect("a WebSocket");
        let Ok(Message::Close(Some(close))) = socket.read() else { panic!("{bad:?} was let in") };
        assert_eq!(u16::from(close.code), 4001, "{bad:?}");
    }
    server.finish();
}

#[test]
fn a_full_room_says_so() {
    let server = chat(&["--max-clients", "1"]);
    let ann = Chatter::enter(&server, "ann");
    let end = Chatter::enter_at(server.address(), "bob", "").err().expect("no room");
    assert_eq!(end.0, 4004, "{end:?}");
    drop((ann, Chatter::enter(&server, "ann"))); // a user who is in may come back
    server.finish();
}

#[test]
fn a_dead_client_is_noticed_and_does_not_stop_the_others() {
    let server = chat(&["--ping", "1"]);
    let mut ann = Chatter::enter(&server, "ann");
    let dead = Chatter::enter(&server, "dead"); // reads nothing, so it answers no ping
    assert_eq!(ann.until("joined")["who"], "dead");
    ann.say(&json!({ "msg": "are you there?" }));
    assert_eq!(ann.until("left")["who"], "dead"); // reading, she answers pings
    ann.say(&json!({ "msg": "a pity" }));
    drop(dead);
    server.finish();
}

#[test]
fn a_slow_client_is_dropped_while_others_go_on() {
    let server = chat(&["--rate", "1000000"]);
    let mut ann = Chatter::enter(&server, "ann");
    let slow = Chatter::enter(&server, "slow");
    let mut bob = Chatter::enter(&server, "bob");
    let reading = thread::spawn(move || {
        let mut heard = 0;
        while let Ok(frame) = bob.next() {
            heard += i32::from(frame["type"] == "message");
        }
        heard
    });
    let long = json!({ "msg": "x".repeat(4000) });
    let (mut said, mut is_gone) = (0, false);
    while !is_gone {
        ann.send(&long);
        said += 1;
        assert!(said < 20_000, "80 MB are more than all buffers hold");
        loop {
            let frame = ann.next().expect("a frame");
            assert_ne!(frame["type"], "error", "{frame}");
            is_gone |= frame["type"] == "left";
            if frame["type"] == "ack" {
                break;
            }
        }
    }
    server.finish();
    assert_eq!(reading.join().expect("bob"), said);
    drop(slow);
}

#[test]
fn pages_of_another_origin_may_not_speak() {
    let server = chat(&["--origin", "https://chat.example.org/"]);
    let address = server.address();
    let path = "/ws?nick=ann&token=0123456789abcdef";
    let own = format!("http://{address}");
    let local = format!("http://localhost:{}", address.port());
    for origin in [None, Some(&*own), Some(&*local), Some("https://chat.example.org")] {
        connect(address, path, origin).unwrap_or_else(|error| panic!("{origin:?}: {error}"));
    }
    let port = address.port();
    for origin in [
        "null",
        "http://evil.example",
        "http://localhost",
        "http://localhost:1",
        "http://127.0.0.1",
        &format!("https://localhost:{port}"),
        &format!("http://evil.example:{port}"),
        &format!("http://localhost.evil.example:{port}"),
        "https://chat.example.org.evil.example",
    ] {
        let error = connect(address, path, Some(origin)).expect_err(origin);
        assert!(error.contains("403"), "{origin}: {error}");
    }
    server.finish();
}

#[test]
fn other_requests_are_answered_as_http() {
    let server = chat(&[]);
    let page = ask(&server, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 200 ") && page.ends_with("</html>\n"), "{page}");
    assert!(page.contains("content-security-policy: default-src 'none'; script-src 'self'"));
    for path in ["/chat.js", "/chat.css", "/icon.svg", "/?nick=ann"] {
        let answer = ask(&server, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
    }
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(9000));
    for (request, status) in [
        ("GET /secret HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
        ("GET /../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
        ("POST / HTTP/1.1\r\nHost: x\r\n\r\n", "405"),
        ("GET /ws?nick=ann HTTP/1.1\r\nHost: x\r\n\r\n", "426"),
        ("\u{1}\u{2}\u{3}\r\n\r\n", "400"),
        ("hello\r\n\r\n", "400"),
        (&long, "431"),
        ("GET / HTTP/1.1\r\nHost:", "408"), // and no more
    ] {
        let answer = ask(&server, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
    }
    server.finish();
}

#[test]
fn every_kind_of_pool_serves_a_room() {
    for kind in ["shared", "persistent", "queue", "one", "none"] {
        let server = chat(&["--pool", kind, "--connections", "2"]);
        let mut ann = Chatter::enter(&server, "ann");
        let mut bob = Chatter::enter(&server, "bob");
        ann.say(&json!({ "msg": "hello" }));
        assert_eq!(bob.until("message")["msg"], "hello", "{kind}");
        server.finish();
    }
}

#[test]
fn ctrl_c_says_goodbye_and_loses_nothing_that_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let db = format!("sqlite:{}", folder.path().join("chat.db").display());
    let server = chat(&["--db", &db, "--rate", "100000"]);
    let address = server.address();
    let (told, heard) = std::sync::mpsc::channel();
    let talking: Vec<_> = (0..8)
        .map(|number| {
            let told = told.clone();
            thread::spawn(move || {
                let mut chatter = Chatter::enter_at(address, &format!("t{number}"), "").unwrap();
                let mut acknowledged = Vec::new();
                // All together say fewer than a thousand, of which a new chatter is shown each.
                for count in 0..120 {
                    let text = format!("t{number}-{count}");
                    let frame = Message::text(json!({ "msg": text, "key": text }).to_string());
                    if chatter.socket.send(frame).is_err() {
                        break;
                    }
                    let is_over = loop {
                        match chatter.next() {
                            Ok(frame) if frame["type"] == "ack" => break false,
                            Ok(frame) => assert_ne!(frame["type"], "error", "{frame}"),
                            Err(_) => break true,
                        }
                    };
                    if is_over {
                        break;
                    }
                    acknowledged.push(text);
                    let _ = told.send(());
                }
                acknowledged
            })
        })
        .collect();
    heard.iter().take(100).for_each(drop); // they are in full swing
    server.finish();
    let acknowledged: Vec<_> =
        talking.into_iter().flat_map(|thread| thread.join().expect("a talker")).collect();
    let server = chat(&["--db", &db]);
    let mut saved = Vec::new();
    let mut last = 0;
    loop {
        let ann = Chatter::come_back(&server, "ann", last);
        let Some(newest) = ann.past.last() else { break };
        last = newest["id"].as_i64().expect("a number");
        saved.extend(ann.texts().into_iter().map(str::to_owned));
    }
    assert_eq!(saved.len(), last as usize, "fewer than a thousand, so all were shown");
    let distinct: HashSet<_> = saved.iter().collect();
    assert_eq!(distinct.len(), saved.len(), "none twice");
    for text in &acknowledged {
        assert!(distinct.contains(text), "{text} was acknowledged, and is not there");
    }
    server.finish();
}

#[test]
fn a_killed_database_loses_no_acknowledged_message_and_doubles_none() {
    let mut mariadb = MariaDb::builder().durable(true).start().expect("MariaDB");
    let url = mariadb.url_for(&mariadb.create_database("chat"));
    let server = chat(&["--db", &url, "--rate", "100000"]);
    let address = server.address();
    let mut listener = Chatter::enter(&server, "listener");
    let (told, heard) = std::sync::mpsc::channel();
    const TALKERS: i64 = 6;
    const EACH: i64 = 60;
    let is_killed = Arc::new(AtomicBool::new(false));
    let talking: Vec<_> = (0..TALKERS)
        .map(|number| {
            let (told, is_killed) = (told.clone(), Arc::clone(&is_killed));
            thread::spawn(move || {
                let mut chatter = Chatter::enter_at(address, &format!("t{number}"), "").unwrap();
                let mut refused = 0;
                for count in 0..EACH {
                    if count == EACH - 10 {
                        // Some of them must meet the database's absence.
                        wait::until("the kill", || is_killed.load(Ordering::Relaxed));
                    }
                    let text = format!("t{number}-{count}");
                    let said = json!({ "msg": text, "key": text });
                    chatter.send(&said);
                    loop {
                        let frame = chatter.next().expect("a frame");
                        if frame["type"] == "ack" && frame["key"] == *text {
                            break;
                        }
                        if frame["type"] == "error" {
                            let code = frame["code"].as_str().expect("a code");
                            assert!(["not_saved", "unknown"].contains(&code), "{frame}");
                            refused += 1;
                            told.send(true).expect("the test");
                            chatter.send(&said);
                        }
                    }
                    told.send(false).expect("the test");
                }
                refused
            })
        })
        .collect();
    drop(told);
    heard.iter().take(40).for_each(drop);
    mariadb.kill9();
    is_killed.store(true, Ordering::Relaxed);
    heard.iter().find(|is_refused| *is_refused).expect("an error, while it is away");
    mariadb.restart().expect("the server again");
    let refused: i32 = talking.into_iter().map(|thread| thread.join().expect("a talker")).sum();
    assert!(refused > 0);
    let mut texts = HashSet::new();
    for id in 1..=TALKERS * EACH {
        let message = listener.until("message");
        assert_eq!(message["id"], id);
        assert!(texts.insert(message["msg"].as_str().unwrap().to_owned()), "{message} twice");
    }
    let history = Chatter::come_back(&server, "late", 0);
    assert_eq!(history.past.len() as i64, TALKERS * EACH);
    server.finish();
}

/// Each chatter sends `GROUP` messages to all and `PRIVATE` ones to its neighbour: 600 000 frames.
#[test]
fn of_ten_thousand_messages_among_two_hundred_none_is_lost_or_doubled() {
    const CHATTERS: usize = 200;
    const GROUP: usize = 15;
    const PRIVATE: usize = 35;
    let server = chat(&["--rate", "1000000"]);
    let address = server.address();
    let inside: Vec<_> =
        (0..CHATTERS).map(|number| Chatter::enter(&server, &format!("c{number}"))).collect();
    let has_failed = AtomicBool::new(false); // then the others need not wait for their messages
    thread::scope(|threads| {
        for (number, mut chatter) in inside.into_iter().enumerate() {
            let has_failed = &has_failed;
            threads.spawn(move || {
                let _alarm = Alarm(has_failed);
                let neighbour = format!("c{}", (number + 1) % CHATTERS);
                let (mut heard, mut last) = (HashSet::new(), 0);
                let (mut said, mut acknowledged) = (0, 0);
                while acknowledged < GROUP + PRIVATE
                    || heard.len() < (CHATTERS - 1) * GROUP + PRIVATE
                {
                    if said == acknowledged && said < GROUP + PRIVATE {
                        let text = format!("{number} {said}");
                        chatter.send(&if said < GROUP {
                            json!({ "msg": text })
                        } else {
                            json!({ "msg": text, "to": neighbour })
                        });
                        said += 1;
                    }
                    let frame = chatter.socket.read().unwrap_or_else(|error| panic!("{error}"));
                    if frame.is_ping() {
                        assert!(!has_failed.load(Ordering::Relaxed), "another one failed");
                        continue;
                    }
                    let id = match serde_json::from_str(frame.to_text().unwrap()).expect("JSON") {
                        Heard::Ack { id } => {
                            acknowledged += 1;
                            id
                        }
                        Heard::Message { id, msg } => {
                            assert!(heard.insert(msg.to_owned()), "{msg} twice");
                            id
                        }
                        Heard::Error { error } => panic!("{error}"),
                        Heard::Joined {} | Heard::Left {} => continue,
                    };
                    assert!(id > last, "{id} after {last}");
                    last = id;
                }
            });
        }
    });
    let mut socket = connect(address, "/ws?nick=late&token=0123456789abcdef", None).expect("room");
    let hello: Value = serde_json::from_str(socket.read().unwrap().to_text().unwrap()).unwrap();
    assert_eq!(hello["last"], CHATTERS * (GROUP + PRIVATE));
    drop(socket);
    server.finish();
}

struct Alarm<'t>(&'t AtomicBool);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        self.0.fetch_or(thread::panicking(), Ordering::Relaxed);
    }
}

#[derive(serde::Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Heard<'f> {
    Ack { id: i64 },
    Message { id: i64, msg: &'f str },
    Error { error: &'f str },
    Joined {},
    Left {},
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_frame_harms_no_other() {
    let server = chat(&[]);
    let mut ann = Chatter::enter(&server, "ann");
    let mut half = Chatter::enter(&server, "half");
    half.socket.get_mut().write_all(&[0x81, 0x85, 1, 2, 3]).expect("half a frame");
    drop(half);
    ann.until("left");
    let mut wrong = Chatter::enter(&server, "wrong");
    wrong.socket.get_mut().write_all(&[0x81, 0x02, b'{', b'}']).expect("a frame without its mask");
    while wrong.socket.read().is_ok() {} // to its end; it would last for a minute otherwise
    ann.until("left");
    ann.say(&json!({ "msg": "still here" }));
    server.finish();
}

#[test]
fn a_server_whose_terminal_is_gone_ends_all_the_same() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_chat"))
        .env_remove("THREADWISE_DB")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("chat");
    drop(child.stderr.take());
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    while !line.contains("listening on ") {
        line.clear();
        assert!(output.read_line(&mut line).expect("UTF-8") > 0, "it has ended");
    }
    common::signal(child.id(), "TERM");
    assert!(common::wait(&mut child).success());
}
