//! Tests HTTP connections in all three pools, on a server that misbehaves, and the program
//! `http_pool`.

mod common;

use std::thread;
use std::time::Duration;

use threadwise::shared::SharedPool;
use threadwise::{AnyPool, GetError, Pool};
use threadwise_systems::PoolChoice;
use threadwise_systems::http::server::{Asked, Reply, Server, Settings, Then};
use threadwise_systems::http::{Error, Http, Limits, Method, Request, Response};
use threadwise_testkit::{ClosedPort, wait};

const POOLS: [PoolChoice; 3] = [PoolChoice::Shared, PoolChoice::Persistent, PoolChoice::Queue];
const SOON: Duration = Duration::from_secs(60);

/// Runs each test on all three pools, with one connection and its own server.
macro_rules! on_all_pools {
    ($(fn $name:ident($pool:ident, $server:ident) $body:block)*) => {$(
        #[test]
        fn $name() {
            fn run($pool: &AnyPool<Http>, $server: &Server) $body
            for kind in POOLS {
                eprintln!("on the {kind} pool"); // seen if it fails
                let server = Server::start(Settings::default(), site).expect("a server");
                run(&kind.build(manager(&server), 1).expect("a pool"), &server);
            }
        }
    )*};
}

on_all_pools! {
    fn one_connection_carries_request_after_request(pool, server) {
        for nth in 1..=3 {
            let text = pool.get().expect("one").get("/who").and_then(Response::text);
            assert_eq!(text.expect("an answer"), format!("connection 1, request {nth}"));
        }
        assert_eq!(server.counts().used, 1);
    }

    fn answers_end_where_they_end_however_their_length_is_told(pool, server) {
        let mut conn = pool.get().expect("one");
        for (nth, target) in ["/who", "/chunked", "/early", "/http10-kept", "/who"].iter().enumerate() {
            let text = conn.get(target).and_then(Response::text).expect(target);
            assert_eq!(text, format!("connection 1, request {}", nth + 1), "{target}");
        }
        let kept = conn.head("/large").expect("a head");
        assert_eq!(kept.header("content-length"), Some("3000000"));
        assert_eq!(kept.bytes().expect("no body"), b"");
        for (target, status) in [("/empty", 204), ("/unchanged", 304), ("/nowhere", 404)] {
            let answer = conn.get(target).expect(target);
            assert_eq!(answer.status(), status);
            assert_eq!(answer.bytes().expect(target), b"");
        }
        assert_eq!(conn.get("/chunked-large").and_then(Response::bytes).expect("all").len(), 3_000_000);
        assert_eq!(server.counts().used, 1);
    }

    fn a_body_is_sent_and_read(pool, server) {
        let mut conn = pool.get().expect("one");
        for size in [0, 1, 100_000] {
            let answer = conn.post("/echo", &vec![b'x'; size]).and_then(Response::text);
            assert_eq!(answer.expect("an answer"), format!("POST {size}"));
        }
        let put = Request::put("/echo").header("x-thing", "1").body(()).expect("a request");
        assert_eq!(conn.send(put, b"abc").and_then(Response::text).expect("an answer"), "PUT 3");
        assert_eq!(server.counts().used, 1);
    }

    fn a_connection_that_the_server_says_it_will_close_is_not_lent_again(pool, server) {
        for (nth, target) in ["/close", "/http10", "/to-its-end", "/early-close"].iter().enumerate() {
            let mut conn = pool.get().expect("one");
            assert_eq!(conn.get(target).and_then(Response::text).expect(target), "bye");
            let again = conn.get("/who").map(drop).expect_err("it is over");
            assert!(matches!(again, Error::Spent(_)), "{again}");
            assert!(conn.steady(|conn| conn.get("/who")?.text()).is_ok(), "on another one");
            assert_eq!(server.counts().used, nth + 2, "{target}");
        }
    }

    fn a_connection_that_the_server_closed_while_it_was_idle_is_not_lent_again(pool, server) {
        for nth in 1..=3 {
            let text = pool.get().expect("one").get("/quit").and_then(Response::text);
            assert_eq!(text.expect("an answer"), format!("connection {nth}, request 1"));
            assert!(server.wait(SOON, |counts| counts.open == 0));
        }
        assert_eq!(server.counts().requests, 3, "nothing was sent on a closed connection");
    }

    fn a_server_that_speaks_while_it_is_not_asked_loses_its_connection(pool, server) {
        assert!(pool.get().expect("one").get("/two").is_ok());
        let text = pool.get().expect("one").get("/who").and_then(Response::text).expect("an answer");
        assert_eq!(text, "connection 2, request 1", "and no request got another's answer");
        assert_eq!(server.counts().used, 2);
    }

    fn a_small_rest_of_a_body_is_read_on_return_and_a_large_one_costs_the_connection(pool, server) {
        let start = |target: &str| {
            let mut conn = pool.get().expect("one");
            let mut answer = conn.get(target).expect("an answer");
            let mut part = [0; 10];
            assert!(answer.read_some(&mut part).expect("a part") > 0);
        };
        start("/small");
        start("/small-chunked");
        assert_eq!(server.counts().used, 1, "the rest is gone");
        for (nth, target) in ["/large", "/chunked-large", "/half"].iter().enumerate() {
            start(target);
            assert!(pool.get().expect("one").get("/who").is_ok());
            assert_eq!(server.counts().used, nth + 2, "{target}");
        }
    }

    fn a_half_read_body_does_not_disturb_the_next_request_on_the_same_connection(pool, server) {
        let mut conn = pool.get().expect("one");
        conn.get("/small").expect("an answer");
        let text = conn.get("/who").and_then(Response::text).expect("an answer");
        assert_eq!(text, "connection 1, request 2");
        conn.get("/large").expect("an answer");
        let refused = conn.get("/who").map(drop).expect_err("too much is left");
        assert!(matches!(refused, Error::Spent(_)) && server.counts().requests == 3, "{refused}");
    }

    fn a_get_that_met_a_closing_server_is_sent_again_and_a_post_is_not(pool, server) {
        let ask = || pool.get().expect("one").get("/who").and_then(Response::text);
        ask().expect("an answer");
        let mut conn = pool.get().expect("one");
        let text = conn.steady(|conn| conn.get("/race")?.text()).expect("on another connection");
        assert_eq!((text.as_str(), server.counts().requests), ("connection 2, request 1", 3));
        let head = conn.steady(|conn| conn.head("/race").map(|answer| answer.status()));
        assert_eq!((head.expect("sent twice").as_u16(), server.counts().requests), (200, 5));

        let error = conn.steady(|conn| conn.post("/race", b"pay")?.text()).expect_err("not again");
        assert!(matches!(&error, Error::Unanswered { method, .. } if method == Method::POST));
        assert!(error.to_string().contains("not sent again"), "{error}");
        assert_eq!(server.counts().requests, 6, "it was sent once");
        drop(conn);
        assert_eq!(ask().expect("an answer"), "connection 4, request 1");
    }

    fn a_post_on_a_connection_that_is_known_to_be_closed_is_sent_once(pool, server) {
        let mut conn = pool.get().expect("one");
        conn.get("/quit").and_then(Response::text).expect("an answer");
        assert!(server.wait(SOON, |counts| counts.open == 0));
        let text = conn.steady(|conn| conn.post("/echo", b"pay")?.text()).expect("an answer");
        assert_eq!((text.as_str(), server.counts().requests), ("POST 3", 2));
    }

    fn a_server_that_closes_at_any_time_causes_no_error(pool, server) {
        for _ in 0..200 {
            let mut conn = pool.get().expect("one");
            let text = conn.steady(|conn| conn.get("/quit")?.text()).expect("an answer");
            assert!(text.ends_with("request 1"), "{text}");
        }
        assert_eq!(server.counts().used, 200);
    }

    fn an_announced_timeout_is_respected(pool, server) {
        assert!(pool.get().expect("one").get("/kept-for-no-time").and_then(Response::bytes).is_ok());
        assert!(pool.get().expect("one").get("/who").is_ok());
        assert_eq!(server.counts().used, 2, "the first one was not lent again");
    }

    fn bytes_that_are_no_answer_are_an_error_and_cost_the_connection(pool, server) {
        let ask = |target: &str| {
            let mut conn = pool.get().expect("one");
            conn.steady(|conn| conn.get(target)?.bytes()).expect_err(target)
        };
        let malformed = ["/garbage", "/bad-chunk", "/bad-length", "/bad-status"];
        for (nth, target) in malformed.iter().enumerate() {
            let error = ask(target);
            assert!(matches!(error, Error::Malformed(_)), "{target}: {error}");
            assert_eq!(server.counts().used, nth + 1, "{target}");
        }
        for target in ["/truncated", "/truncated-head", "/truncated-chunks"] {
            let error = ask(target);
            assert!(matches!(error, Error::Truncated(_)), "{target}: {error}");
        }
        assert!(matches!(ask("/nothing"), Error::Unanswered { .. }), "after a second try");
        let text = pool.get().expect("one").get("/who").and_then(Response::text);
        assert!(text.expect("an answer").ends_with("request 1"));
    }

    fn a_length_that_can_be_read_in_two_ways_costs_the_connection(pool, server) {
        for (nth, target) in ["/two-lengths", "/two-codings"].iter().enumerate() {
            assert!(pool.get().expect("one").get(target).and_then(Response::bytes).is_ok());
            assert!(pool.get().expect("one").get("/who").is_ok());
            assert_eq!(server.counts().used, nth + 2, "{target}");
        }
    }

    fn heads_and_bodies_have_a_limit(pool, server) {
        let ask = |target: &str| {
            let mut conn = pool.get().expect("one");
            conn.get(target).and_then(Response::bytes).expect_err(target)
        };
        for target in ["/large-head", "/heads-without-end", "/endless-chunk-head"] {
            assert!(matches!(ask(target), Error::HeadTooLarge(20_000)), "{target}: {}", ask(target));
        }
        assert!(matches!(ask("/many-headers"), Error::Malformed(_)));
        for target in ["/too-large", "/too-large-chunked"] {
            assert!(matches!(ask(target), Error::BodyTooLarge(4_000_000)), "{target}");
        }
        assert!(pool.get().expect("one").get("/who").is_ok());
        // The server notices a moment later that a client has closed its connection.
        wait::until("the server to close the others", || server.counts().open <= 1);
    }

    fn a_closed_pool_lends_nothing(pool, server) {
        let mut borrowed = pool.get().expect("one");
        borrowed.get("/who").expect("an answer");
        pool.close();
        drop(borrowed);
        assert!(matches!(pool.get().err(), Some(GetError::Closed)));
        assert!(server.wait(SOON, |counts| counts.open == 0), "and its connections are closed");
    }
}

#[test]
fn a_server_that_hangs_costs_no_more_than_the_limits_say() {
    fn ask(pool: &AnyPool<Http>) {
        for (target, expected) in [("/hang", "read"), ("/half", "read"), ("/dribble", "exchange")] {
            let mut conn = pool.get().expect("one");
            match conn.steady(|conn| conn.get(target)?.bytes()) {
                Err(Error::TimedOut { limit, .. }) => assert_eq!(limit, expected, "{target}"),
                other => panic!("{target}: {other:?}"),
            }
        }
        let text = pool.get().expect("one").get("/who").and_then(Response::text);
        assert!(text.expect("an answer").ends_with("request 1"), "on another connection");
    }
    let server = Server::start(Settings::default(), site).expect("a server");
    // Long enough for an answer on a busy machine; the dribbling server sends something in less time.
    let short = Duration::from_secs(1);
    let limits = Limits { read: short, exchange: 2 * short, ..Limits::default() };
    thread::scope(|threads| {
        for kind in POOLS {
            let pool = kind.build(manager(&server).limits(limits), 1).expect("a pool");
            threads.spawn(move || ask(&pool));
        }
    });
    assert_eq!(server.counts().requests, 3 * 4, "none was sent again");
}

#[test]
fn a_server_that_is_away_is_named() {
    let closed = ClosedPort::take();
    let address = closed.address();
    for kind in [PoolChoice::Queue, PoolChoice::Persistent] {
        let http = Http::new("127.0.0.1", address.port());
        let error = kind.build(http, 1).expect_err("no server");
        let error = threadwise::chain(&error).to_string();
        assert!(error.contains(&address.to_string()) && error.contains("running"), "{error}");
    }
}

#[test]
fn a_request_that_cannot_be_sent_is_refused_before_it_is_sent() {
    let server = Server::start(Settings::default(), site).expect("a server");
    let pool = SharedPool::builder().build(manager(&server)).expect("a pool");
    let mut conn = pool.get().expect("one");
    for target in ["/a b", "/\r\nx: y", "", "/ä"] {
        let refused = conn.get(target).map(drop);
        assert!(matches!(refused, Err(Error::Unsupported(_)) | Ok(())), "{target:?}");
    }
    assert!(conn.get("/who").is_ok(), "and the connection is as it was");
    assert!(Http::for_url(&"https://localhost/".parse().expect("a URL")).is_err());
}

// The parameters of the original class, in its order.
#[test]
fn each_call_of_the_original_class_has_its_equivalent() {
    let server = Server::start(Settings::default(), site).expect("a server");
    let (host, port) = (server.address().ip().to_string(), server.address().port());
    let (max_size, idle_timeout) = (2, Duration::from_secs(60));
    // ANCHOR: original
    // HTTPConnectionPool(host, port, max_size, idle_timeout)
    let pool = SharedPool::builder()
        .max_size(max_size)
        .idle_timeout(idle_timeout)
        .build(Http::new(host, port))
        .expect("a server");

    let one = pool.get().expect("acquire()"); // blocking, with the builder's `get_timeout`
    let two = pool.get_timeout(Duration::from_secs(3)).expect("acquire(timeout=3)");
    let none = pool.try_get().err(); // acquire(blocking=False)
    assert!(matches!(none, Some(GetError::Exhausted(_)))); // its EmptyPoolError
    let late = pool.get_timeout(Duration::from_millis(10)).err();
    assert!(matches!(late, Some(GetError::TimedOut(_))));

    drop(one); // release(conn): at the end of its scope too, and in a panic
    drop(two);
    pool.close();
    assert!(matches!(pool.get().err(), Some(GetError::Closed))); // its ClosedPoolError
    // ANCHOR_END: original
}

#[test]
fn an_empty_pool_says_so_and_a_waiting_thread_gets_what_comes_back() {
    let server = Server::start(Settings::default(), site).expect("a server");
    fn wait(pool: &AnyPool<Http>) {
        let mut conn = pool.get().expect("one");
        thread::scope(|threads| {
            let other = threads.spawn(|| {
                assert!(matches!(pool.try_get().err(), Some(GetError::Exhausted(_))));
                pool.get().expect("it came back").get("/who").and_then(Response::text)
            });
            while pool.state().waiting == 0 {
                thread::yield_now();
            }
            conn.get("/who").and_then(Response::text).expect("an answer");
            drop(conn);
            let text = other.join().expect("no panic").expect("an answer");
            assert!(text.ends_with("request 2"), "the same connection: {text}");
        });
    }
    for kind in [PoolChoice::Shared, PoolChoice::Queue] {
        wait(&kind.build(manager(&server), 1).expect("a pool"));
    }
    assert_eq!(server.counts().used, 2);
}

/// The output of the program.
fn walked(arguments: &[&str]) -> String {
    common::run(env!("CARGO_BIN_EXE_http_pool"), arguments)
}

/// The lines of one step.
fn step<'t>(text: &'t str, title: &str) -> Vec<&'t str> {
    let steps = text.split("\n\n").find(|step| step.starts_with(title));
    let step = steps.unwrap_or_else(|| panic!("no {title:?} in {text}"));
    step.lines().skip(1).map(str::trim).collect()
}

#[test]
fn the_walk_through_a_shared_pool_shows_what_each_answer_costs() {
    let text = walked(&[]);
    let exhausted = step(&text, "two threads hold");
    assert!(exhausted[1].starts_with("try_get: no connection is free: "), "{text}");
    assert!(exhausted[2].starts_with("get_timeout: no connection to 127.0.0.1:"), "{text}");
    for (title, lines) in [
        (
            "borrow a connection",
            vec![
                "GET /: connection 1, request 1",
                "pool: 1 open, 1 borrowed, 0 idle; server: connections 1, requests 1",
                "GET /: connection 1, request 2",
                "pool: 1 open, 1 borrowed, 0 idle; server: connections 1, requests 2",
            ],
        ),
        ("/small", vec!["GET /: connection 1, request 6"]),
        ("/large", vec!["GET /: connection 2, request 1"]),
        (
            "the server says `Connection: close`",
            vec!["GET /last: connection 2, request 2", "GET /: connection 3, request 1"],
        ),
        (
            "the server closes an idle",
            vec!["GET /quit: connection 3, request 2", "GET /: connection 4, request 1"],
        ),
        (
            "the server closes a connection while",
            vec![
                "GET /: connection 4, request 2",
                "GET /race: connection 5, request 1",
                "POST /race: the server closed the connection without an answer to POST: it may \
                 have been done or not, so it was not sent again",
            ],
        ),
        ("the pool is closed", vec!["get: the pool is closed"]),
    ] {
        assert_eq!(step(&text, title)[..lines.len()], lines, "{text}");
    }
}

#[test]
fn the_walk_through_the_other_pools_differs_where_they_do() {
    let text = walked(&["--pool", "queue"]);
    let both = ["GET /: connection 1, request 1", "GET /: connection 2, request 1"];
    let asked = step(&text, "borrow a connection");
    assert_eq!([asked[0], asked[2]], both, "a queue takes turns: {text}");
    let text = walked(&["--pool", "persistent"]);
    assert_eq!(step(&text, "two threads hold")[1], "try_get: a connection", "its own: {text}");
    let text = walked(&["--pool", "none"]);
    let asked = step(&text, "borrow a connection");
    assert_eq!([asked[0], asked[2]], both, "one for each use: {text}");
}

#[test]
fn the_walk_takes_a_server_of_yours() {
    let server = Server::start(Settings::default(), site).expect("a server");
    let url = format!("http://localhost:{}/small?x=1#y", server.address().port());
    let text = walked(&["--url", &url]);
    assert!(text.contains("GET /small?x=1: 200 OK, 20000 bytes"), "{text}");
    assert!(text.contains("HEAD /small?x=1: 200 OK, content-length 20000"), "{text}");
    assert_eq!((server.counts().used, server.counts().requests), (1, 3));
    let closed = ClosedPort::take();
    for (url, reason) in [
        (format!("http://{}/", closed.address()), "is the server running there?"),
        ("https://localhost/".to_owned(), "not an http:// URL"),
        ("nonsense".to_owned(), "relative URL"),
        ("http://me:secret@localhost/".to_owned(), "a password in the URL"),
    ] {
        let program = env!("CARGO_BIN_EXE_http_pool");
        let output = common::output(program, &["--url", &url, "--timeout", "1", "--pool", "queue"]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && errors.contains(reason), "{url}: {errors}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains("secret"));
    }
}

fn manager(server: &Server) -> Http {
    // The rest of a body is there already; a busy machine needs time to read it.
    let rest_within = Duration::from_secs(1);
    let limits = Limits { head: 20_000, body: 4_000_000, rest_within, ..Limits::default() };
    Http::new("127.0.0.1", server.address().port()).limits(limits)
}

/// The answers of the servers in these tests.
fn site(asked: &Asked) -> Reply {
    let who = || format!("connection {}, request {}", asked.connection, asked.nth);
    let close = |head: &str, body: &str| {
        Reply::raw(format!("HTTP/1.1 200 OK\r\n{head}\r\n{body}")).then(Then::Close)
    };
    let raw = |bytes: &str| Reply::raw(bytes).then(Then::Close);
    match asked.request.uri().path() {
        "/who" => Reply::new(200, who()),
        "/chunked" => Reply::new(200, who()).chunked(),
        "/early" => {
            let text = who();
            let length = text.len();
            Reply::raw(format!(
                "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n\
                 HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{text}"
            ))
        }
        "/http10-kept" => Reply::new(200, who()).http_1_0().header("connection", "keep-alive"),
        "/empty" => Reply::new(204, ""),
        "/unchanged" => Reply::new(304, ""),
        "/echo" => Reply::new(200, format!("{} {}", asked.request.method(), asked.body.len())),
        "/kept-for-no-time" => Reply::new(200, who()).header("keep-alive", "timeout=0, max=9"),

        "/close" => Reply::new(200, "bye").header("connection", "close"),
        "/http10" => Reply::new(200, "bye").http_1_0(),
        "/to-its-end" => close("", "bye"),
        "/early-close" => {
            close("connection: CLOSE\r\ntransfer-encoding: chunked\r\n", "3\r\nbye\r\n0\r\n")
        }
        "/quit" => Reply::new(200, who()).then(Then::Close),
        "/race" if asked.nth > 1 => Reply::raw("").then(Then::Close),
        "/race" => Reply::new(200, who()),
        "/nothing" => Reply::raw("").then(Then::Close),
        "/two" => Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),

        "/small" => Reply::new(200, vec![b'x'; 20_000]),
        "/small-chunked" => Reply::new(200, vec![b'x'; 20_000]).chunked(),
        "/large" => Reply::new(200, vec![b'x'; 3_000_000]),
        "/chunked-large" => Reply::new(200, vec![b'x'; 3_000_000]).chunked(),
        "/too-large" => Reply::new(200, vec![b'x'; 4_000_001]),
        "/too-large-chunked" => Reply::new(200, vec![b'x'; 4_000_001]).chunked(),
        "/half" => close("content-length: 40000\r\n", "half of it").then(Then::Hang),
        "/hang" => Reply::raw("").then(Then::Hang),
        "/dribble" => Reply::raw("HTTP/1.1 200 OK\r\n").then(Then::Dribble(b"x: y\r\n")),

        "/garbage" => raw("SSH-2.0-OpenSSH_9.2\r\n"),
        "/bad-status" => raw("HTTP/1.1 999999 Fine\r\n\r\n"),
        "/bad-chunk" => close("transfer-encoding: chunked\r\n", "zz\r\n"),
        "/bad-length" => close("content-length: -1\r\n", ""),
        "/truncated" => close("content-length: 9\r\n", "half"),
        "/truncated-head" => raw("HTTP/1.1 200 OK\r\ncontent-le"),
        "/truncated-chunks" => close("transfer-encoding: chunked\r\n", "9\r\nhalf"),
        "/two-lengths" => close("content-length: 4\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n")
            .then(Then::KeepOpen),
        "/two-codings" => {
            close("transfer-encoding: chunked\r\ntransfer-encoding: gzip\r\n", "0\r\n\r\n")
                .then(Then::KeepOpen)
        }
        "/large-head" => close(&format!("x: {}\r\n", "x".repeat(30_000)), ""),
        "/heads-without-end" => {
            Reply::raw("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(2_000)).then(Then::Hang)
        }
        "/endless-chunk-head" => {
            close("transfer-encoding: chunked\r\n", &format!("1;{}", "x".repeat(100_000)))
                .then(Then::Hang)
        }
        "/many-headers" => close(&"x: y\r\n".repeat(500), ""),
        _ => Reply::new(404, ""),
    }
}
